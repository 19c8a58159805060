//! `switchboard start`.

use std::time::Duration;

use crate::commands::run;
use crate::context::Context;
use crate::daemon::{self, Address, Started};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::time::seconds;

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  switchboard start
  switchboard start --port 9000
  switchboard start --name work        # a second daemon with its own configuration and state")]
pub(crate) struct Args {
    #[command(flatten)]
    address: Address,
    /// Stay in the foreground and log to standard error; the same as `run`
    #[arg(long)]
    foreground: bool,
    /// Seconds to wait until the daemon answers
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    timeout: Duration,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    if args.foreground {
        return run::run(run::Args::foreground(args.address), context);
    }
    let progress = context.output.progress("Starting the daemon");
    let started = daemon::start(context, &args.address, args.timeout);
    let started = context.runtime()?.block_on(started)?;
    drop(progress);
    if started.already_running && args.address != Address::default() {
        context.output.note(
            "It keeps the address it has; `switchboard restart` with the same flags moves it.",
        );
    }
    context.output.show(&started, describe)?;
    Ok(Exit::Ok)
}

/// One line about a daemon that answers.
pub(super) fn describe(started: &Started) -> String {
    let Started { address, pid, already_running } = started;
    let verb = if *already_running { "already running" } else { "running" };
    format!("Switchboard is {verb} at {address} (pid {pid}).")
}
