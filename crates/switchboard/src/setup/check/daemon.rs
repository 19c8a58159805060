//! The running daemon, by what it says of itself, and the port where there is none.

use std::io;
use std::net::{IpAddr, TcpListener};

use switchboard_client::control::{Status, UpstreamStatus};

use super::Check;
use crate::untrusted;

/// Whether a daemon could listen. Binds for a moment; nobody is accepted.
pub(crate) fn port(ip: IpAddr, port: u16) -> Check {
    const NAME: &str = "port";
    match TcpListener::bind((ip, port)) {
        Ok(_) => Check::ok(NAME, format!("{ip}, port {port}, is free")),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Check::problem(
            NAME,
            format!("port {port} on {ip} is used by another program"),
        )
        .hint(format!(
            "`ss -ltnp 'sport = :{port}'` shows which; `switchboard up --port {}` takes another",
            port.checked_add(1).unwrap_or(8765)
        )),
        Err(error) => Check::problem(NAME, format!("port {port} on {ip} cannot be listened on"))
            .cause(error)
            .hint("correct `http.host` and `http.port` in the configuration"),
    }
}

/// Whether the daemon that runs is the program that asks.
pub(crate) fn version(running: &str, ours: &str) -> Check {
    const NAME: &str = "version";
    if running == ours {
        return Check::ok(NAME, format!("the daemon and this program are both {ours}"));
    }
    Check::warning(NAME, format!("the daemon is {running}, and this program is {ours}"))
        .hint("run `switchboard restart`")
}

/// Every server, by its state.
pub(crate) fn upstreams(status: &Status) -> Vec<Check> {
    const NAME: &str = "servers";
    if status.upstreams.is_empty() {
        return vec![Check::warning(NAME, "no server is configured").hint("run `switchboard up`")];
    }
    let check = |upstream: &UpstreamStatus| {
        let UpstreamStatus { name, state, problem, optional, .. } = upstream;
        let logs = format!("run `switchboard logs --upstream {name}`");
        match (state.as_str(), problem) {
            (_, None) => Check::ok(NAME, format!("`{name}` is {}", words(state))),
            // It was down, and it answers again.
            ("ready", Some(problem)) => Check::warning(NAME, format!("`{name}` is ready"))
                .cause(untrusted::line(problem))
                .hint(logs),
            (_, Some(problem)) => {
                let message = format!("`{name}` is {}", words(state));
                let check = if *optional {
                    Check::warning(NAME, message)
                } else {
                    Check::problem(NAME, message)
                };
                check.cause(untrusted::line(problem)).hint(logs)
            }
        }
    };
    status.upstreams.iter().map(check).collect()
}

fn words(state: &str) -> &str {
    match state {
        "dormant" => "not started; the first use starts it",
        "waiting" => "down, and will be tried again",
        other => other,
    }
}

/// Names that could not be shown to clients as they are.
pub(crate) fn conflicts(conflicts: &[String]) -> Vec<Check> {
    const NAME: &str = "names";
    if conflicts.is_empty() {
        return vec![Check::ok(NAME, "every tool has its own name")];
    }
    let check = |conflict: &String| {
        Check::warning(NAME, untrusted::line(conflict))
            .hint("give one of the servers another `prefix` in the configuration")
    };
    conflicts.iter().map(check).collect()
}
