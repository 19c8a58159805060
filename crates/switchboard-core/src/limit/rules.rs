//! Which rules apply to a call, and what they say of it.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::limit::buckets::{Allowance, Buckets};
use crate::limit::ledger::{Account, Key, Ledger, Terms};
use crate::limit::pattern::Pattern;
use crate::limit::period::Period;
use crate::limit::places::Places;
use crate::limit::settings::{LimitConfig, LimitSettings, Per};
use crate::limit::stored::STORED_LIMIT;
use crate::limit::verdict::{Unit, Verdict, seconds};
use crate::principal::Principal;
use crate::tenant::Tenant;

/// The rules of a daemon or of a tenant, with what they count in memory.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Those first that are about the fewest.
    rules: Vec<Arc<Rule>>,
    pub(crate) flush: Duration,
}

/// Why a rule cannot be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LimitError {
    #[error("`{0}` is no name of a limit: use up to 64 letters, digits, `-`, `_` and `.`")]
    Name(String),
    #[error("the limit `{0}` limits nothing: set `rate`, `concurrency`, or a quota")]
    Idle(String),
    #[error("the limit `{rule}` has `{key}` without `{needs}`")]
    Without { rule: String, key: &'static str, needs: &'static str },
    #[error("there are more than {0} limits")]
    TooMany(usize),
    /// A limit that a tenant keeps holds for that tenant, whatever it says.
    #[error("the limit `{0}` is for its own tenant alone: leave out `tenant`")]
    Tenant(String),
}

/// What somebody wants to do, as far as limits look at it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim<'a> {
    pub principal: &'a Principal,
    /// `None` where it came over a socket of this machine.
    pub address: Option<IpAddr>,
    pub server: &'a str,
    /// As its server calls it; `None` for all that is not a call of a tool.
    pub tool: Option<&'a str>,
}

/// The time of the wall and that since a fixed start, which nobody sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    /// Seconds since 1970.
    pub wall: u64,
    pub since_start: Duration,
}

#[derive(Debug)]
pub(crate) struct Rule {
    name: Arc<str>,
    /// The tenant that keeps it; `None` where it stands in the configuration.
    tenant: Option<Tenant>,
    settings: LimitSettings,
    rate: Option<(Allowance, Buckets)>,
    quotas: Vec<Quota>,
    pub(crate) places: Option<Arc<Places>>,
}

#[derive(Clone, Copy, Debug)]
struct Quota {
    unit: Unit,
    period: Period,
    limit: u64,
}

/// What let a call in.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub rules: Vec<Arc<Rule>>,
    /// The tightest.
    pub verdict: Option<Verdict>,
}

/// Every call looks at every rule, which takes some nanoseconds for each.
const MOST: usize = 256;

/// Buckets of one rule that are not full at the same time, in 1.2 MiB; see [`Buckets`] for what
/// becomes of more.
const KEYS: usize = 65_536;

/// Rules of one tenant beside those of the configuration.
///
/// Whoever manages a tenant can make them, so what they take has to be little where a thousand
/// tenants are served: at most 1.2 MiB for the buckets of one.
const MOST_KEPT: usize = STORED_LIMIT as usize;

/// Buckets of one rule of a tenant.
const KEYS_KEPT: usize = 2_048;

/// When whoever was refused a place may try again: nobody knows how long calls take.
const NEXT_PLACE: Duration = Duration::from_secs(1);

impl Rules {
    /// # Errors
    ///
    /// [`LimitError`] for the first rule that cannot be.
    pub fn new(config: &LimitConfig) -> Result<Self, LimitError> {
        let rules = config.rule.iter().map(|(name, settings)| (&**name, settings));
        let rules = Self::of(None, rules, MOST)?;
        Ok(Self { flush: config.flush.as_duration(), ..rules })
    }

