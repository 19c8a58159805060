//! `deny` and `advisories`: cargo-deny, with the rules of `deny.toml`.
//!
//! Licences, bans and sources follow from Cargo.lock alone, so the gate's answer is the same tomorrow.
//! Advisories change without us and need their database from the network: a chore of its own.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};

use crate::process;
use crate::tool::Tool;
use crate::workspace::Workspace;

/// What `deny.toml` is written for.
const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };

pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let mut deny = Command::new(DENY.path(workspace)?);
    deny.current_dir(workspace.root());
    process::run(deny.args(["check", "--hide-inclusion-graph", "licenses", "bans", "sources"]))
}

pub(crate) fn advisories(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    if let [surplus, ..] = arguments {
        bail!("`advisories` takes no argument, and got `{surplus}`");
    }
    let mut deny = Command::new(DENY.path(workspace)?);
    deny.current_dir(workspace.root());
    process::run(deny.args(["check", "advisories"]))?;
    Ok(ExitCode::SUCCESS)
}
