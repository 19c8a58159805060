//! What is counted about one class of HTTP routes.

use prometheus_client::metrics::counter::Counter;

use super::series::Series;

/// One counter per class of status, held so that answering needs no lookup.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    by_class: [Counter; 5],
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

impl HttpMetrics {
    pub(super) fn new(requests: &Series<Counter>, route: &'static str) -> Self {
        Self { by_class: CLASSES.map(|class| requests.with(&[route, class])) }
    }

    /// Counts an answer. A status outside of 100 to 599 is our mistake and counts as 5xx.
    pub fn record(&self, status: u16) {
        let class = match status {
            100..=599 => usize::from(status / 100) - 1,
            _ => 4,
        };
        self.by_class[class].inc();
    }
}
