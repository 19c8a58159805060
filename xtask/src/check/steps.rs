//! The steps of the gate, in the order they run.

use anyhow::Result;

use crate::postgres::Postgres;
use crate::workspace::{WHOLE, Workspace};
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
        name: "simulation",
        about: "10,000 runs of the whole gateway in simulated time, each with its own faults",
        run: simulation,
    },
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
    let lints = ["--all-targets", "--", "-D", "warnings"];
    process::run(workspace.cargo(&["clippy"]).args(WHOLE).args(lints))
}

/// For those who read the code: private items are documented, and linked to.
///
/// `--examples` as in [`Workspace::build`]; cargo would otherwise check the dependencies anew.
fn doc(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo(&["doc"]);
    cargo.args(WHOLE).args(["--lib", "--bins", "--examples"]);
    cargo.args(["--no-deps", "--document-private-items"]);
    process::run(cargo.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links"))
}

/// In a profile of its own, which is built sooner than the runs would take without it.
fn simulation(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo(&[
        "test",
        "--profile",
        "simulation",
        "--package",
        "switchboard-listen",
        "--test",
        "simulation",
    ]);
    process::run(cargo.env("SWITCHBOARD_SEEDS", "10000"))
}

/// `--no-fail-fast`: as with the steps, one run shows everything that fails.
fn test(workspace: &Workspace) -> Result<()> {
    let postgres = Postgres::start(workspace)?;
    let mut cargo = workspace.cargo(&["test"]);
    cargo.args(WHOLE).arg("--no-fail-fast");
    cargo.env("SWITCHBOARD_PEERS", workspace.peers());
    postgres.tell(&mut cargo);
    let tested = process::run(&mut cargo);
    // Whatever the tests said. Their failure is the one to report if both fail.
    let stopped = postgres.stop();
    tested.and(stopped)
}
