//! Our own tokens: a signed one that is good for minutes, and a random one that gets the next.
//!
//! The claims are those of the daemon engine before us (`username`, `roles`, `exp`), and those
//! without which a token is good in too many places: `iss`, `aud`, `sub`, `tenant`, `iat`, `jti`.

mod key;
mod refresh;
mod revoked;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde_json::{Value, json};
use switchboard_core::store::tables::TOKENS;
use switchboard_core::store::{Change, Query, Row, Store, StoreError, Test};
use switchboard_core::{Admitted, Denied, LoginMethod, Principal, Reason, Standing, Tenant};

pub(crate) use key::SigningKeys;
pub use key::{Signature, WeakSecret};
pub use refresh::RefreshError;

use crate::api_keys::hex;
use crate::clock::{self, Clock, column, seconds};
use crate::jwt::{self, Bad, Claims, Times, Unverified};
use crate::leases::Leases;
use crate::reach::Reach;
use crate::roles::granted;
use crate::tokens::revoked::Revoked;
use crate::way::{Asked, Way};

/// Makes our tokens, knows them again, and takes them back.
pub struct Tokens {
    keys: SigningKeys,
    rules: TokenRules,
    store: Arc<dyn Store>,
    clock: Clock,
    leases: Arc<Leases>,
    revoked: Revoked,
}

/// What our tokens say, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct TokenRules {
    pub(crate) issuer: String,
    /// The first is written, all are accepted.
    pub(crate) audience: Vec<String>,
    pub(crate) lifetime: Duration,
    pub(crate) refresh_lifetime: Duration,
    /// How far clocks may be apart.
    pub(crate) skew: Duration,
}

/// Somebody who proved to be that with a password.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Identity {
    pub username: String,
    pub roles: Vec<String>,
    pub scopes: Option<Vec<String>>,
    pub reach: Reach,
}

/// What somebody gets who logged in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pair {
    pub access: String,
    pub expires_in: Duration,
    pub refresh: String,
}

/// A signed token, and what taking it back needs.
struct Access {
    text: String,
    jti: String,
    expires: SystemTime,
}

/// How the names of rows begin that say a token was taken back, and what comes after all of them.
const REVOKED: (&str, &str) = ("jti:", "jti;");

/// Rows that are read at once.
const PAGE: u32 = 500;

impl Tokens {
    pub(crate) fn new(
        keys: SigningKeys,
        rules: TokenRules,
        store: Arc<dyn Store>,
        clock: Clock,
        leases: Arc<Leases>,
    ) -> Self {
        Self { keys, rules, store, clock, leases, revoked: Revoked::new() }
    }

    fn sign(&self, identity: &Identity, now: SystemTime) -> Access {
        let jti = random_id();
        let expires = now + self.rules.lifetime;
        let mut claims = json!({
            "username": identity.username,
            "roles": identity.roles,
            "exp": seconds(expires),
            "iss": self.rules.issuer,
            "aud": self.rules.audience.first(),
            "sub": subject(&identity.username),
            "tenant": identity.reach.to_string(),
            "iat": seconds(now),
            "jti": jti,
        });
        if let Some(scopes) = &identity.scopes {
            claims["scope"] = scopes.join(" ").into();
        }
        let Value::Object(claims) = claims else { unreachable!("it was written as an object") };
        Access { text: self.keys.sign(&claims), jti, expires }
    }

    /// Takes a signed token of ours back.
    async fn revoke_access(
        &self,
        jti: &str,
        expires: SystemTime,
        home: &Tenant,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let until = expires + self.rules.skew;
        let row = Row::new(format!("{}{jti}", REVOKED.0))
            .with("body", json!({ "until": seconds(until) }))
            .with("until", column(until));
        self.revoked.insert(jti, until, now).map_err(|_| {
            StoreError::Unavailable("too many tokens were taken back lately".to_owned())
        })?;
        self.leases.end(&lease(jti));
        self.store.write(&TOKENS, home, vec![Change::Put(row)]).await
    }

    /// Takes back whatever token this is, signed or for refreshing (RFC 7009, section 2.2: one that
    /// is none has been taken back already).
    ///
    /// # Errors
    ///
    /// [`StoreError`]; in this process it lets nobody in any more all the same.
    pub async fn revoke(&self, token: &str) -> Result<(), StoreError> {
        if token.starts_with(refresh::PREFIX) {
            return self.revoke_family(token).await;
        }
        let Some(unverified) = self.recognise(token) else { return Ok(()) };
        let Ok(good) = self.check(token, &unverified, self.clock.now()) else { return Ok(()) };
        self.revoke_access(&good.jti, good.expires, &good.reach.home()).await
    }

