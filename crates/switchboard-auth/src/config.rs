//! `[auth]`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::{Secret, TimeSpan};

use crate::tokens::Signature;

/// Who may call, and how they prove who they are.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuthConfig {
    /// The ways in which callers prove who they are, in the order in which they are asked; the
    /// first that recognises what is presented decides. A way that is left out lets nobody in.
    pub order: Vec<WayName>,
    /// Whether whoever connects from this machine and presents nothing is the owner. Off by
    /// default: a proxy on this machine connects from here too, and so does every other user of it.
    /// Needs `loopback` in `auth.order`.
    pub loopback: bool,
    /// The key of the instance, whose owner may do everything; at least 16 characters. Absent: one is
    /// generated and kept in the state directory (`switchboard show-key`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_key: Option<Secret>,
    /// How long the old key of the instance stays valid after `switchboard rotate-key`.
    pub rotate_grace: TimeSpan,
    /// A token that makes whoever presents it administrator of the tenant that is addressed. At
    /// least 16 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_token: Option<Secret>,
    /// Who knows the passwords for `POST /auth/token`.
    pub passwords: Passwords,
    /// API keys of tenants.
    pub keys: KeysConfig,
    /// The tokens that are issued for passwords.
    pub tokens: TokensConfig,
    /// People with passwords.
    pub users: UsersConfig,
    /// Identity providers whose tokens are accepted, each under a name.
    pub oidc: BTreeMap<String, OidcConfig>,
    /// A user pool of Amazon Cognito.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cognito: Option<CognitoConfig>,
    /// What MCP clients are told about where to get tokens (RFC 9728).
    pub resource: ResourceConfig,
}

/// A way of proving who one is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WayName {
    /// API keys of tenants.
    ApiKey,
    /// The key of the instance (`switchboard show-key`).
    InstanceKey,
    /// `auth.admin_token`.
    AdminToken,
    /// Tokens that were issued for a password.
    Token,
    /// Tokens of `auth.oidc` and `auth.cognito`.
    Oidc,
    /// This machine, without a key.
    Loopback,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Passwords {
    /// The users file and the store.
    #[default]
    Local,
    /// `auth.cognito`.
    Cognito,
}

/// API keys of tenants.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeysConfig {
    /// How long a key that was looked up is taken to be as it was. A key that another process
    /// revokes lets nobody in after that time at the latest. 60 s.
    #[schemars(extend("x-minimum" = "5s", "x-maximum" = "10m"))]
    pub fresh: TimeSpan,
}

/// The tokens that are issued for passwords.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokensConfig {
    /// The secret to sign with, of at least 32 bytes, where several daemons share it. Absent: one
    /// is made and kept in the state directory, which is what a single daemon needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
    /// How tokens are signed.
    pub algorithm: Signature,
    /// What `iss` says, and has to say.
    pub issuer: String,
    /// What `aud` says: the first, and has to say: one of these.
    pub audience: Vec<String>,
    /// How long a token is good. 15 minutes: it is good that long after its user was deleted.
    #[schemars(extend("x-minimum" = "1m", "x-maximum" = "1d"))]
    pub lifetime: TimeSpan,
    /// How long a refresh token is good that is not used; each use gives a new one.
    #[schemars(extend("x-minimum" = "1m", "x-maximum" = "365d"))]
    pub refresh_lifetime: TimeSpan,
    /// How far the clocks of those that issue tokens may be apart from ours.
    #[schemars(extend("x-maximum" = "5m"))]
    pub clock_skew: TimeSpan,
}

/// People with passwords.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct UsersConfig {
    /// A JSON array of `{"username", "password_hash", "roles"}`, hashes by bcrypt or argon2id; also
    /// `tenant` and `scopes`. Relative to the configuration file; read at the start and at a reload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// The tenant of users in the file that name none; `*` for whichever is addressed.
    pub tenant: String,
    /// The name of an administrator, with `auth.users.admin_password`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_name: Option<String>,
    /// The password of that administrator: at least 8 characters, and none that daemons come with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_password: Option<Secret>,
}

