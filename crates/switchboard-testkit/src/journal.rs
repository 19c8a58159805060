//! What a fake saw, in order. Tests wait for an entry instead of sleeping.

use std::time::Duration;

use tokio::sync::watch;

/// Longer than anything takes on a busy machine; only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Debug)]
pub(crate) struct Journal(watch::Sender<Vec<String>>);

impl Journal {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Vec::new()))
    }

    pub(crate) fn note(&self, entry: impl Into<String>) {
        self.0.send_modify(|entries| entries.push(entry.into()));
    }

    pub(crate) fn entries(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    pub(crate) fn count(&self, start: &str) -> usize {
        self.0.borrow().iter().filter(|entry| entry.starts_with(start)).count()
    }

    /// Waits until `count` entries begin with `start`.
    pub(crate) async fn until(&self, start: &str, count: usize) {
        assert!(self.saw(start, count).await, "no {count} `{start}` in {:#?}", self.entries());
    }

    /// The same, without the failure.
    pub(crate) async fn saw(&self, start: &str, count: usize) -> bool {
        let mut entries = self.0.subscribe();
        let seen = entries.wait_for(|entries| {
            entries.iter().filter(|entry| entry.starts_with(start)).count() >= count
        });
        tokio::time::timeout(PATIENCE, seen).await.is_ok()
    }
}
