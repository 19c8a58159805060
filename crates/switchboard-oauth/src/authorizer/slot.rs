//! One login in memory: what the file says, and what has been tried.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::{Inner, within};
use crate::challenge::Challenge;
use crate::error::{OauthError, StoreError};
use crate::record::Record;
use crate::store::{Place, Stamp};

/// Most logins that are kept in memory. Beyond it those nobody uses are read again next time.
const SLOTS: usize = 4096;

/// How long a request takes a login for what it was: a look is a question to the file system, and
/// servers nearby get thousands of requests a second. Somebody who logs in or out does not notice a
/// quarter of a second, and who is refused looks at once.
const A_MOMENT: Duration = Duration::from_millis(250);

#[derive(Default)]
pub(super) struct Slots(Mutex<HashMap<Place, Arc<Slot>>>);

pub(super) struct Slot {
    pub(super) place: Place,
    /// Held while a token is renewed or replaced.
    pub(super) busy: tokio::sync::Mutex<()>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Of the file that was read; `None` if none was read yet.
    read: Option<Option<Stamp>>,
    /// When the file was last found to be that one.
    looked: Option<Instant>,
    record: Option<Arc<Record>>,
    problem: Option<String>,
    /// What the server said last, for a login in this process.
    challenge: Option<Challenge>,
    renewed: Option<Instant>,
    step_ups: VecDeque<Instant>,
    failed: Option<(Instant, String)>,
    moved: Option<Instant>,
}

impl Slots {
    pub(super) fn find(&self, place: Place) -> Arc<Slot> {
        let mut slots = self.0.lock().expect("no one panics holding it");
        if slots.len() >= SLOTS && !slots.contains_key(&place) {
            slots.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        let slot = slots.entry(place).or_insert_with_key(|place| {
            let busy = tokio::sync::Mutex::default();
            Arc::new(Slot { place: place.clone(), busy, state: Mutex::default() })
        });
        Arc::clone(slot)
    }
}

impl Slot {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics holding it")
    }

    pub(super) fn remember(&self, challenge: Option<Challenge>) {
        if challenge.is_some() {
            self.state().challenge = challenge;
        }
    }

    pub(super) fn challenge(&self) -> Option<Challenge> {
        self.state().challenge.clone()
    }

    pub(super) fn problem(&self) -> Option<String> {
        self.state().problem.clone()
    }

    /// After a login or a logout everything begins anew.
    pub(super) fn forget(&self) {
        *self.state() = State::default();
    }

    pub(super) fn note_renewed(&self) {
        self.state().renewed = Some(Instant::now());
    }

    pub(super) fn was_renewed_within(&self, window: Duration) -> bool {
        within(self.state().renewed, window)
    }

    pub(super) fn note_moved(&self) {
        self.state().moved = Some(Instant::now());
    }

    pub(super) fn moved_within(&self, window: Duration) -> bool {
        within(self.state().moved, window)
    }

    pub(super) fn note_step_up(&self) {
        self.state().step_ups.push_back(Instant::now());
    }

    pub(super) fn step_ups_within(&self, window: Duration) -> usize {
        let mut state = self.state();
        while state.step_ups.front().is_some_and(|first| !within(Some(*first), window)) {
            state.step_ups.pop_front();
        }
        state.step_ups.len()
    }

    pub(super) fn note_failed(&self, why: String) {
        self.state().failed = Some((Instant::now(), why));
    }

    pub(super) fn failed_within(&self, window: Duration) -> Option<String> {
        let state = self.state();
        let (when, why) = state.failed.as_ref()?;
        within(Some(*when), window).then(|| why.clone())
    }
}

impl Inner {
    /// The login as it is on disk: another process may have made, renewed or removed it.
    ///
    /// A file that cannot be read counts as none, is said once in the log, and stays.
    pub(super) fn current(&self, slot: &Slot) -> Option<Arc<Record>> {
        let stamp = self.store.stamp(&slot.place);
        let mut state = slot.state();
        if state.read != Some(stamp) {
            state.problem = None;
            state.record = match self.store.load(&slot.place) {
                Ok(found) => found
                    .filter(|record| record.fits(&self.server, &self.settings))
                    .map(|record| Arc::new(record.with_current_secret(&self.settings))),
                Err(error) => {
                    tracing::warn!(upstream = self.upstream, "{error}; it counts as logged out");
                    state.problem = Some(error.to_string());
                    None
                }
            };
            state.read = Some(stamp);
        }
        state.looked = Some(Instant::now());
        state.record.clone()
    }

    /// The login as it was on disk a moment ago, for what is asked before every request.
    pub(super) fn recent(&self, slot: &Slot) -> Option<Arc<Record>> {
        let state = slot.state();
        if within(state.looked, A_MOMENT) {
            return state.record.clone();
        }
        drop(state);
        self.current(slot)
    }

    /// Writes a login; the caller holds `busy` and the lock.
    pub(super) async fn save(&self, slot: &Arc<Slot>, record: Record) -> Result<(), OauthError> {
        let (store, slot) = (self.store.clone(), Arc::clone(slot));
        blocking(move || {
            let saved = store.save(&slot.place, &record);
            slot.state().looked = None;
            saved
        })
        .await
    }

    /// Keeps other processes away.
    pub(super) async fn lock(&self, slot: &Arc<Slot>) -> Result<File, OauthError> {
        let (store, slot) = (self.store.clone(), Arc::clone(slot));
        blocking(move || store.lock(&slot.place)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, OauthError> {
    let done = tokio::task::spawn_blocking(work).await;
    let stopping = OauthError::GivenUp { why: "the daemon is stopping" };
    done.map_or(Err(stopping), |done| done.map_err(OauthError::from))
}
