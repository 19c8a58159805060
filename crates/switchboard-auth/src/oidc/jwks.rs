//! The public keys of a provider (RFC 7517), cached.
//!
//! A key that is not known may be new, so the keys are fetched again for it: once, by whoever comes
//! first, and not before a while after the last time, or everybody who makes up key ids could have
//! us ask the provider as often as they like.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Uri;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;
use switchboard_egress::{Guard, Trust};
use tokio::sync::Mutex;
use tokio_util::task::TaskTracker;

use crate::clock::age;
use crate::net::{self, NetError};

pub(crate) struct Jwks {
    source: Source,
    guard: Guard,
    algorithms: Vec<Algorithm>,
    rules: Freshness,
    state: ArcSwap<State>,
    /// Whoever fetches.
    turn: Arc<Mutex<()>>,
    tasks: TaskTracker,
}

/// Where the keys are.
pub(crate) enum Source {
    /// Where the discovery document of the issuer says.
    Discovered { issuer: String, document: Uri },
    /// Where the configuration says.
    Known(Uri),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Freshness {
    /// How long keys are taken to be all there are.
    pub(crate) ttl: Duration,
    /// The least time between two fetches.
    pub(crate) floor: Duration,
}

#[derive(Default)]
struct State {
    keys: Vec<VerifyKey>,
    fetched: Option<SystemTime>,
    tried: Option<SystemTime>,
}

/// A key and what it may be used for.
#[derive(Clone)]
pub(crate) struct VerifyKey {
    kid: Option<String>,
    algorithms: Vec<Algorithm>,
    pub(crate) key: DecodingKey,
}

pub(crate) enum Found {
    Key(Box<VerifyKey>),
    /// There is none, as far as anybody can know now.
    Nothing,
    /// They have to be fetched first.
    Unlearned,
}

/// How long after their time keys are still good while the provider does not answer. Longer would
/// keep a key alive that was withdrawn.
const GRACE: Duration = Duration::from_secs(60 * 60);

/// The least time between two fetches while there are no keys at all.
const RETRY: Duration = Duration::from_secs(5);

/// Most keys of one provider; the largest publish some ten.
const KEYS: usize = 64;

/// Longest id of a key.
const KID: usize = 256;

/// Shortest modulus in bytes (RFC 7518, section 3.3).
const MODULUS: usize = 256;

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl Jwks {
    pub(crate) fn new(
        source: Source,
        guard: Guard,
        algorithms: Vec<Algorithm>,
        rules: Freshness,
        tasks: TaskTracker,
    ) -> Self {
        let (state, turn) = (ArcSwap::default(), Arc::default());
        Self { source, guard, algorithms, rules, state, turn, tasks }
    }

    /// The key of this id for this algorithm. Without an id it is the only one that fits.
    pub(crate) fn find(&self, kid: Option<&str>, algorithm: Algorithm, now: SystemTime) -> Found {
        let state = self.state.load();
        let Some(fetched) = state.fetched else { return Found::Unlearned };
        let (age, may_fetch) = (age(fetched, now), self.may_fetch(&state, now));
        if self.rules.ttl + GRACE <= age || (self.rules.ttl <= age && may_fetch) {
            return Found::Unlearned;
        }
        let fits = |key: &&VerifyKey| {
            key.algorithms.contains(&algorithm) && (kid.is_none() || key.kid.as_deref() == kid)
        };
        let mut fitting = state.keys.iter().filter(fits);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Found::Key(Box::new(key.clone())),
            (Some(_), Some(_)) => Found::Nothing,
            (None, _) => {
                let is_known = kid.is_some_and(|kid| {
                    state.keys.iter().any(|key| key.kid.as_deref() == Some(kid))
                });
                if may_fetch && !is_known { Found::Unlearned } else { Found::Nothing }
            }
        }
    }

    fn may_fetch(&self, state: &State, now: SystemTime) -> bool {
        let floor = if state.fetched.is_some() { self.rules.floor } else { RETRY };
        state.tried.is_none_or(|tried| floor <= age(tried, now))
    }

