//! Which entries of a client's file are Switchboard itself.

use serde_json::{Map, Value};

use crate::server::Reach;

/// Whether a server that was read is Switchboard; `address` is the `host:port` it listens on.
///
/// A daemon that took itself for a server would wait for its own list. The demonstration server
/// (`switchboard demo`) is a server like any other.
pub fn is_switchboard(reach: &Reach, address: Option<&str>) -> bool {
    match reach {
        Reach::Stdio { command, args, .. } => {
            is_our_command(command) && !args.iter().any(|arg| arg == "demo")
        }
        Reach::Http { url, .. } | Reach::Sse { url, .. } => {
            address.is_some_and(|address| same_place(authority(url), address))
        }
    }
}

/// Whether an entry was written by `connect`, so that it may be replaced or removed.
///
/// The address of a daemon can change between the two, so that one of our name on this machine counts.
pub(crate) fn is_our_entry(name: &str, entry: &Map<String, Value>) -> bool {
    let text = |key: &str| entry.get(key).and_then(Value::as_str);
    if let Some(command) = text("command") {
        return is_our_command(command);
    }
    let url = ["url", "serverUrl", "httpUrl"].into_iter().find_map(text);
    name.contains("switchboard") && url.is_some_and(|url| is_loopback(host(authority(url))))
}

fn is_our_command(command: &str) -> bool {
    let file_name = command.rsplit(['/', '\\']).next().unwrap_or_default();
    file_name.strip_suffix(".exe").unwrap_or(file_name) == "switchboard"
}

fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

fn host(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        // The colons of `[::1]` without a port are inside the brackets.
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    }
}

fn same_place(left: &str, right: &str) -> bool {
    let port = |authority: &str| authority[host(authority).len()..].to_owned();
    let same_host = host(left).eq_ignore_ascii_case(host(right));
    port(left) == port(right)
        && (same_host || (is_loopback(host(left)) && is_loopback(host(right))))
}

/// `0.0.0.0` is what a daemon binds, and a client that writes it reaches this machine.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.starts_with("127.")
        || matches!(host, "[::1]" | "[::]" | "0.0.0.0")
}
