//! How the calls of an upstream are spread: keys that contradict each other, and keys that would do
//! nothing where they stand.

use switchboard_upstream::{BalanceStrategy, Settings, Sharing};

use super::Mistake;

/// The first mistake in how `settings` spread the calls of the upstream `name`.
pub(super) fn check(name: &str, settings: &Settings) -> Result<(), Mistake> {
    let default = Settings::default();
    let is_shared = settings.sharing == Sharing::Shared;
    // At first, at least.
    let may_be_shared = is_shared || settings.sharing == Sharing::Auto;
    let mistake = |key: &str, what: &str, hint: &str| {
        Err(Mistake::at(key, format!("upstream.{name}.{key} {what}"), hint))
    };
    if let Some(pool) = &settings.pool {
        if !is_shared {
            let what = "and `sharing` exclude each other: a pool is for everybody";
            return mistake("pool", what, "keep the one that is meant");
        }
        if !settings.endpoints.is_empty() {
            let what = "and `endpoints` exclude each other: a pool has instances of one server";
            return mistake("pool", what, "keep the one that is meant");
        }
        if pool.min > pool.max {
            let what = format!("is {}, more than `max`, which is {}", pool.min, pool.max);
            return mistake("pool.min", &what, "write no more for `min` than for `max`");
        }
    }
    if is_shared && settings.instances != default.instances {
        let what = "does nothing while everybody shares the server";
        return mistake("instances", what, "add sharing = \"per_session\", or leave it out");
    }
    let balances = may_be_shared && (settings.pool.is_some() || settings.endpoints.len() > 1);
    let nowhere = "does nothing where a call has but one endpoint to go to";
    let elsewhere = "add `endpoints` or a `pool`, or leave it out";
    if !balances && settings.balance != default.balance {
        return mistake("balance", nowhere, elsewhere);
    }
    if !balances && settings.retry.hedge_after.is_some() {
        return mistake("retry.hedge_after", nowhere, elsewhere);
    }
    if settings.health.timeout.as_duration().is_zero() {
        let what = "leaves no time for an answer, so that every server would be replaced";
        return mistake("health.timeout", what, "`health.interval = \"0s\"` asks no server");
    }
    if settings.hash_argument.is_some() && settings.balance != BalanceStrategy::ConsistentHash {
        let what = "does nothing without `balance = \"consistent_hash\"`";
        return mistake("hash_argument", what, "add that, or leave it out");
    }
    Ok(())
}
