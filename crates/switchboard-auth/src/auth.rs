//! Everything about who is calling, put together from the configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use jsonwebtoken::Algorithm;
use switchboard_core::store::Store;
use switchboard_core::{Challenge, Login, NoTenant, Principal};
use switchboard_egress::Guard;
use tokio_util::task::TaskTracker;

use crate::api_keys::ApiKeys;
use crate::clock::Clock;
use crate::cognito::CognitoLogin;
use crate::config::{
    Asymmetric, AuthConfig, CognitoConfig, OidcConfig, Passwords, TokenUse, UsersConfig, WayName,
};
use crate::error::KeyError;
use crate::key_file::KeyFile;
use crate::leases::Leases;
use crate::logins::Logins;
use crate::oidc::{Audience, Freshness, Provider, ReachRule, Rules, Shared, Source, discovery};
use crate::reach::Reach;
use crate::resource::Resource;
use crate::sign_in::SignIn;
use crate::throttle::Throttle;
use crate::tokens::{SigningKeys, TokenRules, Tokens, WeakSecret};
use crate::users::{UserError, Users, UsersFileError};
use crate::way::Way;
use crate::way::admin::AdminToken;
use crate::way::instance::InstanceKey;
use crate::way::loopback::Loopback;

/// Who is calling, in all ways.
pub struct Auth {
    /// What listeners ask.
    pub logins: Arc<Logins>,
    pub keys: Arc<ApiKeys>,
    pub users: Arc<Users>,
    pub tokens: Arc<Tokens>,
    pub sign_in: SignIn,
    leases: Arc<Leases>,
    clock: Clock,
    /// How often to tend to it.
    round: Duration,
}

/// What it is put together from, beside the configuration.
pub struct Parts {
    pub store: Arc<dyn Store>,
    pub guard: Guard,
    pub clock: Clock,
    pub tasks: TaskTracker,
    /// Whoever runs the daemon.
    pub owner: Principal,
    /// Knows the key of the instance.
    pub instance: Arc<dyn Login>,
    /// Where the secret for tokens is kept where none is configured.
    pub secret_file: PathBuf,
}

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
    #[error(transparent)]
    Users(#[from] UsersFileError),
}

/// How often, at most and at least, what was revoked elsewhere is looked for and what has expired is
/// ended: the time by which a stream may outlive its credential. In between it is half the time that
/// keys are taken to be fresh, so that those in use are never waited for.
const TEND: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(30));

impl Auth {
    /// Reads the users file and the secret, and makes one where there is none. Takes some 50 ms
    /// where an administrator has a password.
    ///
    /// # Errors
    ///
    /// [`AuthError`] names the setting that somebody has to change.
    pub fn new(config: &AuthConfig, parts: Parts) -> Result<Self, AuthError> {
        let Parts { store, guard, clock, tasks, owner, instance, secret_file } = parts;
        let leases = Arc::new(Leases::new());
        let fresh = config.keys.fresh.as_duration();
        let keys = ApiKeys::new(Arc::clone(&store), clock.clone(), Arc::clone(&leases), fresh);
        let (keys, users) = (Arc::new(keys), users(&config.users, &store, &clock)?);
        let tokens = Arc::new(Tokens::new(
            signing_keys(config, &secret_file)?,
            rules(config)?,
            store,
            clock.clone(),
            Arc::clone(&leases),
        ));
        let sign_in = SignIn {
            tokens: Arc::clone(&tokens),
            users: Arc::clone(&users),
            cognito: cognito(config, &guard)?,
            throttle: Throttle::new(),
            clock: clock.clone(),
        };
        let shared =
            || Shared { guard: guard.clone(), tasks: tasks.clone(), leases: Arc::clone(&leases) };
        let own = Own {
            keys: &keys,
            tokens: &tokens,
            instance: &instance,
            owner: &owner,
            leases: &leases,
        };
        let ways = own.ways(config, &providers(config, &shared)?)?;
        let challenge = Challenge {
            has_metadata: !config.authorization_servers().is_empty(),
            scopes: config.resource.scopes.iter().map(|scope| scope.as_str().into()).collect(),
        };
        let logins = Arc::new(Logins::new(owner, ways, challenge, clock.clone()));
        let round = (fresh / 2).clamp(TEND.0, TEND.1);
        Ok(Self { logins, keys, users, tokens, sign_in, leases, clock, round })
    }

    /// Looks after what is known, for as long as it is polled: hears of keys and tokens that other
    /// processes took back, ends what has expired, and writes when keys were used.
    ///
    /// # Cancel safety
    ///
    /// May be dropped; uses of the last minute are then not written.
    pub async fn follow(&self) {
        loop {
            self.tend().await;
            tokio::time::sleep(self.round).await;
        }
    }

    /// Ends everything that was opened with keys and tokens, for when other settings take the place
    /// of these: whoever is still let in comes again.
    pub fn close(&self) {
        self.leases.end_all();
    }

    /// One round of [`Self::follow`]; at the start, before anybody is let in, it learns what was
    /// taken back.
    pub async fn tend(&self) {
        if let Err(error) = self.tokens.load().await {
            tracing::warn!(%error, "cannot read which tokens were taken back");
        }
        self.keys.tend().await;
        self.leases.sweep(self.clock.now());
    }
}

