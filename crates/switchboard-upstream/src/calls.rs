//! Whose calls are open on one connection: what tells whom a message of its server is for.
//!
//! A connection to a server serves all clients, and where messages have no stream of their own
//! nothing on the wire says to which call a question or a log message belongs. So one is passed on
//! only while all open calls are one client's; it can then be nobody else's. A question may be told
//! apart one step further, but never past a principal: see [`Calls::asker`].
//!
//! A server may go on with a call that was given up, and say more about it. Such a call is counted
//! for a while as one of a client that nothing can be said to any more: see [`GivenUp`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use switchboard_core::{CallerId, Principal};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::caller::Caller;
use crate::unasked::HOLD;

/// The calls of clients that are open on one connection.
#[derive(Default)]
pub(crate) struct Calls {
    known: Mutex<Known>,
    /// A call has ended.
    left: Notify,
}

/// By the id that a call was sent under.
#[derive(Default)]
struct Known {
    open: BTreeMap<u64, Arc<Caller>>,
    /// Those that the server has not answered; it may still be at work on them.
    given_up: BTreeMap<u64, GivenUp>,
}

/// What came while the server may have been at work on it can be about it.
struct GivenUp {
    caller: Arc<Caller>,
    at: Instant,
    /// When the server was known to have heard that nobody waits: it has answered something that it
    /// was asked after that. One that heeds it is done then.
    heard: Option<Instant>,
}

/// How long a server may go on with a call after it heard that nobody wants the answer, where another
/// principal could hear of it, and after it was told where nobody else could. One that heeds
/// it stops within milliseconds and says nothing of that; one that does not may speak later yet, but
/// every other client would have to wait for as long.
const GRACE: Duration = Duration::from_secs(10);

/// How long a server may not have heard of it that does not show that it has: one that hangs finds
/// the call and what came after it where it left off, and may speak of the one before it reads the
/// other. Servers hang for seconds, and one that does for longer is not kept; who never shows
/// anything would otherwise keep every other principal from being told things for good.
const UNHEARD: Duration = Duration::from_secs(120);

/// Calls that are remembered after they were given up; the oldest goes first. As many as clients
/// can give up within the time without meaning harm.
const GIVEN_UP: usize = 1024;

/// How long after its last question a call may ask another while that one is open: servers ask
/// what they need together without waiting in between, and a busy machine is late with it.
const GATHERING: Duration = Duration::from_millis(100);

/// To whom a message belongs that does not say so.
pub(crate) enum Whose {
    /// No call is open.
    Nobody,
    /// The newest call of the only client that has any; of those, where there are some, on which
    /// the client can be reached.
    One(Arc<Caller>),
    /// Nobody can tell.
    Several,
}

