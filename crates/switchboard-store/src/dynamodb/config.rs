//! Which tables, and who may reach them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::Secret;

/// Rows in DynamoDB: the tables `mcp-functions`, `mcp-modules`, `mcp-function_calls` and
/// `mcp-settings` of the AI MCP Daemon Engine, and beside them those that begin with `switchboard-`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DynamodbConfig {
    /// The region of the tables, such as `eu-central-1`. Absent: `AWS_REGION`, or that of the
    /// profile or of the machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The address of something else that speaks the protocol of DynamoDB, such as
    /// `http://127.0.0.1:8000`. Absent: the one of the region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// What stands before the names of all tables, such as `staging-`, where several installations
    /// share an account. `""`: the names of existing tables.
    pub table_prefix: String,
    /// Whether tables that are not there are made at the start, paid for by request. Off: the start
    /// fails and names them, because what is made in an account costs its owner.
    pub initialize_tables: bool,
    /// The id of an access key. Absent, as it should be on machines of AWS: the environment, the
    /// profile, or the role of the machine, in the order of the AWS SDKs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// The secret that belongs to `access_key_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<Secret>,
    /// The token of a key that is good for a while only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_token: Option<Secret>,
}
