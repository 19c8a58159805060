//! The one table of metrics: names, labels and meaning, for the registry and for the reference.

use prometheus_client::registry::{Metric, Registry};

/// One metric as people meet it. Names follow <https://prometheus.io/docs/practices/naming/>.
pub(super) struct Definition {
    /// As it is queried, with `_total` and the like.
    name: &'static str,
    kind: &'static str,
    pub(super) labels: &'static [&'static str],
    /// A sentence without its full stop, which the encoder adds.
    help: &'static str,
}

macro_rules! definitions {
    ($($constant:ident: $kind:literal $name:literal [$($label:literal),*] $help:literal;)+) => {
        $(pub(super) static $constant: Definition =
            Definition { name: $name, kind: $kind, labels: &[$($label),*], help: $help };)+

        static ALL: &[&Definition] = &[$(&$constant),+];
    };
}

definitions! {
    BUILD: "info" "switchboard_build_info" ["version"]
        "Which program this is; always 1";
    START_TIME: "gauge" "switchboard_process_start_time_seconds" []
        "When the process started, in seconds since 1970";
    LOG_LINES_LOST: "counter" "switchboard_log_lines_lost_total" ["sink"]
        "Log lines that could not be written to the file or to standard error";
    NOTIFICATIONS_DROPPED: "counter" "switchboard_notifications_dropped_total" []
        "Notifications that a client did not get because it reads too slowly";
    CALLS: "counter" "switchboard_calls_total" ["upstream", "outcome"]
        "Calls that ended: ok, tool_error (the tool ran and failed) or error (no answer from it)";
    CALL_DURATION: "histogram" "switchboard_call_duration_seconds" ["upstream"]
        "Time from the call to its end, as the daemon sees it";
    CALLS_IN_FLIGHT: "gauge" "switchboard_calls_in_flight" ["upstream"]
        "Calls that wait for the upstream now";
    CALLS_QUEUED: "gauge" "switchboard_calls_queued" ["upstream"]
        "Calls that wait for their turn at the upstream now";
    CALLS_SHED: "counter" "switchboard_calls_shed_total" ["upstream", "reason"]
        "Calls refused as busy without asking the upstream: full (no place to wait), displaced (by another principal's) or late (no turn in time)";
    RETRIES: "counter" "switchboard_retries_total" ["upstream", "outcome"]
        "Calls that could be sent to another endpoint: sent, or denied by the budget";
    BREAKERS_OPEN: "gauge" "switchboard_breakers_open" ["upstream"]
        "Endpoints of the upstream to which calls are stopped because they fail";
    UPSTREAM_STATE: "gauge" "switchboard_upstream_state" ["upstream", "state"]
        "1 for the state the upstream is in, 0 for the states it was in before";
    UPSTREAM_RESTARTS: "counter" "switchboard_upstream_restarts_total" ["upstream"]
        "How often the upstream was started again after it had ended or failed";
    SESSIONS: "gauge" "switchboard_sessions" ["listener"]
        "Client sessions that are open now";
    HISTORY_LOST: "counter" "switchboard_history_lost_total" []
        "Calls that have no record, because the store could not keep up";
    HTTP_REQUESTS: "counter" "switchboard_http_requests_total" ["route", "status"]
        "HTTP requests that were answered, by class of route and of status";
    REJECTED: "counter" "switchboard_rejected_total" ["reason"]
        "Requests that were turned away before they became a call";
}

impl Definition {
    pub(super) fn register(&self, registry: &mut Registry, metric: impl Metric) {
        // The encoder appends what the type demands (OpenMetrics 1.0, "Suffixes").
        let suffix = match self.kind {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let name = self.name.strip_suffix(suffix).unwrap_or(self.name);
        registry.register(name, self.help, metric);
    }
}

/// The reference page of the metrics, in Markdown.
pub fn reference() -> String {
    let mut page = String::from("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n");
    for Definition { name, kind, labels, help } in ALL {
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        page.push_str(&format!("| `{name}` | {kind} | {} | {help}. |\n", labels.join(", ")));
    }
    page
}
