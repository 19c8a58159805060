//! `[history]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::{ByteSize, TimeSpan};

/// The record of calls: of tools, prompts and resources, with who called and what came of it.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct HistoryConfig {
    /// Whether calls are recorded.
    pub enabled: bool,
    /// How long a record may wait to be written together with others. It is also what a crash of
    /// the daemon may lose; an ordered end loses nothing.
    #[schemars(extend("x-minimum" = "10ms", "x-maximum" = "1m"))]
    pub window: TimeSpan,
    /// How many records may wait for a store that is slow. More are not kept, and counted
    /// (`switchboard_history_lost_total`).
    #[schemars(range(min = 1, max = 1000000))]
    pub queue: usize,
    /// How much memory the records that wait may take.
    #[schemars(extend("x-minimum" = "1 MiB", "x-maximum" = "4 GiB"))]
    pub queue_size: ByteSize,
    /// Arguments that are longer are left out of a record. With `store.dynamodb` at most 128 KiB: an
    /// item there takes 400 KB with all that stands in it.
    #[schemars(extend("x-minimum" = "0 B", "x-maximum" = "16 MiB"))]
    pub arguments_limit: ByteSize,
    /// Results that are longer are cut. What the store takes in one row is its own affair: what is
    /// larger goes to `[blobs]`.
    #[schemars(extend("x-minimum" = "0 B", "x-maximum" = "64 MiB"))]
    pub result_limit: ByteSize,
    /// How long a record is kept.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "3650d"))]
    pub keep: TimeSpan,
    /// How many records of one tenant are kept; the oldest leave first.
    #[schemars(range(min = 1, max = 1000000000))]
    pub keep_calls: u64,
    /// What is put out of sight before a record is written.
    pub redact: RedactConfig,
}

/// What is put out of sight in records, beside what the schema of a tool marks (`writeOnly`,
/// `"format": "password"`) and what looks like a secret of a well-known service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedactConfig {
    /// Names of members whose values nobody should read, in any case: `password` stands also for
    /// `db_password`. Beside `password`, `passwd`, `secret`, `token`, `api_key`, `apikey`,
    /// `authorization`, `credential`, `private_key` and `cookie`.
    pub names: Vec<String>,
    /// Regular expressions for texts that nobody should read, wherever they stand.
    pub patterns: Vec<String>,
}

impl Default for HistoryConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            window: TimeSpan::from_millis(200),
            queue: 10_000,
            queue_size: ByteSize::from_mib(32),
            arguments_limit: ByteSize::from_kib(64),
            result_limit: ByteSize::from_mib(1),
            keep: TimeSpan::from_mins(30 * 24 * 60),
            keep_calls: 1_000_000,
            redact: RedactConfig::default(),
        }
    }
}
