//! The way into a child's standard input.
//!
//! A frame that nobody else's is in the way of is written at once by whoever has it: handing it to
//! a task costs more than the call itself on a quiet machine. While others are under way, frames
//! are gathered and a task writes them together, which is cheaper when there are many.

use std::io;
use std::sync::{Arc, Mutex};

use bytes::{Buf as _, BytesMut};
use tokio::net::unix::pipe;
use tokio::sync::Notify;

use crate::duplex::{Carrier, Closed};

pub(crate) struct Outbox {
    stdin: Mutex<Option<Arc<pipe::Sender>>>,
    backlog: Mutex<Backlog>,
    /// The backlog has something in it.
    filled: Notify,
    /// The backlog has room again.
    drained: Notify,
}

#[derive(Default)]
struct Backlog {
    /// What is gathered, in order; nothing is written past it.
    bytes: BytesMut,
    /// How much was written since the child was started.
    written: u64,
}

/// Bytes that may wait for a child that does not read; beyond it, whoever sends waits. The size of
/// a full pipe several times over, so that a busy child never runs dry.
const BACKLOG_LIMIT: usize = 1 << 20;

impl Outbox {
    pub(crate) fn new(stdin: pipe::Sender) -> Self {
        Self {
            stdin: Mutex::new(Some(Arc::new(stdin))),
            backlog: Mutex::default(),
            filled: Notify::new(),
            drained: Notify::new(),
        }
    }

    /// Writes what is gathered; returns when the child reads no more.
    pub(crate) async fn flush(&self) {
        loop {
            self.filled.notified().await;
            // Whoever woke us is not the only one who has something to send: the others first, so
            // that all of it is one write.
            tokio::task::yield_now().await;
            while let Some(stdin) = self.stdin() {
                // The pipe stays open: what lies in it tells what was not read.
                if stdin.writable().await.is_err() {
                    return;
                }
                let mut backlog = self.backlog.lock().expect("no one panics holding it");
                match stdin.try_write(&backlog.bytes) {
                    Ok(written) => {
                        backlog.bytes.advance(written);
                        backlog.written += written as u64;
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                    Err(_) => return,
                }
                if backlog.bytes.len() < BACKLOG_LIMIT {
                    self.drained.notify_waiters();
                }
                if backlog.bytes.is_empty() {
                    break;
                }
            }
        }
    }

    /// How many bytes the child took out of its input, if that can be told. What lies in the pipe
    /// when a child is dead, nobody has read and nobody will.
    pub(crate) fn taken(&self) -> Option<u64> {
        let unread = rustix::io::ioctl_fionread(&*self.stdin()?).ok()?;
        let written = self.backlog.lock().expect("no one panics holding it").written;
        written.checked_sub(unread)
    }

    fn stdin(&self) -> Option<Arc<pipe::Sender>> {
        self.stdin.lock().expect("no one panics holding it").clone()
    }
}

impl Carrier for Outbox {
    /// What is returned is to be compared with [`Self::taken`].
    fn send(&self, mut message: Vec<u8>, alone: bool) -> Result<u64, Closed> {
        message.push(b'\n');
        let stdin = self.stdin().ok_or(Closed)?;
        let mut backlog = self.backlog.lock().expect("no one panics holding it");
        let start = backlog.written + backlog.bytes.len() as u64;
        let mut rest = &message[..];
        if alone && backlog.bytes.is_empty() {
            // Otherwise it is full; or the child reads no more, which the task that writes finds as
            // well: it ends the link, with the reason.
            if let Ok(written) = stdin.try_write(rest) {
                backlog.written += written as u64;
                rest = &rest[written..];
            }
        }
        if !rest.is_empty() {
            backlog.bytes.extend_from_slice(rest);
            self.filled.notify_one();
        }
        Ok(start)
    }

    fn full(&self) -> Option<&Notify> {
        let waiting = self.backlog.lock().expect("no one panics holding it").bytes.len();
        (BACKLOG_LIMIT <= waiting).then_some(&self.drained)
    }

    /// Closes the child's standard input, which asks it to end.
    fn close(&self) {
        *self.stdin.lock().expect("no one panics holding it") = None;
        self.backlog.lock().expect("no one panics holding it").bytes.clear();
        self.drained.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::unix::pipe;

    use super::Outbox;
    use crate::duplex::Carrier as _;

    #[tokio::test]
    async fn whoever_reads_no_more_is_found_out() {
        for alone in [true, false] {
            let (stdin, reads) = pipe::pipe().unwrap();
            let outbox = Outbox::new(stdin);
            drop(reads);
            assert!(outbox.send(b"{}".to_vec(), alone).is_ok_and(|start| start == 0));
            let flushed = tokio::time::timeout(Duration::from_secs(10), outbox.flush()).await;
            assert!(flushed.is_ok(), "alone: {alone}");
            assert_eq!(outbox.taken(), Some(0), "none of it was read");
        }
    }
}
