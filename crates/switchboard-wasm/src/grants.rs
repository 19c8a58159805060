//! What a bundle may use. Nothing, until somebody writes it down.

use std::fmt;
use std::str::FromStr;

use http::Uri;

/// What is granted to a bundle.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Grants {
    /// The time. Without it the clock shows the second in which the call began, and stands still:
    /// what stands still measures nothing.
    pub clock: bool,
    /// Random bytes that nobody can guess. Without it asking for them ends the call, because bytes
    /// that somebody can guess are worse than none where a key is made of them. Numbers that need
    /// only look random (`wasi:random/insecure`, seeds of hash tables) are there all the same, and are
    /// the same in each instance.
    pub random: bool,
    /// The values behind `key-value`.
    pub key_value: bool,
    /// Variables that the bundle finds in its environment; ours are never among them.
    pub environment: Vec<(String, String)>,
    /// Where requests may go.
    pub hosts: Vec<HostGrant>,
}

impl Grants {
    pub(crate) fn covers(&self, uri: &Uri) -> bool {
        self.hosts.iter().any(|grant| grant.covers(uri))
    }
}

/// Something that a bundle tried and is not granted.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Denied {
    Clock,
    Random,
    KeyValue,
    /// Never granted: bundles send requests by `wasi:http`.
    Sockets,
    /// Scheme, host and port, as a grant would have to say it.
    Host(String),
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Clock => f.write_str("clock"),
            Self::Random => f.write_str("random"),
            Self::KeyValue => f.write_str("key-value"),
            Self::Sockets => f.write_str("sockets"),
            Self::Host(host) => write!(f, "host {host}"),
        }
    }
}

/// Hosts that a bundle may send requests to: `api.example.com`, `*.example.com`,
/// `api.example.com:8443`, `http://printer.example`. Without a scheme it is https, without a port the
/// port of the scheme.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HostGrant {
    secure: bool,
    /// Any host below `name`, which then begins with a dot.
    below: bool,
    name: String,
    port: u16,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum HostGrantError {
    #[error("it is neither a host nor `*.` and a host")]
    Host,
    #[error("the port is not a number from 1 to 65535")]
    Port,
    #[error("it has more than a scheme, a host and a port")]
    Surplus,
}

impl FromStr for HostGrant {
    type Err = HostGrantError;

    fn from_str(text: &str) -> Result<Self, HostGrantError> {
        let (secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => (true, text),
        };
        if rest.contains(['/', '@', '?', '#']) {
            return Err(HostGrantError::Surplus);
        }
        let (below, rest) = match rest.strip_prefix('*') {
            Some(rest) if rest.starts_with('.') => (true, rest),
            Some(_) => return Err(HostGrantError::Host),
            None => (false, rest),
        };
        let (name, port) = split_port(rest)?;
        let port = port.unwrap_or(if secure { 443 } else { 80 });
        let plain = normal(name.strip_prefix('.').filter(|_| below).unwrap_or(name));
        let is_name = |name: &str| {
            name.split('.').all(|label| {
                !label.is_empty()
                    && label
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
            })
        };
        let is_address = plain.parse::<std::net::Ipv6Addr>().is_ok();
        if !is_name(&plain) && (below || !is_address) {
            return Err(HostGrantError::Host);
        }
        let name = if below { format!(".{plain}") } else { plain };
        Ok(Self { secure, below, name, port })
    }
}

impl HostGrant {
    pub(crate) fn covers(&self, uri: &Uri) -> bool {
        let Some((secure, host, port)) = parts(uri) else { return false };
        let named = if self.below {
            host.len() > self.name.len() && host.ends_with(&self.name)
        } else {
            host == self.name
        };
        named && secure == self.secure && port == self.port
    }
}

/// What a grant for this address would be.
pub(crate) fn wanted(uri: &Uri) -> String {
    let Some((secure, host, port)) = parts(uri) else {
        return uri.authority().map_or_else(String::new, ToString::to_string);
    };
    let scheme = if secure { "" } else { "http://" };
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    match (secure, port) {
        (true, 443) | (false, 80) => format!("{scheme}{host}"),
        _ => format!("{scheme}{host}:{port}"),
    }
}

/// Whether it is https, the host, the port.
fn parts(uri: &Uri) -> Option<(bool, String, u16)> {
    let secure = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let authority = uri.authority()?;
    if authority.as_str().contains('@') {
        return None;
    }
    let port = match authority.port() {
        None if secure => 443,
        None => 80,
        Some(_) => authority.port_u16()?,
    };
    Some((secure, normal(authority.host()), port))
}

/// As [`switchboard_egress`] reads hosts: lower case, no brackets, no dot at the end.
fn normal(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn split_port(text: &str) -> Result<(&str, Option<u16>), HostGrantError> {
    // The colons of an IPv6 address stand in brackets.
    let colon = text.rfind(':').filter(|colon| !text[*colon..].contains(']'));
    let Some(colon) = colon else { return Ok((text, None)) };
    match text[colon + 1..].parse() {
        Ok(port) if port != 0 => Ok((&text[..colon], Some(port))),
        _ => Err(HostGrantError::Port),
    }
}

#[cfg(test)]
mod tests;
