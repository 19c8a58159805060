//! Tokens that were taken back before their time, by their ids.
//!
//! A token proves itself without a store, so one that is taken back has to be remembered until it
//! would have ended: in the table `TOKENS`, and here, where each request looks. Tokens are good for
//! minutes, so this stays small; where it is full all the same, nothing more is taken back and the
//! caller hears so, because forgetting one would let it in again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

pub(crate) struct Revoked {
    until: Mutex<HashMap<String, SystemTime>>,
}

/// Most tokens that are remembered at once.
const LIMIT: usize = 200_000;

/// There is no room for another.
#[derive(Debug)]
pub(crate) struct Full;

impl Revoked {
    pub(crate) fn new() -> Self {
        Self { until: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn contains(&self, jti: &str) -> bool {
        self.lock().contains_key(jti)
    }

    pub(crate) fn insert(&self, jti: &str, until: SystemTime, now: SystemTime) -> Result<(), Full> {
        let mut revoked = self.lock();
        if LIMIT <= revoked.len() {
            revoked.retain(|_, until| now < *until);
        }
        if LIMIT <= revoked.len() {
            return Err(Full);
        }
        revoked.insert(jti.to_owned(), until);
        Ok(())
    }

    pub(crate) fn sweep(&self, now: SystemTime) {
        self.lock().retain(|_, until| now < *until);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, SystemTime>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
