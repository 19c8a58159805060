//! The port to the running daemon: what no store knows, and what more than a store has to do.

use std::fmt;
use std::time::Duration;

use async_graphql::{Enum, SimpleObject};
use async_trait::async_trait;
use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use switchboard_core::{Area, Effect, Kind, Principal, Tenant};

use crate::explained::{ExplainWish, Explained};
use crate::moment::Moment;
use crate::scalar::JsonCamelCase;

/// What the daemon does for the management surface. Who may ask was decided before.
#[async_trait]
pub trait Operations: Send + Sync {
    fn facts(&self) -> Facts;

    /// The servers of a tenant, by name: those of the configuration and those of the store.
    async fn servers(&self, tenant: &Tenant) -> Vec<ServerState>;

    /// Everything that the servers of a tenant offer, by kind and exposed name; unfiltered.
    async fn offers(&self, tenant: &Tenant) -> Vec<Offer>;

    /// What is cached of a tenant; `None` where nothing is.
    fn cache(&self, tenant: &Tenant) -> Option<CacheFacts>;

    /// Reads the lists of a tenant's servers again: of all, or of the one of that name.
    async fn refresh(&self, tenant: &Tenant, server: Option<&str>) -> Result<CacheFacts, Refused>;

    /// Forgets what is cached of a tenant, or of all; of whom there was something.
    async fn purge(&self, tenant: Option<&Tenant>) -> Vec<Tenant>;

    /// Whether a document may be kept, before it is. Opens nothing.
    fn check(&self, tenant: &Tenant, document: Document<'_>) -> Result<Checked, Refused>;

    /// The tools of a server that is not kept yet. Connects to addresses within the egress rules;
    /// starts no program, whatever the definition says.
    async fn preview(&self, tenant: &Tenant, definition: &Value) -> Result<Vec<Offer>, Refused>;

    /// Whether a bundle can be served, before it is kept: everything of it is read and checked, and
    /// its code is loaded once. Nothing is served otherwise than before.
    async fn inspect(&self, tenant: &Tenant, package: Package<'_>) -> Result<Inspected, Refused>;

    /// How many bytes the archive of a bundle may have.
    fn package_limit(&self) -> u64;

    /// What somebody may do in a tenant, as it would be decided now: `asks`, where `wish` says of
    /// nobody else.
    async fn explain(
        &self,
        tenant: &Tenant,
        asks: Option<&Principal>,
        wish: ExplainWish,
    ) -> Result<Explained, Refused>;

    /// Makes, changes and takes back what people and programs log in with, in the name of `by`.
    async fn login(
        &self,
        tenant: &Tenant,
        by: &str,
        change: LoginChange,
    ) -> Result<LoginChanged, Refused>;

    /// Ends what serves a tenant and deletes everything that is kept of it, in the name of `by`.
    async fn remove_tenant(&self, tenant: &Tenant, by: &str) -> Result<(), Refused>;

    /// Something of this area was written to the store; what was made of it is out of date. Returns
    /// when what was written holds.
    async fn changed(&self, tenant: &Tenant, area: Area);
}

/// Facts about the daemon.
#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct Facts {
    /// What it calls itself.
    pub server: String,
    pub version: String,
    pub started_at: Moment,
}

/// How a server is.
#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct ServerState {
    pub name: String,
    pub state: ServerPhase,
    /// `stdio`, `http`, `sse`, `websocket`.
    pub transport: String,
    /// How many tools it offers, where that is known.
    pub tools: Option<u32>,
    /// Why it is not available, in words for whoever manages it.
    pub reason: Option<String>,
    pub since: Option<Moment>,
}

#[derive(Clone, Copy, Debug, Deserialize, Enum, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServerPhase {
    /// Not needed so far, or idle for long.
    Dormant,
    Opening,
    Open,
    /// Failed; tried again when it is due.
    Waiting,
    Disabled,
}

/// A tool, prompt or resource of a server.
#[derive(Clone, Debug)]
pub struct Offer {
    pub kind: Kind,
    pub server: String,
    /// As its server calls it.
    pub name: String,
    /// As clients see it: a name, or the address of a resource.
    pub exposed: String,
    pub effect: Effect,
    /// As its server describes it.
    pub item: Value,
}

/// How much is cached of a tenant.
#[derive(Clone, Copy, Debug, Default)]
pub struct CacheFacts {
    pub tools: usize,
    pub resources: usize,
    pub prompts: usize,
    pub modules: usize,
    pub module_links: usize,
}

