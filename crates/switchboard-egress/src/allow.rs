//! What the operator allows beyond the public internet.

use std::net::IpAddr;

use crate::address::Kind;

/// One entry of `egress.allow`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Allowed {
    Network {
        base: u128,
        prefix: u32,
        bits: u32,
    },
    Host(String),
    /// Any host below; the text begins with a dot.
    Below(String),
}

impl Allowed {
    /// Reads an entry; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        if let Ok(address) = address.parse::<IpAddr>() {
            return network(address, prefix);
        }
        if prefix.is_some() {
            return Err("the part before `/` is not an IP address");
        }
        let (below, name) = match text.strip_prefix("*.") {
            Some(name) => (true, name),
            None => (false, text),
        };
        let label = |label: &str| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if !name.split('.').all(label) {
            return Err("it is neither a network, nor an address, nor the name of a host");
        }
        let name = name.to_ascii_lowercase();
        Ok(if below { Self::Below(format!(".{name}")) } else { Self::Host(name) })
    }

    pub(crate) fn covers_host(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        match self {
            Self::Network { .. } => false,
            Self::Host(name) => host == *name,
            Self::Below(dotted) => host.len() > dotted.len() && host.ends_with(dotted.as_str()),
        }
    }

    pub(crate) fn covers_address(&self, address: IpAddr, kind: Kind) -> bool {
        let Self::Network { base, prefix, bits } = *self else { return false };
        let (value, width) = number(address);
        if width != bits {
            return false;
        }
        let alike = value.checked_shr(bits - prefix).unwrap_or(0)
            == base.checked_shr(bits - prefix).unwrap_or(0);
        match kind {
            // Nothing there has something to say to us.
            Kind::Multicast | Kind::Unspecified => false,
            // Allowing the network around it is not meant to give away the machine's credentials.
            Kind::Metadata => alike && prefix == bits,
            _ => alike,
        }
    }
}

fn network(address: IpAddr, prefix: Option<&str>) -> Result<Allowed, &'static str> {
    let (base, bits) = number(address);
    let prefix = match prefix {
        None => bits,
        Some(text) => match text.parse() {
            Ok(prefix) if prefix <= bits => prefix,
            _ => return Err("the number after `/` is not the length of a prefix"),
        },
    };
    let host_bits = base & !u128::MAX.checked_shl(bits - prefix).unwrap_or(0);
    if host_bits != 0 {
        return Err("the address has bits beyond the length of the prefix");
    }
    Ok(Allowed::Network { base, prefix, bits })
}

fn number(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}
