//! Tokens of identity providers: OpenID Connect, and OAuth 2.1 as MCP has it.
//!
//! A token is good that the issuer signed with a key it publishes now, with an asymmetric algorithm
//! of our choice, for us and not for somebody else (`aud`; RFC 8707), and whose time it is. What it
//! says about roles, scopes and the tenant is found where the configuration says.

mod jwks;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use http::Uri;
use jsonwebtoken::Algorithm;
use switchboard_core::{Admitted, Denied, LoginMethod, Principal, Reason, Standing, Tenant};
use switchboard_egress::Guard;
use tokio_util::task::TaskTracker;

pub(crate) use jwks::{Freshness, Source};

use crate::jwt::{self, Bad, Claims, Times, Unverified};
use crate::key::Digest;
use crate::leases::Leases;
use crate::oidc::jwks::{Found, Jwks};
use crate::reach::Reach;
use crate::resource::Resource;
use crate::roles::granted;
use crate::way::{Asked, Way};

/// One identity provider.
pub struct Provider {
    rules: Rules,
    keys: Arc<Jwks>,
    leases: Arc<Leases>,
}

/// What every provider needs of its surroundings.
pub(crate) struct Shared {
    pub(crate) guard: Guard,
    pub(crate) tasks: TaskTracker,
    pub(crate) leases: Arc<Leases>,
}

/// What a token of a provider has to say, and what it means.
pub(crate) struct Rules {
    pub(crate) issuer: String,
    pub(crate) audience: Audience,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) skew: Duration,
    /// Claims that may have the name of the user; the first that is there counts.
    pub(crate) names: Vec<String>,
    pub(crate) roles: String,
    pub(crate) scopes: String,
    pub(crate) reach: ReachRule,
}

/// For whom a token has to be.
pub(crate) enum Audience {
    /// `aud` has one of these, or an address of this daemon where the tenant is that is addressed.
    Named { accepted: Vec<String>, resources: Vec<Resource> },
    /// As Cognito says it: access tokens have `client_id`, and only ID tokens `aud`.
    Cognito { client_id: String, access: bool, id: bool },
}

/// Of which tenant the people are.
pub(crate) enum ReachRule {
    Fixed(Reach),
    Claim(String),
}

/// Longest `sub` (OpenID Connect Core 1.0, section 2).
const SUBJECT: usize = 255;

impl Provider {
    pub(crate) fn new(rules: Rules, source: Source, freshness: Freshness, shared: Shared) -> Self {
        let Shared { guard, tasks, leases } = shared;
        let keys = Jwks::new(source, guard, rules.algorithms.clone(), freshness, tasks);
        Self { rules, keys: Arc::new(keys), leases }
    }

    fn recognise(&self, text: &str) -> Option<Unverified> {
        let unverified = jwt::is_jwt(text).then(|| jwt::peek(text))??;
        (unverified.issuer.as_deref() == Some(&self.rules.issuer)).then_some(unverified)
    }

    fn judge(
        &self,
        asked: &Asked<'_>,
        token: &str,
        unverified: &Unverified,
    ) -> Result<Admitted, Denied> {
        let algorithm: Algorithm = unverified.algorithm.parse().map_err(|_| invalid())?;
        if !self.rules.algorithms.contains(&algorithm) {
            return Err(invalid());
        }
        let key = match self.keys.find(unverified.kid.as_deref(), algorithm, asked.now) {
            Found::Key(key) => key,
            Found::Nothing => return Err(invalid()),
            Found::Unlearned => {
                let message = "the identity provider cannot be asked for its keys now; try again";
                return Err(Denied::new(Reason::Unlearned, message));
            }
        };
        let judged = jwt::verify(token, &key.key, algorithm).and_then(|claims| {
            let times = Times { now: asked.now, skew: self.rules.skew };
            let expires = times.check(&claims)?;
            Ok((claims, expires))
        });
        let (claims, expires) = judged.map_err(|bad| match bad {
            Bad::Expired => Denied::new(Reason::Expired, "the token has expired"),
            Bad::Other => invalid(),
        })?;
        if !self.rules.audience.fits(&claims, asked.tenant) {
            return Err(Denied::invalid("the token is for somebody else"));
        }
        let principal = self.principal(&claims, asked.tenant, expires).ok_or_else(invalid)?;
        let lease = format!("oidc:{}", Digest::of(token.as_bytes()).hex());
        let revoked = self.leases.of(&lease, Some(expires + self.rules.skew), asked.now);
        Ok(Admitted { principal, revoked })
    }

    /// Who it is; `None` where it is nobody of the tenant that is addressed.
    fn principal(
        &self,
        claims: &Claims,
        addressed: &Tenant,
        expires: SystemTime,
    ) -> Option<Principal> {
        let rules = &self.rules;
        let subject = jwt::text(claims, "sub").filter(|it| it.len() <= SUBJECT)?;
        let tenant = match &rules.reach {
            ReachRule::Fixed(reach) => reach.at(addressed)?,
            // What a provider says is one tenant: a user who may choose claims is not everybody's.
            ReachRule::Claim(claim) => {
                let own = Tenant::parse(jwt::text(claims, claim)?).ok()?;
                Reach::One(own).at(addressed)?
            }
        };
        let name = rules.names.iter().find_map(|claim| jwt::text(claims, claim));
        let scopes = jwt::texts(claims, &rules.scopes);
        let standing = Standing {
            method: LoginMethod::Oidc,
            name: name.map(Into::into),
            roles: granted(jwt::texts(claims, &rules.roles)),
            scopes: (!scopes.is_empty()).then(|| scopes.into_iter().map(Into::into).collect()),
            expires: Some(expires),
            rate: None,
        };
        Some(Principal::of(tenant, &format!("oidc:{}|{subject}", rules.issuer), standing))
    }
}

impl Audience {
    fn fits(&self, claims: &Claims, tenant: &Tenant) -> bool {
        match self {
            Self::Named { accepted, resources } => {
                let here = || resources.iter().filter_map(|resource| resource.at(tenant));
                jwt::is_for(claims, accepted) || jwt::is_for(claims, &here().collect::<Vec<_>>())
            }
            Self::Cognito { client_id, access, id } => match jwt::text(claims, "token_use") {
                Some("access") => *access && jwt::text(claims, "client_id") == Some(client_id),
                Some("id") => *id && jwt::text(claims, "aud") == Some(client_id),
                _ => false,
            },
        }
    }
}

#[async_trait]
impl Way for Provider {
    fn admit(&self, asked: &Asked<'_>) -> Option<Result<Admitted, Denied>> {
        let token = asked.text()?;
        let unverified = self.recognise(token)?;
        Some(self.judge(asked, token, &unverified))
    }

    async fn learn(&self, asked: &Asked<'_>) {
        if asked.text().is_some_and(|token| self.recognise(token).is_some()) {
            self.keys.learn(asked.now).await;
        }
    }
}

fn invalid() -> Denied {
    Denied::invalid("the token is not valid here")
}

/// The address of an issuer's discovery document (OpenID Connect Discovery 1.0, section 4).
pub(crate) fn discovery(issuer: &str) -> Option<Uri> {
    let base = issuer.trim_end_matches('/');
    let uri: Uri = format!("{base}/.well-known/openid-configuration").parse().ok()?;
    (uri.scheme().is_some() && uri.query().is_none()).then_some(uri)
}
