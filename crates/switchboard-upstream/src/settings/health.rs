//! Whether a server is still there that nobody calls.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::TimeSpan;

/// When a server that runs is asked whether it is still there: with `ping`, or `server/discover`
/// where that took its place.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct HealthSettings {
    /// So long after the last answer, while no call is under way; and at once after a call was not
    /// answered in time. Up to a quarter less, so that not all servers are asked together. `0s`
    /// means never.
    pub interval: TimeSpan,
    /// How long the answer may take, which may be a refusal. A server that does not answer is asked
    /// once more, and then replaced.
    pub timeout: TimeSpan,
}

impl Default for HealthSettings {
    fn default() -> Self {
        Self { interval: TimeSpan::from_secs(30), timeout: TimeSpan::from_secs(10) }
    }
}
