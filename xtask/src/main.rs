//! The project's own chores, behind `cargo xtask`.
//!
//! A chore is one file and one row of [`CHORES`]. Everything here runs on a machine that has a Rust
//! toolchain and nothing else of ours, which is why the dependencies are few.

mod bench;
mod campaign;
mod check;
mod conformance;
mod deny;
mod fuzz;
mod postgres;
mod process;
mod ranks;
mod report;
mod setup;
mod tool;
mod workspace;

use std::env;
use std::process::ExitCode;

use workspace::Workspace;

struct Chore {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&Workspace, &[String]) -> anyhow::Result<ExitCode>,
}

const CHORES: &[Chore] = &[
    Chore {
        name: "check",
        arguments: "[STEP]...",
        about: "run the whole gate, or only the named steps (`--list` names them)",
        run: check::run,
    },
    Chore {
        name: "setup",
        arguments: "",
        about: "install what the tests talk to, under target/peers",
        run: setup::run,
    },
    Chore {
        name: "bench",
        arguments: "[--quick]",
        about: "measure what the daemon adds to a call, as ratios to calling directly",
        run: bench::run,
    },
    Chore {
        name: "chaos",
        arguments: "[--minutes N] [--seed S]",
        about: "kill, freeze and starve a daemon and its servers while clients call",
        run: campaign::chaos,
    },
    Chore {
        name: "soak",
        arguments: "[--minutes N]",
        about: "a steady load, an hour by default: flat memory, flat descriptors",
        run: campaign::soak,
    },
    Chore {
        name: "fuzz",
        arguments: "[TARGET] [--minutes N]",
        about: "look for inputs that break a promise, with libFuzzer; needs a nightly toolchain",
        run: fuzz::run,
    },
    Chore {
        name: "advisories",
        arguments: "",
        about: "compare Cargo.lock with the RustSec database, fetched over the network",
        run: deny::advisories,
    },
];

/// Exit code for a command line we do not understand, as the shell's own tools use it.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((name, rest)) = arguments.split_first() else {
        report::line(help());
        return ExitCode::SUCCESS;
    };
    if matches!(name.as_str(), "help" | "-h" | "--help") {
        report::line(help());
        return ExitCode::SUCCESS;
    }
    let Some(chore) = CHORES.iter().find(|chore| chore.name == name) else {
        report::failure(&anyhow::anyhow!("`{name}` is not a chore\n\n{}", help()));
        return ExitCode::from(USAGE);
    };
    (chore.run)(&Workspace::here(), rest).unwrap_or_else(|error| {
        report::failure(&error);
        ExitCode::FAILURE
    })
}

fn help() -> String {
    let mut text = String::from("usage: cargo xtask CHORE\n");
    for chore in CHORES {
        let call = format!("{} {}", chore.name, chore.arguments);
        text.push_str(&format!("\n  {call:<30} {}", chore.about));
    }
    text
}