    /// The rules that `tenant` keeps for itself.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn kept<'a>(
        tenant: &Tenant,
        rules: impl IntoIterator<Item = (&'a str, &'a LimitSettings)>,
    ) -> Result<Self, LimitError> {
        Self::of(Some(tenant), rules, MOST_KEPT)
    }

    /// Whether `tenant` could keep such a rule.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn check_kept(
        tenant: &Tenant,
        name: &str,
        settings: &LimitSettings,
    ) -> Result<(), LimitError> {
        check(Some(tenant), name, settings)
    }

    fn of<'a>(
        tenant: Option<&Tenant>,
        rules: impl IntoIterator<Item = (&'a str, &'a LimitSettings)>,
        most: usize,
    ) -> Result<Self, LimitError> {
        let rules: Vec<_> = rules.into_iter().collect();
        if most < rules.len() {
            return Err(LimitError::TooMany(most));
        }
        let rules = rules.into_iter().map(|(name, settings)| Rule::new(tenant, name, settings));
        let mut rules = rules.map(|rule| rule.map(Arc::new)).collect::<Result<Vec<_>, _>>()?;
        rules.sort_by_key(|rule| rule.settings.per);
        Ok(Self { rules, ..Self::default() })
    }

    /// These and those of a tenant. All calls of the tenant ask them in the same order, and nobody
    /// else asks the others, so no two calls wait for each other's places.
    pub(crate) fn with(&self, kept: &Self) -> Self {
        let mut rules = [&*self.rules, &*kept.rules].concat();
        rules.sort_by_key(|rule| rule.settings.per);
        Self { rules, flush: self.flush }
    }

    /// The same, with what is counted for rules that `old` has as they are.
    pub(crate) fn after(mut self, old: &Self) -> Self {
        for rule in &mut self.rules {
            let same = old.rules.iter().find(|it| it.name == rule.name);
            if let Some(same) = same.filter(|same| same.settings == rule.settings) {
                *rule = Arc::clone(same);
            }
        }
        self
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Takes one call from everything that is counted for it, or from nothing.
    ///
    /// Where two that want the last of something come at once, one that is refused by another rule
    /// may be in the way of the other until it has given back. What is shared is asked last, so
    /// whoever has used up the own limit is never in the way of others.
    pub(crate) fn take(
        &self,
        claim: &Claim<'_>,
        now: Now,
        ledger: &Ledger,
    ) -> Result<Taken, Verdict> {
        let mut taken = Taken::default();
        for rule in self.rules.iter().filter(|rule| rule.applies(claim)) {
            match rule.take(claim, now, ledger) {
                Ok(verdict) => {
                    taken.verdict = tighter(taken.verdict.take(), verdict);
                    taken.rules.push(Arc::clone(rule));
                }
                Err(verdict) => {
                    taken.give_back(claim, now, ledger);
                    return Err(verdict);
                }
            }
        }
        Ok(taken)
    }
}

impl Taken {
    pub(crate) fn give_back(&self, claim: &Claim<'_>, now: Now, ledger: &Ledger) {
        for rule in &self.rules {
            rule.give_back(claim, now, ledger, &rule.quotas);
        }
    }

    /// The accounts that the tokens of the call are counted in.
    pub(crate) fn tokens(
        &self,
        claim: &Claim<'_>,
        now: Now,
        ledger: &Ledger,
    ) -> Vec<(Key, Terms, Account)> {
        let rules = self.rules.iter();
        let quotas = rules.flat_map(|rule| rule.quotas.iter().map(move |quota| (rule, quota)));
        quotas
            .filter(|(_, quota)| quota.unit == Unit::Tokens)
            .map(|(rule, quota)| {
                let terms = quota.terms(now);
                let key = rule.key(quota, claim, terms, ledger);
                (key, terms, rule.account(quota, claim, now))
            })
            .collect()
    }
}

impl Rule {
    fn new(
        tenant: Option<&Tenant>,
        name: &str,
        settings: &LimitSettings,
    ) -> Result<Self, LimitError> {
        check(tenant, name, settings)?;
        let keys = if tenant.is_some() { KEYS_KEPT } else { KEYS };
        let rate =
            settings.rate.map(|rate| (Allowance::new(rate, settings.burst), Buckets::new(keys)));
        Ok(Self {
            name: name.into(),
            tenant: tenant.cloned(),
            rate,
            quotas: quotas(settings),
            places: places(settings),
            settings: settings.clone(),
        })
    }

    fn applies(&self, claim: &Claim<'_>) -> bool {
        let LimitSettings { per, tenant, role, subject, server, tool, .. } = &self.settings;
        let is_named = role.is_some() || subject.is_some();
        let fits = |pattern: &Option<Pattern>, name: &str| {
            pattern.as_ref().is_none_or(|pattern| pattern.matches(name))
        };
        let roles = &claim.principal.standing.roles;
        (is_named || !claim.is_of_owner_here())
            && (*per != Per::Address || claim.address.is_some())
            && (*per != Per::Tool || claim.tool.is_some())
            && fits(server, claim.server)
            && tool.as_ref().is_none_or(|tool| claim.tool.is_some_and(|name| tool.matches(name)))
            && fits(tenant, claim.principal.tenant.as_str())
            && fits(subject, &claim.principal.subject)
            && role.as_ref().is_none_or(|role| roles.iter().any(|own| role.matches(own)))
    }

