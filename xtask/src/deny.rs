//! `deny` and `advisories`: cargo-deny, with the rules of `deny.toml`.
//!
//! Licences, bans and sources follow from Cargo.lock alone, so the gate's answer is the same tomorrow.
//! Advisories change without us and need their database from the network: a chore of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;
use crate::{process, report};

/// What `deny.toml` is written for.
const VERSION: &str = "0.20.2";

pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let mut deny = Command::new(tool(workspace)?);
    deny.current_dir(workspace.root());
    process::run(deny.args(["check", "--hide-inclusion-graph", "licenses", "bans", "sources"]))
}

pub(crate) fn advisories(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    if let [surplus, ..] = arguments {
        bail!("`advisories` takes no argument, and got `{surplus}`");
    }
    let mut deny = Command::new(tool(workspace)?);
    deny.current_dir(workspace.root());
    process::run(deny.args(["check", "advisories"]))?;
    Ok(ExitCode::SUCCESS)
}

/// A cargo-deny of our version: the one on this machine, the one built before, or one built now.
fn tool(workspace: &Workspace) -> Result<PathBuf> {
    let built = workspace.tools().join("bin/cargo-deny");
    for candidate in [Path::new("cargo-deny"), &built] {
        let version = process::capture(Command::new(candidate).arg("--version"));
        if version.is_ok_and(|version| version.trim() == format!("cargo-deny {VERSION}")) {
            return Ok(candidate.to_path_buf());
        }
    }
    build(workspace).with_context(|| format!("install cargo-deny {VERSION}"))?;
    Ok(built)
}

/// Builds unoptimised: it runs for a second per check, and optimising it takes minutes.
///
/// In a target directory of its own, deleted afterwards, because nothing of it is used again.
fn build(workspace: &Workspace) -> Result<()> {
    report::line("cargo-deny is built once, for this and every later check");
    let scratch = workspace.root().join("target/tools-build");
    let mut cargo = workspace.cargo(&["install", "--quiet", "--locked", "--version", VERSION]);
    cargo.arg("--root").arg(workspace.tools()).arg("cargo-deny");
    cargo.env("CARGO_TARGET_DIR", &scratch);
    cargo.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0");
    cargo.env("CARGO_PROFILE_RELEASE_DEBUG", "false");
    cargo.env("CARGO_PROFILE_RELEASE_LTO", "off");
    cargo.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    process::run(&mut cargo)?;
    std::fs::remove_dir_all(&scratch).with_context(|| format!("remove {}", scratch.display()))
}
