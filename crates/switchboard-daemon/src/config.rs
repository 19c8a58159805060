//! Every key of the configuration.
//!
//! Each table is defined by the crate that acts on it; here they are put together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_auth::AuthConfig;
use switchboard_config::{ByteSize, Secret, TimeSpan};
use switchboard_core::limit::LimitConfig;
use switchboard_egress::EgressSettings;
use switchboard_function::{BundleConfig, BundlesConfig};
use switchboard_history::HistoryConfig;
use switchboard_listen::http::HttpConfig;
use switchboard_policy::PolicyConfig;
use switchboard_store::StoreConfig;
use switchboard_store::blob::BlobConfig;

/// The configuration of a daemon.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Files with `mcpServers`, read as their owners read them; relative to this file. An upstream
    /// of the same name here replaces the one there.
    pub import: Vec<PathBuf>,
    /// How clients reach the daemon.
    pub http: HttpConfig,
    /// Who may use it, and how they prove who they are.
    pub auth: AuthConfig,
    /// Where it may connect to.
    pub egress: EgressSettings,
    /// What it writes down.
    pub log: LogConfig,
    /// How it starts and stops.
    pub daemon: DaemonConfig,
    /// Tenants beside the one of this file.
    pub tenants: TenantsConfig,
    /// Where things are kept.
    pub store: StoreConfig,
    /// Where large values are kept.
    pub blobs: BlobConfig,
    /// What seals the secrets that are kept.
    pub vault: VaultConfig,
    /// What is recorded of calls.
    pub history: HistoryConfig,
    /// Who may do what.
    pub policy: PolicyConfig,
    /// How much anybody may ask for.
    pub limits: LimitConfig,
    /// The MCP servers, by name: letters, digits, `-` and single `_` inside.
    pub upstream: BTreeMap<String, switchboard_upstream::Settings>,
    /// Function bundles, by name, which is as those of upstreams are and none of theirs.
    pub bundle: BTreeMap<String, BundleConfig>,
    /// How bundles are fetched and run.
    pub bundles: BundlesConfig,
    /// Upstreams that offer the same, by a name that is none of theirs.
    pub group: BTreeMap<String, switchboard_upstream::GroupSettings>,
}

/// What the daemon writes down.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as
    /// `info,switchboard_upstream=debug`.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
    /// A file that has grown to this size is put aside for a new one.
    #[schemars(extend("x-minimum" = "64 KiB", "x-maximum" = "1 GiB"))]
    pub file_size: ByteSize,
    /// So is a file of this age.
    pub file_age: TimeSpan,
    /// How many files are kept beside the current one.
    #[schemars(range(min = 0, max = 100))]
    pub files: u32,
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// How the daemon starts and stops.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DaemonConfig {
    /// How long a stopping daemon waits for calls in flight. 25 s: service managers commonly kill
    /// after 30 s, and children are to be ended in the time that is left.
    pub drain: TimeSpan,
    /// How long a list waits for servers that are being started for the first time; what is missing
    /// follows as `list_changed`. 5 s: clients commonly give up a list after 10 to 30 s.
    pub list_wait: TimeSpan,
}

/// Tenants beside the one that the configuration file describes.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantsConfig {
    /// How many tenants have servers running at once. Beyond that the one that was not used for
    /// longest makes room; it is there again when somebody addresses it.
    #[schemars(range(min = 1, max = 100000))]
    pub served: usize,
    /// How long the servers of a tenant are kept running that nobody addresses.
    pub idle: TimeSpan,
    /// How often policies and limits that are kept in the store are read again: the longest that a
    /// change made through another daemon on the same store takes to hold here. One that is made
    /// here holds at once. 10 s: a person who changes a policy waits about as long, and a tenant
    /// costs the store two small questions in that time.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "1h"))]
    pub refresh: TimeSpan,
    /// How often servers are asked again whose tools are kept as functions
    /// (`syncExternalMcpServer`): what they list no more is deleted.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "168h"))]
    pub sync: TimeSpan,
}

/// What seals the secrets of tenants in the store: the settings of their servers and modules.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct VaultConfig {
    /// 32 bytes, as base64 or as 64 hexadecimal digits, such as `openssl rand -base64 32` prints
    /// them. Absent: a key is made at the first start and kept in the state directory
    /// (`vault.key`). Several daemons with one store need the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// Keys that secrets were sealed with before, which still open them.
    pub former_keys: Vec<Secret>,
}

impl Default for TenantsConfig {
    fn default() -> Self {
        Self {
            served: 1_000,
            idle: TimeSpan::from_mins(60),
            refresh: TimeSpan::from_secs(10),
            sync: TimeSpan::from_mins(60),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
            file_size: ByteSize::from_mib(10),
            file_age: TimeSpan::from_mins(7 * 24 * 60),
            files: 5,
        }
    }
}

impl Default for DaemonConfig {
    fn default() -> Self {
        Self { drain: TimeSpan::from_secs(25), list_wait: TimeSpan::from_secs(5) }
    }
}

#[cfg(test)]
mod tests {
    use super::HttpConfig;

    /// The defaults of two crates that do not know each other: what one server holds when it hangs,
    /// with a queue that is full, is less than one caller may have.
    #[test]
    fn a_server_that_hangs_leaves_requests_for_other_servers() {
        let server = switchboard_upstream::Settings::default();
        let hung = server.in_flight + server.queue.size;
        assert!(hung < HttpConfig::default().in_flight / 4 * 3, "{hung}");
    }
}
