//! `setup`: what the tests talk to, under `target/peers`.
//!
//! ```text
//! target/peers/python-mcp1/bin/   Python's MCP SDK 1.x: python, mcp-server-git, -time, -fetch
//! target/peers/python-mcp2/bin/   the same on SDK 2.x, with FastMCP's client
//! target/peers/node/bin/node      a pinned Node.js
//! target/peers/node/node_modules/ TypeScript's SDKs, the reference servers, the Inspector,
//!                                 the conformance suite, mcp-remote, supergateway
//! target/peers/componentize-py/bin/          makes WebAssembly components of Python
//! target/peers/componentize-js/node_modules/ makes WebAssembly components of JavaScript
//! ```
//!
//! The target `wasm32-wasip2` of the toolchain is what makes them of Rust.
//!
//! PostgreSQL is one of Debian's packages, installed where no server answers; see [`crate::postgres`].
//!
//! Versions are pinned in `xtask/peers`. To move one, change `package.json` and run `npm install
//! --package-lock-only` there, or write the `pip freeze` of a fresh environment, made with the oldest
//! Python we serve, into the requirements.
//!
//! What cannot be installed is an error with its name: a test that misses its peer fails, none is
//! skipped.

mod debian;
mod node;
mod once;
mod python;
mod rust;

use std::fs::{self, File};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    if let [surplus, ..] = arguments {
        bail!("`setup` takes no argument, and got `{surplus}`");
    }
    install(workspace)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn install(workspace: &Workspace) -> Result<()> {
    let peers = workspace.peers();
    fs::create_dir_all(&peers).with_context(|| format!("create {}", peers.display()))?;
    // Two terminals in one checkout must not empty each other's directories.
    let lock = File::create(peers.join(".lock")).context("create the lock of target/peers")?;
    lock.lock().context("wait for another `cargo xtask setup`")?;

    debian::install()?;
    python::install(workspace)?;
    node::install(workspace)?;
    rust::install()
}

#[cfg(test)]
mod tests;
