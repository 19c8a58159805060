//! What goes on over time: sessions, streams, cancellation, limits.

use std::time::Duration;

use futures_util::future::join_all;
use switchboard_config::{ByteSize, TimeSpan};

use crate::house::{House, has, new, old, status};

const LISTEN: &str = "POST v=2026-07-28 m=subscriptions/listen";

pub(crate) async fn progress_goes_out_before_the_answer() {
    let house = House::new().await;
    let session = house.session("2025-06-18").await;
    let call = "\"name\":\"progress\",\"arguments\":{}";
    let modern = "POST v=2026-07-28 m=tools/call n=progress".to_owned();
    for (request, body) in [
        (modern, new("1", "tools/call", call, "\"progressToken\":\"p/1\"")),
        (
            format!("POST s={session}"),
            old("1", "tools/call", &format!("{call},\"_meta\":{{\"progressToken\":\"p/1\"}}")),
        ),
    ] {
        let mut client = house.connect().await;
        let head = client.open(&request, body).await;
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        assert_eq!(head.header("x-accel-buffering"), Some("no"));
        let text = client.wire.body().await;
        let events: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        assert_eq!(events.len(), 4, "{text}");
        for (step, event) in (1..).zip(&events[..3]) {
            let expected = format!("{{\"progressToken\":\"p/1\",\"progress\":{step}}}");
            has(event, &expected);
        }
        assert!(events[3].contains("\"id\":1") && events[3].contains("\"result\""), "{text}");
    }
    let (head, _) = house
        .ask("POST v=2026-07-28 m=tools/call n=progress", new("1", "tools/call", call, ""))
        .await;
    assert_eq!(head.header("content-type"), Some("application/json"), "nobody asked for it");
    house.end().await;
}

pub(crate) async fn a_modern_client_cancels_by_leaving() {
    let house = House::new().await;
    let mut client = house.connect().await;
    let call = new("1", "tools/call", "\"name\":\"never\"", "");
    client.send("POST v=2026-07-28 m=tools/call n=never", call).await;
    house.peer.until("call never", 1).await;
    drop(client);
    house.peer.until("cancelled never", 1).await;
    house.end().await;
}

pub(crate) async fn a_legacy_client_that_leaves_has_not_cancelled() {
    let house = House::new().await;
    let session = house.session("2025-11-25").await;
    let mut client = house.connect().await;
    let call = old("1", "tools/call", "\"name\":\"hold\"");
    client.send(&format!("POST s={session}"), call).await;
    house.peer.until("held", 1).await;
    client.reconnect().await;
    status(&client.ask("GET /health", "").await.0, 200);
    let peer = house.peer.clone();
    peer.release();
    house.end().await;
    assert_eq!(peer.count("cancelled"), 0);
}

pub(crate) async fn an_id_is_used_once_at_a_time() {
    let house = House::new().await;
    let request = format!("POST s={}", house.session("2025-11-25").await);
    let mut client = house.connect().await;
    client.send(&request, old("7", "tools/call", "\"name\":\"hold\"")).await;
    house.peer.until("held", 1).await;
    let (_, body) = house.ask(&request, old("7", "tools/call", "\"name\":\"echo\"")).await;
    has(&body, "a request with this id is open");
    house.peer.release();
    status(&client.wire.head().await.unwrap(), 200);
    let (_, body) = house.ask(&request, old("7", "tools/call", "\"name\":\"echo\"")).await;
    has(&body, "\"id\":7,\"result\"");
    house.end().await;
}

fn cancel(id: &str) -> String {
    let method = "notifications/cancelled";
    let params = format!("{{\"requestId\":{id}}}");
    format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":{params}}}")
}

pub(crate) async fn a_legacy_client_cancels_by_saying_so() {
    let house = House::new().await;
    let session = house.session("2025-11-25").await;
    let request = format!("POST s={session}");
    let mut client = house.connect().await;
    client.send(&request, old("7", "tools/call", "\"name\":\"never\"")).await;
    house.peer.until("call never", 1).await;
    let other = format!("POST s={}", house.session("2025-11-25").await);
    // Of another session, of an id that only looks alike, and then of the request.
    for (request, id, cancelled) in [(&other, "7", 0), (&request, "\"7\"", 0), (&request, "7", 1)] {
        house.ask(request, cancel(id)).await;
        house.peer.until("cancelled", cancelled).await;
        assert_eq!(house.peer.count("cancelled"), cancelled);
    }
    status(&client.wire.head().await.unwrap(), 200);
    assert_eq!(client.wire.body().await, "", "a cancelled request has no answer");
    house.end().await;
}

