//! What takes long, for which nobody waits long.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use switchboard_function::Digest;
use tokio_util::task::TaskTracker;

/// What was begun.
#[derive(Clone, Default)]
pub(super) struct Jobs {
    /// By what it is about.
    all: Arc<Mutex<HashMap<Digest, Job>>>,
    /// Whether something has ended that somebody was told is under way.
    has_news: Arc<AtomicBool>,
}

/// How it stands with something that takes long.
enum Job {
    /// Whether somebody was told so.
    UnderWay {
        is_told: bool,
    },
    /// Nobody was told yet.
    Ended(Result<(), String>),
    Failed(String),
}

impl Jobs {
    /// Has something done for which nobody waits longer than `patience`: where it is not done by then,
    /// it goes on, and whoever asks after it has ended is told.
    ///
    /// # Errors
    ///
    /// That `what` is under way, or why it failed.
    pub(super) async fn finish(
        &self,
        (key, what): (Digest, &str),
        (tasks, patience): (&TaskTracker, Duration),
        work: impl Future<Output = Result<(), String>> + Send + 'static,
    ) -> Result<(), String> {
        if let Some(outcome) = settled(&mut self.all(), key) {
            return outcome.unwrap_or_else(|| Err(what.to_owned()));
        }
        let own = self.clone();
        let working = tasks.spawn(async move {
            let outcome = work.await;
            let before = own.all().insert(key, Job::Ended(outcome));
            if matches!(before, Some(Job::UnderWay { is_told: true })) {
                own.has_news.store(true, Ordering::Relaxed);
            }
        });
        // Where it is not done, or fell over, it is said to be under way.
        let _ = tokio::time::timeout(patience, working).await;
        let outcome = settled(&mut self.all(), key).flatten();
        outcome.unwrap_or_else(|| Err(what.to_owned()))
    }

    /// Whether something has ended of which nobody was told. This tells.
    pub(super) fn have_ended(&self) -> bool {
        let mut jobs = self.all();
        let before = jobs.len();
        let mut have_failed = false;
        jobs.retain(|_, job| match job {
            Job::Ended(Ok(())) => false,
            Job::Ended(Err(cause)) => {
                *job = Job::Failed(std::mem::take(cause));
                have_failed = true;
                true
            }
            Job::UnderWay { .. } | Job::Failed(_) => true,
        });
        self.has_news.swap(false, Ordering::Relaxed) || have_failed || jobs.len() < before
    }

    /// Has one thing be tried again that failed.
    pub(super) fn forget_failure(&self, key: Digest) {
        let mut jobs = self.all();
        if matches!(jobs.get(&key), Some(Job::Failed(_))) {
            jobs.remove(&key);
        }
    }

    /// Has what failed be tried again.
    pub(super) fn forget_failures(&self) {
        self.all().retain(|_, job| !matches!(job, Job::Failed(_)));
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Digest, Job>> {
        self.all.lock().expect("no one panics holding it")
    }
}

/// What became of a job, if it was ever begun: `Some(None)` while it is under way. One that was never
/// begun is begun by whoever asks.
#[expect(clippy::option_option, reason = "never begun, under way, and ended are three things")]
fn settled(jobs: &mut HashMap<Digest, Job>, key: Digest) -> Option<Option<Result<(), String>>> {
    let (now, outcome) = match jobs.remove(&key) {
        None => (Some(Job::UnderWay { is_told: false }), None),
        Some(Job::UnderWay { .. }) => (Some(Job::UnderWay { is_told: true }), Some(None)),
        Some(Job::Ended(Ok(()))) => (None, Some(Some(Ok(())))),
        Some(Job::Ended(Err(cause)) | Job::Failed(cause)) => {
            (Some(Job::Failed(cause.clone())), Some(Some(Err(cause))))
        }
    };
    if let Some(now) = now {
        jobs.insert(key, now);
    }
    outcome
}
