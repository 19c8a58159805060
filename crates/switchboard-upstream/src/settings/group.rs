//! Several upstreams that offer the same.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BalanceStrategy;

/// Upstreams of which each tool and prompt that two of them list is shown once.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct GroupSettings {
    /// The names of the upstreams, two at least. What only one of them offers stays its own.
    pub upstreams: Vec<String>,
    /// Before the names of what they have in common; absent: the name of the group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Which of them gets a call.
    pub balance: BalanceStrategy,
    /// For `balance = "consistent_hash"`: the argument of a call that decides. Absent: the
    /// principal does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_argument: Option<String>,
}