impl Calls {
    /// Counts a call as open for as long as the guard lives.
    pub(crate) fn enter(&self, id: u64, caller: &Arc<Caller>) -> Entered<'_> {
        self.known().open.insert(id, Arc::clone(caller));
        Entered { calls: self, id }
    }

    /// The client of the call that was sent under `id`.
    pub(crate) fn of(&self, id: u64) -> Option<Arc<Caller>> {
        self.known().open.get(&id).cloned()
    }

    /// The client does not wait any more, and the server is being told so; whether it was a call.
    pub(crate) fn give_up(&self, id: u64) -> bool {
        let now = Instant::now();
        let mut known = self.known();
        // A question that came while it counted is held no longer than that.
        known.given_up.retain(|_, given_up| now < given_up.at + UNHEARD + GRACE + HOLD);
        let Some(caller) = known.open.remove(&id) else { return false };
        known.given_up.insert(id, GivenUp { caller, at: now, heard: None });
        if GIVEN_UP < known.given_up.len() {
            known.given_up.pop_first();
        }
        drop(known);
        self.left.notify_waiters();
        true
    }

    /// The server has heard what was given up until `then`; whether there is more.
    pub(crate) fn heard(&self, then: Instant) -> bool {
        let now = Instant::now();
        let mut known = self.known();
        let mut unheard = known.given_up.values_mut().filter(|it| it.heard.is_none());
        let mut is_more = false;
        for given_up in &mut unheard {
            if given_up.at <= then {
                given_up.heard = Some(now);
            } else {
                is_more = true;
            }
        }
        is_more
    }

    /// The server has answered a call that was given up, so it says no more about it.
    pub(crate) fn answered(&self, id: u64) {
        if self.known().given_up.remove(&id).is_some() {
            self.left.notify_waiters();
        }
    }

    /// Whose a report is that came now.
    pub(crate) fn whose(&self) -> Whose {
        let known = self.known();
        known.but_for_given_up(Instant::now(), of_one_client(known.open.values()))
    }

    /// Whose a question is that came at `came`.
    ///
    /// A call that waits for an answer does not ask anything new, so the others are left; a client
    /// that never answers would otherwise keep every other from being asked. A server may break
    /// this rule, and the question then reaches another call: of the same principal only.
    pub(crate) fn asker(&self, came: Instant) -> Whose {
        let known = self.known();
        let whose = of_one_client(known.open.values());
        if !matches!(whose, Whose::Several) {
            return known.but_for_given_up(came, whose);
        }
        let (waiting, asking): (Vec<_>, Vec<_>) =
            known.open.values().partition(|call| call.pulse().waits_since(GATHERING));
        match of_one_client(asking.into_iter()) {
            Whose::One(caller) if waiting.iter().all(|it| it.principal() == caller.principal()) => {
                known.but_for_given_up(came, Whose::One(caller))
            }
            _ => Whose::Several,
        }
    }

    /// The principal that a question which comes now must be of; `None` where it may be of several.
    ///
    /// Which call it is of can then not be found out by waiting either: a server may have answered
    /// the one that asked, tired of waiting, and the call that is left is another's.
    pub(crate) fn principal(&self, now: Instant) -> Option<Principal> {
        let known = self.known();
        let given_up = known.given_up.values().filter(|it| now <= it.end_for_others());
        let given_up = given_up.map(|it| it.caller.principal());
        let mut all = known.open.values().map(|caller| caller.principal()).chain(given_up);
        let first = all.next()?.clone();
        all.all(|other| *other == first).then_some(first)
    }

    /// Waits until a question that came at `came` can be one client's only.
    pub(crate) async fn settled(&self, came: Instant) -> Whose {
        loop {
            let left = self.left.notified();
            match self.asker(came) {
                // Calls also stop being candidates as time passes.
                Whose::Several => drop(tokio::time::timeout(GATHERING, left).await),
                whose => return whose,
            }
        }
    }

    /// Waits until `caller` has no call open.
    pub(crate) async fn end_of(&self, caller: CallerId) {
        loop {
            let left = self.left.notified();
            let is_open = self.known().open.values().any(|call| call.id() == caller);
            if !is_open {
                return;
            }
            left.await;
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no one panics holding it")
    }
}

impl Known {
    /// What is left of `whose` when a message that came at `came` may as well be about a call that
    /// was given up before: of another client, because to its own it makes no difference.
    fn but_for_given_up(&self, came: Instant, whose: Whose) -> Whose {
        match whose {
            Whose::One(caller) if self.given_up.values().any(|it| it.rivals(&caller, came)) => {
                Whose::Several
            }
            whose => whose,
        }
    }
}

impl GivenUp {
    fn rivals(&self, other: &Caller, came: Instant) -> bool {
        if self.caller.id() == other.id() {
            return false;
        }
        let is_theirs = self.caller.principal() == other.principal();
        let end = match (is_theirs, self.heard) {
            // What goes astray stays with its principal.
            (true, None) => self.at + GRACE,
            (true, Some(heard)) => heard.min(self.at + GRACE),
            (false, _) => self.end_for_others(),
        };
        came <= end
    }

    /// Until when what the server says may be about it where another principal could hear of it.
    fn end_for_others(&self) -> Instant {
        self.heard.map_or(self.at + UNHEARD, |heard| heard) + GRACE
    }
}

/// Whose a message is that belongs to one of `calls`, oldest first.
fn of_one_client<'a>(mut calls: impl DoubleEndedIterator<Item = &'a Arc<Caller>> + Clone) -> Whose {
    let Some(newest) = calls.clone().next_back() else { return Whose::Nobody };
    // Few calls are open at once on a connection whose server asks things.
    if calls.clone().any(|other| other.id() != newest.id()) {
        return Whose::Several;
    }
    let reachable = calls.rfind(|call| call.client().is_some());
    Whose::One(Arc::clone(reachable.unwrap_or(newest)))
}

/// A call that is open.
pub(crate) struct Entered<'a> {
    calls: &'a Calls,
    id: u64,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.calls.known().open.remove(&self.id);
        self.calls.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