/// An identity provider.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OidcConfig {
    /// What `iss` says. The discovery document is found below it.
    pub issuer: String,
    /// What `aud` may say, beside the addresses of `auth.resource`: tokens for others are refused.
    #[serde(default)]
    pub audience: Vec<String>,
    /// Where the keys are, where there is no discovery document that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// Algorithms that are accepted; only ones with a public key.
    #[serde(default = "algorithms")]
    pub algorithms: Vec<Asymmetric>,
    /// The tenant that people of the provider belong to; `*` for whichever is addressed.
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// The claim that has their tenant, instead of `tenant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant_claim: Option<String>,
    /// The claim that has their roles, a path such as `realm_access.roles`. Whoever may write the
    /// claim decides who is `admin`.
    #[serde(default = "roles_claim")]
    pub roles_claim: String,
    /// The claim that has the scopes of the token.
    #[serde(default = "scopes_claim")]
    pub scopes_claim: String,
    /// The claim that has the name people go by.
    #[serde(default = "name_claim")]
    pub name_claim: String,
    /// How far the clock of the provider may be apart from ours.
    #[serde(default = "clock_skew")]
    #[schemars(extend("x-maximum" = "5m"))]
    pub clock_skew: TimeSpan,
    /// How long the keys of the provider are taken to be all there are.
    #[serde(default = "jwks_ttl")]
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1d"))]
    pub jwks_ttl: TimeSpan,
    /// The least time between two looks for a key that is not known.
    #[serde(default = "jwks_floor")]
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "10m"))]
    pub jwks_floor: TimeSpan,
}

/// A user pool of Amazon Cognito.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CognitoConfig {
    /// The region of the pool, such as `eu-central-1`.
    pub region: String,
    /// The pool, such as `eu-central-1_a1B2c3`.
    pub user_pool_id: String,
    /// The app client that tokens have to be for.
    pub client_id: String,
    /// Its secret, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// Which tokens are accepted. Access tokens are made for this, ID tokens tell an app about its
    /// user.
    #[serde(default = "token_use")]
    pub token_use: Vec<TokenUse>,
    /// The tenant that people of the pool belong to; `*` for whichever is addressed.
    #[serde(default = "default_tenant")]
    pub tenant: String,
    /// Where the service is, instead of where Amazon has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// Where the keys of the pool are, instead of where the service has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_url: Option<String>,
    /// How long the keys of the pool are taken to be all there are.
    #[serde(default = "jwks_ttl")]
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "1d"))]
    pub jwks_ttl: TimeSpan,
    /// How far the clock of the service may be apart from ours.
    #[serde(default = "clock_skew")]
    #[schemars(extend("x-maximum" = "5m"))]
    pub clock_skew: TimeSpan,
}

/// A kind of token of Cognito.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenUse {
    Access,
    Id,
}

/// An algorithm with a public key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Asymmetric {
    RS256,
    RS384,
    RS512,
    PS256,
    PS384,
    PS512,
    ES256,
    ES384,
    EdDSA,
}

/// What MCP clients are told about where to get tokens.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ResourceConfig {
    /// The addresses of this daemon as clients know them, such as `https://gate.example/mcp`;
    /// `{endpoint_id}` stands for the tenant that is addressed. Tokens of `auth.oidc` may be for one
    /// of these (RFC 8707): for the address of a tenant at that tenant, for one without a tenant in
    /// its path at all.
    pub addresses: Vec<String>,
    /// The issuers to get tokens from. Empty: those of `auth.oidc` and `auth.cognito`.
    pub authorization_servers: Vec<String>,
    /// The scopes that clients should ask for.
    pub scopes: Vec<String>,
    /// A page for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub documentation: Option<String>,
}

impl AuthConfig {
    /// The same, with paths that are relative meant from `directory`.
    #[must_use]
    pub fn beside(&self, directory: &Path) -> Self {
        let mut config = self.clone();
        config.users.file = config.users.file.map(|file| directory.join(file));
        config
    }
}

