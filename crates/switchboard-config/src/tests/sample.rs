//! A configuration with every shape that a key can have.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ByteSize, Secret, TimeSpan};

/// The configuration of the tests.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(super) struct Config {
    /// Who may call. Without it, everyone may.
    pub(super) api_key: Option<Secret>,
    /// Where calls come in.
    pub(super) listen: Listen,
    pub(super) log: Log,
    pub(super) limits: Limits,
    /// Where calls are kept.
    pub(super) store: Option<Store>,
    /// The servers behind the daemon, by name.
    pub(super) upstream: BTreeMap<Name, Upstream>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Listen {
    /// The address to listen on.
    pub(super) host: IpAddr,
    /// The port to listen on; 0 takes any that is free.
    pub(super) port: u16,
    /// Names that a `Host` header may
    /// have | besides the address.
    pub(super) allowed_hosts: Vec<String>,
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(super) struct Log {
    /// How much is written.
    pub(super) level: Level,
    /// Whether to write JSON.
    pub(super) json: bool,
    /// The share of calls that is traced.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(super) sampled: f64,
}

#[derive(Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// Only what needs a person.
    Error,
    #[default]
    Info,
    Debug,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(super) struct Limits {
    /// The largest body of a request.
    #[schemars(extend("x-minimum" = "1 KiB", "x-maximum" = "64 MiB"))]
    pub(super) body: ByteSize,
    /// How long a stopping daemon waits for calls.
    #[schemars(extend("x-maximum" = "1h"))]
    pub(super) drain: TimeSpan,
    /// How many calls may be under way.
    #[schemars(range(min = 1, max = 64))]
    pub(super) calls: u32,
    /// How many calls may wait; without it, none may.
    pub(super) queue: Option<NonZeroU16>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Store {
    Memory,
    Sqlite {
        /// The file of the database.
        path: String,
    },
    Redis(Redis),
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub(super) struct Redis {
    /// Where the server is, with its password.
    pub(super) url: Secret,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String")]
pub(super) struct Name(pub(super) String);

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(super) struct Upstream {
    /// A program to start.
    pub(super) stdio: Option<Stdio>,
    /// A server to call.
    pub(super) http: Option<Http>,
    /// After how long without a call it is stopped.
    pub(super) idle_stop: TimeSpan,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub(super) struct Stdio {
    /// The program.
    pub(super) command: String,
    /// Its arguments.
    #[serde(default)]
    pub(super) args: Vec<String>,
    /// Its environment variables.
    #[serde(default)]
    pub(super) env: BTreeMap<String, Secret>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub(super) struct Http {
    /// The address of the server.
    pub(super) url: String,
}

impl Default for Listen {
    fn default() -> Self {
        Self { host: [127, 0, 0, 1].into(), port: 8765, allowed_hosts: Vec::new() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: ByteSize::from_mib(4), drain: TimeSpan::from_secs(25), calls: 16, queue: None }
    }
}

impl Default for Upstream {
    fn default() -> Self {
        Self { stdio: None, http: None, idle_stop: TimeSpan::from_mins(10) }
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if name.contains("__") {
            return Err("a name must not contain `__`".to_owned());
        }
        Ok(Self(name))
    }
}