pub(crate) async fn the_same_ids_never_cross() {
    let house = House::new().await;
    let session = house.session("2025-11-25").await;
    let other = house.session("2025-03-26").await;
    let calls = (0..30).map(|number| {
        let params = format!("\"name\":\"hold\",\"arguments\":{{\"n\":{number}}}");
        let house = &house;
        let request = match number % 3 {
            // In one session ids are unique; two sessions and stateless clients share them.
            0 => ("POST v=2026-07-28 m=tools/call n=hold".to_owned(), "1".to_owned()),
            1 => (format!("POST s={session}"), (number / 3).to_string()),
            _ => (format!("POST s={other}"), (number / 3).to_string()),
        };
        async move {
            let body = match number % 3 {
                0 => new(&request.1, "tools/call", &params, ""),
                _ => old(&request.1, "tools/call", &params),
            };
            let (_, answer) = house.ask(&request.0, body).await;
            has(&answer, &format!("{{\"n\":{number}}}"));
            has(&answer, &format!("\"id\":{},", request.1));
        }
    });
    let release = async {
        house.peer.until("held", 30).await;
        house.peer.release();
    };
    tokio::join!(join_all(calls), release);
    house.end().await;
}

pub(crate) async fn hostile_ids_come_back_as_they_were() {
    let house = House::new().await;
    let long = format!("\"{}\"", "x".repeat(254));
    for id in ["0", "-1", "1.0", "9007199254740993", "\"\"", r#""\u0000\"\\\n""#, "\"1\"", &long] {
        let (_, body) =
            house.ask("POST v=2026-07-28 m=tools/list", new(id, "tools/list", "", "")).await;
        assert!(
            body.starts_with(&format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\"")),
            "{body}"
        );
    }
    house.end().await;
}

pub(crate) async fn a_subscription_hears_what_it_asked_for() {
    let house = House::new().await;
    let mut client = house.connect().await;
    let wanted = "\"notifications\":{\"toolsListChanged\":true,\"promptsListChanged\":false}";
    let head = client.open(LISTEN, new("\"sub\"", "subscriptions/listen", wanted, "")).await;
    status(&head, 200);
    let tag = "\"_meta\":{\"io.modelcontextprotocol/subscriptionId\":\"sub\"}";
    let first = client.event().await.unwrap();
    has(&first, "notifications/subscriptions/acknowledged");
    has(&first, "{\"toolsListChanged\":true}");
    has(&first, tag);
    house.list(&["echo", "more"]);
    let change = client.event().await.unwrap();
    has(&change, "notifications/tools/list_changed");
    has(&change, tag);
    house.draining.cancel();
    let farewell = client.event().await.unwrap();
    has(&farewell, "\"id\":\"sub\"");
    has(&farewell, "\"resultType\"");
    assert_eq!(client.event().await, None);
    let (_, body) = house.ask(LISTEN, new("1", "subscriptions/listen", "", "")).await;
    has(&body, "-32602");
    house.end().await;
}

pub(crate) async fn a_subscription_hears_of_its_resources() {
    let house = House::new().await;
    let listen = |resources: &str| {
        let wanted = format!("\"notifications\":{{\"resourceSubscriptions\":{resources}}}");
        new("7", "subscriptions/listen", &wanted, "")
    };
    let mut client = house.connect().await;
    // Of those that nobody can watch the client hears by what is acknowledged.
    let resources = "[\"test://2\",\"switchboard://nobody/x\",\"test://1\",\"test://2\"]";
    status(&client.open(LISTEN, listen(resources)).await, 200);
    let honored = "{\"resourceSubscriptions\":[\"test://1\",\"test://2\"]}";
    has(&client.event().await.unwrap(), honored);
    // A part of what is watched is heard of too; `test://12` is no part of `test://1`.
    for resource in ["test://3", "test://12", "test://1/part", "test://1"] {
        house.gateway.resource_updated("test", resource);
    }
    for uri in ["test://1/part", "test://1"] {
        let heard = client.event().await.unwrap();
        let params = format!("\"params\":{{\"uri\":\"{uri}\",");
        has(&heard, &format!("\"notifications/resources/updated\",{params}"));
        has(&heard, "\"io.modelcontextprotocol/subscriptionId\":7");
    }
    assert_eq!(house.peer.count("call resources/subscribe"), 2);
    drop(client);
    house.peer.until("call resources/unsubscribe", 2).await;
    let many: Vec<_> = (0..1_001).map(|number| format!("\"test://{number}\"")).collect();
    for wrong in ["7", "[7]", "\"test://1\"", &format!("[{}]", many.join(","))] {
        let (head, body) = house.ask(LISTEN, listen(wrong)).await;
        status(&head, 400);
        has(&body, "-32602");
    }
    house.end().await;
}