impl Default for AuthConfig {
    fn default() -> Self {
        Self {
            order: vec![
                WayName::ApiKey,
                WayName::Token,
                WayName::Oidc,
                WayName::AdminToken,
                WayName::InstanceKey,
                WayName::Loopback,
            ],
            loopback: false,
            api_key: None,
            rotate_grace: TimeSpan::from_mins(24 * 60),
            admin_token: None,
            passwords: Passwords::Local,
            keys: KeysConfig::default(),
            tokens: TokensConfig::default(),
            users: UsersConfig::default(),
            oidc: BTreeMap::new(),
            cognito: None,
            resource: ResourceConfig::default(),
        }
    }
}

impl Default for KeysConfig {
    fn default() -> Self {
        Self { fresh: TimeSpan::from_secs(60) }
    }
}

impl Default for TokensConfig {
    fn default() -> Self {
        Self {
            secret: None,
            algorithm: Signature::HS256,
            issuer: "switchboard".to_owned(),
            audience: vec!["switchboard".to_owned()],
            lifetime: TimeSpan::from_mins(15),
            refresh_lifetime: TimeSpan::from_mins(30 * 24 * 60),
            clock_skew: clock_skew(),
        }
    }
}

impl Default for UsersConfig {
    fn default() -> Self {
        Self { file: None, tenant: default_tenant(), admin_name: None, admin_password: None }
    }
}

fn algorithms() -> Vec<Asymmetric> {
    vec![Asymmetric::RS256, Asymmetric::PS256, Asymmetric::ES256, Asymmetric::EdDSA]
}

fn default_tenant() -> String {
    "default".to_owned()
}

fn roles_claim() -> String {
    "roles".to_owned()
}

fn scopes_claim() -> String {
    "scope".to_owned()
}

fn name_claim() -> String {
    "preferred_username".to_owned()
}

/// Machines that ask a time server are within a second; 30 s forgives one that lost it for a while.
fn clock_skew() -> TimeSpan {
    TimeSpan::from_secs(30)
}

fn jwks_ttl() -> TimeSpan {
    TimeSpan::from_mins(60)
}

fn jwks_floor() -> TimeSpan {
    TimeSpan::from_secs(30)
}

fn token_use() -> Vec<TokenUse> {
    vec![TokenUse::Access]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{AuthConfig, OidcConfig, Passwords, WayName};

    #[test]
    fn every_key_has_a_variable_of_its_own() {
        let names = switchboard_config::environment_names::<AuthConfig>("X_").unwrap();
        for name in ["X_ADMIN_TOKEN", "X_TOKENS_LIFETIME", "X_USERS_FILE", "X_PASSWORDS"] {
            assert!(names.contains_key(name), "{name} is missing in {names:?}");
        }
    }

    #[test]
    fn what_is_left_out_has_a_default_and_what_is_unknown_is_refused() {
        let read = |value: Value| serde_json::from_value::<AuthConfig>(value);
        assert_eq!(read(json!({})).unwrap(), AuthConfig::default());
        let order = read(json!({ "order": ["oidc", "instance_key"] })).unwrap().order;
        assert_eq!(order, [WayName::Oidc, WayName::InstanceKey]);
        let cognito = read(json!({ "passwords": "cognito" })).unwrap();
        assert_eq!(cognito.passwords, Passwords::Cognito);
        for unknown in [
            json!({ "jwt": 1 }),
            json!({ "tokens": { "algorithm": "none" } }),
            json!({ "tokens": { "algorithm": "HS512" } }),
            json!({ "oidc": { "a": { "issuer": "x", "algorithms": ["HS256"] } } }),
            json!({ "order": ["anybody"] }),
        ] {
            assert!(read(unknown.clone()).is_err(), "{unknown}");
        }
        let oidc: OidcConfig = serde_json::from_value(json!({ "issuer": "x" })).unwrap();
        assert_eq!((&*oidc.tenant, &*oidc.roles_claim), ("default", "roles"));
    }
}
