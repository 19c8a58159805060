//! The shell around the rules: reads the clock, waits for places, writes to the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;
use switchboard_mcp::Json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::limit::keys::KeyRates;
use crate::limit::ledger::{Account, Flushed, Key, Ledger, Terms};
use crate::limit::places::Place;
use crate::limit::rules::{Claim, Now, Rules, Taken, tighter};
use crate::limit::verdict::Verdict;
use crate::peer::Context;
use crate::principal::Principal;
use crate::store::Store;
use crate::tenant::Tenant;

/// Lets calls in, as far as the rules allow.
///
/// What was used of rates and places is this daemon's alone and ends with it; several daemons each
/// allow what the rules say. Quotas are those of all daemons on one store, as far as they have
/// heard of each other (`limits.flush`).
///
/// The rules of the configuration are for everybody; those that a tenant keeps are for its own
/// principals, beside them.
#[derive(Debug)]
pub struct Limits {
    rules: ArcSwap<Held>,
    keys: KeyRates,
    ledger: Arc<Ledger>,
    born: Instant,
    /// The time of the wall at `born`, in seconds since 1970. Set again by each flush, because the
    /// clock of the runtime stands still while the machine sleeps.
    born_wall: AtomicU64,
}

/// The rules that hold now.
#[derive(Clone, Debug, Default)]
struct Held {
    base: Arc<Rules>,
    tenants: HashMap<Tenant, Kept>,
}

/// What a tenant keeps.
#[derive(Clone, Debug)]
struct Kept {
    own: Rules,
    /// With those of the configuration.
    all: Arc<Rules>,
}

/// A call that was let in. Dropping it lets in who waits for its places.
#[derive(Default)]
#[must_use = "dropping it gives back the places of the call"]
pub struct Pass {
    _places: Vec<Place>,
    tokens: Vec<(Key, Terms, Account)>,
    ledger: Option<Arc<Ledger>>,
}

/// A flush that a new account asked for waits so long for more of them.
const GATHER: Duration = Duration::from_millis(50);

/// How often rows of periods that are over are deleted; they harm nobody meanwhile.
const SWEEP: Duration = Duration::from_secs(3_600);

/// Bytes of JSON that are taken for one token: what English and code come to with the common
/// encodings, and what the daemons counted that this one stands in for.
const BYTES_OF_TOKEN: u64 = 4;

impl Default for Limits {
    /// Nobody is limited.
    fn default() -> Self {
        Self::new(Rules::default(), UNIX_EPOCH)
    }
}

impl Limits {
    /// Begins to count; `wall` is the time now.
    pub fn new(rules: Rules, wall: SystemTime) -> Self {
        Self {
            rules: ArcSwap::from_pointee(Held { base: Arc::new(rules), tenants: HashMap::new() }),
            keys: KeyRates::default(),
            ledger: Arc::default(),
            born: Instant::now(),
            born_wall: AtomicU64::new(seconds(wall)),
        }
    }

    /// Lets `rules` hold for every later call. What was counted stays for rules that are as they
    /// were; quotas stay in any case.
    pub fn publish(&self, rules: &Rules) {
        self.rules.rcu(|held| {
            let base = Arc::new(rules.clone().after(&held.base));
            let tenants = held.tenants.iter();
            let tenants = tenants.map(|(tenant, kept)| {
                (
                    tenant.clone(),
                    Kept { own: kept.own.clone(), all: Arc::new(base.with(&kept.own)) },
                )
            });
            Held { tenants: tenants.collect(), base: Arc::clone(&base) }
        });
    }

    /// Lets `own` hold for every later call of a principal of `tenant`, beside the rules of the
    /// configuration, in place of what the tenant kept before. What was counted stays as with
    /// [`Self::publish`].
    pub fn keep(&self, tenant: &Tenant, own: &Rules) {
        if own.is_empty() {
            return self.retain(|other| other != tenant);
        }
        self.rules.rcu(|held| {
            let mut held = Held::clone(held);
            let own = match held.tenants.get(tenant) {
                Some(old) => own.clone().after(&old.own),
                None => own.clone(),
            };
            let all = Arc::new(held.base.with(&own));
            held.tenants.insert(tenant.clone(), Kept { own, all });
            held
        });
    }

    /// Forgets what other tenants keep than those that `is_served` knows.
    pub fn retain(&self, is_served: impl Fn(&Tenant) -> bool) {
        if self.rules.load().tenants.keys().all(&is_served) {
            return;
        }
        self.rules.rcu(|held| {
            let mut held = Held::clone(held);
            held.tenants.retain(|tenant, _| is_served(tenant));
            held
        });
    }

    /// Lets in a call to `server`, of `tool` where it is a call of a tool; both by the names that
    /// are theirs. It may have to wait for a place. What becomes of it then does not matter: a call
    /// that its server refuses, or is not there for, has been made.
    ///
    /// # Errors
    ///
    /// [`Error::Limited`]; the call has cost nothing.
    ///
    /// # Cancel safety
    ///
    /// A call that is given up while it waits has been counted.
    pub async fn admit(
        &self,
        context: &Context,
        server: &str,
        tool: Option<&str>,
    ) -> Result<Pass, Error> {
        let rules = self.rules.load().of(&context.principal.tenant);
        let (principal, address) = (&context.principal, context.address);
        if rules.is_empty() && principal.standing.rate.is_none() {
            return Ok(Pass::default());
        }
        let claim = Claim { principal, address, server, tool };
        let now = self.now();
        let outcome = match self.take(&rules, &claim, now) {
            Ok(taken) => self.with_places(taken, &claim, now).await,
            Err(verdict) => Err(verdict),
        };
        let (verdict, outcome) = match outcome {
            Ok((verdict, pass)) => (verdict.map(Arc::new), Ok(pass)),
            Err(verdict) => {
                let verdict = Arc::new(verdict);
                (Some(Arc::clone(&verdict)), Err(Error::Limited(verdict)))
            }
        };
        if let (Some(notice), Some(verdict)) = (&context.notice, verdict) {
            notice.tell(verdict);
        }
        outcome
    }

