//! What is counted about one upstream.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::Shared;
use super::latency::Latency;
use super::series::Series;

/// How a call ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    Ok,
    /// The tool ran and says that it failed (`isError`).
    ToolError,
    /// No answer of the tool: the upstream refused, died, or took too long.
    Error,
}

/// The handles of one upstream. Clones count into the same series.
#[derive(Clone, Debug)]
pub struct UpstreamMetrics {
    ok: Counter,
    tool_error: Counter,
    error: Counter,
    duration: Latency,
    in_flight: Gauge,
    queued: Gauge,
    full: Counter,
    displaced: Counter,
    late: Counter,
    retries: Counter,
    denied: Counter,
    breakers_open: Gauge,
    restarts: Counter,
    states: Series<Gauge>,
    name: Arc<str>,
}

/// What an upstream counts by itself, since it was made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    pub queued: i64,
    pub full: u64,
    pub displaced: u64,
    pub late: u64,
    pub retries: u64,
    pub retries_denied: u64,
    pub breakers_open: i64,
}

/// A call that waits. Dropping it, also when the call is cancelled, ends the wait.
#[derive(Debug)]
#[must_use = "the call counts as waiting until this is dropped"]
pub struct InFlight {
    gauge: Gauge,
}

impl UpstreamMetrics {
    pub(super) fn new(shared: &Shared, name: &str) -> Self {
        Self {
            ok: shared.calls.with(&[name, "ok"]),
            tool_error: shared.calls.with(&[name, "tool_error"]),
            error: shared.calls.with(&[name, "error"]),
            duration: shared.call_duration.with(&[name]),
            in_flight: shared.calls_in_flight.with(&[name]),
            queued: shared.calls_queued.with(&[name]),
            full: shared.calls_shed.with(&[name, "full"]),
            displaced: shared.calls_shed.with(&[name, "displaced"]),
            late: shared.calls_shed.with(&[name, "late"]),
            retries: shared.retries.with(&[name, "sent"]),
            denied: shared.retries.with(&[name, "denied"]),
            breakers_open: shared.breakers_open.with(&[name]),
            restarts: shared.upstream_restarts.with(&[name]),
            states: shared.upstream_state.clone(),
            name: name.into(),
        }
    }

    /// Counts a call that ended.
    pub fn record(&self, outcome: Outcome, duration: Duration) {
        match outcome {
            Outcome::Ok => &self.ok,
            Outcome::ToolError => &self.tool_error,
            Outcome::Error => &self.error,
        }
        .inc();
        self.duration.observe(duration);
    }

    /// Counts a call as waiting until the guard is dropped.
    pub fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight { gauge: self.in_flight.clone() }
    }

    /// Shows `state` as the present one. A `&'static str`, so that only the program names states.
    pub fn set_state(&self, state: &'static str) {
        self.states.set_only(&self.name, state);
    }

    /// Shows what the upstream counts by itself.
    pub fn show(&self, standing: Standing) {
        self.queued.set(standing.queued);
        self.breakers_open.set(standing.breakers_open);
        let counts = [
            (&self.full, standing.full),
            (&self.displaced, standing.displaced),
            (&self.late, standing.late),
            (&self.retries, standing.retries),
            (&self.denied, standing.retries_denied),
        ];
        for (counter, count) in counts {
            counter.inner().store(count, Ordering::Relaxed);
        }
    }

    /// Counts a start after the first.
    pub fn restarted(&self) {
        self.restarts.inc();
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}
