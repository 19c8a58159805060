//! Letting go of old records.
//!
//! Only of ours: what the engine before us recorded has ids that say nothing of its age, and was
//! never let go of there; it stays until somebody deletes it.

use std::time::{Duration, SystemTime};

use switchboard_core::Tenant;
use switchboard_core::store::{Condition, Query, Store, StoreError, Test, tables};

use crate::config::HistoryConfig;
use crate::ids::{OURS, bound, strip, within};

/// Records deleted in one go, so that writers get their turn in between.
const SWEEP: u32 = 1_000;

/// Deletes of each tenant what is older than the configuration keeps, and what is more than that; how
/// many records it were.
///
/// # Errors
///
/// [`StoreError`]; what was deleted until then is.
pub async fn retain(
    store: &dyn Store,
    tenants: &[Tenant],
    config: &HistoryConfig,
    now: SystemTime,
) -> Result<u64, StoreError> {
    let mut deleted = 0;
    for tenant in tenants {
        deleted += prune_old(store, tenant, config.keep.as_duration(), now).await?;
        deleted += prune_many(store, tenant, config.keep_calls, now).await?;
    }
    Ok(deleted)
}

async fn prune_old(
    store: &dyn Store,
    tenant: &Tenant,
    keep: Duration,
    now: SystemTime,
) -> Result<u64, StoreError> {
    let oldest = now.checked_sub(keep).unwrap_or(SystemTime::UNIX_EPOCH);
    prune_below(store, tenant, &bound(oldest), now).await
}

/// Deletes the oldest records of a tenant beyond the newest `keep`.
///
/// What others left in the strip of our ids is counted too, without a look at each row: a few in a
/// thousand of theirs.
async fn prune_many(
    store: &dyn Store,
    tenant: &Tenant,
    keep: u64,
    now: SystemTime,
) -> Result<u64, StoreError> {
    let (first, end) = strip(now);
    let newest_that_goes = Query {
        conditions: within(&first, &end).into(),
        skip: keep,
        omits_large: true,
        ..Query::first(1).by(None, true)
    };
    let listed = store.list(&tables::CALLS, tenant, &newest_that_goes).await?;
    let Some(newest) = listed.rows.into_iter().next() else { return Ok(0) };
    // Itself included: this comes right after it.
    prune_below(store, tenant, &format!("{}!", newest.key), now).await
}

async fn prune_below(
    store: &dyn Store,
    tenant: &Tenant,
    below: &str,
    now: SystemTime,
) -> Result<u64, StoreError> {
    let (first, _) = strip(now);
    if below <= first.as_str() {
        return Ok(0);
    }
    let is_ours = Condition { column: OURS, test: Test::Present };
    let conditions: Vec<_> = within(&first, below).into_iter().chain([is_ours]).collect();
    let mut deleted = 0;
    loop {
        let gone = store.prune(&tables::CALLS, tenant, conditions.clone(), SWEEP).await?;
        deleted += gone;
        if gone < u64::from(SWEEP) {
            return Ok(deleted);
        }
    }
}
