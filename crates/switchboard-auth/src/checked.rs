//! What `[auth]` says, checked: what [`Auth`](crate::Auth) is made of, and what is wrong with it.

use http::Uri;
use jsonwebtoken::Algorithm;
use switchboard_config::Secret;
use switchboard_core::NoTenant;

use crate::config::{
    Asymmetric, AuthConfig, CognitoConfig, OidcConfig, Passwords, TokenUse, UsersConfig,
};
use crate::error::KeyError;
use crate::key::Key;
use crate::oidc::{Audience, ReachRule, Rules, Source, discovery};
use crate::reach::Reach;
use crate::resource::Resource;
use crate::tokens::{SigningKeys, TokenRules, WeakSecret};
use crate::users::{User, UsersFileError, check_admin, listed};

/// What is wrong with `[auth]`.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error("{key}: {why}")]
    Setting { key: String, why: String },
    #[error("auth.admin_token: {0}")]
    AdminToken(#[source] KeyError),
    #[error("auth.tokens.secret: {0}")]
    Secret(#[from] WeakSecret),
    #[error("the secret for tokens: {0}")]
    SecretFile(#[source] KeyError),
    #[error("auth.users.file: {0}")]
    Users(#[from] UsersFileError),
}

impl AuthError {
    /// The key of the configuration that has to be changed.
    pub fn key(&self) -> &str {
        match self {
            Self::Setting { key, .. } => key,
            Self::AdminToken(_) => "auth.admin_token",
            Self::Secret(_) | Self::SecretFile(_) => "auth.tokens.secret",
            Self::Users(_) => "auth.users.file",
        }
    }

    /// What the system said, where it had a part in it.
    pub fn reason(&self) -> Option<&std::io::Error> {
        match self {
            Self::Users(UsersFileError::Io { cause, .. }) => Some(cause),
            _ => None,
        }
    }
}

impl AuthConfig {
    /// What [`crate::Auth::new`] would refuse, apart from files of the daemon's own. Reads the users file.
    pub fn mistakes(&self) -> Vec<AuthError> {
        let mut mistakes = Vec::new();
        mistakes.extend(self.api_key.as_ref().and_then(|key| {
            let unusable = Key::configured(key.expose()).err()?;
            Some(wrong("auth.api_key", &unusable.to_string()))
        }));
        let token = self.admin_token.as_ref().map(|token| Key::configured(token.expose()));
        mistakes.extend(token.and_then(Result::err).map(AuthError::AdminToken));
        let secret = self.tokens.secret.as_ref();
        let secret = secret.map(|it| SigningKeys::configured(it, self.tokens.algorithm));
        mistakes.extend(secret.and_then(Result::err).map(AuthError::Secret));
        mistakes.extend(rules(self).err());
        mistakes.extend(listed_users(&self.users).err());
        mistakes.extend(admin(&self.users).err());
        mistakes.extend(
            self.oidc
                .iter()
                .filter_map(|(name, oidc)| oidc_rules(name, oidc, &self.resource.addresses).err()),
        );
        mistakes.extend(self.cognito.as_ref().and_then(|it| cognito_rules(it).err()));
        mistakes.extend(issuers(self).err());
        mistakes.extend(pool(self).err());
        mistakes
    }
}

/// The pool that knows the passwords.
pub(crate) fn pool(config: &AuthConfig) -> Result<Option<&CognitoConfig>, AuthError> {
    match (config.passwords, &config.cognito) {
        (Passwords::Local, _) => Ok(None),
        (Passwords::Cognito, Some(cognito)) => {
            uri("auth.cognito.endpoint", &cognito.base())?;
            Ok(Some(cognito))
        }
        (Passwords::Cognito, None) => {
            Err(wrong("auth.passwords", "there is no `auth.cognito` to ask"))
        }
    }
}

/// The users of the file.
pub(crate) fn listed_users(config: &UsersConfig) -> Result<Vec<User>, AuthError> {
    let reach = reach("auth.users.tenant", &config.tenant)?;
    let Some(path) = &config.file else { return Ok(Vec::new()) };
    Ok(listed(path, &reach)?)
}

/// The administrator whose password the configuration has.
pub(crate) fn admin(config: &UsersConfig) -> Result<Option<(&str, &Secret)>, AuthError> {
    match (&config.admin_name, &config.admin_password) {
        (Some(name), Some(password)) => {
            check_admin(name, password.expose())
                .map_err(|error| wrong("auth.users.admin_password", &error.to_string()))?;
            Ok(Some((name, password)))
        }
        (None, None) => Ok(None),
        (Some(_), None) => {
            Err(wrong("auth.users.admin_name", "it needs `auth.users.admin_password`"))
        }
        (None, Some(_)) => {
            Err(wrong("auth.users.admin_password", "it needs `auth.users.admin_name`"))
        }
    }
}

pub(crate) fn rules(config: &AuthConfig) -> Result<TokenRules, AuthError> {
    let tokens = &config.tokens;
    let others = config.oidc.values().map(|oidc| oidc.issuer.clone());
    let mut others = others.chain(config.cognito.iter().map(CognitoConfig::issuer));
    if tokens.issuer.is_empty() || others.any(|issuer| issuer == tokens.issuer) {
        return Err(wrong("auth.tokens.issuer", "it is empty, or that of an identity provider"));
    }
    if tokens.audience.iter().all(String::is_empty) {
        return Err(wrong("auth.tokens.audience", "tokens have to be for somebody"));
    }
    Ok(TokenRules {
        issuer: tokens.issuer.clone(),
        audience: tokens.audience.clone(),
        lifetime: tokens.lifetime.as_duration(),
        refresh_lifetime: tokens.refresh_lifetime.as_duration(),
        skew: tokens.clock_skew.as_duration(),
    })
}

/// Whether each provider has an issuer of its own. A token says by its issuer whose it is, and the
/// provider that is asked first decides: of two with one issuer the second would let nobody in.
pub(crate) fn issuers(config: &AuthConfig) -> Result<(), AuthError> {
    let mut known: Vec<(String, String)> = Vec::new();
    let cognito = config.cognito.iter().map(|it| ("auth.cognito".to_owned(), it.issuer()));
    let oidc = config.oidc.iter();
    let oidc = oidc.map(|(name, it)| (format!("auth.oidc.{name}.issuer"), it.issuer.clone()));
    for (key, issuer) in cognito.chain(oidc) {
        if let Some((other, _)) = known.iter().find(|(_, own)| *own == issuer) {
            let why = format!("`{other}` has the same issuer; of each there can be one provider");
            return Err(wrong(&key, &why));
        }
        known.push((key, issuer));
    }
    Ok(())
}

pub(crate) fn oidc_rules(
    name: &str,
    config: &OidcConfig,
    resources: &[String],
) -> Result<(Rules, Source), AuthError> {
    let key = |field: &str| format!("auth.oidc.{name}.{field}");
    if config.audience.is_empty() && resources.is_empty() {
        let why =
            "tokens have to be for somebody: name an audience, or an address of auth.resource";
        return Err(wrong(&key("audience"), why));
    }
    if config.algorithms.is_empty() {
        return Err(wrong(&key("algorithms"), "no token could be checked"));
    }
    let source = match &config.jwks_url {
        Some(address) => Source::Known(uri(&key("jwks_url"), address)?),
        None => {
            let document = discovery(&config.issuer);
            let document = document
                .ok_or_else(|| wrong(&key("issuer"), "nothing can be found below this address"))?;
            Source::Discovered { issuer: config.issuer.clone(), document }
        }
    };
    let reach = match &config.tenant_claim {
        Some(claim) => ReachRule::Claim(claim.clone()),
        None => ReachRule::Fixed(reach(&key("tenant"), &config.tenant)?),
    };
    let rules = Rules {
        issuer: config.issuer.clone(),
        audience: Audience::Named {
            accepted: config.audience.clone(),
            resources: resources.iter().map(|address| Resource::new(address)).collect(),
        },
        algorithms: config.algorithms.iter().map(|it| it.algorithm()).collect(),
        skew: config.clock_skew.as_duration(),
        names: vec![config.name_claim.clone()],
        roles: config.roles_claim.clone(),
        scopes: config.scopes_claim.clone(),
        reach,
    };
    Ok((rules, source))
}

pub(crate) fn cognito_rules(config: &CognitoConfig) -> Result<(Rules, Source), AuthError> {
    let accepts = |token_use| config.token_use.contains(&token_use);
    let rules = Rules {
        issuer: config.issuer(),
        audience: Audience::Cognito {
            client_id: config.client_id.clone(),
            access: accepts(TokenUse::Access),
            id: accepts(TokenUse::Id),
        },
        // What Cognito signs with.
        algorithms: vec![Algorithm::RS256],
        skew: config.clock_skew.as_duration(),
        names: vec!["username".to_owned(), "cognito:username".to_owned()],
        roles: "cognito:groups".to_owned(),
        scopes: "scope".to_owned(),
        reach: ReachRule::Fixed(reach("auth.cognito.tenant", &config.tenant)?),
    };
    let source = Source::Known(uri("auth.cognito.jwks_url", &config.jwks())?);
    Ok((rules, source))
}

impl Asymmetric {
    fn algorithm(self) -> Algorithm {
        match self {
            Self::RS256 => Algorithm::RS256,
            Self::RS384 => Algorithm::RS384,
            Self::RS512 => Algorithm::RS512,
            Self::PS256 => Algorithm::PS256,
            Self::PS384 => Algorithm::PS384,
            Self::PS512 => Algorithm::PS512,
            Self::ES256 => Algorithm::ES256,
            Self::ES384 => Algorithm::ES384,
            Self::EdDSA => Algorithm::EdDSA,
        }
    }
}

pub(crate) fn reach(key: &str, text: &str) -> Result<Reach, AuthError> {
    Reach::parse(text).map_err(|error: NoTenant| wrong(key, &error.to_string()))
}

fn uri(key: &str, address: &str) -> Result<Uri, AuthError> {
    let uri = address.parse::<Uri>().ok().filter(|uri| uri.host().is_some());
    uri.ok_or_else(|| wrong(key, "it is no address"))
}

pub(crate) fn wrong(key: &str, why: &str) -> AuthError {
    AuthError::Setting { key: key.to_owned(), why: why.to_owned() }
}
