//! `[http]`.

use std::net::IpAddr;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::{ByteSize, TimeSpan};
use switchboard_core::limit::{Rate, RateUnit};

use crate::http::client_address::Network;
use crate::http::tls::TlsConfig;

/// The HTTP listener: `/mcp`, `/sse`, `/ws`, `/health` and `/metrics` on one port.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// The address to listen on: an IP address. Anything but loopback also needs
    /// `allow_remote = true`, because whoever has the key can use every tool.
    pub host: String,
    /// The port; 0 lets the system choose, `switchboard status` shows which.
    pub port: u16,
    /// Whether an address other than loopback may be listened on.
    pub allow_remote: bool,
    /// Names under which clients may address the daemon, beside `localhost` and the loopback
    /// addresses. Any other `Host` is refused: that stops pages that rebind their name to ours.
    pub allowed_hosts: Vec<String>,
    /// Web origins that may call from a browser, such as `https://app.example.com`. Any other is
    /// refused, except those on loopback addresses and names.
    pub allowed_origins: Vec<String>,
    /// Proxies that stand before the daemon: addresses (`127.0.0.1`) and networks (`10.0.0.0/8`).
    /// What they say of the address of a client, in `Forwarded` or `X-Forwarded-For`, is believed;
    /// limits by address need it. Empty: the address is that of the connection.
    pub trusted_proxies: Vec<Network>,
    /// Wrong keys that may come from one address (of IPv6, from one network of 64 bits), also at
    /// once; after them no key from there is looked at until time has passed. Those from this
    /// machine are not counted, nor are requests without a key.
    pub wrong_keys: Rate,
    /// The largest request body. 4 MiB is what the official SDKs accept.
    #[schemars(extend("x-minimum" = "1 KiB", "x-maximum" = "1 GiB"))]
    pub body_limit: ByteSize,
    /// The largest head of a request.
    #[schemars(extend("x-minimum" = "8 KiB", "x-maximum" = "1 MiB"))]
    pub header_limit: ByteSize,
    /// How long a client may take to send the head of a request, and how long a connection is kept
    /// that waits for the next one. 60 s: clients keep connections for about that long.
    pub header_timeout: TimeSpan,
    /// How long a client may take to send the body of a request.
    pub body_timeout: TimeSpan,
    /// Connections open at once; for another, the one that is idle for longest is closed. Where none is
    /// idle, `/health` and `/metrics` are still answered, and all else is refused with 503. One
    /// caller may keep three quarters of them busy, the next three quarters of the others, and so
    /// on. Half of the 1,024 descriptors that a process commonly may have.
    #[schemars(range(min = 1, max = 100000))]
    pub connections: usize,
    /// Requests of all clients under way at once, those over the unix socket included; more are
    /// refused with 503. One caller may have three quarters of them, the next three quarters of the
    /// others, and so on. 4,000: one server that hangs holds no more than half of them, which is what
    /// `upstream.NAME.in_flight` and `queue.size` come to.
    #[schemars(range(min = 1, max = 1000000))]
    pub in_flight: usize,
    /// Requests a second that one caller may make, in bursts of as many at once; more are refused
    /// with 429, and messages over a WebSocket or the unix socket are read no faster. Absent: as
    /// fast as they come, because a caller with a key is a friend.
    #[schemars(range(min = 1, max = 1000000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<u32>,
    /// Sessions of clients before 2026-07-28 kept at once; the one idle for longest makes room.
    /// Streams of `/sse` count as well and are never idle: where there is nothing else, another is
    /// refused with 503.
    #[schemars(range(min = 1, max = 1000000))]
    pub sessions: usize,
    /// How long a session is kept without use.
    pub session_idle: TimeSpan,
    /// Speaks TLS. Absent: plain HTTP, which is for loopback or behind a proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            host: "127.0.0.1".to_owned(),
            port: 8765,
            allow_remote: false,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            // More than a person with a wrong key in a client makes, and next to nothing of what
            // guessing a key takes.
            wrong_keys: Rate::new(NonZeroU32::new(30).expect("not zero"), RateUnit::Minute),
            body_limit: ByteSize::from_mib(4),
            header_limit: ByteSize::from_kib(32),
            header_timeout: TimeSpan::from_secs(60),
            body_timeout: TimeSpan::from_secs(30),
            connections: 512,
            in_flight: 4_000,
            rate: None,
            sessions: 10_000,
            session_idle: TimeSpan::from_mins(60),
            tls: None,
        }
    }
}

impl HttpConfig {
    /// How an address of this listener begins.
    pub fn scheme(&self) -> &'static str {
        if self.tls.is_some() { "https" } else { "http" }
    }

    /// The address to bind.
    ///
    /// # Errors
    ///
    /// A sentence for people when it is no address, or one that may not be listened on.
    pub fn ip(&self) -> Result<IpAddr, String> {
        let host = if self.host == "localhost" { "127.0.0.1" } else { &self.host };
        let ip: IpAddr = host.parse().map_err(|_| {
            format!(
                "`{}` is no IP address; use 127.0.0.1 or another address of this machine",
                self.host
            )
        })?;
        if !ip.is_loopback() && !self.allow_remote {
            return Err(format!(
                "`{ip}` can be reached from other machines, and whoever has the key can use every \
                 tool; set `http.allow_remote = true` if that is meant"
            ));
        }
        Ok(ip)
    }
}
