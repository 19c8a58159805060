//! What `GET /metrics` shows.
//!
//! Metrics are handles: whoever counts something asks [`Metrics`] for its handle once, when the
//! snapshot is built or a listener opens, and holds it. Recording is then a few atomic additions
//! and no lookup.
//!
//! Labels take their values from the configuration (names of upstreams and listeners) and from the
//! program (`&'static str`), never from a request. So the number of series has a bound that a
//! client cannot move.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::text;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use crate::log::LostLines;
use definitions::Definition;
use latency::Latency;
use series::Series;

mod definitions;
mod http;
mod latency;
mod series;
mod upstream;

// Handles that others hold; only this crate names the library.
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::gauge::Gauge;

pub use definitions::reference;
pub use http::HttpMetrics;
pub use upstream::{InFlight, Outcome, Standing, UpstreamMetrics};

/// The `Content-Type` of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All metrics of a daemon. Clones are handles to the same.
#[derive(Clone)]
pub struct Metrics {
    shared: Arc<Shared>,
}

struct Shared {
    registry: Registry,
    calls: Series<Counter>,
    call_duration: Series<Latency>,
    calls_in_flight: Series<Gauge>,
    calls_queued: Series<Gauge>,
    calls_shed: Series<Counter>,
    retries: Series<Counter>,
    breakers_open: Series<Gauge>,
    upstream_state: Series<Gauge>,
    upstream_restarts: Series<Counter>,
    sessions: Series<Gauge>,
    http_requests: Series<Counter>,
    rejected: Series<Counter>,
    notifications_dropped: Counter,
    lost_lines: LostLines,
    history_lost: Counter,
}

impl Metrics {
    /// `version` is that of the program, `started` when the process began.
    pub fn new(version: &str, started: SystemTime) -> Self {
        let mut registry = Registry::default();
        let build = Info::new(vec![("version", version.to_owned())]);
        definitions::BUILD.register(&mut registry, build);
        let start: Gauge<f64, std::sync::atomic::AtomicU64> = Gauge::default();
        start.set(started.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64()));
        definitions::START_TIME.register(&mut registry, start);
        let log_lines_lost = counters(&definitions::LOG_LINES_LOST, &mut registry);
        let lost_lines = LostLines {
            file: log_lines_lost.with(&["file"]),
            stderr: log_lines_lost.with(&["stderr"]),
        };
        let notifications_dropped = Counter::default();
        definitions::NOTIFICATIONS_DROPPED.register(&mut registry, notifications_dropped.clone());
        let history_lost = Counter::default();
        definitions::HISTORY_LOST.register(&mut registry, history_lost.clone());
        let shared = Shared {
            history_lost,
            calls: counters(&definitions::CALLS, &mut registry),
            call_duration: Series::register(
                &definitions::CALL_DURATION,
                &mut registry,
                Latency::default,
            ),
            calls_in_flight: gauges(&definitions::CALLS_IN_FLIGHT, &mut registry),
            calls_queued: gauges(&definitions::CALLS_QUEUED, &mut registry),
            calls_shed: counters(&definitions::CALLS_SHED, &mut registry),
            retries: counters(&definitions::RETRIES, &mut registry),
            breakers_open: gauges(&definitions::BREAKERS_OPEN, &mut registry),
            upstream_state: gauges(&definitions::UPSTREAM_STATE, &mut registry),
            upstream_restarts: counters(&definitions::UPSTREAM_RESTARTS, &mut registry),
            sessions: gauges(&definitions::SESSIONS, &mut registry),
            http_requests: counters(&definitions::HTTP_REQUESTS, &mut registry),
            rejected: counters(&definitions::REJECTED, &mut registry),
            notifications_dropped,
            lost_lines,
            registry,
        };
        Self { shared: Arc::new(shared) }
    }

    /// The handles of one upstream. Asking again, after a reload, goes on counting.
    pub fn upstream(&self, name: &str) -> UpstreamMetrics {
        UpstreamMetrics::new(&self.shared, name)
    }

    /// Forgets the upstreams that `keep` refuses, when a reload has removed them.
    pub fn retain_upstreams(&self, keep: impl Fn(&str) -> bool) {
        self.shared.calls.retain(&keep);
        self.shared.call_duration.retain(&keep);
        self.shared.calls_in_flight.retain(&keep);
        self.shared.calls_queued.retain(&keep);
        self.shared.calls_shed.retain(&keep);
        self.shared.retries.retain(&keep);
        self.shared.breakers_open.retain(&keep);
        self.shared.upstream_state.retain(&keep);
        self.shared.upstream_restarts.retain(&keep);
    }

    /// How many sessions a listener has open.
    pub fn sessions(&self, listener: &str) -> Gauge {
        self.shared.sessions.with(&[listener])
    }

    /// Requests to one class of routes, like `mcp` or `health`: never the path itself.
    pub fn http(&self, route: &'static str) -> HttpMetrics {
        HttpMetrics::new(&self.shared.http_requests, route)
    }

    /// Requests turned away before they became a call, like `key_invalid` or `origin`.
    pub fn rejected(&self, reason: &'static str) -> Counter {
        self.shared.rejected.with(&[reason])
    }

    /// Notifications that a slow client did not get.
    pub fn notifications_dropped(&self) -> Counter {
        self.shared.notifications_dropped.clone()
    }

    /// Where the log counts the lines it cannot write.
    pub fn lost_lines(&self) -> LostLines {
        self.shared.lost_lines.clone()
    }

    /// So many calls have no record since the process started.
    pub fn show_history_lost(&self, calls: u64) {
        let counter = &self.shared.history_lost;
        counter.inc_by(calls.saturating_sub(counter.get()));
    }

    /// Everything, in the OpenMetrics text format; see [`CONTENT_TYPE`].
    pub fn encode(&self) -> String {
        let mut page = String::new();
        text::encode(&mut page, &self.shared.registry).expect("a String takes any text");
        page
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Metrics")
    }
}

fn counters(definition: &'static Definition, registry: &mut Registry) -> Series<Counter> {
    Series::register(definition, registry, Counter::default)
}

fn gauges(definition: &'static Definition, registry: &mut Registry) -> Series<Gauge> {
    Series::register(definition, registry, Gauge::default)
}

#[cfg(test)]
mod tests;
