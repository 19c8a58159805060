//! Virtual environments: two of them because the two generations of Python's SDK exclude each other,
//! one for the server that stands for the services of AWS, and one for what makes WebAssembly of Python.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::once::once;
use crate::process;
use crate::workspace::Workspace;

/// Directory under `target/peers`, and the list of its packages in `xtask/peers`.
const ENVIRONMENTS: &[(&str, &str)] = &[
    ("python-mcp1", "requirements-mcp1.txt"),
    ("python-mcp2", "requirements-mcp2.txt"),
    ("moto", "requirements-moto.txt"),
    ("componentize-py", "requirements-componentize-py.txt"),
];

pub(super) fn install(workspace: &Workspace) -> Result<()> {
    // A virtual environment belongs to the interpreter it was made with.
    let interpreter = process::capture(Command::new("python3").arg("--version"))?;
    for (name, list) in ENVIRONMENTS {
        let directory = workspace.peers().join(name);
        let list = workspace.peer_lists().join(list);
        let packages =
            fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
        once(&directory, &format!("{interpreter}{packages}"), || fill(&directory, &list))?;
    }
    Ok(())
}

/// `--only-binary`: a package that wants a compiler is one we cannot promise on a bare machine.
/// `--no-deps`: the list is complete and exact; `pip check` then proves it.
fn fill(directory: &Path, list: &Path) -> Result<()> {
    process::run(Command::new("python3").args(["-m", "venv"]).arg(directory))?;
    let python = directory.join("bin/python");
    let pip = || {
        let mut command = Command::new(&python);
        command.args(["-m", "pip", "--disable-pip-version-check", "--quiet"]);
        command
    };
    process::run(
        pip().args(["install", "--only-binary", ":all:", "--no-deps", "--requirement"]).arg(list),
    )?;
    process::run(pip().arg("check"))
}
