//! A key that ends while somebody has something open with it (attack table, row 32).

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::carrier::{Carrier, Events, Talk, dial};
use crate::house::{Client, House, has, initialize, new, old, status};

/// The streams that stay open with nothing said, of the caller with `key`.
async fn open_all(house: &House, key: &str) -> Vec<(String, Client)> {
    let opening = house.ask(&format!("POST key={key}"), initialize("2025-11-25")).await.0;
    let session = opening.header("mcp-session-id").unwrap();
    let wanted = "\"notifications\":{\"toolsListChanged\":true}";
    let mut open = Vec::new();
    for (request, body) in [
        (format!("GET key={key} s={session}"), String::new()),
        (format!("GET /sse key={key}"), String::new()),
        (
            format!("POST key={key} v=2026-07-28 m=subscriptions/listen"),
            new("1", "subscriptions/listen", wanted, ""),
        ),
        (
            format!("POST key={key} v=2026-07-28 m=tools/call n=report_and_hold"),
            new("1", "tools/call", "\"name\":\"report_and_hold\"", "\"progressToken\":1"),
        ),
        // It goes on in its session, but not to who is not let in any more.
        (format!("POST key={key} s={session}"), old("1", "tools/call", "\"name\":\"hold\"")),
    ] {
        let mut client = house.connect().await;
        assert_eq!(client.open(&request, body).await.status, 200, "{request}");
        open.push((request, client));
    }
    open
}

pub(crate) async fn streams_end_with_the_key_that_opened_them() {
    let house = House::new().await;
    let ended = open_all(&house, "k1").await;
    let others = open_all(&house, "k2").await;
    house.peer.until("held", 2).await;
    house.revoke();
    for (request, mut client) in ended {
        while let Some(piece) = client.wire.piece().await {
            assert!(!piece.contains("\"result\""), "{request}: {piece}");
        }
    }
    status(&house.ask("GET /metrics", "").await.0, 401);
    house.list(&["echo", "more"]);
    for (request, mut client) in others {
        if request.starts_with("GET key") || request.contains("listen") {
            while !client.event().await.unwrap().contains("list_changed") {}
        }
    }
    house.peer.release();
    house.end().await;
}

pub(crate) async fn a_frame_connection_ends_with_the_key_that_opened_it() {
    let house = House::new().await;
    let mut own = dial(&house, &[]).await.unwrap();
    let mut other = dial(&house, &[("x-api-key", "k2")]).await.unwrap();
    house.revoke();
    let close = loop {
        match own.next().await.unwrap().unwrap() {
            Message::Close(frame) => break frame.unwrap(),
            other => assert!(other.is_ping(), "{other}"),
        }
    };
    assert_eq!(close.code, CloseCode::Policy);
    other.send(Message::text(new("1", "tools/list", "", ""))).await.unwrap();
    has(other.next().await.unwrap().unwrap().to_text().unwrap(), "\"tools\"");
    drop((own, other));
    house.end().await;
}

/// A client that reads late has asked for much more than the buffers on the way hold.
pub(crate) async fn what_waits_for_a_client_does_not_go_out_after_its_key() {
    const CALLS: usize = 60;
    let house = House::new().await;
    let mut socket = dial(&house, &[]).await.unwrap();
    let large = format!("\"name\":\"echo\",\"arguments\":{{\"x\":\"{}\"}}", "x".repeat(1 << 20));
    for id in 0..CALLS {
        let call = new(&id.to_string(), "tools/call", &large, "");
        socket.send(Message::text(call)).await.unwrap();
    }
    house.peer.until("call echo", CALLS).await;
    house.revoke();
    let mut answers = 0;
    while let Some(Ok(message)) = socket.next().await {
        answers += usize::from(message.is_text());
    }
    assert!(answers < CALLS / 2, "{answers} answers after the end of the key");
    drop(socket);
    house.end().await;
}

/// Its stream stands still, so that nobody comes to its end for half a minute.
pub(crate) async fn a_session_of_a_stream_that_nobody_reads_ends_at_once() {
    let house = House::new().await;
    let mut down = Events::open(&house, "GET /sse").await;
    let endpoint = format!("POST {}", down.next().await.unwrap().1);
    status(&house.ask(&endpoint, initialize("2025-11-25")).await.0, 202);
    let large = format!("\"name\":\"echo\",\"arguments\":{{\"x\":\"{}\"}}", "x".repeat(1 << 20));
    for id in 0..40 {
        let call = old(&id.to_string(), "tools/call", &large);
        status(&house.ask(&endpoint, call).await.0, 202);
    }
    status(&house.ask(&endpoint, old("\"n\"", "tools/call", "\"name\":\"never\"")).await.0, 202);
    house.peer.until("call never", 1).await;
    house.revoke();
    // Which waits for half of that time.
    house.peer.until("cancelled never", 1).await;
    drop(down);
    house.end().await;
}

pub(crate) async fn a_key_that_has_ended_begins_nothing() {
    let house = House::new().await;
    for _ in 0..20 {
        status(&house.ask("GET /metrics key=ended", "").await.0, 401);
        let call = new("1", "tools/call", "\"name\":\"echo\"", "");
        let request = "POST v=2026-07-28 m=tools/call n=echo key=ended";
        status(&house.ask(request, call).await.0, 401);
    }
    assert_eq!(house.peer.count("call"), 0);
    house.end().await;
}

pub(crate) async fn a_session_of_a_stream_ends_with_the_key_that_opened_it() {
    let house = House::new().await;
    let mut down = Events::open(&house, "GET /sse").await;
    let (_, endpoint) = down.next().await.unwrap();
    house.revoke();
    assert!(down.next().await.is_none());
    // The same caller, with another key.
    house.revoke_nothing();
    let ping = old("1", "ping", "");
    while house.ask(&format!("POST {endpoint}"), &ping).await.0.status != 404 {
        tokio::task::yield_now().await;
    }
    house.end().await;
}

pub(crate) async fn calls_end_with_the_key_that_made_them() {
    let house = House::new().await;
    let mut waiting = house.connect().await;
    let call = new("1", "tools/call", "\"name\":\"never\"", "");
    waiting.send("POST v=2026-07-28 m=tools/call n=never", call).await;
    let mut talk = Talk::legacy(&house, Carrier::WebSocket, "2025-11-25").await;
    talk.say(old("1", "tools/call", "\"name\":\"never\"")).await;
    house.peer.until("call never", 2).await;
    house.revoke();
    status(&waiting.wire.head().await.unwrap(), 401);
    assert_eq!(talk.hear().await, "");
    house.peer.until("cancelled never", 2).await;
    house.end().await;
}