    /// Counts a request that no server is asked for, such as one of the management surface, against
    /// the rate of the credential it came with; what is left of that, where it has one.
    ///
    /// # Errors
    ///
    /// It may not be made now; it has cost nothing.
    pub fn admit_key(&self, principal: &Principal) -> Result<Option<Verdict>, Verdict> {
        self.keys.take(principal, self.now())
    }

    /// Takes one call from the rate of the credential and from what the rules count, or from
    /// nothing. What is asked first is shared with the fewest.
    fn take(&self, rules: &Rules, claim: &Claim<'_>, now: Now) -> Result<Taken, Verdict> {
        let own = self.keys.take(claim.principal, now)?;
        match rules.take(claim, now, &self.ledger) {
            Ok(taken) => Ok(Taken { verdict: tighter(own, taken.verdict), ..taken }),
            Err(verdict) => {
                self.keys.give_back(claim.principal);
                Err(verdict)
            }
        }
    }

    /// The places of a call that is counted already.
    async fn with_places(
        &self,
        taken: Taken,
        claim: &Claim<'_>,
        now: Now,
    ) -> Result<(Option<Verdict>, Pass), Verdict> {
        let mut places = Vec::new();
        for rule in &taken.rules {
            let Some(limited) = &rule.places else { continue };
            // All calls ask in the same order, so no two wait for each other.
            match limited.enter(&rule.holder(claim), claim.principal).await {
                Ok(place) => places.push(place),
                Err(_) => {
                    taken.give_back(claim, now, &self.ledger);
                    self.keys.give_back(claim.principal);
                    return Err(rule.no_place(limited, now));
                }
            }
        }
        let tokens = taken.tokens(claim, now, &self.ledger);
        let ledger = (!tokens.is_empty()).then(|| Arc::clone(&self.ledger));
        Ok((taken.verdict, Pass { _places: places, tokens, ledger }))
    }

    /// Writes down what was used of quotas, as the daemon does when it stops; `wall` is the time
    /// now. One at a time.
    pub async fn flush(&self, store: &dyn Store, wall: SystemTime) -> Flushed {
        let wall = seconds(wall);
        self.born_wall.store(wall.saturating_sub(self.born.elapsed().as_secs()), Ordering::Relaxed);
        self.ledger.flush(store, wall).await
    }

    /// Writes down what was used of quotas until `stop`, and then once more.
    pub async fn run(
        &self,
        store: &dyn Store,
        wall: impl Fn() -> SystemTime,
        stop: CancellationToken,
    ) {
        let mut swept = None;
        while self.is_due(&stop).await {
            report(&self.flush(store, wall()).await);
            if swept.is_none_or(|swept: Instant| SWEEP <= swept.elapsed()) {
                swept = Some(Instant::now());
                if let Err(error) = Ledger::sweep(store, seconds(wall())).await {
                    tracing::warn!(%error, "quotas of earlier periods could not be deleted");
                }
            }
        }
        report(&self.flush(store, wall()).await);
    }

    /// Waits until something is to be written down and it is time for that; false at `stop`.
    async fn is_due(&self, stop: &CancellationToken) -> bool {
        let due = async {
            self.ledger.work.notified().await;
            let patience = self.rules.load().base.flush.max(GATHER);
            tokio::select! {
                () = self.ledger.news.notified() => tokio::time::sleep(GATHER).await,
                () = tokio::time::sleep(patience) => {}
            }
        };
        tokio::select! {
            () = stop.cancelled() => false,
            () = due => true,
        }
    }

    /// The time of the wall, in seconds since 1970.
    pub(crate) fn wall(&self) -> u64 {
        self.now().wall
    }

    fn now(&self) -> Now {
        let since_start = self.born.elapsed();
        let wall = self.born_wall.load(Ordering::Relaxed) + since_start.as_secs();
        Now { wall, since_start }
    }
}

impl Held {
    fn of(&self, tenant: &Tenant) -> Arc<Rules> {
        match self.tenants.get(tenant) {
            Some(kept) => Arc::clone(&kept.all),
            None => Arc::clone(&self.base),
        }
    }
}

impl Pass {
    /// Counts what the call carried there or back, where a quota of tokens wants to know.
    pub fn carried(&self, text: Option<&Json>) {
        let (Some(ledger), Some(text)) = (&self.ledger, text) else { return };
        let tokens = (text.as_bytes().len() as u64).div_ceil(BYTES_OF_TOKEN);
        let tokens = i64::try_from(tokens).unwrap_or(i64::MAX);
        for (key, terms, account) in &self.tokens {
            ledger.add(*key, *terms, tokens, || account.clone());
        }
    }
}

fn report(flushed: &Flushed) {
    let Flushed { failed, error, uncounted, .. } = flushed;
    if let Some(error) = error {
        tracing::warn!(failed, %error, "what was used of quotas could not be written down yet");
    }
    if *uncounted != 0 {
        tracing::warn!(uncounted, "more accounts than are kept: calls went without their quota");
    }
}

fn seconds(wall: SystemTime) -> u64 {
    wall.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
