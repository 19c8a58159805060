//! How long lists are taken for what they were when they were read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_core::{Kind, Peer as _};
use switchboard_mcp::{Hint, Scope};

use crate::common::PATIENCE;
use crate::web::{Reply, Seen, Web, modern};

/// A server that announces nothing, and answers `tools/list` so.
async fn listing(tools: impl Fn(&Seen) -> Value + Send + Sync + 'static) -> Web {
    let web = Web::new(move |seen| match seen.method() {
        "tools/list" => Reply::Result(tools(seen)),
        _ => modern(seen, &json!([])).unwrap_or(Reply::Status(400)),
    })
    .await;
    web.upstream.wake();
    web.news.until(|| web.upstream.view().lists.is_some()).await;
    web
}

fn tools(web: &Web) -> Vec<String> {
    let lists = web.upstream.view().lists.unwrap();
    lists.tools.iter().map(|tool| tool.key.clone()).collect()
}

pub(crate) async fn a_list_holds_as_long_as_all_its_pages() {
    let web = listing(|seen| match seen.body["params"]["cursor"].as_str() {
        None => json!({ "tools": [{ "name": "one" }], "nextCursor": "2", "ttlMs": 90_000,
            "cacheScope": "public" }),
        Some(_) => json!({ "tools": [{ "name": "two" }], "ttlMs": 70_000,
            "cacheScope": "private" }),
    })
    .await;
    assert_eq!(tools(&web), ["one", "two"]);
    let lists = web.upstream.view().lists.unwrap();
    assert_eq!(lists.hint(Kind::Tools), Hint { ttl_ms: 70_000, scope: Scope::Private });
    web.end().await;
}

pub(crate) async fn a_list_that_is_old_is_read_again_when_it_is_wanted() {
    let readings = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&readings);
    let web = listing(move |_| {
        let reading = counted.fetch_add(1, Ordering::SeqCst);
        json!({ "tools": [{ "name": format!("t{reading}") }], "ttlMs": 1, "cacheScope": "public" })
    })
    .await;
    assert_eq!(tools(&web), ["t0"]);
    // Nobody says that it has become old, and that takes a second at least.
    let read_again = async {
        while tools(&web) == ["t0"] {
            web.upstream.listed(Kind::Tools);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, read_again).await.is_ok(), "never read again");
    assert_eq!(tools(&web), ["t1"]);
    assert_eq!(readings.load(Ordering::SeqCst), 2, "once, however often it was wanted");
    web.end().await;
}
