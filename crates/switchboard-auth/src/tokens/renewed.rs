//! Users whose password was changed, or who are no more, while tokens of theirs may be about.
//!
//! A token says which password it was issued for ([`Identity::epoch`](super::Identity)). As with those
//! that were taken back, what is remembered here ends by itself: after a change, once the last token
//! of before would have ended.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use switchboard_core::Tenant;

use crate::reach::Reach;
use crate::tokens::revoked::Full;

pub(crate) struct Renewed {
    tenants: Mutex<HashMap<Tenant, HashMap<String, Current>>>,
}

/// What tokens of a user have to say.
struct Current {
    epoch: String,
    until: SystemTime,
}

/// Most users of one tenant that are remembered at once.
const LIMIT: usize = 200_000;

impl Renewed {
    pub(crate) fn new() -> Self {
        Self { tenants: Mutex::new(HashMap::new()) }
    }

    /// From now on only tokens of this epoch are good; whether that is news.
    pub(crate) fn note(
        &self,
        (home, username): (&Tenant, &str),
        epoch: &str,
        until: SystemTime,
        now: SystemTime,
    ) -> Result<bool, Full> {
        let mut tenants = self.lock();
        let users = tenants.entry(home.clone()).or_default();
        if users.get(username).is_some_and(|it| it.epoch == epoch && until <= it.until) {
            return Ok(false);
        }
        if LIMIT <= users.len() {
            users.retain(|_, it| now < it.until);
        }
        if LIMIT <= users.len() && !users.contains_key(username) {
            return Err(Full);
        }
        users.insert(username.to_owned(), Current { epoch: epoch.to_owned(), until });
        Ok(true)
    }

    /// Whether a token of this epoch ended with the password that it was issued for.
    pub(crate) fn ended(
        &self,
        reach: &Reach,
        username: &str,
        epoch: &str,
        now: SystemTime,
    ) -> bool {
        let tenants = self.lock();
        if tenants.is_empty() {
            return false;
        }
        let current = tenants.get(&reach.home()).and_then(|users| users.get(username));
        current.is_some_and(|it| now < it.until && it.epoch != epoch)
    }

    pub(crate) fn sweep(&self, now: SystemTime) {
        self.lock().retain(|_, users| {
            users.retain(|_, it| now < it.until);
            !users.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Tenant, HashMap<String, Current>>> {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