pub(crate) async fn a_second_stream_takes_the_place_of_the_first() {
    let house = House::new().await;
    let session = house.session("2025-06-18").await;
    let request = format!("GET s={session}");
    let mut first = house.connect().await;
    status(&first.open(&request, "").await, 200);
    house.list(&["echo", "one"]);
    has(&first.event().await.unwrap(), "notifications/tools/list_changed");
    let mut second = house.connect().await;
    status(&second.open(&request, "").await, 200);
    assert_eq!(first.event().await, None, "the first has ended");
    house.list(&["echo", "two"]);
    has(&second.event().await.unwrap(), "notifications/tools/list_changed");
    let (head, _) = house.ask(&format!("DELETE s={session}"), "").await;
    status(&head, 204);
    assert_eq!(second.event().await, None, "ended with the session");
    house.end().await;
}

pub(crate) async fn sessions_end_when_they_are_not_used() {
    let brief = |config: &mut switchboard_listen::http::HttpConfig| {
        config.session_idle = TimeSpan::from_millis(100);
        config.sessions = 3;
    };
    let house = House::with(brief).await;
    let idle = house.session("2025-06-18").await;
    tokio::time::sleep(Duration::from_millis(150)).await;
    let (head, _) = house.ask(&format!("POST s={idle}"), old("1", "ping", "")).await;
    assert_eq!(head.status, 404, "idle for too long");
    house.end().await;

    let house = House::with(|config| config.sessions = 3).await;
    let mut sessions = Vec::new();
    for _ in 0..4 {
        sessions.push(house.session("2025-06-18").await);
    }
    for (session, expected) in sessions.iter().zip([404, 200, 200, 200]) {
        let (head, _) = house.ask(&format!("POST s={session}"), old("1", "ping", "")).await;
        assert_eq!(head.status, expected, "the one idle for longest made room");
    }
    house.end().await;
}

pub(crate) async fn slow_clients_are_cut_off() {
    let hasty = |config: &mut switchboard_listen::http::HttpConfig| {
        config.header_timeout = TimeSpan::from_millis(200);
        config.body_timeout = TimeSpan::from_millis(200);
    };
    let house = House::with(hasty).await;
    let mut client = house.connect().await;
    client.wire.send("POST /mcp HTTP/1.1\r\nHost: loc").await;
    if let Some(head) = client.wire.head().await {
        status(&head, 408);
    }
    client.reconnect().await;
    client.send("POST length=100", "{").await;
    status(&client.wire.head().await.unwrap(), 408);
    house.end().await;
}

pub(crate) async fn too_many_requests_are_refused() {
    let house = House::with(|config| config.in_flight = 2).await;
    let mut holding = Vec::new();
    for _ in 0..2 {
        let mut client = house.connect().await;
        let call = new("1", "tools/call", "\"name\":\"hold\"", "");
        client.send("POST v=2026-07-28 m=tools/call n=hold", call).await;
        holding.push(client);
    }
    house.peer.until("held", 2).await;
    let (head, body) = house.ask("POST", old("1", "ping", "")).await;
    status(&head, 503);
    assert_eq!(head.header("retry-after"), Some("1"));
    has(&body, "http.in_flight");
    status(&house.ask("GET /health", "").await.0, 200);
    house.peer.release();
    for mut client in holding {
        status(&client.wire.head().await.unwrap(), 200);
    }
    house.end().await;
}

pub(crate) async fn a_request_that_was_left_keeps_its_place() {
    let house = House::with(|config| config.in_flight = 1).await;
    let session = house.session("2025-06-18").await;
    let mut client = house.connect().await;
    let call = old("1", "tools/call", "\"name\":\"hold\"");
    client.send(&format!("POST s={session}"), call).await;
    house.peer.until("held", 1).await;
    drop(client);
    for _ in 0..5 {
        status(&house.ask("POST", old("1", "ping", "")).await.0, 503);
    }
    house.peer.release();
    house.end().await;
}

pub(crate) async fn limits_of_size_are_kept_and_named() {
    let small = |config: &mut switchboard_listen::http::HttpConfig| {
        config.header_limit = ByteSize::from_kib(8);
        config.body_limit = ByteSize::from_kib(1);
    };
    let house = House::with(small).await;
    let (head, body) = house.ask("POST", " ".repeat(1025)).await;
    status(&head, 413);
    has(&body, "http.body_limit");
    // Also where the length is not announced.
    let chunked = format!("401\r\n{}\r\n0\r\n\r\n", " ".repeat(1025));
    status(&house.ask("POST encoding=chunked", chunked).await.0, 413);
    let mut client = house.connect().await;
    let long = "x".repeat(9_000);
    client.wire.send(format!("GET /health HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n")).await;
    status(&client.wire.head().await.unwrap(), 431);
    // Also where the head never ends.
    let mut client = house.connect().await;
    let long = "x".repeat(20_000);
    client.wire.send(format!("GET /health HTTP/1.1\r\nHost: localhost\r\nX: {long}")).await;
    status(&client.wire.head().await.unwrap(), 431);
    house.end().await;
}

