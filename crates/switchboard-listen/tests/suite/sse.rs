//! What is special about HTTP+SSE.

use std::time::Duration;

use futures_util::future::join_all;
use switchboard_config::ByteSize;

use crate::carrier::{Carrier, Events, Talk};
use crate::house::{House, has, initialize, old, status};

/// Opens a stream and gives its address for messages.
async fn open(house: &House, request: &str) -> (Events, String) {
    let mut events = Events::open(house, request).await;
    let (name, endpoint) = events.next().await.unwrap();
    assert_eq!(name, "endpoint");
    (events, endpoint)
}

pub(crate) async fn the_door_is_before_the_stream_as_well() {
    let house = House::new().await;
    for path in ["GET /sse", "POST /messages?session_id=x", "GET /ws"] {
        for (request, expected) in [
            (format!("{path} host=evil.example"), 403),
            (format!("{path} origin=https://evil.example"), 403),
            (format!("{path} host=localhost host=localhost"), 403),
            (format!("{path} key"), 401),
            (format!("{path} key=wrong"), 401),
        ] {
            let (head, _) = house.ask(&request, "").await;
            assert_eq!(head.status, expected, "{request}");
        }
    }
    for (request, expected) in [
        ("POST /sse", 405),
        ("GET /messages", 405),
        ("DELETE /messages", 405),
        ("GET /sse accept=application/json", 406),
        ("POST /messages", 400),
        ("POST /messages?session_id=", 404),
        ("POST /messages?session_id=unknown", 404),
    ] {
        let (head, _) = house.ask(request, "").await;
        assert_eq!(head.status, expected, "{request}");
    }
    house.end().await;
}

pub(crate) async fn a_session_belongs_to_who_opened_it() {
    let house = House::new().await;
    let (mut events, endpoint) = open(&house, "GET /sse").await;
    let id = endpoint.strip_prefix("/messages?session_id=").unwrap();
    assert_eq!(id.len(), 32, "192 bits in base64");
    let (head, _) = house.ask(&format!("POST {endpoint} key=k2"), initialize("2025-06-18")).await;
    assert_eq!(head.status, 404, "bob does not even learn that it is there");
    // TypeScript's spelling; and a session of one transport is none of another.
    let other = format!("POST /messages?x=1&sessionId={id}");
    status(&house.ask(&other, initialize("2025-06-18")).await.0, 202);
    has(&events.next().await.unwrap().1, "\"result\"");
    let (head, _) = house.ask(&format!("POST s={id}"), old("1", "ping", "")).await;
    status(&head, 404);
    let session = house.session("2025-06-18").await;
    let (head, _) = house.ask(&format!("POST /messages?session_id={session}"), "{}").await;
    status(&head, 404);
    drop(events);
    house.end().await;
}

pub(crate) async fn what_is_no_message_is_refused_where_it_was_sent() {
    let house = House::with(|config| config.body_limit = ByteSize::from_kib(1)).await;
    let (mut events, endpoint) = open(&house, "GET /sse").await;
    let large = " ".repeat(1_025);
    for (words, body, expected) in [
        ("", "nonsense", 400),
        ("", "[]", 400),
        ("", "{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", 400),
        ("", &large, 413),
        (" type=text/plain", "{}", 415),
        // Clients of this transport need not say what they accept.
        (" accept", "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}", 202),
        // An answer to what was never asked.
        ("", "{\"jsonrpc\":\"2.0\",\"id\":77,\"result\":{}}", 202),
        ("", "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}", 202),
    ] {
        let (head, _) = house.ask(&format!("POST {endpoint}{words}"), body).await;
        assert_eq!(head.status, expected, "{words} {body}");
    }
    // Each request is answered once: what was refused above is not on the stream.
    has(&events.next().await.unwrap().1, "\"id\":1,\"result\":{}");
    drop(events);
    house.end().await;
}

