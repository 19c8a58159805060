//! A configuration with every shape that a key can have.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU16;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::{ByteSize, Secret, TimeSpan};

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Sample {
    /// Who may call.
    pub(crate) api_key: Option<Secret>,
    pub(crate) listen: Listen,
    pub(crate) limits: Limits,
    pub(crate) store: Option<Store>,
    /// The servers, by name.
    pub(crate) upstream: BTreeMap<Name, Upstream>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Listen {
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    pub(crate) allowed_hosts: Vec<String>,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Limits {
    #[schemars(extend("x-minimum" = "1 KiB", "x-maximum" = "64 MiB"))]
    pub(crate) body: ByteSize,
    #[schemars(extend("x-maximum" = "1h"))]
    pub(crate) drain: TimeSpan,
    #[schemars(range(min = 0.0, max = 1.0))]
    pub(crate) sampled: f64,
    pub(crate) queue: Option<NonZeroU16>,
    pub(crate) level: Level,
}

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Error,
    #[default]
    Info,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Store {
    Memory,
    Sqlite { path: String },
    Redis(Redis),
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Redis {
    pub(crate) url: Secret,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, JsonSchema)]
#[serde(try_from = "String")]
pub(crate) struct Name(String);

#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub(crate) struct Upstream {
    /// A program to start.
    pub(crate) stdio: Option<Stdio>,
    pub(crate) idle_stop: TimeSpan,
}

#[derive(Debug, Deserialize, Serialize, JsonSchema)]
pub(crate) struct Stdio {
    pub(crate) command: String,
    #[serde(default)]
    pub(crate) args: Vec<String>,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, Secret>,
}

impl Default for Listen {
    fn default() -> Self {
        Self { host: [127, 0, 0, 1].into(), port: 8765, allowed_hosts: Vec::new() }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body: ByteSize::from_mib(4),
            drain: TimeSpan::from_secs(25),
            sampled: 0.0,
            queue: None,
            level: Level::Info,
        }
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
