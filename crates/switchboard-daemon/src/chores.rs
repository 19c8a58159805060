//! What a daemon does by itself now and then.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::now;
use crate::daemon::Daemon;

/// How often old records are let go of.
const LET_GO: Duration = Duration::from_secs(60);

/// Lets go of old records and of tokens that are over, until nothing more is kept.
pub(crate) async fn let_go(daemon: Arc<Daemon>) {
    let store = &*daemon.kept.store;
    loop {
        let config = daemon.config.lock().expect("no one panics holding it").history.clone();
        if config.enabled {
            match switchboard_history::retain(store, &config, now()).await {
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
            () = tokio::time::sleep(LET_GO) => {}
        }
    }
}

/// Brings what was used of quotas to the store, until nothing more is counted.
pub(crate) async fn count(daemon: Arc<Daemon>) {
    daemon.middle.limits.run(&*daemon.kept.store, now, daemon.recorded.clone()).await;
}
