//! Scheme, host and port of an address.

use std::net::IpAddr;

use http::Uri;

use crate::error::EgressError;

/// Where an address points, as far as a connection is concerned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Origin {
    pub(crate) secure: bool,
    /// Lower case, without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Origin {
    pub(crate) fn of(uri: &Uri) -> Result<Self, EgressError> {
        let refuse = |why| Err(EgressError::Address { why });
        let secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return refuse("it does not begin with https:// or http://"),
        };
        let Some(authority) = uri.authority() else { return refuse("it has no host") };
        // `https://good.example@evil.example/` is a trick, and a password in an address ends in logs.
        if authority.as_str().contains('@') {
            return refuse("it has a user name in it");
        }
        let host = authority.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        // A trailing dot names the same host and another string.
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        if host.is_empty() {
            return refuse("it has no host");
        }
        let port = match authority.port() {
            None if secure => 443,
            None => 80,
            Some(_) => match authority.port_u16() {
                None | Some(0) => return refuse("its port is not a number from 1 to 65535"),
                Some(port) => port,
            },
        };
        Ok(Self { secure, host, port })
    }
}

/// Whether two addresses have the same scheme, host and port.
pub fn same_origin(one: &Uri, other: &Uri) -> bool {
    match (Origin::of(one), Origin::of(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Whether the host of an address is this machine by its very text.
///
/// A name that merely resolves to this machine does not count: who runs the name server decides that.
pub fn is_loopback_name(uri: &Uri) -> bool {
    Origin::of(uri).is_ok_and(|origin| {
        origin.host == "localhost"
            || origin.host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    })
}
