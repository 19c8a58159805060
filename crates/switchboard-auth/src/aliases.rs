//! The environment variables of the daemon engine before us.
//!
//! They fill in what the configuration leaves as it is by default, so that what somebody wrote down
//! counts. Where that engine did something nobody should (a secret that is in its source, a
//! password that is), the variable is refused with the reason.

use std::collections::BTreeMap;
use std::path::PathBuf;

use switchboard_config::{Secret, TimeSpan};

use crate::config::{AuthConfig, CognitoConfig, Passwords, TokenUse};
use crate::tokens::{Signature, SigningKeys};

/// A variable and what it stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Alias {
    pub variable: &'static str,
    /// The key of the configuration.
    pub key: &'static str,
}

/// A variable that cannot have the effect it asks for. Never quotes a secret.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{variable} ({key}): {why}")]
pub struct AliasError {
    pub variable: &'static str,
    pub key: &'static str,
    pub why: String,
}

/// All of them.
pub const ALIASES: &[Alias] = &[
    alias("AUTH_PROVIDER", "auth.passwords"),
    alias("GATEWAY_AUTH_PROVIDER", "auth.passwords"),
    alias("JWT_SECRET_KEY", "auth.tokens.secret"),
    alias("JWT_ALGORITHM", "auth.tokens.algorithm"),
    alias("ACCESS_TOKEN_EXP", "auth.tokens.lifetime"),
    alias("ADMIN_USERNAME", "auth.users.admin_name"),
    alias("ADMIN_PASSWORD", "auth.users.admin_password"),
    alias("ADMIN_STATIC_TOKEN", "auth.admin_token"),
    alias("LOCAL_USER_FILE", "auth.users.file"),
    alias("COGNITO_USER_POOL_ID", "auth.cognito.user_pool_id"),
    alias("COGNITO_APP_CLIENT_ID", "auth.cognito.client_id"),
    alias("COGNITO_APP_SECRET", "auth.cognito.client_secret"),
    alias("COGNITO_JWKS_URL", "auth.cognito.jwks_url"),
    alias("REGION_NAME", "auth.cognito.region"),
    alias("JWKS_CACHE_TTL", "auth.cognito.jwks_ttl"),
];

const fn alias(variable: &'static str, key: &'static str) -> Alias {
    Alias { variable, key }
}

/// Everybody that engine knew was somebody in every one of its tenants.
const EVERYWHERE: &str = "*";

/// `config` with what `variables` say where it says nothing of its own. An empty variable counts as
/// none, as with our own.
///
/// # Errors
///
/// Every variable that cannot be followed, with the reason.
pub fn overlay(
    config: AuthConfig,
    variables: &BTreeMap<String, String>,
) -> Result<AuthConfig, Vec<AliasError>> {
    let mut overlay = Overlay { config, variables, errors: Vec::new() };
    overlay.tokens();
    overlay.people();
    let wants_cognito = overlay.provider();
    overlay.cognito(wants_cognito);
    if overlay.errors.is_empty() { Ok(overlay.config) } else { Err(overlay.errors) }
}

struct Overlay<'a> {
    config: AuthConfig,
    variables: &'a BTreeMap<String, String>,
    errors: Vec<AliasError>,
}

