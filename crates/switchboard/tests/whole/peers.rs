//! Servers and clients that others wrote, unmodified: `cargo xtask setup` installs them.
//!
//! The clients are programs of `tests-peers`, each on one SDK, which take a plan and print what they
//! saw. [`plan`] writes the one and judges the other, [`client`] starts them, [`upstream`] the
//! servers behind the daemon.

mod client;
mod inspector;
mod plan;
mod reference;
mod relay;
mod sdk;
mod server;
mod upstream;

use std::path::{Path, PathBuf};

use crate::common::peers;

fn node() -> PathBuf {
    peers().join("node/bin/node")
}

fn python(generation: u8) -> PathBuf {
    peers().join(format!("python-mcp{generation}/bin/python"))
}

/// The program of a package from npm.
fn npm(package: &str) -> String {
    let module = peers().join("node/node_modules").join(package);
    module.join("dist/index.js").display().to_string()
}

/// A file of `tests-peers`.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests-peers").join(name)
}