    /// Who has the limit for itself.
    pub(crate) fn holder<'a>(&self, claim: &'a Claim<'a>) -> Holder<'a> {
        Holder { per: self.settings.per, claim }
    }

    /// The tightest of what it has to say, if anything.
    fn take(
        &self,
        claim: &Claim<'_>,
        now: Now,
        ledger: &Ledger,
    ) -> Result<Option<Verdict>, Verdict> {
        let mut tightest = None;
        if let Some((allowance, buckets)) = &self.rate {
            let level = buckets.take(&self.holder(claim), *allowance, now.since_start);
            let earned = allowance.time_for(level.remaining.max(1));
            let verdict = Verdict {
                is_allowed: level.is_allowed,
                rule: Arc::clone(&self.name),
                unit: Unit::Calls,
                limit: allowance.burst().into(),
                window: Some(allowance.window()),
                remaining: level.remaining.into(),
                // Whoever spreads what is left over the time in which it is earned again keeps the
                // rate; told a shorter one they would come faster (section 8.5 of the draft).
                after: if level.remaining == 0 { level.next } else { earned },
                reset: now.wall + seconds(level.full),
            };
            if !verdict.is_allowed {
                return Err(verdict);
            }
            tightest = Some(verdict);
        }
        for (at, quota) in self.quotas.iter().enumerate() {
            let verdict = self.take_quota(quota, claim, now, ledger);
            if !verdict.is_allowed {
                self.give_back(claim, now, ledger, &self.quotas[..at]);
                return Err(verdict);
            }
            tightest = tighter(tightest, Some(verdict));
        }
        Ok(tightest)
    }

    fn take_quota(&self, quota: &Quota, claim: &Claim<'_>, now: Now, ledger: &Ledger) -> Verdict {
        let terms = quota.terms(now);
        let key = self.key(quota, claim, terms, ledger);
        let account = || self.account(quota, claim, now);
        let left = ledger.take(key, terms, quota.calls(), account);
        Verdict {
            is_allowed: left.is_some(),
            rule: Arc::clone(&self.name),
            unit: quota.unit,
            limit: quota.limit,
            window: Some(quota.period.length(now.wall)),
            remaining: left.unwrap_or(0),
            after: Duration::from_secs(terms.ends - now.wall),
            reset: terms.ends,
        }
    }

    fn give_back(&self, claim: &Claim<'_>, now: Now, ledger: &Ledger, quotas: &[Quota]) {
        if let Some((allowance, buckets)) = &self.rate {
            buckets.give_back(&self.holder(claim), *allowance);
        }
        for quota in quotas.iter().filter(|quota| quota.calls() != 0) {
            let terms = quota.terms(now);
            let key = self.key(quota, claim, terms, ledger);
            ledger.add(key, terms, -quota.calls(), || self.account(quota, claim, now));
        }
    }

    /// What is said where no place came free.
    pub(crate) fn no_place(&self, places: &Places, now: Now) -> Verdict {
        Verdict {
            is_allowed: false,
            rule: Arc::clone(&self.name),
            unit: Unit::Concurrent,
            limit: places.limit() as u64,
            window: None,
            remaining: 0,
            after: NEXT_PLACE,
            reset: now.wall + NEXT_PLACE.as_secs(),
        }
    }

    /// Of what [`Self::account`] writes out.
    fn key(&self, quota: &Quota, claim: &Claim<'_>, terms: Terms, ledger: &Ledger) -> Key {
        let rule = (&self.tenant, &*self.name);
        ledger.key(&(rule, quota.unit, quota.period, terms.ends, self.holder(claim)))
    }