/// What those who are no identity providers are known by.
struct Own<'a> {
    keys: &'a Arc<ApiKeys>,
    tokens: &'a Arc<Tokens>,
    instance: &'a Arc<dyn Login>,
    owner: &'a Principal,
    leases: &'a Arc<Leases>,
}

type Ways = Vec<Arc<dyn Way>>;

impl Own<'_> {
    /// The ways that are configured, in their order.
    fn ways(&self, config: &AuthConfig, providers: &Ways) -> Result<Ways, AuthError> {
        let mut ways = Ways::new();
        for name in &config.order {
            match name {
                WayName::ApiKey => ways.push(Arc::clone(self.keys) as Arc<dyn Way>),
                WayName::Token => ways.push(Arc::clone(self.tokens) as Arc<dyn Way>),
                WayName::InstanceKey => {
                    ways.push(Arc::new(InstanceKey::new(Arc::clone(self.instance))));
                }
                WayName::Oidc => ways.extend(providers.iter().cloned()),
                WayName::AdminToken => {
                    let Some(token) = &config.admin_token else { continue };
                    let admin = AdminToken::new(token, Arc::clone(self.leases));
                    ways.push(Arc::new(admin.map_err(AuthError::AdminToken)?));
                }
                WayName::Loopback if config.loopback => {
                    ways.push(Arc::new(Loopback::new(self.owner.clone())));
                }
                WayName::Loopback => {}
            }
        }
        Ok(ways)
    }
}

/// Who logs people in instead of us.
fn cognito(config: &AuthConfig, guard: &Guard) -> Result<Option<CognitoLogin>, AuthError> {
    match (config.passwords, &config.cognito) {
        (Passwords::Local, _) => Ok(None),
        (Passwords::Cognito, Some(cognito)) => {
            let login = CognitoLogin::new(cognito, guard.clone());
            let no_address = || wrong("auth.cognito.endpoint", "it is no address");
            login.ok_or_else(no_address).map(Some)
        }
        (Passwords::Cognito, None) => {
            Err(wrong("auth.passwords", "there is no `auth.cognito` to ask"))
        }
    }
}

fn users(
    config: &UsersConfig,
    store: &Arc<dyn Store>,
    clock: &Clock,
) -> Result<Arc<Users>, AuthError> {
    let reach = reach("auth.users.tenant", &config.tenant)?;
    let mut users = Users::new(Arc::clone(store), clock.clone());
    if let Some(path) = &config.file {
        users.add_file(path, &reach)?;
    }
    match (&config.admin_name, &config.admin_password) {
        (Some(name), Some(password)) => users
            .add_admin(name, password.expose(), &reach)
            .map_err(|error: UserError| wrong("auth.users.admin_password", &error.to_string()))?,
        (None, None) => {}
        (Some(_), None) => {
            return Err(wrong("auth.users.admin_name", "it needs `auth.users.admin_password`"));
        }
        (None, Some(_)) => {
            return Err(wrong("auth.users.admin_password", "it needs `auth.users.admin_name`"));
        }
    }
    Ok(Arc::new(users))
}

fn signing_keys(config: &AuthConfig, file: &Path) -> Result<SigningKeys, AuthError> {
    let signature = config.tokens.algorithm;
    match &config.tokens.secret {
        Some(secret) => Ok(SigningKeys::configured(secret, signature)?),
        None => {
            let opened = KeyFile::new(file).open_or_create().map_err(AuthError::SecretFile)?;
            Ok(SigningKeys::generated(&opened.stored, signature))
        }
    }
}

fn rules(config: &AuthConfig) -> Result<TokenRules, AuthError> {
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

fn providers(config: &AuthConfig, shared: &dyn Fn() -> Shared) -> Result<Ways, AuthError> {
    let mut providers = Ways::new();
    for (name, oidc) in &config.oidc {
        let resources = &config.resource.addresses;
        providers.push(Arc::new(oidc_provider(name, oidc, resources, shared())?));
    }
    if let Some(cognito) = &config.cognito {
        providers.push(Arc::new(cognito_provider(cognito, shared())?));
    }
    Ok(providers)
}

fn oidc_provider(
    name: &str,
    config: &OidcConfig,
    resources: &[String],
    shared: Shared,
) -> Result<Provider, AuthError> {
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
    let (ttl, floor) = (config.jwks_ttl.as_duration(), config.jwks_floor.as_duration());
    Ok(Provider::new(rules, source, Freshness { ttl, floor }, shared))
}

fn cognito_provider(config: &CognitoConfig, shared: Shared) -> Result<Provider, AuthError> {
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
    let freshness =
        Freshness { ttl: config.jwks_ttl.as_duration(), floor: Duration::from_secs(30) };
    Ok(Provider::new(rules, source, freshness, shared))
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

fn reach(key: &str, text: &str) -> Result<Reach, AuthError> {
    Reach::parse(text).map_err(|error: NoTenant| wrong(key, &error.to_string()))
}

fn uri(key: &str, address: &str) -> Result<Uri, AuthError> {
    let uri = address.parse::<Uri>().ok().filter(|uri| uri.host().is_some());
    uri.ok_or_else(|| wrong(key, "it is no address"))
}

fn wrong(key: &str, why: &str) -> AuthError {
    AuthError::Setting { key: key.to_owned(), why: why.to_owned() }
}
