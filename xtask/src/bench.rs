//! `cargo xtask bench`: what the daemon adds to a call, beside the same call made directly.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    let packages = ["switchboard", "switchboard-bench", "switchboard-conformance"];
    let packages = packages.iter().flat_map(|name| ["--package", name]);
    // As people install it.
    process::run(workspace.cargo(&["build", "--profile", "dist"]).args(packages).arg("--bins"))?;
    let built = workspace.root().join("target/dist");
    let mut bench = Command::new(built.join("switchboard-bench"));
    bench.args([built.join("switchboard"), built.join("conformance-server")]);
    process::run(bench.args(arguments))?;
    Ok(ExitCode::SUCCESS)
}
