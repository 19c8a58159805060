//! The steps of the gate, in the order they run.

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{campaign, conformance, deny, process, ranks, setup};

pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Workspace) -> Result<()>,
}

/// `clippy` comes before `doc`, which then finds the dependencies already checked.
pub(crate) const STEPS: &[Step] = &[
    Step {
        name: "setup",
        about: "what the tests talk to is installed under target/peers",
        run: setup::install,
    },
    Step { name: "format", about: "rustfmt has nothing to change", run: format },
    Step {
        name: "ranks",
        about: "crates depend on lower ranks only, heavy dependencies have one owner",
        run: ranks::check,
    },
    Step { name: "clippy", about: "no warning in any target", run: clippy },
    Step { name: "doc", about: "the documentation builds without a warning", run: doc },
    Step {
        name: "deny",
        about: "licences, banned crates and sources of all dependencies",
        run: deny::check,
    },
    Step { name: "test", about: "every test of every crate", run: test },
    Step {
        name: "conformance",
        about: "what passes the official suite directly passes it through the daemon",
        run: conformance::check,
    },
    Step {
        name: "soak",
        about: "five minutes of load: flat memory, flat descriptors, every request answered",
        run: campaign::check,
    },
];

fn format(workspace: &Workspace) -> Result<()> {
    process::run(&mut workspace.cargo(&["fmt", "--all", "--check"]))
}

fn clippy(workspace: &Workspace) -> Result<()> {
    process::run(&mut workspace.cargo(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

/// For those who read the code: private items are documented, and linked to.
fn doc(workspace: &Workspace) -> Result<()> {
    let mut cargo =
        workspace.cargo(&["doc", "--workspace", "--no-deps", "--document-private-items"]);
    process::run(cargo.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links"))
}

/// `--no-fail-fast`: as with the steps, one run shows everything that fails.
fn test(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo(&["test", "--workspace", "--no-fail-fast"]);
    process::run(cargo.env("SWITCHBOARD_PEERS", workspace.peers()))
}
