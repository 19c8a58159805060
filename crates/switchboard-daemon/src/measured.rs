//! Counts and times what goes to one upstream.

use std::sync::Arc;

use async_trait::async_trait;
use switchboard_core::{Context, Error, Kind, Peer, Request, Response};
use switchboard_telemetry::metrics::{Outcome, UpstreamMetrics};
use tokio::time::Instant;
use tokio_util::sync::DropGuard;

/// An upstream with its meters held ready, so that a call costs a few atomic additions.
///
/// It is the way to the upstream for all who call it: the catalog holds it, and each call for as
/// long as it lasts.
pub(crate) struct Measured {
    inner: Arc<dyn Peer>,
    metrics: UpstreamMetrics,
    /// Tells when nobody holds the way any more.
    _held: DropGuard,
}

impl Measured {
    pub(crate) fn new(inner: Arc<dyn Peer>, metrics: UpstreamMetrics, held: DropGuard) -> Self {
        Self { inner, metrics, _held: held }
    }
}

#[async_trait]
impl Peer for Measured {
    async fn request(&self, context: &Context, request: Request) -> Result<Response, Error> {
        let _under_way = self.metrics.begin();
        let started = Instant::now();
        let answer = self.inner.request(context, request).await;
        let outcome = match &answer {
            Ok(response) if response.is_tool_error() => Outcome::ToolError,
            Ok(_) => Outcome::Ok,
            Err(_) => Outcome::Error,
        };
        self.metrics.record(outcome, started.elapsed());
        answer
    }

    fn listed(&self, kind: Kind) {
        self.inner.listed(kind);
    }
}
