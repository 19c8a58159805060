//! Who is calling.
//!
//! [`Auth`] is everything about it, put together from [`AuthConfig`]. A request is judged by
//! [`Logins`], which asks one [`Way`] after another: [`ApiKeys`] of tenants, our own [`Tokens`],
//! those of identity providers ([`Provider`]), the token of the administrator, the key of the
//! instance. Judging never waits; what has to be fetched is fetched by `learn`, once. [`SignIn`]
//! gives tokens for passwords, to [`Users`] of a file or the store, or to those of Cognito.
//!
//! The key of the instance: [`KeyFile`] keeps it in the state directory, [`Keys`] decides whether
//! what a client presents is it, [`credential`](credential()) finds what was presented in a request.
//! [`Sealer`] is the other direction: what we hand to clients so that it comes back unchanged.
//!
//! Nothing here knows a listener: header values and the query are arguments, and so is the time.

mod aliases;
mod api_keys;
mod auth;
mod bounded;
mod checked;
mod clock;
mod cognito;
mod config;
mod credential;
mod denied;
mod error;
mod jwt;
mod key;
mod key_file;
mod keys;
mod leases;
mod logins;
mod me;
mod named;
mod net;
mod oidc;
mod password;
mod query;
mod reach;
mod resource;
mod roles;
mod sealer;
mod sign_in;
mod stored;
mod throttle;
mod tokens;
mod users;
mod way;

pub use aliases::{ALIASES, Alias, AliasError, inherited};
pub use api_keys::{ApiKey, ApiKeyError, ApiKeys, Made, NewKey};
pub use auth::{Auth, Parts};
pub use checked::AuthError;
pub use clock::Clock;
pub use config::{
    Asymmetric, AuthConfig, CognitoConfig, KeysConfig, OidcConfig, Passwords, ResourceConfig,
    TokenUse, TokensConfig, UsersConfig, WayName,
};
pub use credential::{Credential, credential};
pub use denied::Denied;
pub use error::{KeyError, Unusable};
pub use key::Key;
pub use key_file::{KeyFile, Opened, Origin, Rotated};
pub use keys::{KeyId, Keys, Verdict};
pub use logins::Logins;
pub use me::me;
pub use named::Named;
pub use oidc::Provider;
pub use password::{Busy, NoHash, StoredHash};
pub use query::redact_query;
pub use reach::Reach;
pub use resource::{metadata_address, resource_path};
pub use sealer::Sealer;
pub use sign_in::{Answer, SignIn};
pub use stored::Stored;
pub use tokens::{Identity, Pair, RefreshError, Signature, Tokens, WeakSecret};
pub use users::{Changed as ChangedUser, NewUser, ShownUser, UserError, Users, UsersFileError};
pub use way::{Asked, Way};
