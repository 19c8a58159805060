//! `chaos` and `soak`: a daemon under load for minutes, with faults and without.
//!
//! The campaigns are in `crates/switchboard-testkit/src/campaign`, beside the clients and servers
//! that they are made of; here they are built and run, with the debug build that the tests use.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::postgres::Victim;
use crate::process;
use crate::workspace::Workspace;

/// How long a chaos takes if nobody says: every step about twice with each store.
const CHAOS_MINUTES: u32 = 4;

/// How long a soak takes if nobody says: the nightly one.
const SOAK_MINUTES: u32 = 60;

/// How long the gate soaks.
const GATE_MINUTES: u32 = 5;

#[derive(Debug, PartialEq)]
struct Wanted {
    minutes: u32,
    seed: u64,
}

pub(crate) fn chaos(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    let wanted = read(arguments, &["--minutes", "--seed"], CHAOS_MINUTES)?;
    let mut campaign =
        prepare(workspace, "chaos", &[&wanted.minutes.to_string(), &wanted.seed.to_string()])?;
    let postgres = Victim::prepare(workspace)?;
    if let Some(postgres) = &postgres {
        postgres.tell(&mut campaign);
    }
    process::run(&mut campaign)?;
    postgres.map_or(Ok(()), Victim::remove)?;
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn soak(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    let wanted = read(arguments, &["--minutes"], SOAK_MINUTES)?;
    process::run(&mut prepare(workspace, "soak", &[&wanted.minutes.to_string()])?)?;
    Ok(ExitCode::SUCCESS)
}

/// The step of the gate.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    process::run(&mut prepare(workspace, "soak", &[&GATE_MINUTES.to_string()])?)
}

/// Builds the campaign, and the command of it.
fn prepare(workspace: &Workspace, kind: &str, arguments: &[&str]) -> Result<Command> {
    process::run(&mut workspace.build(&["switchboard", "switchboard-campaign"]))?;
    let built = workspace.root().join("target/debug");
    let mut campaign = Command::new(built.join("switchboard-campaign"));
    campaign.arg(kind).arg(built.join("switchboard")).args(arguments);
    Ok(campaign)
}

fn read(arguments: &[String], known: &[&str], minutes: u32) -> Result<Wanted> {
    let mut wanted = Wanted { minutes, seed: 1 };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if !known.contains(&argument.as_str()) {
            bail!("this takes `{} N`, and got `{argument}`", known.join(" N`, `"));
        }
        let number: Option<u64> = rest.next().and_then(|number| number.parse().ok());
        if argument == "--seed" {
            wanted.seed = number.context("`--seed` takes a number")?;
            continue;
        }
        wanted.minutes = number
            .and_then(|minutes| u32::try_from(minutes).ok())
            .filter(|minutes| (1..=24 * 60).contains(minutes))
            .context("`--minutes` takes a number from 1 to 1440")?;
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::{Wanted, read};

    fn of(line: &str, known: &[&str]) -> anyhow::Result<Wanted> {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        read(&words, known, 7)
    }

    #[test]
    fn minutes_and_a_seed_in_any_order() {
        let both = ["--minutes", "--seed"];
        assert_eq!(of("", &both).unwrap(), Wanted { minutes: 7, seed: 1 });
        assert_eq!(of("--seed 9 --minutes 3", &both).unwrap(), Wanted { minutes: 3, seed: 9 });
        for wrong in ["--minutes", "--minutes 0", "--minutes x", "--seed -1", "3", "--fast"] {
            assert!(of(wrong, &both).is_err(), "{wrong}");
        }
        assert!(of("--seed 9", &["--minutes"]).is_err());
    }
}
