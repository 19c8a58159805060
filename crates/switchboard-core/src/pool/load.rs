//! How busy an endpoint is: the calls under way, how long answers took lately, and since when it
//! runs.
//!
//! The response time is a peak-sensitive moving average (Finagle's "peak EWMA"): a longer time
//! counts at once and in full, a shorter one slowly. It also fades while nobody asks, so that an
//! endpoint that was slow is tried again one day.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// The time in which a response time fades to a third (1/e), where nothing else is configured:
/// Finagle's default.
pub const RESPONSE_TIME_DECAY: Duration = Duration::from_secs(10);

/// The load of one endpoint. `now` is the time since a fixed start, the same for all calls.
#[derive(Debug)]
pub struct Load {
    decay: Duration,
    in_flight: AtomicUsize,
    measured: Mutex<Measured>,
}

#[derive(Debug)]
struct Measured {
    started: Duration,
    response: Option<Response>,
}

/// The average at the time of the last answer.
#[derive(Clone, Copy, Debug)]
struct Response {
    seconds: f64,
    at: Duration,
}

/// A call under way; dropping it ends the count.
#[derive(Debug)]
#[must_use = "the call counts for as long as this is held"]
pub struct InFlight(Arc<Load>);

impl Load {
    /// Of an endpoint that starts now. Response times fade to 1/e in `decay`.
    pub fn new(decay: Duration, now: Duration) -> Arc<Self> {
        let measured = Mutex::new(Measured { started: now, response: None });
        // Zero would be divided by; a nanosecond is as good as none.
        let decay = decay.max(Duration::from_nanos(1));
        Arc::new(Self { decay, in_flight: AtomicUsize::new(0), measured })
    }

    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }

    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts an answer, or a wait that ended in a time-out. Failures that came at once are not
    /// for here: an endpoint that refuses everything would look like the fastest.
    pub fn observe(&self, took: Duration, now: Duration) {
        let mut measured = self.lock();
        let took = took.as_secs_f64();
        let response = match measured.response {
            Some(last) if took < last.seconds => {
                let kept = self.kept(last.at, now);
                Response {
                    seconds: last.seconds * kept + took * (1.0 - kept),
                    at: now.max(last.at),
                }
            }
            _ => Response { seconds: took, at: now },
        };
        measured.response = Some(response);
    }

    /// The response time to expect; `None` while nothing has been answered.
    pub fn response_time(&self, now: Duration) -> Option<Duration> {
        let response = self.lock().response?;
        Some(Duration::from_secs_f64(response.seconds * self.kept(response.at, now)))
    }

    /// When the endpoint last started, for the slow start.
    pub fn started(&self) -> Duration {
        self.lock().started
    }

    /// The endpoint was started again: what the old one took says nothing about it. Calls under
    /// way stay counted until they end.
    pub fn restarted(&self, now: Duration) {
        *self.lock() = Measured { started: now, response: None };
    }

    /// The share of an average that is left of it after a time.
    fn kept(&self, at: Duration, now: Duration) -> f64 {
        let passed = now.saturating_sub(at).as_secs_f64();
        (-passed / self.decay.as_secs_f64()).exp()
    }

    fn lock(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().expect("no one panics holding it")
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Load;

    /// Answers as (second, milliseconds it took) with a decay of 10 s, and the average at `at`.
    #[track_caller]
    fn check(answers: &[(u64, u64)], at: u64, milliseconds: Option<u128>) {
        let load = Load::new(Duration::from_secs(10), Duration::ZERO);
        for &(second, took) in answers {
            load.observe(Duration::from_millis(took), Duration::from_secs(second));
        }
        let expected = load.response_time(Duration::from_secs(at));
        assert_eq!(expected.map(|time| time.as_millis()), milliseconds);
    }

    #[test]
    fn a_response_time_rises_at_once_and_falls_slowly() {
        check(&[], 0, None);
        check(&[(0, 100)], 0, Some(100));
        check(&[(0, 100), (0, 900)], 0, Some(900));
        // Many at the same moment do not wash out the peak.
        check(&[(0, 900), (0, 1), (0, 1), (0, 1)], 0, Some(900));
        // After 10 s a third of the peak is left, and the rest is the new one: 367.9 + 63.2.
        check(&[(0, 1000), (10, 100)], 10, Some(431));
        check(&[(0, 1000), (1000, 100)], 1000, Some(100));
        // Nobody asks: it fades.
        check(&[(0, 1000)], 10, Some(367));
        check(&[(0, 1000)], 1000, Some(0));
        // A clock read before another task's.
        check(&[(10, 1000), (9, 100)], 9, Some(1000));
    }

    #[test]
    fn a_call_counts_for_as_long_as_it_is_held() {
        let load = Load::new(super::RESPONSE_TIME_DECAY, Duration::ZERO);
        let (first, second) = (load.enter(), load.enter());
        assert_eq!(load.in_flight(), 2);
        drop(first);
        load.observe(Duration::from_secs(1), Duration::ZERO);
        load.restarted(Duration::from_secs(7));
        assert_eq!((load.in_flight(), load.started().as_secs()), (1, 7));
        assert_eq!(load.response_time(Duration::from_secs(7)), None);
        drop(second);
        assert_eq!(load.in_flight(), 0);
    }
}
