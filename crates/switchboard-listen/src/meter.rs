//! What listeners count.

use std::sync::Arc;

/// Hears what happens; called while requests are served, so it must not wait.
pub trait Meter: Send + Sync {
    /// So many clients of `listener` have a conversation open.
    fn sessions(&self, listener: &'static str, open: usize);
    /// A client reads too slowly for what it asked to be told on the way.
    fn notification_dropped(&self);
}

/// For who does not count.
pub(crate) struct Unmetered;

impl Meter for Unmetered {
    fn sessions(&self, _: &'static str, _: usize) {}

    fn notification_dropped(&self) {}
}

/// Counts one more conversation for as long as it lives.
pub(crate) struct Counted {
    front: Arc<crate::Front>,
    listener: &'static str,
}

impl Counted {
    pub(crate) fn new(front: &Arc<crate::Front>, listener: &'static str) -> Self {
        front.count_conversation(listener, |open| open + 1);
        Self { front: Arc::clone(front), listener }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.front.count_conversation(self.listener, |open| open - 1);
    }
}
