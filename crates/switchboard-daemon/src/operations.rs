//! What operators ask over HTTP.

use std::collections::BTreeMap;
use std::sync::Arc;

use switchboard_core::{Gateway, Kind};
use switchboard_history::Losses;
use switchboard_listen::Meter;
use switchboard_listen::http::{Operations, Route};
use switchboard_telemetry::metrics::{CONTENT_TYPE, Counter, HttpMetrics, Metrics};
use tokio_util::sync::CancellationToken;

use crate::fleet::Fleet;

pub(crate) struct Desk {
    gateway: Arc<Gateway>,
    fleet: Arc<Fleet>,
    metrics: Metrics,
    draining: CancellationToken,
    routes: [HttpMetrics; 7],
    /// Calls without a record, where there are records.
    losses: Option<Losses>,
}

impl Desk {
    pub(crate) fn new(
        gateway: Arc<Gateway>,
        fleet: Arc<Fleet>,
        metrics: Metrics,
        draining: CancellationToken,
    ) -> Self {
        // In the order of `Route`.
        let routes = ["mcp", "sse", "messages", "websocket", "health", "metrics", "other"];
        let routes = routes.map(|route| metrics.http(route));
        Self { gateway, fleet, metrics, draining, routes, losses: None }
    }

    /// Shows how many calls have no record.
    pub(crate) fn with_losses(self, losses: Option<Losses>) -> Self {
        Self { losses, ..self }
    }
}

/// What the listeners count, in the daemon's metrics.
pub(crate) struct Counters {
    metrics: Metrics,
    dropped: Counter,
}

impl Counters {
    pub(crate) fn new(metrics: Metrics) -> Self {
        let dropped = metrics.notifications_dropped();
        Self { metrics, dropped }
    }
}

impl Meter for Counters {
    fn sessions(&self, listener: &'static str, open: usize) {
        self.metrics.sessions(listener).set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    fn notification_dropped(&self) {
        self.dropped.inc();
    }
}

impl Operations for Desk {
    fn health(&self) -> (bool, String) {
        let mut states: BTreeMap<String, usize> = BTreeMap::new();
        let upstreams = self.fleet.status();
        for upstream in &upstreams {
            *states.entry(upstream.state.clone()).or_default() += 1;
        }
        let draining = self.draining.is_cancelled();
        let failing = upstreams.iter().any(|up| up.state == "waiting" && !up.optional);
        let status = match (draining, failing) {
            (true, _) => "draining",
            (false, true) => "degraded",
            (false, false) => "ok",
        };
        let snapshot = self.gateway.snapshot();
        let body = serde_json::json!({
            "status": status,
            "server": "switchboard",
            "version": env!("CARGO_PKG_VERSION"),
            "transport": "http",
            "tools": snapshot.catalog.count(Kind::Tools),
            "upstreams": { "total": upstreams.len(), "states": states },
        });
        (!draining, body.to_string())
    }

    fn metrics(&self) -> (String, &'static str) {
        self.fleet.measure();
        if let Some(losses) = &self.losses {
            self.metrics.show_history_lost(losses.count());
        }
        (self.metrics.encode(), CONTENT_TYPE)
    }

    fn answered(&self, route: Route, status: u16) {
        self.routes[route as usize].record(status);
    }

    fn rejected(&self, reason: &'static str) {
        self.metrics.rejected(reason).inc();
    }
}
