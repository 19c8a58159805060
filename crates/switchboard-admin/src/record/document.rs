//! Things that are kept whole: servers, keys, users, policies, limits.
//!
//! Of their bodies exactly the members that are named here are shown. What else a body has, above
//! all hashes, has no way out.

use std::time::{Duration, SystemTime};

use async_graphql::{InputObject, SimpleObject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use switchboard_core::store::Row;

use crate::mask::mask;
use crate::moment::Moment;
use crate::record::{moment, text};
use crate::scalar::JsonCamelCase;

/// A server that is kept in the store.
#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[graphql(name = "ServerDefinition")]
#[serde(rename_all = "camelCase")]
pub(crate) struct Server {
    pub name: String,
    /// As in a `[servers.NAME]` of the configuration file, secrets shown as `…`.
    pub definition: JsonCamelCase,
    pub version: i64,
    pub updated_by: Option<String>,
    pub created_at: Option<Moment>,
    pub updated_at: Option<Moment>,
}

#[derive(Clone, Debug, Deserialize, InputObject, JsonSchema)]
#[graphql(name = "ServerInput")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ServerWish {
    /// As in a `[servers.NAME]` of the configuration file. A secret that is sent as `…` stays what
    /// it is, unless the server is at another host or another program: then it is to be sent anew.
    pub definition: JsonCamelCase,
}

/// An API key, without what it is compared with.
#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[graphql(name = "ApiKey")]
#[serde(rename_all = "camelCase")]
pub(crate) struct Key {
    pub id: String,
    pub name: Option<String>,
    /// As whom it acts.
    pub subject: Option<String>,
    pub roles: Vec<String>,
    /// What it is limited to: `server:NAME`, `tool:NAME`, `effect:read|write|destructive`.
    pub scopes: Option<Vec<String>>,
    /// Requests in a minute.
    pub per_minute: Option<i64>,
    pub expires_at: Option<Moment>,
    pub last_used_at: Option<Moment>,
    /// Since when it lets nobody in any more.
    pub revoked_at: Option<Moment>,
    pub created_at: Option<Moment>,
}

#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub(crate) struct User {
    pub name: String,
    pub roles: Vec<String>,
    /// What it is limited to, as keys are.
    pub scopes: Option<Vec<String>>,
    pub updated_by: Option<String>,
    pub created_at: Option<Moment>,
    pub updated_at: Option<Moment>,
}

#[derive(Clone, Default, Deserialize, InputObject, JsonSchema)]
#[graphql(name = "UserInput")]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct UserWish {
    /// Needed for a new user; stays what it is where absent.
    pub password: Option<String>,
    pub roles: Option<Vec<String>>,
    /// What it is limited to, as keys are.
    pub scopes: Option<Vec<String>>,
}

#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[graphql(name = "Policy")]
#[serde(rename_all = "camelCase")]
pub(crate) struct PolicyDocument {
    pub id: String,
    /// In Cedar.
    pub text: String,
    pub version: i64,
    pub updated_by: Option<String>,
    pub created_at: Option<Moment>,
    pub updated_at: Option<Moment>,
}

#[derive(Clone, Debug, Deserialize, InputObject, JsonSchema)]
#[graphql(name = "PolicyInput")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PolicyWish {
    /// In Cedar.
    pub text: String,
}

#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Limit {
    pub id: String,
    pub definition: JsonCamelCase,
    pub version: i64,
    pub updated_by: Option<String>,
    pub created_at: Option<Moment>,
    pub updated_at: Option<Moment>,
}

#[derive(Clone, Debug, Deserialize, InputObject, JsonSchema)]
#[graphql(name = "LimitInput")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LimitWish {
    pub definition: JsonCamelCase,
}

impl From<&Row> for Server {
    fn from(row: &Row) -> Self {
        Self {
            name: row.key.clone(),
            definition: JsonCamelCase(mask(row.get("body").unwrap_or(&Value::Null))),
            version: version(row),
            updated_by: text(row, "updated_by"),
            created_at: moment(row, "created_at"),
            updated_at: moment(row, "updated_at"),
        }
    }
}

impl From<&Row> for Key {
    fn from(row: &Row) -> Self {
        let body = row.get("body").unwrap_or(&Value::Null);
        // Seconds since 1970.
        let time = |name: &str| {
            let since = Duration::from_secs(body[name].as_u64()?);
            Some(Moment::at(SystemTime::UNIX_EPOCH.checked_add(since)?))
        };
        Self {
            id: row.key.clone(),
            name: body["name"].as_str().map(str::to_owned),
            subject: body["subject"].as_str().map(str::to_owned),
            roles: texts(&body["roles"]).unwrap_or_default(),
            scopes: texts(&body["scopes"]),
            per_minute: body["rate"].as_i64(),
            expires_at: time("expires"),
            last_used_at: time("last_used"),
            revoked_at: time("revoked"),
            created_at: time("created"),
        }
    }
}

impl From<&Row> for User {
    fn from(row: &Row) -> Self {
        let body = row.get("body").unwrap_or(&Value::Null);
        Self {
            name: row.key.clone(),
            roles: texts(&body["roles"]).unwrap_or_default(),
            scopes: texts(&body["scopes"]),
            updated_by: text(row, "updated_by"),
            created_at: moment(row, "created_at"),
            updated_at: moment(row, "updated_at"),
        }
    }
}

impl From<&Row> for PolicyDocument {
    fn from(row: &Row) -> Self {
        Self {
            id: row.key.clone(),
            text: cedar(row).to_owned(),
            version: version(row),
            updated_by: text(row, "updated_by"),
            created_at: moment(row, "created_at"),
            updated_at: moment(row, "updated_at"),
        }
    }
}

impl From<&Row> for Limit {
    fn from(row: &Row) -> Self {
        Self {
            id: row.key.clone(),
            definition: JsonCamelCase(row.get("body").cloned().unwrap_or_default()),
            version: version(row),
            updated_by: text(row, "updated_by"),
            created_at: moment(row, "created_at"),
            updated_at: moment(row, "updated_at"),
        }
    }
}

/// The text of the row of a policy: its body is `{"text": …}`.
fn cedar(row: &Row) -> &str {
    row.get("body").and_then(|body| body["text"].as_str()).unwrap_or_default()
}

fn version(row: &Row) -> i64 {
    row.integer("version").unwrap_or_default()
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let items = value.as_array()?;
    Some(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
}
