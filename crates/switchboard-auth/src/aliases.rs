//! The environment variables of the daemon engine before us.
//!
//! They fill in what the configuration leaves as it is by default, so that what somebody wrote down
//! counts. Where that engine did something nobody should (a secret that is in its source, a
//! password that is), the variable is refused with the reason.

use std::collections::BTreeMap;

use switchboard_config::{Inherited, Secret};

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
    alias("INITIALIZE_TABLES", "store.dynamodb.initialize_tables"),
    alias("FUNCT_BUCKET_NAME", "blobs.s3.bucket"),
    alias("MCP_CONFIG_FILE", "bundles.configuration"),
];

const fn alias(variable: &'static str, key: &'static str) -> Alias {
    Alias { variable, key }
}

/// Everybody that engine knew was somebody in every one of its tenants.
const EVERYWHERE: &str = "*";

/// What `variables` say, for the keys that the configuration leaves as they are by default;
/// `is_given` knows which keys and tables it has. An empty variable counts as none, as with our own.
///
/// # Errors
///
/// Every variable that cannot be followed, with the reason.
pub fn inherited(
    variables: &BTreeMap<String, String>,
    is_given: &dyn Fn(&str) -> bool,
) -> Result<Vec<Inherited>, Vec<AliasError>> {
    let mut reading = Reading { variables, is_given, found: Vec::new(), errors: Vec::new() };
    reading.tokens();
    reading.administrator();
    reading.people();
    let wants_cognito = reading.provider();
    reading.cognito(wants_cognito);
    reading.tables();
    reading.packages();
    if reading.errors.is_empty() { Ok(reading.found) } else { Err(reading.errors) }
}

struct Reading<'a> {
    variables: &'a BTreeMap<String, String>,
    is_given: &'a dyn Fn(&str) -> bool,
    found: Vec<Inherited>,
    errors: Vec<AliasError>,
}

