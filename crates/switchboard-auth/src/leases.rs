//! What stays open with a credential, and ends with it.
//!
//! A stream outlives the request that opened it, and must not outlive the right to it. So each
//! credential that was presented has a token that everything opened with it hangs on; it is
//! cancelled when the credential is taken back, and by [`Leases::sweep`] when its time is over.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio_util::sync::CancellationToken;

use crate::bounded::Bounded;

pub(crate) struct Leases {
    open: Mutex<Bounded<String, CancellationToken>>,
}

/// Most credentials that are followed at once. Beyond it, the one followed for longest ends what it
/// opened, which its client opens again.
const LIMIT: usize = 65_536;

/// How long a credential without an end is followed after it was first presented in this process;
/// what is open then is opened again.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Leases {
    pub(crate) fn new() -> Self {
        Self { open: Mutex::new(Bounded::new(LIMIT)) }
    }

    /// What everything that is opened with the credential of this name hangs on.
    pub(crate) fn of(
        &self,
        name: &str,
        expires: Option<SystemTime>,
        now: SystemTime,
    ) -> CancellationToken {
        let until = expires.or_else(|| now.checked_add(LONGEST)).unwrap_or(now);
        let mut open = self.lock();
        if let Some(token) = open.find(name, now).cloned() {
            if expires.is_some() {
                open.shorten(name, until);
            }
            return token;
        }
        let token = CancellationToken::new();
        // One whose time was over and that was not swept yet.
        let before = open.remove(name);
        let gone = open.insert(name.to_owned(), token.clone(), until);
        before.into_iter().chain(gone).for_each(|it| it.cancel());
        token
    }

    /// Has what was opened with a credential end at `until`, which it was given afterwards.
    pub(crate) fn limit(&self, name: &str, until: SystemTime) {
        self.lock().shorten(name, until);
    }

    /// Ends what was opened with a credential that was taken back.
    pub(crate) fn end(&self, name: &str) {
        if let Some(token) = self.lock().remove(name) {
            token.cancel();
        }
    }

    /// Ends what was opened with credentials whose names are these.
    pub(crate) fn end_where(&self, is_one: impl Fn(&str) -> bool) {
        for (name, token) in self.lock().iter_mut() {
            if is_one(name) {
                token.cancel();
            }
        }
    }

    /// Ends everything.
    pub(crate) fn end_all(&self) {
        let mut open = std::mem::replace(&mut *self.lock(), Bounded::new(LIMIT));
        open.iter_mut().for_each(|(_, token)| token.cancel());
    }

    /// Ends what was opened with credentials whose time is over.
    pub(crate) fn sweep(&self, now: SystemTime) {
        let ended = self.lock().take_ended(now);
        ended.iter().for_each(CancellationToken::cancel);
    }

    fn lock(&self) -> MutexGuard<'_, Bounded<String, CancellationToken>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::Leases;

    #[test]
    fn what_is_open_ends_with_the_credential() {
        let leases = Leases::new();
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let (short, long) = (leases.of("a", Some(at(10)), at(0)), leases.of("b", None, at(0)));
        leases.sweep(at(9));
        assert!(!short.is_cancelled() && !long.is_cancelled());
        leases.sweep(at(10));
        assert!(short.is_cancelled() && !long.is_cancelled());
        leases.limit("b", at(20));
        leases.sweep(at(19));
        assert!(!long.is_cancelled());
        leases.sweep(at(20));
        assert!(long.is_cancelled());
        let again = leases.of("b", Some(at(30)), at(20));
        let next = leases.of("b", Some(at(50)), at(40));
        assert!(again.is_cancelled() && !next.is_cancelled(), "one that was not swept ends too");
        leases.end("b");
        assert!(next.is_cancelled());
        assert!(!leases.of("b", None, at(41)).is_cancelled());
    }
}
