//! `switchboard restart`.

use std::time::Duration;

use crate::commands::{start, stop};
use crate::context::Context;
use crate::daemon::{self, Address};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::time::seconds;

#[derive(clap::Args, Debug)]
#[command(after_help = "An address that the running daemon was given on its command line is kept.

Examples:
  switchboard restart
  switchboard restart --port 9000")]
pub(crate) struct Args {
    #[command(flatten)]
    address: Address,
    /// Seconds to wait until the old daemon is gone, and until the new one answers
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    timeout: Duration,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let runtime = context.runtime()?;
    // A configuration that is wrong must not cost the daemon that runs.
    let mut sources = context.sources.clone();
    sources.flags.extend(args.address.settings());
    sources.load().map_err(|diagnostics| Failure::configuration(&diagnostics))?;
    let address = match runtime.block_on(daemon::status(context)) {
        Ok(status) => {
            let given = given_address(status.pid);
            stop::stop(context, args.timeout)?;
            args.address.or(given)
        }
        Err(failure) if failure.exit == Exit::NotRunning => args.address,
        Err(failure) => return Err(failure),
    };
    let progress = context.output.progress("Starting the daemon");
    let started = runtime.block_on(daemon::start(context, &address, args.timeout))?;
    drop(progress);
    context.output.show(&started, start::describe)?;
    Ok(Exit::Ok)
}

/// The address on the command line of a daemon that `switchboard start` started. Nothing on systems
/// that do not tell the command line of a process by `/proc`; then the flags have to be given again.
fn given_address(pid: u32) -> Address {
    let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let value = |flag: &str| line.split('\0').find_map(|word| word.strip_prefix(flag));
    Address {
        host: value("--host=").map(str::to_owned),
        port: value("--port=").and_then(|port| port.parse().ok()),
    }
}
