//! Several tenants behind one listener.

use std::time::Duration;

use crate::house::{House, has, initialize, lacks, new, old, status, still};

const LIST: &str = "v=2026-07-28 m=tools/list";

async fn listed(house: &House, path: &str, more: &str) -> String {
    let body = new("1", "tools/list", "", "");
    let (head, body) = house.ask(&format!("POST {path} {LIST} {more}"), body).await;
    status(&head, 200);
    body
}

pub(crate) async fn each_has_lists_of_its_own() {
    let house = House::new().await;
    house.let_in("acme", &["of_acme"]);
    house.let_in("acme#eu", &["of_europe"]);
    for (path, part, own, other) in [
        ("/mcp", "", "echo", "of_"),
        ("/mcp", "part=eu", "echo", "of_"),
        ("/default/mcp", "", "echo", "of_"),
        ("/acme/mcp", "", "of_acme", "of_europe"),
        ("/acme/mcp", "part=eu", "of_europe", "of_acme"),
    ] {
        let list = listed(&house, path, part).await;
        has(&list, own);
        lacks(&list, other);
    }
    // Whoever may not come in does not learn which tenants there are.
    let body = || new("1", "tools/list", "", "");
    for path in ["/acme/mcp", "/nobody/mcp"] {
        status(&house.ask(&format!("POST {path} key= {LIST}"), body()).await.0, 401);
    }
    status(&house.ask(&format!("POST /nobody/mcp {LIST}"), body()).await.0, 404);
    status(&house.ask(&format!("POST /acme/mcp part=us {LIST}"), body()).await.0, 404);
    house.end().await;
}

pub(crate) async fn a_name_is_a_whole_segment() {
    let house = House::new().await;
    house.let_in("healthy", &["of_healthy"]);
    // Only `/health` is for everybody.
    let body = new("1", "tools/list", "", "");
    for path in ["/healthy/mcp", "/health/mcp", "/healthy", "/metrics/mcp"] {
        let answer = house.ask(&format!("POST {path} key= {LIST}"), &body).await;
        assert!([401, 404].contains(&answer.0.status), "{path}: {answer:?}");
    }
    has(&listed(&house, "/healthy/mcp", "").await, "of_healthy");
    for path in ["/a%2Fb/mcp", "/a%00/mcp", "/%2e%2e/mcp"] {
        status(&house.ask(&format!("POST {path} {LIST}"), &body).await.0, 400);
    }
    status(&house.ask(&format!("POST /healthy/mcp part=../x {LIST}"), &body).await.0, 400);
    house.end().await;
}

pub(crate) async fn what_one_keeps_the_others_cannot_find() {
    let house = House::new().await;
    house.let_in("acme", &["echo"]);
    house.let_in("other", &["echo"]);
    let opening = house.ask("POST /acme/mcp", initialize("2025-11-25")).await.0;
    let session = opening.header("mcp-session-id").unwrap();
    let ask = |path: &str| format!("POST {path} s={session}");
    let body = || old("1", "ping", "");
    status(&house.ask(&ask("/acme/mcp"), body()).await.0, 200);
    for path in ["/mcp", "/other/mcp", "/default/mcp"] {
        status(&house.ask(&ask(path), body()).await.0, 404);
        status(&house.ask(&format!("DELETE {path} s={session}"), "").await.0, 404);
    }
    let mut stream = house.connect().await;
    stream.open("GET /acme/mcp/sse", "").await;
    let place = stream.event().await.unwrap();
    has(&place, "/acme/mcp/messages?session_id=");
    status(&house.ask(&format!("POST {place}"), body()).await.0, 202);
    let id = place.split_once('?').unwrap().1;
    for path in ["/messages", "/other/mcp/messages"] {
        status(&house.ask(&format!("POST {path}?{id}"), body()).await.0, 404);
    }
    house.end().await;
}