impl<'a> Reading<'a> {
    fn find(&self, variable: &str) -> Option<&'a str> {
        debug_assert!(ALIASES.iter().any(|alias| alias.variable == variable), "{variable}");
        let value = self.variables.get(variable).map(|value| value.trim());
        value.filter(|value| !value.is_empty())
    }

    /// The value of a variable whose key the configuration does not have.
    fn open(&self, variable: &str) -> Option<&'a str> {
        self.find(variable).filter(|_| !(self.is_given)(row(variable).key))
    }

    fn set(&mut self, variable: &str, value: impl Into<String>) {
        let key = row(variable).key;
        self.mean(variable, key, value);
    }

    /// Sets what follows from a variable that says it about another key.
    fn mean(&mut self, variable: &str, key: &'static str, value: impl Into<String>) {
        let Alias { variable, .. } = row(variable);
        self.found.push(Inherited { variable, key, value: value.into() });
    }

    fn wrong(&mut self, variable: &str, why: impl Into<String>) {
        let Alias { variable, key } = row(variable);
        self.errors.push(AliasError { variable, key, why: why.into() });
    }

    fn tokens(&mut self) {
        if let Some(secret) = self.open("JWT_SECRET_KEY") {
            match SigningKeys::configured(&Secret::new(secret), Signature::HS256) {
                Err(error) if is_plain(secret) => self.wrong("JWT_SECRET_KEY", error.to_string()),
                _ => self.set("JWT_SECRET_KEY", secret),
            }
        }
        match self.open("JWT_ALGORITHM") {
            None => {}
            Some(known @ ("HS256" | "EdDSA")) => self.set("JWT_ALGORITHM", known),
            Some(other) => {
                let why = format!("`{}` is not offered; use HS256 or EdDSA", plain(other));
                self.wrong("JWT_ALGORITHM", why);
            }
        }
        match self.open("ACCESS_TOKEN_EXP").map(str::parse::<u64>) {
            None => {}
            Some(Ok(minutes)) if (1..=24 * 60).contains(&minutes) => {
                self.set("ACCESS_TOKEN_EXP", format!("{minutes}m"));
            }
            Some(_) => self.wrong("ACCESS_TOKEN_EXP", "it has to be 1 to 1440 minutes"),
        }
    }

    fn administrator(&mut self) {
        let Some(token) = self.open("ADMIN_STATIC_TOKEN") else { return };
        match crate::key::Key::configured(token) {
            Err(error) if is_plain(token) => self.wrong("ADMIN_STATIC_TOKEN", error.to_string()),
            _ => self.set("ADMIN_STATIC_TOKEN", token),
        }
    }

    fn people(&mut self) {
        if let Some(path) = self.open("LOCAL_USER_FILE") {
            self.set("LOCAL_USER_FILE", path);
            // People whom the configuration names are where it says.
            if !(self.is_given)("auth.users") {
                self.mean("LOCAL_USER_FILE", "auth.users.tenant", EVERYWHERE);
            }
        }
        if (self.is_given)("auth.users.admin_password") {
            return;
        }
        match (self.find("ADMIN_USERNAME"), self.find("ADMIN_PASSWORD")) {
            (None, None) => {}
            (Some(_), None) => {
                let why = "it needs ADMIN_PASSWORD; there is no password by default";
                self.wrong("ADMIN_USERNAME", why);
            }
            (_, Some(password))
                if is_plain(password) && !crate::password::is_acceptable(password) =>
            {
                let why = "it has fewer than 8 characters, or is one that daemons come with";
                self.wrong("ADMIN_PASSWORD", why);
            }
            (name, Some(password)) => {
                match name {
                    Some(name) => self.set("ADMIN_USERNAME", name),
                    None => self.mean("ADMIN_PASSWORD", "auth.users.admin_name", "admin"),
                }
                self.set("ADMIN_PASSWORD", password);
                if !(self.is_given)("auth.users") {
                    self.mean("ADMIN_PASSWORD", "auth.users.tenant", EVERYWHERE);
                }
            }
        }
    }

    /// The variable that wants Cognito or does not, and whether; `None` where none says so.
    fn provider(&mut self) -> Option<(&'static str, bool)> {
        let (own, gateway) = (self.find("AUTH_PROVIDER"), self.find("GATEWAY_AUTH_PROVIDER"));
        let variable = if own.is_some() { "AUTH_PROVIDER" } else { "GATEWAY_AUTH_PROVIDER" };
        if own.is_some() && gateway.is_some() && own != gateway {
            self.wrong("GATEWAY_AUTH_PROVIDER", "it says something else than AUTH_PROVIDER");
            return None;
        }
        match own.or(gateway)?.to_ascii_lowercase().as_str() {
            "local" => Some((variable, false)),
            "cognito" => Some((variable, true)),
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

    /// A pool that the configuration has is not mixed with another of the environment.
    fn cognito(&mut self, wanted: Option<(&'static str, bool)>) {
        let is_wanted = match wanted {
            Some((_, is_wanted)) => is_wanted,
            None => self.find("COGNITO_USER_POOL_ID").is_some(),
        };
        if is_wanted && !(self.is_given)("auth.cognito") {
            self.pool();
        }
        if let Some((variable, is_cognito)) = wanted {
            self.set(variable, if is_cognito { "cognito" } else { "local" });
        }
    }

    fn pool(&mut self) {
        for variable in ["REGION_NAME", "COGNITO_USER_POOL_ID", "COGNITO_APP_CLIENT_ID"] {
            match self.find(variable) {
                Some(value) => self.set(variable, value),
                None => self.wrong(variable, "Cognito needs it"),
            }
        }
        self.mean("COGNITO_USER_POOL_ID", "auth.cognito.tenant", EVERYWHERE);
        for variable in ["COGNITO_APP_SECRET", "COGNITO_JWKS_URL"] {
            if let Some(value) = self.find(variable) {
                self.set(variable, value);
            }
        }
        match self.find("JWKS_CACHE_TTL").map(str::parse::<u64>) {
            None => {}
            Some(Ok(seconds)) if (60..=86_400).contains(&seconds) => {
                self.set("JWKS_CACHE_TTL", format!("{seconds}s"));
            }
            Some(_) => self.wrong("JWKS_CACHE_TTL", "it has to be 60 to 86400 seconds"),
        }
    }

    /// Where the configuration keeps things in DynamoDB; that it does is not said by a variable.
    fn tables(&mut self) {
        if !(self.is_given)("store.dynamodb") {
            return;
        }
        if let Some(region) = self.find("REGION_NAME") {
            self.mean("REGION_NAME", "store.dynamodb.region", region);
        }
        let makes = self.find("INITIALIZE_TABLES").map(str::to_ascii_lowercase);
        match makes.as_deref() {
            None => {}
            Some("true" | "1" | "yes" | "on") => self.set("INITIALIZE_TABLES", "true"),
            Some("false" | "0" | "no" | "off") => self.set("INITIALIZE_TABLES", "false"),
            Some(_) => self.wrong("INITIALIZE_TABLES", "it has to be `true` or `false`"),
        }
    }

    /// Where packages are, and what is in them.
    fn packages(&mut self) {
        if let Some(path) = self.open("MCP_CONFIG_FILE") {
            self.set("MCP_CONFIG_FILE", path);
        }
        // A bucket of the environment is not mixed with a place that the configuration has.
        let bucket = self.find("FUNCT_BUCKET_NAME").filter(|_| !(self.is_given)("blobs"));
        let Some(bucket) = bucket else { return };
        self.set("FUNCT_BUCKET_NAME", bucket);
        if let Some(region) = self.find("REGION_NAME") {
            self.mean("REGION_NAME", "blobs.s3.region", region);
        }
    }
}

fn row(variable: &str) -> Alias {
    let row = ALIASES.iter().find(|alias| alias.variable == variable);
    *row.expect("a row of the table")
}

/// Whether a secret stands for itself, rather than for one of a file or another variable, which is
/// looked at once it is read.
fn is_plain(secret: &str) -> bool {
    !secret.contains("${")
}

/// What a person wrote, short and without what could move a terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(40).collect()
}

#[cfg(test)]
mod tests;