impl<'a> Overlay<'a> {
    fn find(&self, variable: &str) -> Option<&'a str> {
        debug_assert!(ALIASES.iter().any(|alias| alias.variable == variable), "{variable}");
        let value = self.variables.get(variable).map(|value| value.trim());
        value.filter(|value| !value.is_empty())
    }

    fn wrong(&mut self, variable: &str, why: impl Into<String>) {
        let alias = ALIASES.iter().find(|alias| alias.variable == variable);
        let Alias { variable, key } = *alias.expect("a row of the table");
        self.errors.push(AliasError { variable, key, why: why.into() });
    }

    fn tokens(&mut self) {
        let before = AuthConfig::default().tokens;
        if let (Some(secret), None) = (self.find("JWT_SECRET_KEY"), &self.config.tokens.secret) {
            let secret = Secret::new(secret);
            match SigningKeys::configured(&secret, Signature::HS256) {
                Ok(_) => self.config.tokens.secret = Some(secret),
                Err(error) => self.wrong("JWT_SECRET_KEY", error.to_string()),
            }
        }
        match self.find("JWT_ALGORITHM") {
            Some("HS256") | None => {}
            Some("EdDSA") if self.config.tokens.algorithm == before.algorithm => {
                self.config.tokens.algorithm = Signature::EdDSA;
            }
            Some("EdDSA") => {}
            Some(other) => {
                let why = format!("`{}` is not offered; use HS256 or EdDSA", plain(other));
                self.wrong("JWT_ALGORITHM", why);
            }
        }
        match self.find("ACCESS_TOKEN_EXP").map(str::parse::<u64>) {
            None => {}
            Some(Ok(minutes)) if (1..=24 * 60).contains(&minutes) => {
                let own = self.config.tokens.lifetime;
                let is_default = own == before.lifetime;
                self.config.tokens.lifetime =
                    if is_default { TimeSpan::from_mins(minutes) } else { own };
            }
            Some(_) => self.wrong("ACCESS_TOKEN_EXP", "it has to be 1 to 1440 minutes"),
        }
    }

    fn people(&mut self) {
        if let (Some(token), None) = (self.find("ADMIN_STATIC_TOKEN"), &self.config.admin_token) {
            match crate::key::Key::configured(token) {
                Ok(_) => self.config.admin_token = Some(Secret::new(token)),
                Err(error) => self.wrong("ADMIN_STATIC_TOKEN", error.to_string()),
            }
        }
        let mut has_people = false;
        if let (Some(path), None) = (self.find("LOCAL_USER_FILE"), &self.config.users.file) {
            self.config.users.file = Some(PathBuf::from(path));
            has_people = true;
        }
        if self.config.users.admin_password.is_none() {
            match (self.find("ADMIN_USERNAME"), self.find("ADMIN_PASSWORD")) {
                (None, None) => {}
                (Some(_), None) => {
                    let why = "it needs ADMIN_PASSWORD; there is no password by default";
                    self.wrong("ADMIN_USERNAME", why);
                }
                (_, Some(password)) if !crate::password::is_acceptable(password) => {
                    let why = "it has fewer than 8 characters, or is one that daemons come with";
                    self.wrong("ADMIN_PASSWORD", why);
                }
                (name, Some(password)) => {
                    self.config.users.admin_name = Some(name.unwrap_or("admin").to_owned());
                    self.config.users.admin_password = Some(Secret::new(password));
                    has_people = true;
                }
            }
        }
        if has_people && self.config.users.tenant == AuthConfig::default().users.tenant {
            EVERYWHERE.clone_into(&mut self.config.users.tenant);
        }
    }

    /// Whether the variables want Cognito; `None` where they do not say.
    fn provider(&mut self) -> Option<bool> {
        let (own, gateway) = (self.find("AUTH_PROVIDER"), self.find("GATEWAY_AUTH_PROVIDER"));
        let variable = if own.is_some() { "AUTH_PROVIDER" } else { "GATEWAY_AUTH_PROVIDER" };
        if own.is_some() && gateway.is_some() && own != gateway {
            self.wrong("GATEWAY_AUTH_PROVIDER", "it says something else than AUTH_PROVIDER");
            return None;
        }
        match own.or(gateway)?.to_ascii_lowercase().as_str() {
            "local" => Some(false),
            "cognito" => Some(true),
            "api_gateway" => {
                let why = "nobody here can know what an API gateway before us has checked; name \
                           its identity provider in `auth.oidc`";
                self.wrong(variable, why);
                None
            }
            other => {
                let why = format!("`{}` is neither `local` nor `cognito`", plain(other));
                self.wrong(variable, why);
                None
            }
        }
    }

    fn cognito(&mut self, wanted: Option<bool>) {
        let pool = self.find("COGNITO_USER_POOL_ID");
        if self.config.cognito.is_none()
            && (wanted == Some(true) || (wanted.is_none() && pool.is_some()))
        {
            self.config.cognito = self.pool();
        }
        if wanted == Some(true) && self.config.cognito.is_some() {
            self.config.passwords = Passwords::Cognito;
        }
    }

    fn pool(&mut self) -> Option<CognitoConfig> {
        let needed = ["REGION_NAME", "COGNITO_USER_POOL_ID", "COGNITO_APP_CLIENT_ID"];
        for variable in needed {
            if self.find(variable).is_none() {
                self.wrong(variable, "Cognito needs it");
            }
        }
        let [region, user_pool_id, client_id] = needed.map(|it| self.find(it).map(str::to_owned));
        let jwks_ttl = match self.find("JWKS_CACHE_TTL").map(str::parse::<u64>) {
            None => TimeSpan::from_mins(60),
            Some(Ok(seconds)) if (60..=86_400).contains(&seconds) => TimeSpan::from_secs(seconds),
            Some(_) => {
                self.wrong("JWKS_CACHE_TTL", "it has to be 60 to 86400 seconds");
                return None;
            }
        };
        Some(CognitoConfig {
            region: region?,
            user_pool_id: user_pool_id?,
            client_id: client_id?,
            client_secret: self.find("COGNITO_APP_SECRET").map(Secret::new),
            token_use: vec![TokenUse::Access],
            tenant: EVERYWHERE.to_owned(),
            endpoint: None,
            jwks_url: self.find("COGNITO_JWKS_URL").map(str::to_owned),
            jwks_ttl,
            clock_skew: TimeSpan::from_secs(30),
        })
    }
}

/// What a person wrote, short and without what could move a terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(40).collect()
}

#[cfg(test)]
mod tests;
