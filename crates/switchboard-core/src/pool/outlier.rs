//! Ejection of the endpoint that fails far more often than the others of its group.
//!
//! A circuit breaker knows one endpoint only, and its thresholds are for what is bad anywhere. In
//! a group there is a better measure, the others: where all fail alike, the cause is the request
//! or something behind all of them, and nobody is ejected.
//!
//! Ejecting is a preference and no refusal (`balance` asks the ejected last), and it has a floor:
//! never more than a share of the endpoints, and never the last.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use super::window::{Tally, Verdict, Window, doubled};

#[cfg(test)]
mod tests;

/// When an endpoint is ejected, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OutlierConfig {
    /// The time over which shares are compared. Default 30 s.
    pub window: Duration,
    /// The endpoint and the others together must have this many calls each in the window to be
    /// compared. Default 10.
    pub minimum_calls: u32,
    /// How many more of a hundred calls must fail at an endpoint than at the others. Default 30.
    /// Not a multiple of the deviation as in larger pools: among three endpoints none is ever
    /// 1.2 deviations off.
    pub margin_percent: u32,
    /// How long it is ejected the first time; each time after that twice as long. Default 30 s.
    pub ejection: Duration,
    /// The longest ejection, and how long it must have been back for earlier ones to be forgotten.
    /// Default 5 min.
    pub ejection_limit: Duration,
    /// Of a hundred endpoints, how many may be ejected at the same time, from 0 (none ever) to 100
    /// (all but one). Default 50: one of two and of three, two of four.
    pub ejected_percent: u32,
}

impl Default for OutlierConfig {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(30),
            minimum_calls: 10,
            margin_percent: 30,
            ejection: Duration::from_secs(30),
            ejection_limit: Duration::from_secs(5 * 60),
            ejected_percent: 50,
        }
    }
}

/// The outcomes in one group of endpoints, and who is ejected. `now` is the time since a fixed
/// start, the same for all calls.
///
/// One lock for the group, held for nanoseconds: the floor is a fact about all of them.
#[derive(Debug)]
pub struct Outliers {
    config: OutlierConfig,
    endpoints: Mutex<Vec<Endpoint>>,
}

#[derive(Debug)]
struct Endpoint {
    key: u64,
    window: Window,
    /// Until when it is or was ejected.
    until: Duration,
    /// How often it was ejected since it was last well for long.
    ejections: u32,
}

impl Outliers {
    pub fn new(config: OutlierConfig) -> Self {
        Self { config, endpoints: Mutex::new(Vec::new()) }
    }

    /// An endpoint is part of the group from now on; one that is already stays what it is.
    pub fn join(&self, key: u64) {
        let mut endpoints = self.lock();
        if endpoints.iter().all(|endpoint| endpoint.key != key) {
            let window = Window::new(self.config.window);
            endpoints.push(Endpoint { key, window, until: Duration::ZERO, ejections: 0 });
        }
    }

    /// An endpoint is no longer part of the group. If too few are left for those that are ejected,
    /// the ones that would be back first come back now.
    pub fn leave(&self, key: u64, now: Duration) {
        let mut endpoints = self.lock();
        endpoints.retain(|endpoint| endpoint.key != key);
        let most = self.most_ejected(endpoints.len());
        while count_ejected(&endpoints, now) > most {
            let ejected = endpoints.iter_mut().filter(|endpoint| endpoint.is_ejected(now));
            if let Some(soonest) = ejected.min_by_key(|endpoint| endpoint.until) {
                soonest.until = now;
            }
        }
    }

    /// Counts how a call ended. Returns until when the endpoint is ejected, if this was too much.
    ///
    /// Calls that end while it is ejected do not count, and neither do those of endpoints that are
    /// not part of the group.
    pub fn record(&self, key: u64, verdict: Verdict, now: Duration) -> Option<Duration> {
        let mut endpoints = self.lock();
        let endpoint = endpoints.iter_mut().find(|endpoint| endpoint.key == key)?;
        if endpoint.is_ejected(now) {
            return None;
        }
        endpoint.window.count(verdict, now);
        // Only a failure makes an endpoint worse than the others.
        if verdict != Verdict::Failure || !self.stands_out(&mut endpoints, key, now) {
            return None;
        }
        if count_ejected(&endpoints, now) >= self.most_ejected(endpoints.len()) {
            return None;
        }
        let endpoint = endpoints.iter_mut().find(|endpoint| endpoint.key == key)?;
        Some(endpoint.eject(&self.config, now))
    }

    /// Until when an endpoint is ejected, if it is.
    pub fn ejected(&self, key: u64, now: Duration) -> Option<Duration> {
        let endpoints = self.lock();
        let endpoint = endpoints.iter().find(|endpoint| endpoint.key == key)?;
        endpoint.is_ejected(now).then_some(endpoint.until)
    }

    /// Whether an endpoint fails far more often than the others together.
    fn stands_out(&self, endpoints: &mut [Endpoint], key: u64, now: Duration) -> bool {
        let (mut own, mut others) = (Tally::default(), Tally::default());
        for endpoint in endpoints {
            let sum = if endpoint.key == key { &mut own } else { &mut others };
            sum.add(endpoint.window.tally(now));
        }
        own.calls.min(others.calls) >= self.config.minimum_calls.max(1)
            && own.fails_more(others, self.config.margin_percent)
    }

    /// How many of `count` endpoints may be ejected.
    fn most_ejected(&self, count: usize) -> usize {
        let share = count.saturating_mul(self.config.ejected_percent as usize) / 100;
        share.min(count.saturating_sub(1))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Endpoint>> {
        self.endpoints.lock().expect("no one panics holding it")
    }
}

fn count_ejected(endpoints: &[Endpoint], now: Duration) -> usize {
    endpoints.iter().filter(|endpoint| endpoint.is_ejected(now)).count()
}

impl Endpoint {
    fn is_ejected(&self, now: Duration) -> bool {
        now < self.until
    }

    fn eject(&mut self, config: &OutlierConfig, now: Duration) -> Duration {
        if now.saturating_sub(self.until) >= config.ejection_limit {
            self.ejections = 0;
        }
        let time = doubled(config.ejection, self.ejections, config.ejection_limit);
        self.ejections = self.ejections.saturating_add(1);
        self.until = now.saturating_add(time);
        // It comes back without its past, or the next failure would eject it again.
        self.window.clear();
        self.until
    }
}
