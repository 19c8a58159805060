//! What a daemon does by itself now and then.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use switchboard_core::Tenant;
use switchboard_core::store::{StoreError, tables};
use switchboard_history::HistoryConfig;

use crate::clock::now;
use crate::daemon::Daemon;

/// How often old records are let go of.
const LET_GO: Duration = Duration::from_secs(60);

/// How often where somebody pays for each row that is read to find them; up to a quarter more, so that
/// daemons that were started together do not come together.
const DEAR: Duration = Duration::from_secs(60 * 60);

/// Lets go of old records and of tokens that are over, until nothing more is kept.
pub(crate) async fn let_go(daemon: Arc<Daemon>) {
    let pause = match daemon.kept.store.walks() {
        true => DEAR + DEAR.mul_f64(quarter()),
        false => LET_GO,
    };
    loop {
        let config = daemon.config.lock().expect("no one panics holding it").history.clone();
        if config.enabled {
            match let_go_of_records(&daemon, &config).await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "old records of calls were let go of"),
                Err(error) => tracing::warn!(%error, "old records of calls could not be let go of"),
            }
        }
        match daemon.identity.current().auth.tokens.sweep().await {
            Ok(0) => {}
            Ok(deleted) => tracing::debug!(deleted, "tokens that are over were let go of"),
            Err(error) => tracing::warn!(%error, "tokens that are over could not be let go of"),
        }
        tokio::select! {
            () = daemon.recorded.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn let_go_of_records(daemon: &Daemon, config: &HistoryConfig) -> Result<u64, StoreError> {
    let store = &*daemon.kept.store;
    let tenants = tenants(daemon).await?;
    switchboard_history::retain(store, &tenants, config, now()).await
}

/// Those that may have records. Where a walk through these is dear, the tenants that were made, which
/// is a short table, and those that are served: the others have no new records.
async fn tenants(daemon: &Daemon) -> Result<Vec<Tenant>, StoreError> {
    let store = &*daemon.kept.store;
    if !store.walks() {
        return store.tenants(&tables::CALLS).await;
    }
    let mut tenants: BTreeSet<_> = store.tenants(&tables::TENANTS).await?.into_iter().collect();
    tenants.insert(Tenant::default());
    tenants.extend(daemon.tenants.get().into_iter().flat_map(|tenants| tenants.served()));
    Ok(tenants.into_iter().collect())
}

/// A number from 0 to 0.25.
fn quarter() -> f64 {
    let mut random = [0];
    // Without chance they come together, which costs and does no harm.
    let _ = getrandom::fill(&mut random);
    f64::from(random[0]) / 1024.0
}

/// Brings what was used of quotas to the store, until nothing more is counted.
pub(crate) async fn count(daemon: Arc<Daemon>) {
    daemon.middle.limits.run(&*daemon.kept.store, now, daemon.recorded.clone()).await;
}
