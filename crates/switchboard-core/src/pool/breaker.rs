//! A circuit breaker: stops calls to an endpoint that fails, and finds out when it is well again.
//!
//! Closed, it lets everything pass and counts. Too many failures in a row, or too large a share of
//! failures or slow answers, open it, and calls are refused without being sent. After a time it is
//! half-open: a few calls go through as probes; enough good ones close it, one bad one opens it
//! again for twice as long.
//!
//! Each change of state is a new generation, and an [`Admission`] belongs to the one it was given
//! in: a call that was sent before the breaker opened neither heals nor fails the probes that came
//! after it. A call that ends because an idle endpoint was stopped is [`Verdict::Neutral`]: being
//! dormant is no illness, and waking up no cure.
//!
//! Who is asked instead is decided in `balance`, and what counts as a failure by the caller.

use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::window::{Tally, Verdict, Window, doubled};

#[cfg(test)]
mod tests;

/// When a [`Breaker`] opens, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BreakerConfig {
    /// This many failures in a row open it; `None`: a row never does. Default 5: one more than a
    /// person tries by hand, and soon reached where nothing answers at all.
    pub consecutive_failures: Option<NonZeroU32>,
    /// The time over which shares are taken. Default 30 s.
    pub window: Duration,
    /// With fewer calls than this in the window, shares say nothing. Default 20.
    pub minimum_calls: u32,
    /// Of a hundred calls in the window, this many failures open it; `None`: no share does.
    /// Default 50.
    pub failure_percent: Option<u32>,
    /// Of a hundred calls in the window, this many slow answers open it; `None`: no share does,
    /// and a slow probe is a good one. Default 80: more than for failures, because a slow answer
    /// is still an answer.
    pub slow_percent: Option<u32>,
    /// How long it stays open the first time. Default 5 s. This and the following times are
    /// shortened by up to a half at random, so that breakers that opened together do not probe
    /// together.
    pub open: Duration,
    /// The longest it stays open, and how long it must have been closed for its earlier openings
    /// to be forgotten. Default 5 min.
    pub open_limit: Duration,
    /// This many probes at most are under way while it is half-open. Default 3: with one, a single
    /// long call would keep everybody else out.
    pub probes: NonZeroU32,
    /// This many good probes close it. Default 2.
    pub probe_successes: NonZeroU32,
    /// When all probes have been under way for this long, they are given up and as many new ones
    /// are let through. Default 60 s. Without it, probes that hang would keep the endpoint out for
    /// as long as they do.
    pub probe_wait: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            consecutive_failures: NonZeroU32::new(5),
            window: Duration::from_secs(30),
            minimum_calls: 20,
            failure_percent: Some(50),
            slow_percent: Some(80),
            open: Duration::from_secs(5),
            open_limit: Duration::from_secs(5 * 60),
            probes: NonZeroU32::new(3).unwrap_or(NonZeroU32::MIN),
            probe_successes: NonZeroU32::new(2).unwrap_or(NonZeroU32::MIN),
            probe_wait: Duration::from_secs(60),
        }
    }
}

/// What a breaker would do with a call now.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BreakerState {
    Closed,
    Open {
        until: Duration,
    },
    HalfOpen {
        /// How many more probes may be let through now.
        places: u32,
    },
}

/// What became of the wish to send a call. It is given back to [`Breaker::record`] once, when the
/// call has ended in whatever way; that it is neither `Clone` nor `Copy` keeps it from being
/// counted twice.
#[derive(Debug, Eq, PartialEq)]
#[must_use = "a probe that is not recorded keeps its place"]
pub enum Admission {
    Pass(Generation),
    Probe(Generation),
    /// Not to be sent; at `until` at the latest, asking again makes sense.
    Refused {
        until: Duration,
    },
}

/// The state of a breaker between two changes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Generation(u64);

/// The breaker of one endpoint. `now` is the time since a fixed start, the same for all calls.
///
/// A call costs two locks that are held for nanoseconds.
#[derive(Debug)]
pub struct Breaker {
    config: BreakerConfig,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    phase: Phase,
    generation: u64,
    /// How often it opened since it was last well for long.
    openings: u32,
}

#[derive(Debug)]
enum Phase {
    Closed { since: Duration, row: u32, window: Window },
    Open { until: Duration },
    HalfOpen { out: u32, good: u32, latest: Duration },
}

impl Breaker {
    pub fn new(config: BreakerConfig) -> Self {
        let phase = config.closed(Duration::ZERO);
        Self { config, inner: Mutex::new(Inner { phase, generation: 0, openings: 0 }) }
    }

    /// Whether a call may be sent.
    pub fn admit(&self, now: Duration) -> Admission {
        let mut inner = self.lock();
        match self.config.state(&inner.phase, now) {
            BreakerState::Closed => Admission::Pass(Generation(inner.generation)),
            BreakerState::Open { until } => Admission::Refused { until },
            BreakerState::HalfOpen { places: 0 } => {
                Admission::Refused { until: self.config.lapse(&inner.phase) }
            }
            BreakerState::HalfOpen { .. } => self.config.probe(&mut inner, now),
        }
    }

