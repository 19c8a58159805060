//! The feed as `text/event-stream`, in the order of the older engine: `connected`, what was missed,
//! an unnumbered `initialize`, then what happens, and `heartbeat` while nothing does.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::stream::{Stream, StreamExt as _, iter, unfold};
use serde_json::json;
use tokio::sync::Notify;

use crate::feed::ring::{Next, Opened};
use crate::feed::{Feed, event};
use crate::moment::Moment;
use crate::operations::Facts;
use crate::seats::Seat;

/// After so long without an activity, as in the older engine.
const SILENCE: Duration = Duration::from_secs(15);

/// A client of the feed, until it is dropped.
pub(super) struct Watcher {
    pub client: u64,
    pub feed: Feed,
    pub waiter: Arc<Notify>,
    pub clock: fn() -> SystemTime,
    pub _seat: Seat,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let now = (self.clock)();
        self.feed.lock(|ring| ring.close(self.client, now));
    }
}

impl Watcher {
    fn now(&self) -> Moment {
        Moment::at((self.clock)())
    }

    /// The next event, and whether it is the last one.
    async fn next(&self) -> (Bytes, bool) {
        loop {
            match self.feed.lock(|ring| ring.next(self.client)) {
                Next::Entry(entry) => return (event(None, Some(&entry.id), &entry.text), false),
                Next::Dropped => {
                    let data = json!({
                        "client_id": self.client,
                        "timestamp": self.now(),
                        "reason": "slow",
                        "message": "this client was too far behind; connect again to go on",
                    });
                    return (event(Some("dropped"), None, &data.to_string()), true);
                }
                Next::Wait => {}
            }
            if tokio::time::timeout(SILENCE, self.waiter.notified()).await.is_err() {
                let data = json!({
                    "client_id": self.client,
                    "timestamp": self.now(),
                    "type": "heartbeat",
                });
                return (event(Some("heartbeat"), None, &data.to_string()), false);
            }
        }
    }
}

pub(super) fn events(
    watcher: Watcher,
    opened: Opened,
    facts: &Facts,
) -> impl Stream<Item = Bytes> + Send + use<> {
    let now = watcher.now();
    let connected = json!({ "client_id": opened.client, "timestamp": now }).to_string();
    let mut first = vec![event(Some("connected"), None, &connected)];
    if opened.has_gap {
        let data = json!({ "timestamp": now, "reason": "forgotten" }).to_string();
        first.push(event(Some("missed"), None, &data));
    }
    // Each is made when it is sent: there may be many of them.
    let missed = iter(opened.missed).map(|entry| event(None, Some(&entry.id), &entry.text));
    let opening = iter([event(None, None, &opening(facts))]);
    let next = async |state: Option<Watcher>| {
        let watcher = state?;
        let (bytes, is_last) = watcher.next().await;
        Some((bytes, (!is_last).then_some(watcher)))
    };
    iter(first).chain(missed).chain(opening).chain(unfold(Some(watcher), next))
}

/// What clients of the older engine take for the answer to an `initialize`.
fn opening(facts: &Facts) -> String {
    json!({
        "type": "mcp_activity",
        "method": "initialize",
        "response": { "result": {
            "protocolVersion": "2024-11-05",
            "capabilities": {
                "tools": { "listChanged": true },
                "resources": { "listChanged": true },
                "prompts": { "listChanged": true },
            },
            "serverInfo": { "name": facts.server, "version": facts.version },
        } },
    })
    .to_string()
}
