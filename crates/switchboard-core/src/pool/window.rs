//! How calls ended lately: a sliding window in ten buckets, and times that grow.
//!
//! Buckets and not single calls, so that a window costs the same memory at any traffic. A window
//! is exact to a tenth of its length.

use std::time::Duration;

const BUCKETS: usize = 10;

/// How a call ended, as far as the endpoint's health goes.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verdict {
    /// An answer in good time. A tool that ran and reports an error of its own is one.
    Success,
    /// An answer, but later than is thought right.
    Slow,
    /// No answer: a time-out, a closed stream, an exit, garbage.
    Failure,
    /// Says nothing about health, so neither counts nor heals: cancelled by the client, refused
    /// by ourselves, or ended because an idle endpoint was stopped (`Dormant`).
    Neutral,
}

/// The calls in a window.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Tally {
    pub(super) calls: u32,
    pub(super) failures: u32,
    pub(super) slow: u32,
}

impl Tally {
    /// Whether `part` of the calls is `percent` of them or more; none never is.
    pub(super) fn reaches(self, part: u32, percent: u32) -> bool {
        part > 0 && u64::from(part) * 100 >= u64::from(percent) * u64::from(self.calls)
    }

    /// Whether the failures here are a share that is `percent` points or more above the share in
    /// `other`. Whole numbers, so that the border is where it is said to be.
    pub(super) fn fails_more(self, other: Self, percent: u32) -> bool {
        let [calls, others] = [self.calls, other.calls].map(u128::from);
        let [own, rest] = [self.failures, other.failures].map(u128::from);
        own * others * 100 >= (rest * 100 + u128::from(percent) * others) * calls
    }

    pub(super) fn add(&mut self, other: Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.failures = self.failures.saturating_add(other.failures);
        self.slow = self.slow.saturating_add(other.slow);
    }
}

#[derive(Debug)]
pub(super) struct Window {
    bucket_nanos: u64,
    /// The number of the newest bucket since the start of time; it is at `newest % BUCKETS`.
    newest: u64,
    buckets: [Tally; BUCKETS],
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        let bucket_nanos = (nanos(length) / BUCKETS as u64).max(1);
        Self { bucket_nanos, newest: 0, buckets: [Tally::default(); BUCKETS] }
    }

    pub(super) fn count(&mut self, verdict: Verdict, now: Duration) {
        let one = match verdict {
            Verdict::Neutral => return,
            Verdict::Success => Tally { calls: 1, ..Tally::default() },
            Verdict::Slow => Tally { calls: 1, slow: 1, ..Tally::default() },
            Verdict::Failure => Tally { calls: 1, failures: 1, ..Tally::default() },
        };
        self.advance(now);
        self.buckets[(self.newest % BUCKETS as u64) as usize].add(one);
    }

    pub(super) fn tally(&mut self, now: Duration) -> Tally {
        self.advance(now);
        let mut sum = Tally::default();
        for bucket in self.buckets {
            sum.add(bucket);
        }
        sum
    }

    pub(super) fn clear(&mut self) {
        self.buckets = [Tally::default(); BUCKETS];
    }

    /// Empties the buckets that `now` has left behind. A `now` from before the newest bucket is of
    /// a task that read its clock a little earlier, and counts in the newest.
    fn advance(&mut self, now: Duration) {
        let number = nanos(now) / self.bucket_nanos;
        let passed = number.saturating_sub(self.newest);
        for step in 1..=passed.min(BUCKETS as u64) {
            self.buckets[((self.newest + step) % BUCKETS as u64) as usize] = Tally::default();
        }
        self.newest = self.newest.max(number);
    }
}

/// `first`, doubled `times` times, and never above `limit`.
pub(super) fn doubled(first: Duration, times: u32, limit: Duration) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(limit)
}

/// Good for 584 years of running.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Tally, Verdict, Window, doubled};

    /// Calls at the given seconds into a window of ten seconds, and what it holds at `at`.
    fn check(calls: &[(u64, Verdict)], at: u64, calls_failures_slow: (u32, u32, u32)) {
        let mut window = Window::new(Duration::from_secs(10));
        for &(second, verdict) in calls {
            window.count(verdict, Duration::from_secs(second));
        }
        let (calls, failures, slow) = calls_failures_slow;
        assert_eq!(window.tally(Duration::from_secs(at)), Tally { calls, failures, slow });
    }

    #[test]
    fn a_window_holds_what_was_lately() {
        use Verdict::{Failure, Neutral, Slow, Success};
        check(&[], 5, (0, 0, 0));
        check(&[(0, Success), (1, Failure), (1, Slow), (2, Neutral)], 3, (3, 1, 1));
        check(&[(0, Failure), (5, Failure)], 9, (2, 2, 0));
        check(&[(0, Failure), (5, Failure)], 10, (1, 1, 0));
        check(&[(0, Failure), (5, Failure)], 15, (0, 0, 0));
        check(&[(0, Failure)], 1_000_000, (0, 0, 0));
        // A clock read before another task's, and counted after it.
        check(&[(20, Failure), (19, Failure), (3, Failure)], 20, (3, 3, 0));
    }

    #[test]
    fn times_double_up_to_a_limit() {
        let limit = Duration::from_secs(60);
        let seconds = |times| doubled(Duration::from_secs(5), times, limit).as_secs();
        assert_eq!([0, 1, 2, 3, 4, 5].map(seconds), [5, 10, 20, 40, 60, 60]);
        assert_eq!(doubled(Duration::from_secs(5), u32::MAX, limit), limit);
    }
}
