//! A bounded queue of messages, emptied by the task that sends them.

use std::collections::VecDeque;
use std::sync::Mutex;

use tokio::sync::Notify;

use crate::duplex::{Carrier, Closed};

/// The way out of a link whose messages a task sends one after another.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    /// There is a message, or the queue is closed.
    filled: Notify,
    /// There is room again.
    drained: Notify,
}

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Vec<u8>>,
    bytes: usize,
    closed: bool,
}

/// Bytes that may wait for a server that does not read; beyond it, whoever sends waits. The same as
/// for a child's standard input.
const LIMIT: usize = 1 << 20;

impl Queue {
    /// The next message; `None` when the link has ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&self) -> Option<Vec<u8>> {
        loop {
            let filled = self.filled.notified();
            {
                let mut waiting = self.waiting.lock().expect("no one panics holding it");
                if let Some(message) = waiting.messages.pop_front() {
                    waiting.bytes -= message.len();
                    drop(waiting);
                    self.drained.notify_waiters();
                    return Some(message);
                }
                if waiting.closed {
                    return None;
                }
            }
            filled.await;
        }
    }
}

impl Carrier for Queue {
    fn send(&self, message: Vec<u8>, _: bool) -> Result<u64, Closed> {
        let mut waiting = self.waiting.lock().expect("no one panics holding it");
        if waiting.closed {
            return Err(Closed);
        }
        waiting.bytes += message.len();
        waiting.messages.push_back(message);
        drop(waiting);
        self.filled.notify_one();
        // What a server at the other end of a network has taken, nobody can tell.
        Ok(0)
    }

    fn full(&self) -> Option<&Notify> {
        let waiting = self.waiting.lock().expect("no one panics holding it");
        (waiting.bytes >= LIMIT && !waiting.closed).then_some(&self.drained)
    }

    fn close(&self) {
        let mut waiting = self.waiting.lock().expect("no one panics holding it");
        waiting.closed = true;
        waiting.messages.clear();
        waiting.bytes = 0;
        drop(waiting);
        self.filled.notify_one();
        self.drained.notify_waiters();
    }
}
