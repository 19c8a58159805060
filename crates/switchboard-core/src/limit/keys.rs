//! The rates that credentials bring with them.

use std::sync::{Arc, LazyLock, OnceLock};

use crate::limit::buckets::{Allowance, Buckets};
use crate::limit::rate::{Rate, RateUnit};
use crate::limit::rules::Now;
use crate::limit::verdict::{Unit, Verdict, seconds};
use crate::principal::{KeyRate, Principal};

/// What is left of the rate of each credential that has one.
#[derive(Debug, Default)]
pub(crate) struct KeyRates {
    /// Made for the first of them: most daemons have none.
    buckets: OnceLock<Buckets>,
}

/// Credentials whose buckets are not full at the same time, in 300 KiB; see [`Buckets`] for what
/// becomes of more.
const KEYS: usize = 16_384;

/// What clients are told in the place of the name of a rule. No rule has this one: names have no
/// `:`.
const NAME: &str = "key:rate";

impl KeyRates {
    /// Takes one call from the rate of the credential; nothing where it has none.
    ///
    /// # Errors
    ///
    /// There is none left; nothing was taken.
    pub(crate) fn take(&self, principal: &Principal, now: Now) -> Result<Option<Verdict>, Verdict> {
        static RULE: LazyLock<Arc<str>> = LazyLock::new(|| NAME.into());
        let Some(rate) = &principal.standing.rate else { return Ok(None) };
        let allowance = allowance(rate);
        let buckets = self.buckets.get_or_init(|| Buckets::new(KEYS));
        let level = buckets.take(&(&principal.tenant, &rate.key), allowance, now.since_start);
        let verdict = Verdict {
            is_allowed: level.is_allowed,
            rule: Arc::clone(&RULE),
            unit: Unit::Calls,
            limit: allowance.burst().into(),
            window: Some(allowance.window()),
            remaining: level.remaining.into(),
            // As with rules: what is left, spread over the time in which it is earned again.
            after: match level.remaining {
                0 => level.next,
                remaining => allowance.time_for(remaining),
            },
            reset: now.wall + seconds(level.full),
        };
        if verdict.is_allowed { Ok(Some(verdict)) } else { Err(verdict) }
    }

    /// Gives back a call that something else refused.
    pub(crate) fn give_back(&self, principal: &Principal) {
        let (Some(rate), Some(buckets)) = (&principal.standing.rate, self.buckets.get()) else {
            return;
        };
        buckets.give_back(&(&principal.tenant, &rate.key), allowance(rate));
    }
}

/// A minute's worth at once, and then as they come.
fn allowance(rate: &KeyRate) -> Allowance {
    Allowance::new(Rate::new(rate.per_minute, RateUnit::Minute), None)
}
