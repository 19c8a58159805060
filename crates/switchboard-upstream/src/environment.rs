//! What upstreams are given, and whom they tell.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;

use switchboard_core::Principal;
use switchboard_egress::Guard;
use switchboard_oauth::Store;
use switchboard_process::Spawner;
use tokio_util::task::TaskTracker;

use crate::cache::ListCache;
use crate::keeps::KeepsState;
use crate::memory::Dialer;
use crate::status::Status;

/// What upstreams need of the daemon.
#[derive(Clone)]
pub struct Environment {
    pub spawner: Spawner,
    /// The variables that every child gets.
    pub child_variables: BTreeMap<String, OsString>,
    pub cache: ListCache,
    /// Judges where we connect to.
    pub guard: Guard,
    pub logins: Store,
    /// Whose login our own requests carry.
    pub owner: Principal,
    /// Reaches servers inside this process, where there are any.
    pub dialer: Option<Arc<dyn Dialer>>,
    pub tasks: TaskTracker,
    pub events: Arc<dyn Events>,
}

/// Hears what happens to upstreams. Called from their tasks, so it must not wait.
pub trait Events: Send + Sync {
    /// What the catalog shows of `upstream` changed.
    fn lists_changed(&self, upstream: &str);
    fn state_changed(&self, upstream: &str, status: &Status);
    /// What `upstream` has at `uri` is another now. Only of resources that somebody subscribed to.
    fn resource_updated(&self, upstream: &str, uri: &str) {
        let _ = (upstream, uri);
    }
    /// `upstream` did what a server does that keeps something for its client.
    fn keeps_state(&self, upstream: &str, how: KeepsState) {
        let _ = (upstream, how);
    }
}
