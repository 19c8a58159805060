//! Where calls wait to be written. Nobody waits here but they.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use switchboard_core::{Call, CallOutcome, Recorder};
use switchboard_mcp::Json;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use crate::config::HistoryConfig;

/// Takes note of calls.
pub struct History {
    queue: mpsc::Sender<Noted>,
    held: Arc<Held>,
    most: (usize, usize),
    result_limit: usize,
    losses: Losses,
    clock: fn() -> SystemTime,
    kept: AtomicU64,
    progress: Arc<Progress>,
}

/// How far the writing is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Records that wait no more, written or lost.
    pub done: watch::Sender<u64>,
    /// Somebody wants to read what is not written yet.
    pub hurry: Notify,
}

/// How many calls have no record, because the store could not keep up.
#[derive(Clone, Debug, Default)]
pub struct Losses(Arc<AtomicU64>);

/// A call with the moment of its end.
#[derive(Debug)]
pub(crate) struct Noted {
    pub call: Call,
    /// What is left of a result that was too long; the call itself has none then.
    pub cut: Option<Cut>,
    pub ended: SystemTime,
    /// Since when it waits.
    pub since: Instant,
    /// Given back when this is dropped.
    pub weight: Weight,
}

/// A result that was too long.
#[derive(Debug)]
pub(crate) struct Cut {
    pub beginning: String,
    /// How long it was.
    pub length: usize,
    /// Whether it was the answer of a tool that failed.
    pub is_error: bool,
}

/// How many wait, in the queue and with the keeper, and what they take of the memory.
#[derive(Debug, Default)]
struct Held {
    calls: AtomicUsize,
    bytes: AtomicUsize,
}

/// What a call takes of the room for those that wait; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Weight {
    bytes: usize,
    held: Arc<Held>,
}

impl Weight {
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

/// What the queue weighs beside arguments and results.
const OWN_WEIGHT: usize = 512;

/// The longest text that is copied on the way of a call: in less than a microsecond.
const DETACHED: usize = 16 * 1024;

impl Losses {
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, calls: u64) {
        self.0.fetch_add(calls, Ordering::Relaxed);
    }
}

impl History {
    pub(crate) fn new(
        config: &HistoryConfig,
        clock: fn() -> SystemTime,
    ) -> (Self, mpsc::Receiver<Noted>) {
        let (queue, waiting) = mpsc::channel(config.queue);
        let history = Self {
            queue,
            held: Arc::default(),
            most: (config.queue, config.queue_size.as_usize()),
            result_limit: config.result_limit.as_usize(),
            losses: Losses::default(),
            clock,
            kept: AtomicU64::new(0),
            progress: Arc::default(),
        };
        (history, waiting)
    }

    /// Counts what could not be kept.
    pub fn losses(&self) -> Losses {
        self.losses.clone()
    }

    /// Returns when everything is written that was recorded until now, or after `patience`.
    pub async fn settle(&self, patience: Duration) {
        let kept = self.kept.load(Ordering::Acquire);
        let mut done = self.progress.done.subscribe();
        self.progress.hurry.notify_one();
        // The sender lives as long as we do. What is not written by then is not shown.
        let _ = tokio::time::timeout(patience, done.wait_for(|done| kept <= *done)).await;
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Lets go of a result that is too long but for a copy of its beginning, so that the rest need
    /// not be held until it is written. All else about a record is done when it is written.
    fn cut(&self, outcome: &mut CallOutcome) -> Option<Cut> {
        let CallOutcome::Answered(response) = outcome else { return None };
        let length = response.result.as_bytes().len();
        if length <= self.result_limit {
            return None;
        }
        let text = response.result.as_str();
        let beginning = text[..text.floor_char_boundary(self.result_limit)].to_owned();
        let cut = Cut { beginning, length, is_error: response.is_tool_error() };
        response.result = Json::null();
        Some(cut)
    }

    fn weigh(&self, bytes: usize) -> Option<Weight> {
        let calls = self.held.calls.fetch_add(1, Ordering::Relaxed);
        let before = self.held.bytes.fetch_add(bytes, Ordering::Relaxed);
        let weight = Weight { bytes, held: Arc::clone(&self.held) };
        let (most_calls, most_bytes) = self.most;
        (calls < most_calls && before + bytes <= most_bytes).then_some(weight)
    }
}

impl Recorder for History {
    fn record(&self, mut call: Call) {
        let cut = self.cut(&mut call.outcome);
        detach(&mut call);
        let length = |json: &Json| json.as_bytes().len();
        let result = match (&cut, &call.outcome) {
            (Some(cut), _) => cut.beginning.len(),
            (None, CallOutcome::Answered(response)) => length(&response.result),
            (None, CallOutcome::Failed(_) | CallOutcome::Abandoned) => 0,
        };
        let bytes = OWN_WEIGHT + result + call.params.as_ref().map_or(0, length);
        let kept = self.weigh(bytes).is_some_and(|weight| {
            let (ended, since) = ((self.clock)(), Instant::now());
            let noted = Noted { call, cut, ended, since, weight };
            self.queue.try_send(noted).is_ok()
        });
        if kept {
            self.kept.fetch_add(1, Ordering::Release);
        } else {
            self.losses.add(1);
        }
    }
}

/// Takes arguments and result out of the buffers that they were read into, where that is cheap. These
/// are several times as large, would wait with the call, and be missing to whoever reads the next
/// (10,000 calls of 200 bytes: 36 MB more; November 2026).
fn detach(call: &mut Call) {
    let shorten = |json: &mut Json| {
        if json.as_bytes().len() <= DETACHED {
            *json = json.detached();
        }
    };
    if let Some(params) = &mut call.params {
        shorten(params);
    }
    if let CallOutcome::Answered(response) = &mut call.outcome {
        shorten(&mut response.result);
    }
}

impl Noted {
    pub(crate) fn started(&self) -> SystemTime {
        self.ended.checked_sub(self.call.took).unwrap_or(SystemTime::UNIX_EPOCH)
    }

    pub(crate) fn took(&self) -> Duration {
        self.call.took
    }
}

impl Drop for Weight {
    fn drop(&mut self) {
        self.held.calls.fetch_sub(1, Ordering::Relaxed);
        self.held.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}
