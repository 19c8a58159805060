//! Letting go of old records.

use std::time::{Duration, SystemTime};

use switchboard_core::Tenant;
use switchboard_core::store::{ATOMIC, Change, Query, Store, StoreError, Test, tables};

use crate::config::HistoryConfig;
use crate::ids::bound;

/// Records deleted in one go, so that writers get their turn in between.
const SWEEP: u32 = 1_000;

/// Deletes what is older than the configuration keeps, and of each tenant what is more than that;
/// how many records it were.
///
/// # Errors
///
/// [`StoreError`]; what was deleted until then is.
pub async fn retain(
    store: &dyn Store,
    config: &HistoryConfig,
    now: SystemTime,
) -> Result<u64, StoreError> {
    let mut deleted = sweep_old(store, config.keep.as_duration(), now).await?;
    for tenant in store.tenants(&tables::CALLS).await? {
        deleted += sweep_many(store, &tenant, config.keep_calls).await?;
    }
    Ok(deleted)
}

async fn sweep_old(store: &dyn Store, keep: Duration, now: SystemTime) -> Result<u64, StoreError> {
    let oldest = now.checked_sub(keep).unwrap_or(SystemTime::UNIX_EPOCH);
    let (key, oldest) = (tables::CALLS.key, bound(oldest).into());
    let mut deleted = 0;
    loop {
        let gone = store.sweep(&tables::CALLS, key, &oldest, SWEEP).await?;
        deleted += gone;
        if gone < u64::from(SWEEP) {
            return Ok(deleted);
        }
    }
}

/// Deletes the oldest records of a tenant beyond the newest `keep`.
async fn sweep_many(store: &dyn Store, tenant: &Tenant, keep: u64) -> Result<u64, StoreError> {
    let newest_that_goes = Query { skip: keep, ..Query::first(1).by(None, true) };
    let listed = store.list(&tables::CALLS, tenant, &newest_that_goes).await?;
    let Some(newest) = listed.rows.into_iter().next() else { return Ok(0) };
    let mut deleted = 1;
    let limit = u32::try_from(ATOMIC).expect("a small number");
    loop {
        let oldest =
            Query::first(limit).only(tables::CALLS.key, Test::Below(newest.key.as_str().into()));
        let going = store.list(&tables::CALLS, tenant, &oldest).await?.rows;
        let count = going.len();
        let changes = going.into_iter().map(|row| Change::Delete(row.key)).collect();
        delete(store, tenant, changes).await?;
        deleted += count as u64;
        if count < ATOMIC {
            break;
        }
    }
    delete(store, tenant, vec![Change::Delete(newest.key)]).await?;
    Ok(deleted)
}

/// Somebody else who deletes them too does no harm.
async fn delete(
    store: &dyn Store,
    tenant: &Tenant,
    changes: Vec<Change>,
) -> Result<(), StoreError> {
    match store.write(&tables::CALLS, tenant, changes).await {
        Err(StoreError::Missing { .. }) => Ok(()),
        outcome => outcome,
    }
}
