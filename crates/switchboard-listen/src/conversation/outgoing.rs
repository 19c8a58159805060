//! What goes out to one client, in order.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::conversation::unread::Unread;

/// Messages that may wait for a client that reads slowly. What may be lost, which is progress and
/// announcements, is lost beyond it; an answer waits for its place.
pub(crate) const QUEUE: usize = 64;

/// How much is taken out of the queue at once. More would let a client that does not read have the
/// room of the queue twice, and long messages gain nothing from being written together.
const TOGETHER: usize = 256 << 10;

/// The reading end, for the carrier.
pub(crate) struct Outgoing {
    queue: mpsc::Receiver<Vec<u8>>,
    unread: Arc<Unread>,
    /// Nothing more is said; what is queued still goes out.
    over: CancellationToken,
    closed: bool,
}

impl Outgoing {
    pub(crate) fn new(
        queue: mpsc::Receiver<Vec<u8>>,
        unread: Arc<Unread>,
        over: CancellationToken,
    ) -> Self {
        Self { queue, unread, over, closed: false }
    }

    /// Waits for messages and takes those that are there, as many as are worth writing together; 0
    /// when nothing more comes.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn take(&mut self, messages: &mut Vec<Vec<u8>>) -> usize {
        loop {
            tokio::select! {
                biased;
                first = self.queue.recv() => {
                    let Some(first) = first else { return 0 };
                    return self.gather(first, messages);
                }
                () = self.over.cancelled(), if !self.closed => {
                    // Whoever still holds a sender, such as a call that is given up, need not be
                    // waited for.
                    self.queue.close();
                    self.closed = true;
                }
            }
        }
    }

    fn gather(&mut self, first: Vec<u8>, messages: &mut Vec<Vec<u8>>) -> usize {
        let mut length = 0;
        let mut next = Some(first);
        while let Some(message) = next {
            self.unread.leaves(&message);
            length += message.len();
            messages.push(message);
            next = if length < TOGETHER { self.queue.try_recv().ok() } else { None };
        }
        messages.len()
    }
}
