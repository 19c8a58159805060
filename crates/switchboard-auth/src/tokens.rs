//! Our own tokens: a signed one that is good for minutes, and a random one that gets the next.
//!
//! The claims are those of the daemon engine before us (`username`, `roles`, `exp`), and those
//! without which a token is good in too many places: `iss`, `aud`, `sub`, `tenant`, `iat`, `jti`.

mod key;
mod refresh;
mod renewed;
mod revoked;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde_json::{Value, json};
use switchboard_core::store::tables::TOKENS;
use switchboard_core::store::{Change, Condition, Query, Row, Store, StoreError, Test};
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
use crate::tokens::renewed::Renewed;
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
    renewed: Renewed,
    /// Whose tokens came by: where a look at all rows is dear, those of the others are not asked for.
    seen: Mutex<BTreeSet<Tenant>>,
    has_walked: AtomicBool,
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
    /// Which of the passwords that somebody of this name had it was: what is issued for one is not
    /// good any more once there is another.
    pub epoch: String,
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

/// The same of rows that say which password a user has since when it was changed.
const RENEWED: (&str, &str) = ("user:", "user;");

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
        let (revoked, renewed) = (Revoked::new(), Renewed::new());
        let (seen, has_walked) = (Mutex::default(), AtomicBool::new(false));
        Self { keys, rules, store, clock, leases, revoked, renewed, seen, has_walked }
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
            "epoch": identity.epoch,
        });
        self.see(&identity.reach.home());
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
        (home, username): (&Tenant, &str),
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let until = expires + self.rules.skew;
        let row = Row::new(format!("{}{jti}", REVOKED.0))
            .with("body", json!({ "until": seconds(until), "username": username }))
            .with("until", column(until));
        self.revoked.insert(jti, until, now).map_err(|_| {
            StoreError::Unavailable("too many tokens were taken back lately".to_owned())
        })?;
        self.leases.end(&lease(home, username, jti));
        self.store.write(&TOKENS, home, vec![Change::Put(row)]).await
    }

    /// Has every token of a user end that was issued for another password than the one of this epoch;
    /// all of them where it is empty. The families of refresh tokens end when they are used next.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; in this process they let nobody in any more all the same.
    pub(crate) async fn renew(
        &self,
        home: &Tenant,
        username: &str,
        epoch: &str,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        // The last token of before is over then.
        let until = now + self.rules.lifetime + self.rules.skew;
        self.note_renewed((home, username), epoch, until, now);
        self.see(home);
        let row = Row::new(format!("{}{username}", RENEWED.0))
            .with("body", json!({ "until": seconds(until), "epoch": epoch }))
            .with("until", column(until));
        self.store.write(&TOKENS, home, vec![Change::Put(row)]).await
    }

    fn note_renewed(
        &self,
        whose: (&Tenant, &str),
        epoch: &str,
        until: SystemTime,
        now: SystemTime,
    ) {
        match self.renewed.note(whose, epoch, until, now) {
            Ok(true) => self.leases.end_where(|lease| is_of(lease, whose.0, whose.1)),
            Ok(false) => {}
            Err(_) => tracing::error!("more passwords were changed than can be remembered"),
        }
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
        let whose = (&good.reach.home(), &*good.username);
        self.revoke_access(&good.jti, good.expires, whose).await
    }

    /// Deletes what is kept of tokens that are over: refresh tokens nobody may use any more, and
    /// signed ones that were taken back and have ended by now. How many rows it were.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; what was deleted until then is.
    pub async fn sweep(&self) -> Result<u64, StoreError> {
        let over =
            Condition { column: "until", test: Test::Below(column(self.clock.now()).into()) };
        let mut deleted = 0;
        for tenant in self.tenants().await? {
            loop {
                let gone = self.store.prune(&TOKENS, &tenant, vec![over.clone()], PAGE).await?;
                deleted += gone;
                if gone < u64::from(PAGE) {
                    break;
                }
            }
        }
        Ok(deleted)
    }

    /// Reads which tokens were taken back and which passwords were changed: at the start, and now and
    /// then, because other processes with the same store do that as well.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; what is known already stays known.
    pub async fn load(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.revoked.sweep(now);
        self.renewed.sweep(now);
        for tenant in self.tenants().await? {
            for (from, below) in [REVOKED, RENEWED] {
                self.load_of(&tenant, (from, below), now).await?;
            }
        }
        Ok(())
    }

    async fn load_of(
        &self,
        tenant: &Tenant,
        (from, below): (&str, &str),
        now: SystemTime,
    ) -> Result<(), StoreError> {
        let mut query = Query::first(PAGE)
            .only(TOKENS.key, Test::From(from.into()))
            .only(TOKENS.key, Test::Below(below.into()));
        loop {
            let listed = self.store.list(&TOKENS, tenant, &query).await?;
            for row in &listed.rows {
                self.note(tenant, row, now);
            }
            let Some(last) = listed.rows.last().filter(|_| listed.has_more) else { return Ok(()) };
            let (value, key) = (Value::Null, last.key.clone());
            query.after = Some(switchboard_core::store::Mark { value, key });
        }
    }

    fn note(&self, tenant: &Tenant, row: &Row, now: SystemTime) {
        let Some(body) = row.get("body") else { return };
        let Some(until) = body["until"].as_u64().and_then(clock::time) else { return };
        if until <= now {
            return;
        }
        if let Some(username) = row.key.strip_prefix(RENEWED.0) {
            let epoch = body["epoch"].as_str().unwrap_or_default();
            self.note_renewed((tenant, username), epoch, until, now);
        }
        if let Some(jti) = row.key.strip_prefix(REVOKED.0)
            && !self.revoked.contains(jti)
        {
            if self.revoked.insert(jti, until, now).is_err() {
                tracing::error!("more tokens were taken back than can be remembered");
            }
            self.leases.end(&lease(tenant, body["username"].as_str().unwrap_or_default(), jti));
        }
    }

    /// Those that have tokens. Where a walk through the whole table is dear, it is made once, and
    /// afterwards those are meant whose tokens came by here.
    async fn tenants(&self) -> Result<BTreeSet<Tenant>, StoreError> {
        if self.store.walks() && self.has_walked.load(Ordering::Relaxed) {
            return Ok(self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone());
        }
        let found = self.store.tenants(&TOKENS).await?;
        self.has_walked.store(true, Ordering::Relaxed);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.extend(found);
        Ok(seen.clone())
    }

    fn see(&self, tenant: &Tenant) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if !seen.contains(tenant) {
            seen.insert(tenant.clone());
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
        let epoch = jwt::text(&good.claims, "epoch").unwrap_or_default();
        if self.renewed.ended(&good.reach, &good.username, epoch, now) {
            return Err(Bad::Other);
        }
        self.see(&good.reach.home());
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
                        &lease(&good.reach.home(), &good.username, &good.jti),
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

/// The name of a token among [`Leases`]. No name of a user has a control character in it.
fn lease(home: &Tenant, username: &str, jti: &str) -> String {
    format!("jti:{home}\n{username}\n{jti}")
}

/// Whether that is the name of a token of this user.
fn is_of(lease: &str, home: &Tenant, username: &str) -> bool {
    let mut parts = lease.strip_prefix("jti:").unwrap_or_default().splitn(3, '\n');
    parts.next() == Some(home.as_str()) && parts.next() == Some(username)
}

/// 128 random bits: no two tokens have the same.
fn random_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has a source of randomness");
    hex(&bytes)
}