pub(crate) async fn a_tenant_that_leaves_takes_its_sessions_along() {
    let house = House::new().await;
    house.let_in("acme", &["echo"]);
    let opening = house.ask("POST /acme/mcp", initialize("2025-11-25")).await.0;
    let request = format!("POST /acme/mcp s={}", opening.header("mcp-session-id").unwrap());
    let mut stream = house.connect().await;
    stream.open("GET /acme/mcp/sse", "").await;
    has(&stream.event().await.unwrap(), "session_id=");
    house.let_out("acme");
    assert_eq!(stream.event().await, None);
    status(&house.ask(&request, old("1", "ping", "")).await.0, 404);
    house.let_in("acme", &["echo"]);
    status(&house.ask(&request, old("2", "ping", "")).await.0, 404);
    house.end().await;
}

pub(crate) async fn a_single_request_needs_no_session_under_a_tenant() {
    let house = House::new().await;
    house.let_in("acme", &["of_acme"]);
    for path in ["/acme/mcp", "/default/mcp"] {
        let request = format!("POST {path}");
        let ask = |body: String| house.ask(&request, body);
        let (head, body) = ask(old("1", "tools/list", "")).await;
        status(&head, 200);
        has(&body, if path == "/acme/mcp" { "of_acme" } else { "echo" });
        assert_eq!(head.header("mcp-session-id"), None);
        let (head, body) = ask(old("\"a\"", "tools/call", "\"name\":\"refuse\"")).await;
        status(&head, 200);
        has(&body, "\"id\":\"a\",\"error\"");
        has(&ask(old("3", "ping", "")).await.1, "\"result\":{}");
        has(&ask(old("4", "resources/subscribe", "\"uri\":\"a:b\"")).await.1, "needs a session");
    }
    // A session that is named is not overlooked, and the root wants one.
    status(&house.ask("POST /acme/mcp s=none", old("1", "tools/list", "")).await.0, 404);
    status(&house.ask("POST /mcp", old("1", "tools/list", "")).await.0, 400);
    house.end().await;
}

pub(crate) async fn a_single_request_is_answered_whatever_its_client_accepts() {
    let house = House::new().await;
    house.let_in("acme", &["echo"]);
    let list = || old("1", "tools/list", "");
    for accept in ["application/json", "text/plain", "text/event-stream", "*/*", ""] {
        let (head, body) = house.ask(&format!("POST /acme/mcp accept={accept}"), list()).await;
        let kind = head.header("content-type");
        assert_eq!((head.status, kind), (200, Some("application/json")), "{accept}: {body}");
    }
    // Those who know sessions, or need none of a newer kind, accept both forms.
    let json = "accept=application/json";
    let session = house.session("2025-11-25").await;
    for (request, body) in [
        ("POST", list()),
        (&*format!("POST /default/mcp s={session}"), list()),
        ("POST /acme/mcp", initialize("2025-11-25")),
        ("POST /acme/mcp v=2026-07-28 m=tools/list", new("1", "tools/list", "", "")),
    ] {
        status(&house.ask(&format!("{request} {json}"), body).await.0, 406);
    }
    house.end().await;
}

/// Time stands still here, and jumps when everybody waits.
pub(crate) async fn a_long_call_is_no_stream_for_who_takes_none() {
    still(async {
        for (accept, kind) in
            [("application/json", "application/json"), ("*/*", "text/event-stream")]
        {
            let house = House::new().await;
            house.let_in("acme", &["echo"]);
            let mut client = house.connect().await;
            let call = old("1", "tools/call", "\"name\":\"hold\"");
            client.send(&format!("POST /acme/mcp accept={accept}"), call).await;
            house.peer.until("held", 1).await;
            tokio::time::sleep(Duration::from_secs(60)).await;
            house.peer.release();
            let head = client.wire.head().await.unwrap();
            assert_eq!((head.status, head.header("content-type")), (200, Some(kind)));
            house.end().await;
        }
    })
    .await;
}