    /// Counts how an admitted call ended. Returns the new state, if this changed it.
    ///
    /// `random` is uniform over `0..=u32::MAX`.
    #[expect(clippy::needless_pass_by_value, reason = "an admission is good for one record")]
    pub fn record(
        &self,
        admission: Admission,
        verdict: Verdict,
        now: Duration,
        random: u32,
    ) -> Option<BreakerState> {
        let (Admission::Pass(Generation(given)) | Admission::Probe(Generation(given))) = admission
        else {
            return None;
        };
        let mut inner = self.lock();
        if given != inner.generation {
            return None;
        }
        let next = match &mut inner.phase {
            Phase::Closed { row, window, .. } => {
                self.config.count(row, window, (verdict, now)).then_some(Next::Open)
            }
            Phase::HalfOpen { out, good, .. } => {
                *out = out.saturating_sub(1);
                self.config.probed(good, verdict)
            }
            // Nobody is admitted while it is open, so there is nothing of this generation.
            Phase::Open { .. } => None,
        }?;
        match next {
            Next::Open => self.config.open(&mut inner, now, random),
            Next::Closed => inner.change(self.config.closed(now)),
        }
        Some(self.config.state(&inner.phase, now))
    }

    /// What [`admit`](Self::admit) would say, without taking a probe's place.
    pub fn state(&self, now: Duration) -> BreakerState {
        self.config.state(&self.lock().phase, now)
    }

    /// The endpoint could not be reached and can be again: where it is open, probes may find out at
    /// once how it does. What opened it is not forgotten, so that one that comes back only to fail
    /// is left alone for longer each time.
    pub fn found(&self, now: Duration) {
        if let Phase::Open { until } = &mut self.lock().phase {
            *until = now.min(*until);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no one panics holding it")
    }
}

enum Next {
    Open,
    Closed,
}

impl Inner {
    fn change(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }
}

impl BreakerConfig {
    fn closed(&self, now: Duration) -> Phase {
        Phase::Closed { since: now, row: 0, window: Window::new(self.window) }
    }

    fn state(&self, phase: &Phase, now: Duration) -> BreakerState {
        let places = self.probes.get();
        match *phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { until } if now < until => BreakerState::Open { until },
            Phase::Open { .. } => BreakerState::HalfOpen { places },
            Phase::HalfOpen { out, .. } if out >= places && now >= self.lapse(phase) => {
                BreakerState::HalfOpen { places }
            }
            Phase::HalfOpen { out, .. } => {
                BreakerState::HalfOpen { places: places.saturating_sub(out) }
            }
        }
    }

    /// When probes that are all under way are given up.
    fn lapse(&self, phase: &Phase) -> Duration {
        match *phase {
            Phase::HalfOpen { latest, .. } => latest.saturating_add(self.probe_wait),
            Phase::Open { until } => until,
            Phase::Closed { .. } => Duration::ZERO,
        }
    }

    /// Lets a probe through, for which there is a place.
    fn probe(&self, inner: &mut Inner, now: Duration) -> Admission {
        match &mut inner.phase {
            Phase::HalfOpen { out, latest, .. } if *out < self.probes.get() => {
                *out += 1;
                *latest = now.max(*latest);
            }
            // The first probe, or the first after those before were given up.
            _ => inner.change(Phase::HalfOpen { out: 1, good: 0, latest: now }),
        }
        Admission::Probe(Generation(inner.generation))
    }

    /// Counts a call that passed; whether it was one too many.
    fn count(
        &self,
        row: &mut u32,
        window: &mut Window,
        (verdict, now): (Verdict, Duration),
    ) -> bool {
        window.count(verdict, now);
        match verdict {
            Verdict::Success => *row = 0,
            Verdict::Slow => {
                *row = 0;
                return self.too_many(window.tally(now));
            }
            Verdict::Failure => {
                *row = row.saturating_add(1);
                let in_a_row = self.consecutive_failures.is_some_and(|most| *row >= most.get());
                return in_a_row || self.too_many(window.tally(now));
            }
            Verdict::Neutral => {}
        }
        // A good answer never opens it, even where it is the one that makes the minimum full.
        false
    }

    fn too_many(&self, tally: Tally) -> bool {
        tally.calls >= self.minimum_calls
            && (self.failure_percent.is_some_and(|most| tally.reaches(tally.failures, most))
                || self.slow_percent.is_some_and(|most| tally.reaches(tally.slow, most)))
    }

    /// What follows from the end of a probe.
    fn probed(&self, good: &mut u32, verdict: Verdict) -> Option<Next> {
        match verdict {
            Verdict::Neutral => return None,
            Verdict::Failure => return Some(Next::Open),
            Verdict::Slow if self.slow_percent.is_some() => return Some(Next::Open),
            Verdict::Slow | Verdict::Success => *good += 1,
        }
        (*good >= self.probe_successes.get()).then_some(Next::Closed)
    }

    fn open(&self, inner: &mut Inner, now: Duration, random: u32) {
        if let Phase::Closed { since, .. } = inner.phase
            && now.saturating_sub(since) >= self.open_limit
        {
            inner.openings = 0;
        }
        let full = doubled(self.open, inner.openings, self.open_limit);
        let jitter = full.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0);
        inner.openings = inner.openings.saturating_add(1);
        inner.change(Phase::Open { until: now.saturating_add(full.saturating_sub(jitter)) });
    }
}