    /// `RULE/UNIT/PERIOD` and, where it is not the tenant's, whose; after `kept:`, which is in no
    /// name, where it is a rule of the tenant and not of the configuration.
    fn account(&self, quota: &Quota, claim: &Claim<'_>, now: Now) -> Account {
        let unit = if quota.unit == Unit::Tokens { "tokens" } else { "calls" };
        let period = quota.period.name(now.wall);
        let whose = if self.tenant.is_some() { "kept:" } else { "" };
        let mut row = format!("{whose}{}/{unit}/{period}", self.name);
        let principal = claim.principal;
        let mut tenant = principal.tenant.clone();
        match self.settings.per {
            Per::Tenant => {}
            Per::Principal => row.extend(["/", &*principal.subject]),
            Per::Tool => {
                let tool = claim.tool.unwrap_or_default();
                row.extend(["/", &*principal.subject, "/", claim.server, "/", tool]);
            }
            Per::Address => {
                // An address has one limit, whichever tenants it asks, unless it is one tenant's.
                tenant = self.tenant.clone().unwrap_or_default();
                row.extend(claim.address.map(|it| format!("/{}", network_of(it))));
            }
        }
        Account { tenant, row: row.into() }
    }
}

impl Quota {
    fn terms(&self, now: Now) -> Terms {
        Terms { limit: self.limit, ends: self.period.end(now.wall) }
    }

    /// What a call takes when it comes; how many tokens it has is known when it is over.
    fn calls(&self) -> i64 {
        i64::from(self.unit == Unit::Calls)
    }
}

impl Claim<'_> {
    /// Whether it comes from whoever runs the daemon, on the machine that it runs on.
    fn is_of_owner_here(&self) -> bool {
        self.principal.is_owner() && self.address.is_none_or(|it| it.to_canonical().is_loopback())
    }
}

/// The part of a claim by which a limit tells its holders apart.
#[derive(Debug)]
pub(crate) struct Holder<'a> {
    per: Per,
    claim: &'a Claim<'a>,
}

impl Hash for Holder<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Claim { principal, address, server, tool } = self.claim;
        match self.per {
            Per::Tool => (principal, server, tool).hash(state),
            Per::Principal => principal.hash(state),
            Per::Address => address.map(network_of).hash(state),
            Per::Tenant => principal.tenant.hash(state),
        }
    }
}

/// Whom an address stands for: itself, or the network of 64 bits that it is of, from which one
/// machine can take as many addresses as it likes (RFC 4291, section 2.5.4).
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            Ipv6Addr::from_bits(network).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

pub(crate) fn tighter(one: Option<Verdict>, other: Option<Verdict>) -> Option<Verdict> {
    one.into_iter().chain(other).min_by_key(|verdict| verdict.remaining)
}

/// Whether such a rule can be, in the configuration or kept by a tenant.
pub(crate) fn check(
    tenant: Option<&Tenant>,
    name: &str,
    settings: &LimitSettings,
) -> Result<(), LimitError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.is_empty() || 64 < name.len() || !name.bytes().all(plain) {
        return Err(LimitError::Name(name.to_owned()));
    }
    let without = |key, needs| LimitError::Without { rule: name.to_owned(), key, needs };
    if settings.burst.is_some() && settings.rate.is_none() {
        return Err(without("burst", "rate"));
    }
    if settings.wait.is_some() && settings.concurrency.is_none() {
        return Err(without("wait", "concurrency"));
    }
    if settings.queue.is_some() && settings.concurrency.is_none() {
        return Err(without("queue", "concurrency"));
    }
    if tenant.is_some() && settings.tenant.is_some() {
        return Err(LimitError::Tenant(name.to_owned()));
    }
    if settings.rate.is_none() && settings.concurrency.is_none() && quotas(settings).is_empty() {
        return Err(LimitError::Idle(name.to_owned()));
    }
    Ok(())
}

fn quotas(settings: &LimitSettings) -> Vec<Quota> {
    let all = [
        (Unit::Calls, Period::Day, settings.calls_per_day),
        (Unit::Calls, Period::Month, settings.calls_per_month),
        (Unit::Tokens, Period::Day, settings.tokens_per_day),
        (Unit::Tokens, Period::Month, settings.tokens_per_month),
    ];
    let set = all
        .into_iter()
        .filter_map(|(unit, period, limit)| Some(Quota { unit, period, limit: limit?.get() }));
    set.collect()
}

fn places(settings: &LimitSettings) -> Option<Arc<Places>> {
    let limit = settings.concurrency?.get();
    let queue = settings.queue.unwrap_or(limit.saturating_mul(4));
    let wait = settings.wait.map_or(Duration::from_secs(10), |wait| wait.as_duration());
    Some(Places::new(limit as usize, queue as usize, wait))
}

#[cfg(test)]
mod tests;
