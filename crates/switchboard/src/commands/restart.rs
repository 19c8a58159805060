//! `switchboard restart`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::commands::{start, stop};
use crate::context::Context;
use crate::daemon::{self, Address, Started};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::time::seconds;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "The new daemon is ready before the old one lets go: no connection is refused, and calls in flight end
where they began. A configuration with mistakes leaves the old daemon as it is.

An address that the running daemon was given on its command line is kept.

Examples:
  switchboard restart
  switchboard restart --port 9000"
)]
pub(crate) struct Args {
    #[command(flatten)]
    address: Address,
    /// Seconds to wait until the new daemon answers
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    timeout: Duration,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let runtime = context.runtime()?;
    // A configuration that is wrong must not cost the daemon that runs.
    let load = |address: &Address| {
        let mut sources = context.sources.clone();
        sources.flags.extend(address.settings());
        sources.load().map_err(|diagnostics| Failure::configuration(&diagnostics))
    };
    load(&args.address)?;
    let limit = args.timeout;
    let status = match runtime.block_on(daemon::status(context)) {
        Ok(status) => Some(status),
        Err(failure) if failure.exit == Exit::NotRunning => None,
        Err(failure) => return Err(failure),
    };
    let progress = context.output.progress("Starting the daemon");
    let started = match status {
        None => runtime.block_on(daemon::start(context, &args.address, limit))?,
        Some(status) if status.is_supervised => {
            if args.address != Address::default() {
                return Err(unit_says());
            }
            runtime.block_on(daemon::renew(context, status.pid, limit))?
        }
        Some(status) => {
            let address = args.address.or(given_address(status.pid));
            let wanted = load(&address)?.value.http;
            let in_the_way =
                wanted.ip().is_ok_and(|ip| is_in_the_way(&status.address, ip, wanted.port));
            replace(context, &address, limit, in_the_way)?
        }
    };
    drop(progress);
    context.output.show(&started, start::describe)?;
    Ok(Exit::Ok)
}

/// What a daemon says that does not know a command.
const UNKNOWN: &str = "control-unknown";

/// Has a new process take the place of the daemon. Where the old one has to go first, or is of a
/// version that knows no other way, clients are refused for a moment.
fn replace(
    context: &Context,
    address: &Address,
    limit: Duration,
    in_the_way: bool,
) -> Result<Started, Failure> {
    let runtime = context.runtime()?;
    if !in_the_way {
        match runtime.block_on(daemon::succeed(context, address, limit)) {
            Err(failure) if failure.code == UNKNOWN => {}
            outcome => return outcome,
        }
    }
    stop::stop(context, limit)?;
    runtime.block_on(daemon::start(context, address, limit))
}

/// Whether the daemon at `address` has to let go of its socket before `ip` and `port` can be
/// listened on: the system does not bind a port on all addresses and on one of them.
fn is_in_the_way(address: &str, ip: IpAddr, port: u16) -> bool {
    let authority = address.split("://").nth(1).and_then(|rest| rest.split('/').next());
    let bound = authority.and_then(|authority| authority.parse::<SocketAddr>().ok());
    bound.is_some_and(|bound| {
        let is_either_all = bound.ip().is_unspecified() || ip.is_unspecified();
        bound.port() == port && bound.ip() != ip && is_either_all
    })
}

fn unit_says() -> Failure {
    Failure::usage("the daemon belongs to a service manager, which says where it listens")
        .with_hint("change `[http]` in the configuration, or the unit, then restart without flags")
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

#[cfg(test)]
mod tests {
    use super::is_in_the_way;

    #[test]
    fn a_port_is_bound_on_all_addresses_or_on_some() {
        for (address, ip, port, expected) in [
            ("http://127.0.0.1:8765/mcp", "127.0.0.1", 8765, false),
            ("http://127.0.0.1:8765/mcp", "127.0.0.2", 8765, false),
            ("http://127.0.0.1:8765/mcp", "0.0.0.0", 8766, false),
            ("http://127.0.0.1:8765/mcp", "0.0.0.0", 8765, true),
            ("https://[::]:8765/mcp", "::1", 8765, true),
        ] {
            let ip = ip.parse().expect("an address");
            assert_eq!(is_in_the_way(address, ip, port), expected, "{address} {ip}:{port}");
        }
    }
}
