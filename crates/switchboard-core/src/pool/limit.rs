//! How many calls a server is given at the same time: a fixed number, or one that is found.
//!
//! Found as TCP finds its window (additive increase, multiplicative decrease; Chiu and Jain 1989):
//! a full round of good calls adds one, a call that took too long takes a tenth away. The rule is
//! that of `AIMDLimit` in Netflix's concurrency-limits, with two changes. It grows by one for each
//! round, not for each call, so that a burst of quick answers proves no more than it does. And calls
//! that began before the last cut cut no further: they were sent under the limit that was already
//! found to be too high, and a whole round of them would bring it down to the minimum at once.
//!
//! Who may go in under the limit is for [`FairQueue`](super::FairQueue).

#[cfg(test)]
mod tests;

use std::sync::Mutex;
use std::time::Duration;

/// What the limit is, or between what it is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LimitConfig {
    Fixed(usize),
    Adaptive(AdaptiveConfig),
}

/// Where an adaptive limit begins, how far it goes and by what it judges.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AdaptiveConfig {
    /// Never less, and at least one: with no calls nothing would be learned any more.
    pub min: usize,
    pub max: usize,
    /// Before anything is known.
    pub initial: usize,
    /// An answer that takes longer says that there were too many calls at once.
    pub slow: Duration,
}

/// How a call ended, as far as it tells how loaded the server is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Completion {
    /// With an answer, also one that says that a tool failed. Its time decides.
    Answered,
    /// Not in time, or the server said that it is too busy.
    Overloaded,
    /// Cancelled, refused, or lost with the connection: says nothing about load.
    Neutral,
}

/// A call that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Completed {
    pub completion: Completion,
    pub took: Duration,
    /// Calls under way when it ended, itself among them: `QueueCounts::out` before its permit is
    /// dropped.
    pub in_flight: usize,
}

/// The number of calls that a server is given at the same time.
#[derive(Debug)]
pub struct ConcurrencyLimit {
    /// `None` where the limit is fixed.
    adaptive: Option<AdaptiveConfig>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// Good calls since the limit last changed.
    good: usize,
    /// Calls that began earlier were sent under a higher limit.
    cut: Option<Duration>,
}

impl ConcurrencyLimit {
    /// Where the bounds of `config` contradict each other, the lower one holds.
    pub fn new(config: LimitConfig) -> Self {
        let (adaptive, limit) = match config {
            LimitConfig::Fixed(limit) => (None, limit),
            LimitConfig::Adaptive(config) => {
                let min = config.min.max(1);
                let config = AdaptiveConfig { min, max: config.max.max(min), ..config };
                (Some(config), config.initial.clamp(config.min, config.max))
            }
        };
        Self { adaptive, state: Mutex::new(State { limit, good: 0, cut: None }) }
    }

    pub fn limit(&self) -> usize {
        self.state().limit
    }

    /// Learns from a call that ended at `now`; the new limit, where that changed it.
    ///
    /// Two that change it at the same time may pass their news on in the wrong order. Whoever
    /// passes it on under a lock, or reads [`limit`](Self::limit) again when it is used, is safe.
    pub fn record(&self, call: Completed, now: Duration) -> Option<usize> {
        let config = self.adaptive.as_ref()?;
        let mut state = self.state();
        let before = state.limit;
        match call.completion {
            Completion::Answered if call.took <= config.slow => state.good(config, call.in_flight),
            Completion::Answered | Completion::Overloaded => {
                state.slow(config, now.saturating_sub(call.took), now);
            }
            Completion::Neutral => {}
        }
        (state.limit != before).then_some(state.limit)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no one panics holding it")
    }
}

impl State {
    fn good(&mut self, config: &AdaptiveConfig, in_flight: usize) {
        // Far below the limit good calls say nothing about it, and it would grow without end while
        // little is asked. Half is where concurrency-limits draws the line.
        if in_flight.saturating_mul(2) < self.limit {
            return;
        }
        self.good += 1;
        if self.good >= self.limit {
            self.good = 0;
            self.limit = (self.limit + 1).min(config.max);
        }
    }

    fn slow(&mut self, config: &AdaptiveConfig, began: Duration, now: Duration) {
        self.good = 0;
        if self.cut.is_some_and(|cut| began < cut) {
            return;
        }
        self.cut = Some(now);
        // Rounded down, so that each cut is at least one.
        self.limit = (self.limit - self.limit.div_ceil(10)).max(config.min);
    }
}
