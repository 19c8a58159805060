//! Why somebody may do something or not, as it is asked and told.

use async_graphql::{InputObject, SimpleObject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scalar::JsonCamelCase;

/// A question about what somebody may do. Who it is about is a key or a user by its name, or is
/// described; whoever asks, where nothing is said of it.
#[derive(Clone, Debug, Default, Deserialize, InputObject, JsonSchema)]
#[graphql(name = "ExplainInput")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExplainWish {
    /// `call NAME [JSON]`, `list`, `search WORDS`, `read URI`, `get PROMPT`, `inspect AREA`, `manage
    /// AREA` or `spawn`.
    pub question: String,
    /// The arguments of a call: an object.
    #[serde(default)]
    pub arguments: Option<JsonCamelCase>,
    /// `key:ID`, `user:NAME` or `owner`; the id or the name of a key, or the name of a user.
    #[serde(default)]
    pub principal: Option<String>,
    /// Of somebody who is described: what others are known by, such as `oidc:ISSUER|SUB`.
    #[serde(default)]
    pub subject: Option<String>,
    #[serde(default)]
    #[graphql(default)]
    pub roles: Vec<String>,
    /// What the credential is limited to.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// How it is proved: `oidc` where absent, `api_key`, `password`, `admin_token` or `same_user`.
    #[serde(default)]
    pub method: Option<String>,
}

/// What somebody may do, and why.
#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct Explained {
    /// Whether any of it is allowed.
    pub allowed: bool,
    pub principal: ExplainedPrincipal,
    /// What was asked about, one by one.
    pub answers: Vec<ExplainedAnswer>,
    /// Whether a policy looks at the arguments of calls, of which none were given.
    pub depends_on_arguments: bool,
}

/// Whom an answer is about.
#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedPrincipal {
    pub tenant: String,
    pub subject: String,
    pub name: Option<String>,
    /// How it proves who it is.
    pub method: String,
    pub roles: Vec<String>,
    /// What the credential is limited to.
    pub scopes: Option<Vec<String>>,
    /// Why the credential lets nobody in any more, where that is so.
    pub ended: Option<String>,
}

/// What is decided of one thing.
#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedAnswer {
    /// `tool git__log`, `resource file:///x`, `manage keys`, `spawn`.
    pub about: String,
    /// Of what a server has, that server.
    pub server: Option<String>,
    pub allowed: bool,
    /// The policies that decided: what forbids, or else what permits. None where nothing permits.
    pub policies: Vec<ExplainedPolicy>,
    /// The scopes of the credential that are in the way, whatever policies say.
    pub scopes_in_the_way: Vec<String>,
    /// The policies that could not be evaluated; one that forbids is among those that decided.
    pub troubles: Vec<ExplainedTrouble>,
    /// Whether the tenant is shut, because policies of its own cannot be read.
    pub is_shut: bool,
}

/// A policy that decided.
#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedPolicy {
    /// Its `@id`, or what stands for it.
    pub id: String,
    pub permits: bool,
    /// Whether the tenant keeps it.
    pub is_of_tenant: bool,
    pub place: ExplainedPlace,
}

/// A policy that could not be evaluated.
#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedTrouble {
    pub id: String,
    pub place: ExplainedPlace,
    pub message: String,
}

/// Where a policy stands.
#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedPlace {
    /// A file, a key of the configuration, the id of a policy that is kept, or `built-in/…`.
    pub text: String,
    pub line: u32,
    pub column: u32,
}
