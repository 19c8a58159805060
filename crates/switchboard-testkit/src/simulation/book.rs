//! What happened in a run, and what should not have.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::token::Token;

/// Shared by all that take part in a run.
pub struct Book {
    began: Instant,
    /// Whether what happens is written down, and not only what is wrong.
    is_kept: bool,
    lines: Mutex<Vec<String>>,
    wrong: Mutex<Vec<String>>,
    /// Calls that nobody waits for any more: their servers may not have heard.
    given_up: Mutex<BTreeSet<Token>>,
    calm: AtomicBool,
    calmed: Notify,
    /// What the servers and clients of the run do.
    pub tasks: TaskTracker,
}

impl Book {
    pub fn new(is_kept: bool) -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            is_kept,
            lines: Mutex::default(),
            wrong: Mutex::default(),
            given_up: Mutex::default(),
            calm: AtomicBool::new(false),
            calmed: Notify::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// Writes down what happened.
    pub fn note(&self, what: impl FnOnce() -> String) {
        if self.is_kept {
            let line = format!("{:>10.3} {}", self.began.elapsed().as_secs_f64(), what());
            self.lines.lock().unwrap().push(line);
        }
    }

    /// Writes down what must never happen.
    pub fn wrong(&self, what: String) {
        self.note(|| format!("WRONG {what}"));
        self.wrong.lock().unwrap().push(what);
    }

    pub fn is_wrong(&self) -> bool {
        !self.wrong.lock().unwrap().is_empty()
    }

    /// All that was wrong, and what happened if that was written down.
    pub fn close(&self) -> (Vec<String>, Vec<String>) {
        (self.wrong.lock().unwrap().clone(), std::mem::take(&mut self.lines.lock().unwrap()))
    }

    pub fn give_up(&self, token: Token) {
        self.given_up.lock().unwrap().insert(token);
    }

    /// From now on nothing goes wrong any more.
    pub fn calm(&self) {
        self.note(|| "faults end".to_owned());
        self.calm.store(true, Ordering::SeqCst);
        self.calmed.notify_waiters();
    }

    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }

    /// Resolves when nothing goes wrong any more.
    pub async fn calmed(&self) {
        let calmed = self.calmed.notified();
        if !self.is_calm() {
            calmed.await;
        }
    }

    /// Whether what is about `token` may be heard by `client` of `principal`.
    ///
    /// What a server says about a call that was given up, and that it goes on with, may be taken
    /// for another call, but of the same principal only: see `Calls::asker` of the upstreams.
    pub fn may_hear(&self, token: Token, (client, principal): (u64, u64)) -> bool {
        token.client == client || token.principal == principal && self.is_given_up(token)
    }

    pub(super) fn is_given_up(&self, token: Token) -> bool {
        self.given_up.lock().unwrap().contains(&token)
    }
}