    /// Fetches the keys, unless that was done just now.
    ///
    /// It goes on where the caller goes away: otherwise whoever asks and hangs up could keep
    /// everybody from the keys, or have the provider asked without end.
    pub(crate) async fn learn(self: &Arc<Self>, now: SystemTime) {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        if !self.may_fetch(&self.state.load(), now) {
            return;
        }
        let keys = Arc::clone(self);
        let fetched = self.tasks.spawn(async move {
            keys.refresh(now).await;
            drop(turn);
        });
        // It only fails where the daemon is at its end.
        let _ = fetched.await;
    }

    async fn refresh(&self, now: SystemTime) {
        let before = self.state.load_full();
        let next = match self.fetch().await {
            Ok(keys) => State { keys, fetched: Some(now), tried: Some(now) },
            Err(error) => {
                let issuer = self.source.name();
                tracing::warn!(%error, issuer, "cannot fetch the keys of an identity provider");
                State { keys: before.keys.clone(), fetched: before.fetched, tried: Some(now) }
            }
        };
        self.state.store(Arc::new(next));
    }

    async fn fetch(&self) -> Result<Vec<VerifyKey>, NetError> {
        let (uri, trust) = match &self.source {
            Source::Known(uri) => (uri.clone(), Trust::Configured),
            Source::Discovered { issuer, document } => {
                let found: Discovery = net::get(&self.guard, Trust::Configured, document).await?;
                // OpenID Connect Discovery 1.0, section 4.3.
                if found.issuer != *issuer {
                    return Err(NetError::Unfit("it is of another issuer"));
                }
                let uri = found.jwks_uri.parse().map_err(|_| NetError::Unfit("`jwks_uri`"))?;
                (uri, Trust::told_by(document))
            }
        };
        let document: Document = net::get(&self.guard, trust, &uri).await?;
        let keys = document.keys.iter().take(KEYS);
        Ok(keys.filter_map(|jwk| self.read(jwk)).collect())
    }

    /// A key that can be of use; others stand beside them in good sets.
    fn read(&self, value: &Value) -> Option<VerifyKey> {
        let says = |name: &str| value.get(name).and_then(Value::as_str);
        let is_for_signatures = says("use").is_none_or(|it| it == "sig")
            && value
                .get("key_ops")
                .and_then(Value::as_array)
                .is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        let kid = says("kid").map(str::to_owned);
        if !is_for_signatures || kid.as_ref().is_some_and(|kid| KID < kid.len()) {
            return None;
        }
        let mut material = value.clone();
        let own: Option<Algorithm> = match says("alg") {
            Some(name) => Some(name.parse().ok()?),
            None => None,
        };
        // What is optional may be of a kind that the library does not know.
        for name in ["alg", "use", "key_ops", "x5c", "x5t", "x5u", "x5t#S256"] {
            material.as_object_mut()?.remove(name);
        }
        let jwk: Jwk = serde_json::from_value(material).ok()?;
        let possible = possible(&jwk)?;
        let algorithms: Vec<Algorithm> = possible
            .iter()
            .copied()
            .filter(|it| self.algorithms.contains(it) && own.is_none_or(|own| own == *it))
            .collect();
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        (!algorithms.is_empty()).then_some(VerifyKey { kid, algorithms, key })
    }
}

/// What signatures a key can check: never one that needs a shared secret.
fn possible(jwk: &Jwk) -> Option<&'static [Algorithm]> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match &jwk.algorithm {
        AlgorithmParameters::RSA(rsa) => {
            let modulus = URL_SAFE_NO_PAD.decode(&rsa.n).ok()?;
            let length = modulus.iter().skip_while(|byte| **byte == 0).count();
            (MODULUS <= length).then_some(&[RS256, RS384, RS512, PS256, PS384, PS512])
        }
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => Some(&[ES256]),
            EllipticCurve::P384 => Some(&[ES384]),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(pair) => match pair.curve {
            EllipticCurve::Ed25519 => Some(&[EdDSA]),
            _ => None,
        },
        _ => None,
    }
}

impl Source {
    fn name(&self) -> String {
        match self {
            Self::Discovered { issuer, .. } => issuer.clone(),
            Self::Known(uri) => uri.host().unwrap_or_default().to_owned(),
        }
    }
}
