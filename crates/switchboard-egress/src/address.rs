//! What an IP address is: public, or one of the ways to point back inside.
//!
//! The tables follow the special-purpose registries of IANA (RFC 6890 and its updates). An address
//! that is in none of the public ranges is not public; new ranges are refused until someone reads
//! about them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The kind of place an address names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Anywhere on the internet.
    Public,
    /// This machine.
    Loopback,
    /// A private network: RFC 1918, RFC 4193, and the shared range of carriers (RFC 6598).
    Private,
    /// This link only.
    LinkLocal,
    /// The metadata service of a cloud, which hands out credentials to whoever asks from inside.
    Metadata,
    /// Many receivers at once.
    Multicast,
    /// No address at all; systems connect to themselves instead.
    Unspecified,
    /// Set aside for documentation, tests or the future.
    Reserved,
    /// An IPv6 address that carries an IPv4 address, which a gateway or the system unpacks.
    Embedding,
}

impl Kind {
    /// The words for it in a message: "is …".
    fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Loopback => "this machine",
            Self::Private => "in a private network",
            Self::LinkLocal => "link-local",
            Self::Metadata => "the metadata service of a cloud",
            Self::Multicast => "a multicast address",
            Self::Unspecified => "unspecified",
            Self::Reserved => "reserved",
            Self::Embedding => "an IPv4 address inside an IPv6 address",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Decides the kind of an address.
pub fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(address) => kind_v4(address),
        IpAddr::V6(address) => kind_v6(address),
    }
}

/// Amazon, Google, Microsoft and most others; then what Amazon's containers ask, Alibaba, Oracle,
/// and Azure's wire server, which lies in a public range and answers on virtual machines only.
const METADATA_V4: &[[u8; 4]] = &[
    [169, 254, 169, 254],
    [169, 254, 170, 2],
    [169, 254, 170, 23],
    [100, 100, 100, 200],
    [192, 0, 0, 192],
    [168, 63, 129, 16],
];

/// Amazon (IMDS, and its containers), and Google.
const METADATA_V6: &[[u16; 8]] = &[
    [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254],
    [0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23],
    [0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254],
];

fn kind_v4(address: Ipv4Addr) -> Kind {
    let octets = address.octets();
    if METADATA_V4.contains(&octets) {
        return Kind::Metadata;
    }
    match octets {
        [0, ..] => Kind::Unspecified,
        [127, ..] => Kind::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Kind::Private,
        [169, 254, ..] => Kind::LinkLocal,
        [224..=239, ..] => Kind::Multicast,
        // IETF protocols, documentation (three), the former 6to4 relays, benchmarks, the future.
        [192, 0, 0 | 2, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [240..=255, ..] => Kind::Reserved,
        _ => Kind::Public,
    }
}

fn kind_v6(address: Ipv6Addr) -> Kind {
    let segments = address.segments();
    if METADATA_V6.contains(&segments) {
        return Kind::Metadata;
    }
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 0] => Kind::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Loopback,
        _ if embeds(segments) => Kind::Embedding,
        [0xfc00..=0xfdff, ..] => Kind::Private,
        [0xfe80..=0xfebf, ..] => Kind::LinkLocal,
        // Site-local: given up by RFC 3879, and still routed inside some networks.
        [0xfec0..=0xfeff, ..] => Kind::Private,
        [0xff00..=0xffff, ..] => Kind::Multicast,
        // IETF protocols, documentation (two).
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Kind::Reserved,
        // Global unicast as far as it was handed out (RFC 4291, section 2.4).
        [0x2000..=0x3fff, ..] => Kind::Public,
        _ => Kind::Reserved,
    }
}

fn embeds(segments: [u16; 8]) -> bool {
    match segments {
        // IPv4-compatible (RFC 4291, 2.5.5.1), IPv4-mapped (2.5.5.2), IPv4-translated (RFC 2765).
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => true,
        // NAT64, well known (RFC 6052) and local (RFC 8215).
        [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] => true,
        // Teredo (RFC 4380), 6to4 (RFC 3056).
        [0x2001, 0, ..] | [0x2002, ..] => true,
        // ISATAP (RFC 5214): the last half says so under any prefix.
        [.., 0 | 0x200, 0x5efe, _, _] => true,
        _ => false,
    }
}

/// The IPv4 address inside, where its place is fixed; what allows an embedding looks here too.
///
/// None for a local NAT64, of which the prefix may be of several lengths.
pub(crate) fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let at = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Some(Ipv4Addr::new(a, b, c, d))
    };
    // `::` and `::1` look like embeddings and are none.
    if kind_v6(address) != Kind::Embedding {
        return None;
    }
    match address.segments() {
        [0x64, 0xff9b, 1, ..] => None,
        [0x2002, high, low, ..] => at(high, low),
        // The client, with its bits turned over.
        [0x2001, 0, .., high, low] => at(!high, !low),
        [.., high, low] => at(high, low),
    }
}

#[cfg(test)]
mod tests;
