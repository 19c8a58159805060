//! Calls under way at once, for each holder of a limit.
//!
//! A holder has a [`FairQueue`] for as long as a call of it is under way or waits, so the table is
//! never larger than the calls there are, which listeners bound (`http.in_flight`).

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use crate::pool::{FairQueue, Permit, Shed};
use crate::principal::Principal;

#[derive(Debug)]
pub(crate) struct Places {
    limit: usize,
    queue: usize,
    wait: Duration,
    /// By the hash of the holder, which is keyed by chance; see `buckets.rs`.
    lines: Mutex<HashMap<u64, Line>>,
    hasher: RandomState,
}

#[derive(Debug)]
struct Line {
    queue: Arc<FairQueue<Principal>>,
    /// Calls that are under way or wait.
    calls: usize,
}

/// The place of a call; dropping it lets in the next.
pub(crate) struct Place {
    /// Given back before the line may go.
    _permit: Permit,
    _stay: Stay,
}

/// Keeps a line in the table.
struct Stay {
    places: Arc<Places>,
    holder: u64,
}

impl Places {
    pub(crate) fn new(limit: usize, queue: usize, wait: Duration) -> Arc<Self> {
        let (lines, hasher) = (Mutex::default(), RandomState::new());
        Arc::new(Self { limit, queue, wait, lines, hasher })
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Waits for a place of `holder`; those who wait for the same take turns by their principals.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        holder: &impl Hash,
        principal: &Principal,
    ) -> Result<Place, Shed> {
        let holder = self.hasher.hash_one(holder);
        let queue = self.join(holder);
        let stay = Stay { places: Arc::clone(self), holder };
        let permit = queue.enter(principal, Instant::now() + self.wait).await?;
        Ok(Place { _permit: permit, _stay: stay })
    }

    fn join(&self, holder: u64) -> Arc<FairQueue<Principal>> {
        let mut lines = self.lines();
        let line = lines.entry(holder).or_insert_with(|| Line {
            queue: Arc::new(FairQueue::new(self.limit, self.queue)),
            calls: 0,
        });
        line.calls += 1;
        Arc::clone(&line.queue)
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<u64, Line>> {
        self.lines.lock().expect("no one panics holding it")
    }

    #[cfg(test)]
    pub(crate) fn holders(&self) -> usize {
        self.lines().len()
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        let mut lines = self.places.lines();
        let Some(line) = lines.get_mut(&self.holder) else { return };
        line.calls -= 1;
        if line.calls == 0 {
            lines.remove(&self.holder);
        }
    }
}

#[cfg(test)]
mod tests;
