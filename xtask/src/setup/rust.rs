//! What the toolchain lacks.

use std::process::Command;

use anyhow::{Context as _, Result};

use crate::process;

/// The standard library for bundles of functions in Rust.
const TARGET: &str = "wasm32-wasip2";

pub(super) fn install() -> Result<()> {
    // Does nothing where it is installed; says so itself where it is not.
    process::run(Command::new("rustup").args(["target", "add", TARGET]))
        .with_context(|| format!("install the target {TARGET}"))
}
