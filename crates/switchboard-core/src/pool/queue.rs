//! Who may call a server now, who waits, and who is sent away.
//!
//! At most `limit` calls are under way. Further ones wait, and places go round robin over the
//! principals that wait, first come first served within each: however many calls one of them makes,
//! each other gets the next place but as many as there are principals. A place is handed to the one
//! whose turn it is before anybody else can take it, so that nobody passes by those who wait. What
//! waits is bounded too, and when that is full the principal with the most waiters loses its newest.
//!
//! Whoever is sent away was certainly not carried out. How high the limit should be is for
//! [`ConcurrencyLimit`](super::ConcurrencyLimit).

mod lines;
#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::future::{Future as _, poll_fn};
use std::hash::Hash;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::time::{Instant, sleep_until};

use self::lines::{Lines, Ticket};

/// Gives out permits to call, fairly over principals `K`.
#[derive(Debug)]
pub struct FairQueue<K> {
    shared: Arc<Shared<K>>,
}

/// The right to have one call under way; dropping it lets in the next.
#[must_use = "dropping a permit gives it back"]
pub struct Permit {
    from: Arc<dyn GiveBack>,
}

/// Why a call was sent away. It was certainly not carried out, and may be sent again later.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum Shed {
    /// No place to wait was left, and nobody has more of them than this principal.
    #[error("too many calls are waiting")]
    Full,
    /// It waited, but of all principals its own had the most waiters when another one came.
    #[error("too many calls of the same caller are waiting")]
    Displaced,
    /// It would wait, or has waited, beyond its deadline.
    #[error("no earlier call ended in time")]
    Late,
    /// The queue is closed for good.
    #[error("no more calls are taken")]
    Closed,
}

/// Exact since the queue was made; but for `out` and `waiting`, which are of this moment.
///
/// Each call to [`FairQueue::enter`] that has ended is in exactly one of `entered`, `full`,
/// `displaced`, `late`, `closed` and `cancelled`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct QueueCounts {
    pub limit: usize,
    /// Permits that are out, those included that were handed to somebody who has yet to wake up.
    pub out: usize,
    pub waiting: usize,
    /// Got a permit.
    pub entered: u64,
    /// Had to wait, however that ended.
    pub queued: u64,
    pub full: u64,
    pub displaced: u64,
    pub late: u64,
    pub closed: u64,
    /// Were dropped while they waited.
    pub cancelled: u64,
}

impl<K: Clone + Eq + Hash + Send + 'static> FairQueue<K> {
    /// At most `limit` permits out, and at most `queue` waiters in all. A limit of 0 lets nobody
    /// in until it is raised; a `queue` of 0 lets nobody wait.
    pub fn new(limit: usize, queue: usize) -> Self {
        let state = State {
            limit,
            out: 0,
            closed: false,
            lines: Lines::new(queue),
            decided: HashMap::new(),
            counts: QueueCounts::default(),
        };
        Self { shared: Arc::new(Shared(Mutex::new(state))) }
    }

    /// Waits until `key` may have one more call under way, but no longer than `deadline`.
    ///
    /// A free permit is given whatever the deadline; nothing is allocated and no clock is read for
    /// it.
    ///
    /// # Errors
    ///
    /// The call was sent away, for the reason given.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the queue as if it had never waited; a permit that was handed to
    /// it meanwhile goes to the next. But a future that is neither polled nor dropped keeps such a
    /// permit from all others.
    pub async fn enter(&self, key: &K, deadline: Instant) -> Result<Permit, Shed> {
        let arrive = |context: &mut Context<'_>| {
            Poll::Ready(self.shared.arrive(key, deadline, context.waker()))
        };
        let Some(ticket) = poll_fn(arrive).await? else {
            return Ok(self.permit());
        };
        let place = Place { shared: &*self.shared, key, ticket };
        let mut due = pin!(sleep_until(deadline));
        poll_fn(|context| {
            if let Poll::Ready(outcome) = place.poll(context) {
                return Poll::Ready(outcome);
            }
            due.as_mut().poll(context).map(|()| place.give_up())
        })
        .await?;
        Ok(self.permit())
    }

    /// Changes how many permits may be out. More are handed out at once; fewer take effect as
    /// permits come back, because a call under way is not taken back.
    pub fn set_limit(&self, limit: usize) {
        let woken: Vec<_> = {
            let mut state = self.shared.lock();
            state.limit = limit;
            std::iter::from_fn(|| state.hand_on()).collect()
        };
        woken.into_iter().for_each(Waker::wake);
    }

    /// Sends away all that wait and all that come, for good. Permits that are out stay good.
    pub fn close(&self) {
        let woken: Vec<_> = {
            let mut state = self.shared.lock();
            state.closed = true;
            let waiters = std::iter::from_fn(|| state.lines.serve()).collect::<Vec<_>>();
            waiters.into_iter().map(|waiter| state.decide(waiter, Err(Shed::Closed))).collect()
        };
        woken.into_iter().for_each(Waker::wake);
    }

    pub fn counts(&self) -> QueueCounts {
        let state = self.shared.lock();
        let (limit, out, waiting) = (state.limit, state.out, state.lines.waiting());
        QueueCounts { limit, out, waiting, ..state.counts }
    }

    /// For one that is already counted as out.
    fn permit(&self) -> Permit {
        Permit { from: self.shared.clone() }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.from.give_back();
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Permit")
    }
}

/// Lets a permit forget whose queue it is from.
trait GiveBack: Send + Sync {
    fn give_back(&self);
}

