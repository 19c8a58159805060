//! Every table there is.
//!
//! The first four have the names, keys and columns of the daemon engine whose stores are read in
//! place; the columns of `CALLS` from `subject` on are ours.

use crate::store::row::ColumnKind::{Boolean, Integer, Json, Text, Time};
use crate::store::{Column, ColumnKind, Table};

/// Tools, prompts and resources of bundles.
pub static FUNCTIONS: Table = Table {
    name: "mcp_functions",
    dynamodb: "mcp-functions",
    key: "name",
    columns: &[
        column("mcp_type", Text),
        column("description", Text),
        column("data", Json),
        column("annotations", Text),
        column("module_name", Text),
        column("class_name", Text),
        column("function_name", Text),
        column("return_type", Text),
        column("is_async", Boolean),
        column("status", Integer),
        column("updated_by", Text),
        column("created_at", Time),
        column("updated_at", Time),
    ],
    indexes: &[&["mcp_type"]],
    overflow: None,
};

/// What functions are in, and where it comes from.
pub static MODULES: Table = Table {
    name: "mcp_modules",
    dynamodb: "mcp-modules",
    key: "module_name",
    columns: &[
        column("package_name", Text),
        column("classes", Json),
        column("source", Text),
        column("updated_by", Text),
        column("created_at", Time),
        column("updated_at", Time),
    ],
    indexes: &[&["package_name"]],
    overflow: None,
};

/// Settings of classes; `setting` is sealed where a key for it is configured.
pub static SETTINGS: Table = Table {
    name: "mcp_settings",
    dynamodb: "mcp-settings",
    key: "setting_id",
    columns: &[
        column("setting", Json),
        column("updated_by", Text),
        column("created_at", Time),
        column("updated_at", Time),
    ],
    indexes: &[],
    overflow: None,
};

/// Calls, under ids whose order is that of their beginnings.
pub static CALLS: Table = Table {
    name: "mcp_function_calls",
    dynamodb: "mcp-function_calls",
    key: "mcp_function_call_uuid",
    columns: &[
        column("name", Text),
        column("mcp_type", Text),
        column("arguments", Json),
        column("content_in_s3", Boolean),
        column("content", Text),
        column("status", Text),
        column("notes", Text),
        // In milliseconds.
        column("time_spent", Integer),
        column("updated_by", Text),
        column("created_at", Time),
        column("updated_at", Time),
        column("subject", Text),
        column("upstream", Text),
        column("method", Text),
        column("error", Json),
        // In microseconds.
        column("duration", Integer),
        column("tokens_in", Integer),
        column("tokens_out", Integer),
        column("endpoint", Text),
        column("attempt", Integer),
        column("cache", Text),
        column("trace_id", Text),
    ],
    // The last is for the history of one tool by time: a million calls of others lie between those of
    // a tool that is rarely called.
    indexes: &[
        &["mcp_type"],
        &["status"],
        &["updated_at"],
        &["subject"],
        &["name"],
        &["upstream"],
        &["name", "updated_at"],
    ],
    overflow: Some(("content", "content_in_s3")),
};

/// What is known of a tenant itself, under [`TENANT`].
pub static TENANTS: Table = document("switchboard_tenants", "switchboard-tenants");

/// The one key in [`TENANTS`].
pub const TENANT: &str = "tenant";

/// Servers of tenants, which the configuration file does not know.
pub static SERVERS: Table = document("switchboard_servers", "switchboard-servers");

/// API keys, by their ids; of the keys themselves only hashes.
pub static KEYS: Table = document("switchboard_keys", "switchboard-keys");

/// People with passwords.
pub static USERS: Table = document("switchboard_users", "switchboard-users");

/// Cedar policies.
pub static POLICIES: Table = document("switchboard_policies", "switchboard-policies");

/// Limits and quotas.
pub static LIMITS: Table = document("switchboard_limits", "switchboard-limits");

/// Bundles that were pushed, by name: `current` is the digest of the version that is served,
/// `definition` what it is served with.
pub static BUNDLES: Table = document("switchboard_bundles", "switchboard-bundles");

/// Versions of bundles, under `BUNDLE.DIGEST`; `content` is the archive in base64.
pub static BUNDLE_VERSIONS: Table = Table {
    name: "switchboard_bundle_versions",
    dynamodb: "switchboard-bundle_versions",
    key: "id",
    columns: &[
        column("bundle", Text),
        column("digest", Text),
        // As its manifest says.
        column("version", Text),
        column("bytes", Integer),
        column("content", Text),
        column("content_in_blob", Boolean),
        column("signature", Text),
        column("updated_by", Text),
        column("created_at", Time),
        column("updated_at", Time),
    ],
    indexes: &[&["bundle"]],
    overflow: Some(("content", "content_in_blob")),
};

/// What bundles keep, under `BUNDLE.KEY`, in base64.
pub static BUNDLE_VALUES: Table = Table {
    name: "switchboard_bundle_values",
    dynamodb: "switchboard-bundle_values",
    key: "id",
    columns: &[column("bundle", Text), column("value", Text), column("value_in_blob", Boolean)],
    indexes: &[&["bundle"]],
    overflow: Some(("value", "value_in_blob")),
};

/// Refresh tokens by their hashes, and the ids of tokens that were taken back. What `until` is
/// over of is swept.
pub static TOKENS: Table = Table {
    name: "switchboard_tokens",
    dynamodb: "switchboard-tokens",
    key: "id",
    columns: &[column("body", Json), column("until", Time)],
    indexes: &[&["until"]],
    overflow: None,
};

/// What was used of quotas, under `QUOTA/PERIOD`.
pub static USAGE: Table = Table {
    name: "switchboard_usage",
    dynamodb: "switchboard-usage",
    key: "id",
    columns: &[column("used", Integer), column("until", Time)],
    indexes: &[],
    overflow: None,
};

/// All of them, in the order in which they are made, exported and imported.
pub static ALL: [&Table; 15] = [
    &TENANTS,
    &FUNCTIONS,
    &MODULES,
    &SETTINGS,
    &CALLS,
    &SERVERS,
    &BUNDLE_VERSIONS,
    &BUNDLES,
    &BUNDLE_VALUES,
    &KEYS,
    &USERS,
    &POLICIES,
    &LIMITS,
    &TOKENS,
    &USAGE,
];

const fn column(name: &'static str, kind: ColumnKind) -> Column {
    Column { name, kind }
}

/// A table of things that are read whole: `body` is what they are.
const fn document(name: &'static str, dynamodb: &'static str) -> Table {
    Table {
        name,
        dynamodb,
        key: "id",
        columns: &[
            Column { name: "body", kind: Json },
            Column { name: "version", kind: Integer },
            Column { name: "updated_by", kind: Text },
            Column { name: "created_at", kind: Time },
            Column { name: "updated_at", kind: Time },
        ],
        indexes: &[],
        overflow: None,
    }
}