pub(crate) async fn one_connection_carries_many_requests() {
    let house = House::with(|config| config.connections = 1).await;
    let mut client = house.connect().await;
    for number in 0..20 {
        let id = number.to_string();
        let (head, body) =
            client.ask("POST v=2026-07-28 m=tools/list", new(&id, "tools/list", "", "")).await;
        status(&head, 200);
        assert!(body.contains(&format!("\"id\":{id},")));
    }
    // The next connection takes the place of the first, which is idle.
    let mut waiting = house.connect().await;
    waiting.send("GET /health", "").await;
    assert!(client.wire.is_cut().await);
    status(&waiting.wire.head().await.unwrap(), 200);
    house.end().await;
}

pub(crate) async fn a_drain_lets_calls_finish() {
    let house = House::new().await;
    let mut client = house.connect().await;
    let call = new("1", "tools/call", "\"name\":\"hold\"", "");
    client.send("POST v=2026-07-28 m=tools/call n=hold", call).await;
    house.peer.until("held", 1).await;
    house.draining.cancel();
    house.stop.cancel();
    house.peer.release();
    status(&client.wire.head().await.unwrap(), 200);
    has(&client.wire.body().await, "\"result\"");
    assert!(client.wire.is_cut().await, "and then the connection ends");
    house.end().await;
}

/// Time stands still here, and jumps when everybody waits.
pub(crate) async fn silent_streams_say_that_they_are_alive() {
    crate::house::still(keep_alive()).await;
}

/// Time stands still here, and jumps when everybody waits.
pub(crate) async fn a_long_call_says_that_it_is_alive() {
    crate::house::still(long_call()).await;
}

async fn long_call() {
    let house = House::new().await;
    let call = |name: &str| new("1", "tools/call", &format!("\"name\":\"{name}\""), "");
    // What is answered at once is one object.
    let (head, body) = house.ask("POST v=2026-07-28 m=tools/call n=echo", call("echo")).await;
    assert_eq!(head.header("content-type"), Some("application/json"));
    has(&body, "\"id\":1,\"result\"");
    // Neither progress nor a log is asked for here, so that the server has nothing to say.
    let mut client = house.connect().await;
    let head = client.open("POST v=2026-07-28 m=tools/call n=hold", call("hold")).await;
    status(&head, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    for _ in 0..3 {
        assert_eq!(client.wire.piece().await.unwrap(), ": keep-alive\n\n");
    }
    house.peer.release();
    has(&client.event().await.unwrap(), "\"id\":1,\"result\"");
    assert!(client.event().await.is_none());
    house.end().await;
}

/// Time stands still here, and jumps when everybody waits.
pub(crate) async fn a_long_call_is_still_cancelled_by_leaving() {
    crate::house::still(async {
        let house = House::new().await;
        let mut client = house.connect().await;
        let call = new("1", "tools/call", "\"name\":\"never\"", "");
        client.open("POST v=2026-07-28 m=tools/call n=never", call).await;
        drop(client);
        house.peer.until("cancelled never", 1).await;
        house.end().await;
    })
    .await;
}

async fn keep_alive() {
    let house = House::new().await;
    let session = house.session("2025-06-18").await;
    let wanted = "\"notifications\":{\"toolsListChanged\":true}";
    let call = "\"name\":\"report_and_hold\"";
    for (request, body) in [
        (format!("GET s={session}"), String::new()),
        ("GET /sse".to_owned(), String::new()),
        (LISTEN.to_owned(), new("1", "subscriptions/listen", wanted, "")),
        (
            "POST v=2026-07-28 m=tools/call n=report_and_hold".to_owned(),
            new("1", "tools/call", call, "\"progressToken\":1"),
        ),
    ] {
        let mut client = house.connect().await;
        assert_eq!(client.open(&request, body).await.status, 200, "{request}");
        let mut comments = 0;
        while comments < 3 {
            let piece = client.wire.piece().await;
            let piece = piece.unwrap_or_else(|| panic!("{request} ended"));
            comments += usize::from(piece == ": keep-alive\n\n");
        }
    }
    house.end().await;
}
