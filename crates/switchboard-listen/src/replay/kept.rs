//! What was said in a session lately.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::Message;

/// Messages kept of one session: what a server reports in the seconds in which a client notices
/// that it lost its connection, and comes back.
const MESSAGES: usize = 256;

/// Their bytes. One message is kept whatever its size: an answer is what a client comes back for.
const BYTES: usize = 1 << 20;

/// What all sessions of a listener may keep together. 64 MiB are hundreds of large answers;
/// whoever loses a connection while more is kept asks again, as before there was resumption.
const ALL_BYTES: usize = 64 << 20;

/// The bytes that all sessions of a listener keep.
#[derive(Default)]
pub(crate) struct Budget(AtomicUsize);

/// The newest messages of all streams of a session.
pub(super) struct Kept {
    messages: VecDeque<Entry>,
    bytes: usize,
    budget: Arc<Budget>,
}

struct Entry {
    stream: u64,
    /// The event before it on its stream, which tells whether one between the two is gone.
    previous: u64,
    event: u64,
    text: Bytes,
}

impl Kept {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self { messages: VecDeque::new(), bytes: 0, budget }
    }

    pub(super) fn add(&mut self, stream: u64, previous: u64, event: u64, text: Bytes) {
        self.bytes += text.len();
        self.budget.0.fetch_add(text.len(), Ordering::Relaxed);
        self.messages.push_back(Entry { stream, previous, event, text });
        while self.is_over() {
            let oldest = self.messages.pop_front().map_or(0, |oldest| oldest.text.len());
            self.bytes -= oldest;
            self.budget.0.fetch_sub(oldest, Ordering::Relaxed);
        }
    }

    fn is_over(&self) -> bool {
        let count = self.messages.len();
        let all = self.budget.0.load(Ordering::Relaxed);
        count > MESSAGES || (count > 1 && self.bytes > BYTES) || (count > 0 && all > ALL_BYTES)
    }

    /// What was said on a stream after an event, each with the event before it.
    pub(super) fn after(&self, stream: u64, event: u64) -> Vec<(u64, Message)> {
        self.messages
            .iter()
            .filter(|entry| entry.stream == stream && entry.event > event)
            .map(|entry| (entry.previous, Message { event: entry.event, text: entry.text.clone() }))
            .collect()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
