//! Everything about who is calling, put together from the configuration.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use switchboard_core::store::Store;
use switchboard_core::{Challenge, Login, Principal};
use switchboard_egress::Guard;
use tokio_util::task::TaskTracker;

use crate::api_keys::ApiKeys;
use crate::checked::{
    AuthError, admin, cognito_rules, issuers, listed_users, oidc_rules, pool, reach, rules, wrong,
};
use crate::clock::Clock;
use crate::cognito::CognitoLogin;
use crate::config::{AuthConfig, CognitoConfig, OidcConfig, UsersConfig, WayName};
use crate::key_file::KeyFile;
use crate::leases::Leases;
use crate::logins::Logins;
use crate::oidc::{Freshness, Provider, Shared};
use crate::sign_in::SignIn;
use crate::throttle::Throttle;
use crate::tokens::{SigningKeys, Tokens};
use crate::users::Users;
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
        let keys = Arc::new(keys);
        let tokens = Arc::new(Tokens::new(
            signing_keys(config, &secret_file)?,
            rules(config)?,
            Arc::clone(&store),
            clock.clone(),
            Arc::clone(&leases),
        ));
        let users = users(&config.users, Users::new(store, Arc::clone(&tokens), clock.clone()))?;
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
                    let (owner, leases) = (self.owner.clone(), Arc::clone(self.leases));
                    ways.push(Arc::new(Loopback::new(owner, leases)));
                }
                WayName::Loopback => {}
            }
        }
        Ok(ways)
    }
}

/// Who logs people in instead of us.
fn cognito(config: &AuthConfig, guard: &Guard) -> Result<Option<CognitoLogin>, AuthError> {
    let Some(cognito) = pool(config)? else { return Ok(None) };
    let login = CognitoLogin::new(cognito, guard.clone());
    let no_address = || wrong("auth.cognito.endpoint", "it is no address");
    login.ok_or_else(no_address).map(Some)
}

fn users(config: &UsersConfig, mut users: Users) -> Result<Arc<Users>, AuthError> {
    listed_users(config)?.into_iter().for_each(|user| users.add(user));
    if let Some((name, password)) = admin(config)? {
        let reach = reach("auth.users.tenant", &config.tenant)?;
        users
            .add_admin(name, password.expose(), &reach)
            .map_err(|error| wrong("auth.users.admin_password", &error.to_string()))?;
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

fn providers(config: &AuthConfig, shared: &dyn Fn() -> Shared) -> Result<Ways, AuthError> {
    issuers(config)?;
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
    let (rules, source) = oidc_rules(name, config, resources)?;
    let (ttl, floor) = (config.jwks_ttl.as_duration(), config.jwks_floor.as_duration());
    Ok(Provider::new(rules, source, Freshness { ttl, floor }, shared))
}

fn cognito_provider(config: &CognitoConfig, shared: Shared) -> Result<Provider, AuthError> {
    let (rules, source) = cognito_rules(config)?;
    let freshness =
        Freshness { ttl: config.jwks_ttl.as_duration(), floor: Duration::from_secs(30) };
    Ok(Provider::new(rules, source, freshness, shared))
}
