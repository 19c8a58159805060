//! How many calls may be sent a second time, so that retries do not become the load that keeps a
//! server down.
//!
//! A token bucket: each call pays in a share of a token, time pays in a few each second, a retry
//! costs one whole. Over any stretch of time retries are therefore at most `burst`, plus
//! `per_second` for each second, plus `share_percent` of the calls; and where everything fails the
//! server sees little more than the calls themselves. What may be retried at all is for others.

#[cfg(test)]
mod tests;

use std::sync::Mutex;
use std::time::Duration;

/// How much a [`RetryBudget`] allows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BudgetConfig {
    /// Of a hundred calls, how many may be retried.
    pub share_percent: u32,
    /// Retries each second whatever the number of calls, so that rare calls can be retried too.
    pub per_second: u32,
    /// The most that is saved up for a bad moment; 0 forbids retries.
    pub burst: u32,
}

impl Default for BudgetConfig {
    /// 20 % is what Finagle (`RetryBudget`) and Linkerd settled on. Their minimum of 10 a second is
    /// for services; a server of tools has a few calls each second. The burst is ten seconds of
    /// the minimum, as theirs.
    fn default() -> Self {
        Self { share_percent: 20, per_second: 3, burst: 30 }
    }
}

/// Exact since the budget was made.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct BudgetCounts {
    pub calls: u64,
    pub given: u64,
    pub denied: u64,
}

/// Gives out retries in proportion to calls; one for each upstream.
#[derive(Debug)]
pub struct RetryBudget {
    config: BudgetConfig,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// In billionths of a token, so that a share of a call and a nanosecond are both whole.
    saved: u64,
    /// Until when time has paid in.
    paid: Duration,
    counts: BudgetCounts,
}

const TOKEN: u64 = 1_000_000_000;

impl RetryBudget {
    /// Begins at `now` with one second's worth: a server that fails at once may be tried again.
    pub fn new(config: BudgetConfig, now: Duration) -> Self {
        let saved = u64::from(config.per_second.min(config.burst)) * TOKEN;
        let state = State { saved, paid: now, counts: BudgetCounts::default() };
        Self { config, state: Mutex::new(state) }
    }

    /// A call is made, for the first time.
    pub fn call(&self) {
        let mut state = self.state();
        state.counts.calls += 1;
        state.pay_in(&self.config, u64::from(self.config.share_percent) * (TOKEN / 100));
    }

    /// Whether one more call may be sent again now; each `true` is one retry.
    pub fn retry(&self, now: Duration) -> bool {
        let mut state = self.state();
        // Threads read the clock before they get here, so `now` may be a little behind.
        let passed = now.saturating_sub(state.paid);
        state.paid = state.paid.max(now);
        let passed = u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX);
        // A token is as many parts as a second has nanoseconds.
        state.pay_in(&self.config, passed.saturating_mul(self.config.per_second.into()));
        let left = state.saved.checked_sub(TOKEN);
        match left {
            Some(left) => {
                state.saved = left;
                state.counts.given += 1;
            }
            None => state.counts.denied += 1,
        }
        left.is_some()
    }

    /// A call is sent again that its server certainly did not get. It is counted and costs nothing:
    /// the server sees no more than the call itself.
    pub fn resent(&self) {
        self.state().counts.given += 1;
    }

    pub fn counts(&self) -> BudgetCounts {
        self.state().counts
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("no one panics holding it")
    }
}

impl State {
    fn pay_in(&mut self, config: &BudgetConfig, parts: u64) {
        self.saved = self.saved.saturating_add(parts).min(u64::from(config.burst) * TOKEN);
    }
}