/// Something that somebody wants to have kept.
#[derive(Clone, Copy, Debug)]
pub enum Document<'a> {
    /// As in a `[servers.NAME]` of the configuration file.
    Server {
        name: &'a str,
        definition: &'a Value,
    },
    /// Text in Cedar.
    Policy {
        id: &'a str,
        text: &'a str,
    },
    Limit {
        id: &'a str,
        definition: &'a Value,
    },
}

/// What was found out about a document.
#[derive(Clone, Debug, Default)]
pub struct Checked {
    /// Whether a program would be started for it, which needs a right of its own.
    pub spawns: bool,
}

/// A bundle that somebody wants to have kept.
pub struct Package<'a> {
    pub name: &'a str,
    /// The archive.
    pub content: Bytes,
    /// What `minisign` wrote of it.
    pub signature: Option<&'a str>,
    /// As in a `[bundle.NAME]` of the configuration file, without `source`.
    pub definition: &'a Value,
    /// Whether programs may be started for it that are not confined.
    pub may_spawn: bool,
}

/// What was found out about a bundle.
#[derive(Clone, Debug, Default)]
pub struct Inspected {
    /// The SHA-256 of its archive, in hexadecimal digits.
    pub digest: String,
    /// As its manifest says.
    pub version: Option<String>,
    /// The text of its `MCP_CONFIGURATION`, where it is a package of the older engine's shape.
    pub configuration: Option<String>,
    pub tools: usize,
    pub resources: usize,
    pub prompts: usize,
}

#[derive(Clone, Debug)]
pub enum LoginChange {
    MakeKey(KeyWish),
    RevokeKey {
        id: String,
    },
    /// Another text for a key; the present one is good until `grace` is over.
    RotateKey {
        id: String,
        grace: Duration,
    },
    /// A user, whether there was one or not. What is `None` stays as it is.
    PutUser(UserChange),
    /// The user and everything that was issued to it.
    RemoveUser {
        name: String,
    },
}

/// What a user is to be.
#[derive(Clone)]
pub struct UserChange {
    pub name: String,
    pub password: Option<String>,
    pub roles: Option<Vec<String>>,
    pub scopes: Option<Vec<String>>,
}

impl fmt::Debug for UserChange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("UserChange");
        shown.field("name", &self.name).field("roles", &self.roles).finish_non_exhaustive()
    }
}

/// What a new key is to be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, async_graphql::InputObject)]
#[graphql(name = "KeyInput")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyWish {
    /// What people call it.
    pub name: String,
    /// As whom it acts: `user:NAME` or `service:NAME`. Absent: as itself.
    #[serde(default)]
    pub subject: Option<String>,
    /// The roles of whoever presents it; none where absent.
    #[serde(default)]
    #[graphql(default)]
    pub roles: Vec<String>,
    /// What it is limited to: `server:NAME`, `tool:NAME`, `effect:read|write|destructive`. Absent
    /// where it is not limited.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    #[serde(default)]
    pub expires_at: Option<Moment>,
    /// Requests in a minute.
    #[serde(default)]
    pub per_minute: Option<u32>,
}

/// How a key is to get another text.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, async_graphql::InputObject)]
#[graphql(name = "RotationInput")]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Rotation {
    /// For how many seconds the present text stays good: a day where that is not said, and at 0 it
    /// ends at once.
    pub grace_seconds: Option<u32>,
}

#[derive(Clone, Debug)]
pub enum LoginChanged {
    Done,
    /// The only time that the text of a key is seen.
    KeyMade {
        id: String,
        text: String,
    },
}

/// Why the daemon did not do it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Refused {
    /// In words for the caller.
    #[error("{0}")]
    Invalid(String),
    #[error("there is no {what} `{key}`")]
    NotFound { what: &'static str, key: String },
    #[error("`{0}` is there already")]
    Conflict(String),
    /// The right that is missing.
    #[error("this needs the right to {0}")]
    Forbidden(String),
    /// The caller hears of `what` alone.
    #[error("{what} is unavailable: {detail}")]
    Unavailable { what: &'static str, detail: String },
    /// For the log alone.
    #[error("{0}")]
    Failed(String),
}

/// A tool as the management surface shows it.
#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// As clients see it.
    pub name: String,
    pub server: String,
    /// As its server calls it.
    pub own_name: String,
    pub description: Option<String>,
    /// `read`, `write` or `destructive`.
    pub effect: String,
    pub input_schema: Option<JsonCamelCase>,
}

impl From<Offer> for Tool {
    fn from(offer: Offer) -> Self {
        Self {
            description: offer.item["description"].as_str().map(str::to_owned),
            input_schema: offer.item.get("inputSchema").cloned().map(JsonCamelCase),
            effect: offer.effect.as_str().to_owned(),
            name: offer.exposed,
            server: offer.server,
            own_name: offer.name,
        }
    }
}
