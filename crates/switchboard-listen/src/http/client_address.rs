//! Where a client is, also behind proxies of ours.
//!
//! The connection tells who is at its other end. Where that is a proxy that the configuration
//! names, the proxy says whom it speaks for, in `Forwarded` (RFC 7239) or in `X-Forwarded-For`. Each
//! proxy adds at the right what it sees, so the right-most address that is no proxy of ours is the
//! last that one of ours has seen with its own eyes; all to the left of it is what the client says.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use http::{HeaderMap, HeaderName, header};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};

/// Where a request comes from, among its extensions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientAddress(pub IpAddr);

/// An address, or all that begin alike: `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Network {
    address: IpAddr,
    /// Bits that count.
    length: u8,
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` is neither an IP address nor a network such as `10.0.0.0/8`")]
pub struct NoNetwork(String);

static FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of those of whom none is known, who share it.
const UNKNOWN: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// Proxies that are looked through, one behind the other: more than anybody has.
const HOPS: usize = 16;

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        let (width, network) = bits(self.address);
        let (other, address) = bits(address.to_canonical());
        // Nothing is left of a number that is moved by its width, which shifts do not say.
        let moved = u32::from(width - self.length);
        let head = |bits: u128| bits.checked_shr(moved).unwrap_or(0);
        width == other && head(network) == head(address)
    }
}

fn bits(address: IpAddr) -> (u8, u128) {
    match address {
        IpAddr::V4(address) => (32, address.to_bits().into()),
        IpAddr::V6(address) => (128, address.to_bits()),
    }
}

/// The address of the client whose connection comes from `peer`.
///
/// Where both headers are there and do not say the same, one of them is the client's own, and nobody
/// knows which. Then, and where what a proxy says is no address, it is [`UNKNOWN`]: not the address
/// of the proxy, which may be that of this machine, from where more is allowed.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(peer) {
        return peer;
    }
    let last = |nodes: Option<Vec<Cow<'_, str>>>| {
        let mut last = peer;
        for (hop, node) in nodes?.iter().rev().enumerate() {
            match address(node).filter(|_| hop < HOPS) {
                Some(address) if is_trusted(address) => last = address,
                other => return Some(other.unwrap_or(UNKNOWN)),
            }
        }
        Some(last)
    };
    let forwarded = last(values(headers, &header::FORWARDED).map(|values| {
        let elements = values.iter().flat_map(|value| split(value, b','));
        elements.map(|element| Cow::Owned(node(element).unwrap_or_default())).collect()
    }));
    let forwarded_for = last(values(headers, &FORWARDED_FOR).map(|values| {
        values.iter().flat_map(|value| value.split(',')).map(Cow::Borrowed).collect()
    }));
    match (forwarded, forwarded_for) {
        (Some(one), Some(other)) if one != other => UNKNOWN,
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => peer,
    }
}

/// All values of a header, in order; what is no text names nobody.
fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Vec<&'a str>> {
    headers.contains_key(name).then(|| {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default()).collect()
    })
}

/// The `for` of one element of `Forwarded`, without its quotes (RFC 7239, section 4).
fn node(element: &str) -> Option<String> {
    let pairs = split(element, b';').into_iter().filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let value = named.next()?.1.trim();
    // A parameter must not be there twice.
    if named.next().is_some() {
        return None;
    }
    match value.strip_prefix('"') {
        None => Some(value.to_owned()),
        Some(quoted) => Some(quoted.strip_suffix('"')?.replace('\\', "")),
    }
}

/// The parts of a list, which are not divided within quotes (RFC 9110, section 5.6.4).
fn split(text: &str, separator: u8) -> Vec<&str> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            byte if byte == separator && !is_quoted => {
                parts.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

/// An address as proxies write it: with or without a port, that of IPv6 in brackets or bare.
fn address(node: &str) -> Option<IpAddr> {
    let node = node.trim();
    let bare = node.strip_prefix('[').and_then(|node| node.strip_suffix(']')).unwrap_or(node);
    let address = bare.parse().or_else(|_| node.parse().map(|it: SocketAddr| it.ip()));
    address.ok().map(|address: IpAddr| address.to_canonical())
}

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let none = || NoNetwork(text.to_owned());
        let (address, length) = match text.split_once('/') {
            None => (text, None),
            Some((address, length)) => (address, Some(length)),
        };
        let address: IpAddr = address.trim().parse().map_err(|_| none())?;
        let (width, _) = bits(address);
        let length = match length {
            None => width,
            Some(length) => {
                let length = length.trim().parse().ok().filter(|length| *length <= width);
                length.ok_or_else(none)?
            }
        };
        // An address of IPv4 in the clothes of IPv6 is compared as the former.
        match (address, address.to_canonical()) {
            (IpAddr::V6(_), address @ IpAddr::V4(_)) => {
                let length = length.checked_sub(96).ok_or_else(none)?;
                Ok(Self { address, length })
            }
            (_, address) => Ok(Self { address, length }),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.address, self.length)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "Network".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string" })
    }
}

#[cfg(test)]
mod tests;
