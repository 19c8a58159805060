//! Recorded calls, as commands ask for them and replies bring them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which calls. All that is said has to hold.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct CallFilter {
    /// The name of a tool, a prompt or a resource, as clients know it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// Who called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// `completed`, `failed` or `cancelled`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// That began then or later, in microseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// That began before then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// Calls, the newest first.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct RecordedCalls {
    pub calls: Vec<RecordedCall>,
    /// What asks for those before; absent where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The record of one call.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RecordedCall {
    pub id: String,
    pub name: String,
    /// `tool`, `prompt` or `resource`.
    pub kind: String,
    /// `completed`, `failed` or `cancelled`.
    pub status: String,
    pub started: String,
    pub duration_us: i64,
    pub subject: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<String>,
    /// The endpoint of the upstream that answered, or the last one that was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Which try that was; 0 where none was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<i64>,
    /// `none` where a server was asked: results are never taken from a cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Value>,
    /// The result, or what was kept of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// What was left out, cut or put out of sight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// Estimates, from the length of arguments and result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_in: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_out: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Whether the arguments are those that were sent, so that the call can be made again.
    pub can_be_replayed: bool,
}

/// A recorded call, made again.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Replayed {
    pub recorded: RecordedCall,
    /// Who was asked now.
    pub upstream: String,
    pub duration_us: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Value>,
    /// Why there is no result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What differs, as `diff -u` says it; empty where nothing does.
    pub difference: String,
}
