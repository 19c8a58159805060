//! What is special about clients that send a message a line.

use std::sync::Arc;
use std::time::Duration;

use switchboard_core::Principal;
use switchboard_listen::lines::{Limits, serve};
use tokio::io::AsyncWriteExt as _;

use crate::carrier::{Carrier, Talk};
use crate::house::{House, has, initialize, new, old, still};

pub(crate) async fn nonsense_is_answered_and_the_conversation_goes_on() {
    let house = House::new().await;
    let mut talk = Talk::lines(&house, Limits { line: 1_000, in_flight: 4, bounds: None });
    let long = "x".repeat(5_000);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    for (line, expected) in [
        (&b"nonsense"[..], "\"id\":null,\"error\":{\"code\":-32700"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", "-32700"),
        (long.as_bytes(), "\"code\":-32600,\"message\":\"a line is longer than 1000 bytes\""),
        (deep.as_bytes(), "-32700"),
        (b"[]", "-32600"),
        (b"[", "-32700"),
        (b"[\"2.0\",1,\"ping\"]", "-32600"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":1,\"method\":\"ping\"}", "-32600"),
        // What was meant as an answer is none to a request of the client's.
        (b"{\"jsonrpc\":\"2.0\",\"id\":5}", "\"id\":null,\"error\":{\"code\":-32600"),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"tools/list\"}",
            "\"id\":5,\"error\":{\"code\":-32600",
        ),
        (
            b"{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"tools/call\"}",
            "\"id\":5,\"error\":{\"code\":-32602",
        ),
        (b"  {\"jsonrpc\":\"2.0\",\"id\":6,\"method\":\"ping\"}\r", "\"id\":6,\"result\":{}"),
    ] {
        talk.say(line).await;
        let answer = talk.hear().await;
        assert!(answer.contains(expected), "{}: {answer}", String::from_utf8_lossy(line));
    }
    drop(talk);
    house.end().await;
}

pub(crate) async fn batches_belong_to_sessions_of_one_revision() {
    let house = House::new().await;
    let call = |id, n: u32| {
        let params = format!("\"name\":\"echo\",\"arguments\":{{\"n\":{n}}}");
        old(id, "tools/call", &params)
    };
    let note = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}";
    let batch = |messages: &[&str]| format!("[{}]", messages.join(","));
    let mut talk = Talk::legacy(&house, Carrier::Lines, "2025-03-26").await;
    let answer = talk
        .ask(&batch(&[&call("1", 1), note, &old("2", "ping", ""), &call("\"3\"", 3), "7"]))
        .await;
    let answers: Vec<serde_json::Value> = serde_json::from_str(&answer).unwrap();
    assert_eq!(answers.len(), 4, "{answer}");
    has(&answer, "\"id\":1,\"result\":{\"content\":[],\"arguments\":{\"n\":1}}");
    has(&answer, "\"id\":2,\"result\":{}");
    has(&answer, "\"id\":\"3\",\"result\":{\"content\":[],\"arguments\":{\"n\":3}}");
    has(&answer, "\"id\":null,\"error\":{\"code\":-32600");
    has(&talk.ask(&batch(&[&initialize("2025-03-26")])).await, "-32600");
    // Nothing to answer.
    talk.say(batch(&[note, note])).await;
    has(&talk.ask(&old("9", "ping", "")).await, "\"id\":9,");
    has(&talk.ask(&batch(&vec![note; 257])).await, "between 1 and 256");
    for version in ["2024-11-05", "2025-06-18", "2025-11-25"] {
        let mut talk = Talk::legacy(&house, Carrier::Lines, version).await;
        has(&talk.ask(&batch(&[&call("1", 1)])).await, "\"id\":null,\"error\":{\"code\":-32600");
    }
    let mut frames = Talk::legacy(&house, Carrier::WebSocket, "2025-03-26").await;
    has(&frames.ask(&batch(&[&call("1", 1)])).await, "\"id\":null,\"error\":{\"code\":-32600");
    house.end().await;
}

/// Time stands still here, and jumps when everybody waits.
pub(crate) async fn a_client_that_never_reads_is_cut_off() {
    still(async {
        let house = House::new().await;
        let (ours, theirs) = tokio::io::duplex(1 << 12);
        let (reader, writer) = tokio::io::split(theirs);
        let (front, ann) = (Arc::clone(&house.front), Principal::new("ann"));
        let tasks = front.tasks.clone();
        let serving = tasks.spawn(serve(front, ann, Limits::default(), reader, writer));
        let (_reader, mut writer) = tokio::io::split(ours);
        let argument = "x".repeat(1 << 10);
        let call = format!("\"name\":\"echo\",\"arguments\":{{\"x\":\"{argument}\"}}");
        let asking = async {
            let mut sent = 0;
            loop {
                let line = format!("{}\n", old(&sent.to_string(), "tools/call", &call));
                if writer.write_all(line.as_bytes()).await.is_err() {
                    break;
                }
                sent += 1;
                assert!(sent < 10_000, "nothing holds it up");
            }
        };
        // It holds its end for as long as it is let.
        let (ended, ()) = tokio::join!(serving, asking);
        ended.unwrap();
        house.end().await;
    })
    .await;
}

fn shared(house: &House) -> Limits {
    Limits { bounds: Some(house.bounds.clone()), ..Limits::default() }
}

pub(crate) async fn requests_under_way_are_limited_with_those_of_other_listeners() {
    let house = House::with(|config| config.in_flight = 2).await;
    let mut client = house.connect().await;
    let call = new("1", "tools/call", "\"name\":\"hold\"", "");
    client.send("POST v=2026-07-28 m=tools/call n=hold", call).await;
    let mut talk = Talk::lines(&house, shared(&house));
    has(&talk.ask(&initialize("2025-11-25")).await, "2025-11-25");
    talk.say(old("1", "tools/call", "\"name\":\"hold\"")).await;
    house.peer.until("held", 2).await;
    let refused = talk.ask(&old("2", "tools/call", "\"name\":\"echo\"")).await;
    has(&refused, "\"reason\":\"busy\"");
    has(&refused, "http.in_flight");
    assert_eq!(house.ask("POST", old("1", "ping", "")).await.0.status, 503);
    house.peer.release();
    has(&talk.hear().await, "\"id\":1,\"result\"");
    assert_eq!(client.wire.head().await.unwrap().status, 200);
    drop(talk);
    house.end().await;
}

/// Time stands still here, and jumps when everybody waits.
pub(crate) async fn messages_are_read_no_faster_than_the_caller_may_ask() {
    still(async {
        let house = House::with(|config| config.rate = Some(10)).await;
        let mut talk = Talk::lines(&house, shared(&house));
        has(&talk.ask(&initialize("2025-11-25")).await, "2025-11-25");
        let begun = tokio::time::Instant::now();
        for id in 0..40 {
            talk.say(old(&id.to_string(), "ping", "")).await;
        }
        for _ in 0..40 {
            has(&talk.hear().await, "\"result\":{}");
        }
        // The clock is ours: ten at once, and thirty more at ten a second.
        assert!(begun.elapsed() >= Duration::from_millis(2_900), "{:?}", begun.elapsed());
        drop(talk);
        house.end().await;
    })
    .await;
}