/// Wakers are called and dropped only after the lock is let go: both may run the code of others,
/// which may come back here.
#[derive(Debug)]
struct Shared<K>(Mutex<State<K>>);

#[derive(Debug)]
struct State<K> {
    limit: usize,
    /// At least `limit` wherever somebody waits.
    out: usize,
    closed: bool,
    lines: Lines<K, Waker>,
    /// What became of those who left their line but have yet to wake up and hear of it.
    decided: HashMap<Ticket, Result<(), Shed>>,
    counts: QueueCounts,
}

impl<K: Clone + Eq + Hash + Send + 'static> GiveBack for Shared<K> {
    fn give_back(&self) {
        let woken = {
            let mut state = self.lock();
            state.out -= 1;
            state.hand_on()
        };
        if let Some(waker) = woken {
            waker.wake();
        }
    }
}

impl<K: Clone + Eq + Hash> Shared<K> {
    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.0.lock().expect("no one panics holding it")
    }

    /// Enters (`None`), or stands in line.
    fn arrive(&self, key: &K, deadline: Instant, waker: &Waker) -> Result<Option<Ticket>, Shed> {
        let (ticket, displaced) = {
            let mut state = self.lock();
            if state.enter_at_once()? {
                return Ok(None);
            }
            state.stand_in_line(key, deadline, waker)?
        };
        if let Some(waker) = displaced {
            waker.wake();
        }
        Ok(Some(ticket))
    }
}

impl<K: Clone + Eq + Hash> State<K> {
    fn enter_at_once(&mut self) -> Result<bool, Shed> {
        if self.closed {
            return Err(self.counts.shed(Shed::Closed));
        }
        // Nobody waits where a permit is free, so nobody is passed by.
        let free = self.out < self.limit;
        if free {
            self.out += 1;
            self.counts.entered += 1;
        }
        Ok(free)
    }

    /// The ticket, and the waker of whoever had to go.
    fn stand_in_line(
        &mut self,
        key: &K,
        deadline: Instant,
        waker: &Waker,
    ) -> Result<(Ticket, Option<Waker>), Shed> {
        // One that is too late already must not push out another.
        if deadline <= Instant::now() {
            return Err(self.counts.shed(Shed::Late));
        }
        let Some(joined) = self.lines.join(key, waker.clone()) else {
            return Err(self.counts.shed(Shed::Full));
        };
        self.counts.queued += 1;
        let displaced = joined.displaced.map(|waiter| self.decide(waiter, Err(Shed::Displaced)));
        Ok((joined.ticket, displaced))
    }

    /// Hands a free permit to whose turn it is; the waker of that one.
    fn hand_on(&mut self) -> Option<Waker> {
        if self.out >= self.limit {
            return None;
        }
        let waiter = self.lines.serve()?;
        self.out += 1;
        Some(self.decide(waiter, Ok(())))
    }

    fn decide(&mut self, (ticket, waker): (Ticket, Waker), outcome: Result<(), Shed>) -> Waker {
        if let Err(why) = outcome {
            self.counts.shed(why);
        }
        self.decided.insert(ticket, outcome);
        waker
    }

    /// What was decided, if anything yet.
    fn hear(&mut self, ticket: Ticket) -> Option<Result<(), Shed>> {
        let outcome = self.decided.remove(&ticket)?;
        // Counted only now: until it is heard, it may still be cancelled.
        self.counts.entered += u64::from(outcome.is_ok());
        Some(outcome)
    }
}

impl QueueCounts {
    fn shed(&mut self, why: Shed) -> Shed {
        match why {
            Shed::Full => self.full += 1,
            Shed::Displaced => self.displaced += 1,
            Shed::Late => self.late += 1,
            Shed::Closed => self.closed += 1,
        }
        why
    }
}

/// A place in a line. Dropping it gives it up, with the permit if there is one already.
struct Place<'a, K: Clone + Eq + Hash> {
    shared: &'a Shared<K>,
    key: &'a K,
    ticket: Ticket,
}

impl<K: Clone + Eq + Hash> Place<'_, K> {
    fn poll(&self, context: &Context<'_>) -> Poll<Result<(), Shed>> {
        let mut waker = context.waker().clone();
        let mut state = self.shared.lock();
        if let Some(outcome) = state.hear(self.ticket) {
            return Poll::Ready(outcome);
        }
        if let Some(known) = state.lines.get_mut(self.key, self.ticket) {
            std::mem::swap(known, &mut waker);
        }
        drop(state);
        Poll::Pending
    }

    /// At the deadline. A permit that came in the same moment is taken.
    fn give_up(&self) -> Result<(), Shed> {
        let mut state = self.shared.lock();
        if let Some(outcome) = state.hear(self.ticket) {
            return outcome;
        }
        let left = state.lines.leave(self.key, self.ticket);
        let late = state.counts.shed(Shed::Late);
        drop(state);
        drop(left);
        Err(late)
    }
}

impl<K: Clone + Eq + Hash> Drop for Place<'_, K> {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        // In neither place: it heard what became of it.
        let left = state.lines.leave(self.key, self.ticket);
        let decided = state.decided.remove(&self.ticket);
        let granted = decided == Some(Ok(()));
        if granted || left.is_some() {
            state.counts.cancelled += 1;
        }
        let mut woken = None;
        if granted {
            state.out -= 1;
            woken = state.hand_on();
        }
        drop(state);
        drop(left);
        if let Some(waker) = woken {
            waker.wake();
        }
    }
}