pub(crate) async fn a_key_in_the_address_stays_in_the_address() {
    let house = House::new().await;
    let (mut events, endpoint) = open(&house, "GET /sse?x=1&api_key=k1&y=2 key").await;
    assert!(endpoint.ends_with("&api_key=k1"), "{endpoint}");
    let (head, _) = house.ask(&format!("POST {endpoint} key"), initialize("2024-11-05")).await;
    status(&head, 202);
    has(&events.next().await.unwrap().1, "2024-11-05");
    let (_events, endpoint) = open(&house, "GET /sse?x=1&api_key=k1").await;
    assert!(!endpoint.contains('&'), "the header let it in: {endpoint}");
    house.end().await;
}

pub(crate) async fn a_stream_that_ends_takes_its_session_along() {
    let house = House::with(|config| config.sessions = 2).await;
    let (events, endpoint) = open(&house, "GET /sse").await;
    let _other = open(&house, "GET /sse").await;
    let (head, body) = house.ask("GET /sse", "").await;
    assert_eq!(head.status, 503);
    has(&body, "http.sessions");
    drop(events);
    while house.ask(&format!("POST {endpoint}"), old("1", "ping", "")).await.0.status != 404 {
        tokio::task::yield_now().await;
    }
    drop(open(&house, "GET /sse").await);
    house.end().await;
}

pub(crate) async fn a_session_that_is_idle_makes_room_for_a_stream() {
    let house = House::with(|config| config.sessions = 2).await;
    let sessions = [house.session("2025-06-18").await, house.session("2025-06-18").await];
    let first = open(&house, "GET /sse").await;
    for (session, expected) in sessions.iter().zip([404, 200]) {
        let (head, _) = house.ask(&format!("POST s={session}"), old("1", "ping", "")).await;
        assert_eq!(head.status, expected, "the one idle for longest made room");
    }
    let second = open(&house, "GET /sse").await;
    beside_streams(&house).await;
    drop((first, second));
    house.end().await;
}

/// A stream is never idle, and one that is refused ends no session that is there beside them.
async fn beside_streams(house: &House) {
    let beside = house.session("2025-06-18").await;
    status(&house.ask("GET /sse", "").await.0, 503);
    status(&house.ask(&format!("POST s={beside}"), old("1", "ping", "")).await.0, 200);
    let next = house.session("2025-06-18").await;
    for (session, expected) in [(beside, 404), (next, 200)] {
        let (head, _) = house.ask(&format!("POST s={session}"), old("1", "ping", "")).await;
        assert_eq!(head.status, expected, "there is one at most");
    }
}

pub(crate) async fn a_thousand_sessions_come_and_go() {
    let house = House::with(|config| {
        config.connections = 5_000;
        // All at once in one process with their clients, which may be busy for long.
        config.header_timeout = switchboard_config::TimeSpan::from_secs(60);
    })
    .await;
    let talks = (0..1_000).map(|_| Talk::legacy(&house, Carrier::Sse, "2025-11-25"));
    let mut talks = join_all(talks).await;
    house.list(&["echo", "more"]);
    for talk in &mut talks {
        has(&talk.hear().await, "notifications/tools/list_changed");
    }
    drop(talks);
    house.end().await;
}

/// Time stands still here, and jumps when everybody waits.
pub(crate) async fn a_client_that_never_reads_is_cut_off() {
    crate::house::still(async {
        let house = House::new().await;
        let (mut events, endpoint) = open(&house, "GET /sse").await;
        let (head, _) = house.ask(&format!("POST {endpoint}"), initialize("2025-11-25")).await;
        status(&head, 202);
        has(&events.next().await.unwrap().1, "\"result\"");
        // More than all the buffers on the way hold.
        let large =
            format!("\"name\":\"echo\",\"arguments\":{{\"x\":\"{}\"}}", "x".repeat(1 << 20));
        let mut sent = 0;
        loop {
            let request = old(&sent.to_string(), "tools/call", &large);
            let (head, _) = house.ask(&format!("POST {endpoint}"), request).await;
            if head.status == 404 {
                break;
            }
            sent += 1;
            assert!(sent < 1_000, "nothing holds it up");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        drop(events);
        house.end().await;
    })
    .await;
}
