//! `cargo xtask bench`: what the daemon adds to a call, beside the same call made directly.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    let packages = ["--package", "switchboard", "--package", "switchboard-bench"];
    // As people install it.
    process::run(workspace.cargo(&["build", "--profile", "dist"]).args(packages))?;
    let built = workspace.root().join("target/dist");
    let mut bench = Command::new(built.join("switchboard-bench"));
    process::run(bench.arg(built.join("switchboard")).args(arguments))?;
    Ok(ExitCode::SUCCESS)
}