    /// Deletes what is kept of tokens that are over: refresh tokens nobody may use any more, and
    /// signed ones that were taken back and have ended by now. How many rows it were.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; what was deleted until then is.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        let over = Value::from(column(self.clock.now()));
        let mut deleted = 0;
        loop {
            let gone = self.store.sweep(&TOKENS, "until", &over, PAGE).await?;
            deleted += gone;
            if gone < u64::from(PAGE) {
                return Ok(deleted);
            }
        }
    }

    /// Reads which tokens were taken back: at the start, and now and then, because other processes
    /// with the same store take tokens back as well.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; what is known already stays known.
    pub async fn load(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.revoked.sweep(now);
        for tenant in self.store.tenants(&TOKENS).await? {
            let mut query = Query::first(PAGE)
                .only(TOKENS.key, Test::From(REVOKED.0.into()))
                .only(TOKENS.key, Test::Below(REVOKED.1.into()));
            loop {
                let listed = self.store.list(&TOKENS, &tenant, &query).await?;
                for row in &listed.rows {
                    self.note_revoked(row, now);
                }
                let Some(last) = listed.rows.last().filter(|_| listed.has_more) else { break };
                let (value, key) = (Value::Null, last.key.clone());
                query.after = Some(switchboard_core::store::Mark { value, key });
            }
        }
        Ok(())
    }

    fn note_revoked(&self, row: &Row, now: SystemTime) {
        let until = row.get("body").and_then(|body| body["until"].as_u64()).and_then(clock::time);
        let (Some(jti), Some(until)) = (row.key.strip_prefix(REVOKED.0), until) else { return };
        if now < until && !self.revoked.contains(jti) {
            if self.revoked.insert(jti, until, now).is_err() {
                tracing::error!("more tokens were taken back than can be remembered");
            }
            self.leases.end(&lease(jti));
        }
    }

    /// Whether a text says that it is a token of ours.
    fn recognise(&self, text: &str) -> Option<Unverified> {
        let unverified = jwt::is_jwt(text).then(|| jwt::peek(text))??;
        (unverified.issuer.as_deref() == Some(&self.rules.issuer)).then_some(unverified)
    }

    fn check(&self, token: &str, unverified: &Unverified, now: SystemTime) -> Result<Good, Bad> {
        let claims = self.keys.verify(token, unverified, now)?;
        let expires = Times { now, skew: self.rules.skew }.check(&claims)?;
        let good = Good::read(claims, expires).ok_or(Bad::Other)?;
        let is_ours = jwt::is_for(&good.claims, &self.rules.audience);
        if !is_ours || self.revoked.contains(&good.jti) {
            return Err(Bad::Other);
        }
        Ok(good)
    }
}

/// A token that is good.
struct Good {
    claims: Claims,
    jti: String,
    username: String,
    reach: Reach,
    expires: SystemTime,
}

impl Good {
    fn read(claims: Claims, expires: SystemTime) -> Option<Self> {
        let text = |name| jwt::text(&claims, name).map(str::to_owned);
        let (jti, username) = (text("jti")?, text("username")?);
        let reach = Reach::parse(&text("tenant")?).ok()?;
        (text("sub")? == subject(&username)).then(|| Self { claims, jti, username, reach, expires })
    }

    fn principal(&self, tenant: Tenant) -> Principal {
        let scopes = self.claims.contains_key("scope").then(|| jwt::texts(&self.claims, "scope"));
        let standing = Standing {
            method: LoginMethod::Password,
            name: Some(self.username.as_str().into()),
            roles: granted(jwt::texts(&self.claims, "roles")),
            scopes: scopes.map(|all| all.into_iter().map(Into::into).collect()),
            expires: Some(self.expires),
            rate: None,
        };
        Principal::of(tenant, &subject(&self.username), standing)
    }
}

#[async_trait]
impl Way for Tokens {
    fn admit(&self, asked: &Asked<'_>) -> Option<Result<Admitted, Denied>> {
        let token = asked.text()?;
        let unverified = self.recognise(token)?;
        Some(match self.check(token, &unverified, asked.now) {
            Ok(good) => match good.reach.at(asked.tenant) {
                Some(tenant) => Ok(Admitted {
                    revoked: self.leases.of(
                        &lease(&good.jti),
                        Some(good.expires + self.rules.skew),
                        asked.now,
                    ),
                    principal: good.principal(tenant),
                }),
                None => Err(invalid()),
            },
            Err(Bad::Expired) => Err(Denied::new(Reason::Expired, "the token has expired")),
            Err(Bad::Other) => Err(invalid()),
        })
    }
}

fn invalid() -> Denied {
    Denied::invalid("the token is not valid here")
}

impl Identity {
    /// Whom a token shows that is issued in `tenant`.
    pub(crate) fn principal(&self, tenant: &Tenant) -> Principal {
        let scopes = self.scopes.as_ref();
        let standing = Standing {
            method: LoginMethod::Password,
            name: Some(self.username.as_str().into()),
            roles: granted(&self.roles),
            scopes: scopes.map(|all| all.iter().map(|scope| scope.as_str().into()).collect()),
            ..Standing::default()
        };
        Principal::of(tenant.clone(), &subject(&self.username), standing)
    }
}

fn subject(username: &str) -> String {
    format!("user:{username}")
}

fn lease(jti: &str) -> String {
    format!("jti:{jti}")
}

/// 128 random bits: no two tokens have the same.
fn random_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has a source of randomness");
    hex(&bytes)
}
