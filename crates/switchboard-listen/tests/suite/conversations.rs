//! What holds for a conversation over each of its carriers.

use futures_util::future::join_all;

use crate::carrier::{Carrier, Talk};
use crate::house::{House, has, initialize, lacks, new, old};

pub(crate) async fn every_legacy_revision_is_spoken() {
    let house = House::new().await;
    for carrier in Carrier::ALL {
        for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
            let mut talk = Talk::legacy(&house, carrier, version).await;
            let list = talk.ask(&old("1", "tools/list", "")).await;
            has(&list, "\"x-future\":1.10");
            lacks(&list, "ttlMs");
            let again = talk.ask(&initialize(version)).await;
            has(&again, "-32600");
            let discover = talk.ask(&old("2", "server/discover", "")).await;
            has(&discover, "-32601");
        }
    }
    house.end().await;
}

pub(crate) async fn a_modern_conversation_needs_no_opening() {
    let house = House::new().await;
    for carrier in Carrier::OF_BOTH_ERAS {
        let mut talk = Talk::begin(&house, carrier).await;
        let list = talk.ask(&new("1", "tools/list", "", "")).await;
        has(&list, "ttlMs");
        has(&list, "resultType");
        for (id, method) in [("2", "ping"), ("3", "initialize"), ("4", "logging/setLevel")] {
            has(&talk.ask(&new(id, method, "", "")).await, "-32601");
        }
        for (id, method) in [("5", "resources/subscribe"), ("6", "resources/unsubscribe")] {
            has(&talk.ask(&new(id, method, "\"uri\":\"x://1\"", "")).await, "-32601");
        }
        let discover = talk.ask(&new("7", "server/discover", "", "")).await;
        has(&discover, "\"supportedVersions\":[\"2026-07-28\"]");
        let other = new("8", "tools/list", "", "").replace("2026-07-28", "2099-01-01");
        let other = talk.ask(&other).await;
        has(&other, "-32022");
        has(&other, "\"supported\":[\"2026-07-28\"");
    }
    house.end().await;
}

pub(crate) async fn the_opening_message_decides_the_era() {
    let house = House::new().await;
    for carrier in Carrier::ALL {
        begin_with_initialize(&house, carrier).await;
    }
    for carrier in Carrier::OF_BOTH_ERAS {
        begin_with_an_envelope(&house, carrier).await;
    }
    house.end().await;
}

async fn begin_with_initialize(house: &House, carrier: Carrier) {
    let mut talk = Talk::begin(house, carrier).await;
    has(&talk.ask(&old("1", "tools/list", "")).await, "-32600");
    has(&talk.ask(&old("2", "ping", "")).await, "\"result\":{}");
    // A probe, by which nothing is decided. To one of 2026-07-28 a carrier of sessions says what
    // makes every client try `initialize`.
    let probe = talk.ask(&new("3", "server/discover", "", "")).await;
    has(&probe, if carrier == Carrier::Sse { "-32600" } else { "supportedVersions" });
    has(&talk.ask(&initialize("2025-06-18")).await, "\"result\"");
    let modern = talk.ask(&new("4", "tools/list", "", "")).await;
    has(&modern, "-32022");
    has(&modern, "\"supported\":[\"2025-06-18\"]");
    has(&talk.ask(&old("5", "tools/list", "")).await, "\"result\"");
}

async fn begin_with_an_envelope(house: &House, carrier: Carrier) {
    let mut talk = Talk::begin(house, carrier).await;
    has(&talk.ask(&new("1", "tools/list", "", "")).await, "\"result\"");
    has(&talk.ask(&old("2", "tools/list", "")).await, "-32600");
    let opening = talk.ask(&initialize("2025-06-18")).await;
    has(&opening, "-32022");
    has(&opening, "\"supported\":[\"2026-07-28\"]");
    has(&talk.ask(&new("3", "tools/list", "", "")).await, "\"result\"");
}

pub(crate) async fn answers_carry_the_id_of_their_request() {
    let house = House::new().await;
    let mut talks = Vec::new();
    for carrier in Carrier::ALL {
        talks.push(Talk::legacy(&house, carrier, "2025-11-25").await);
    }
    for (number, talk) in talks.iter_mut().enumerate() {
        for id in 0..5 {
            let params = format!("\"name\":\"hold\",\"arguments\":{{\"n\":\"{number}-{id}\"}}");
            talk.say(old(&id.to_string(), "tools/call", &params)).await;
        }
    }
    house.peer.until("held", 15).await;
    for talk in &mut talks {
        let twice = talk.ask(&old("3", "tools/call", "\"name\":\"echo\"")).await;
        has(&twice, "a request with this id is open");
    }
    house.peer.release();
    join_all(talks.iter_mut().enumerate().map(async |(number, talk)| {
        for _ in 0..5 {
            let answer: serde_json::Value = serde_json::from_str(&talk.hear().await).unwrap();
            let expected = format!("{number}-{}", answer["id"]);
            assert_eq!(answer["result"]["arguments"]["n"], expected);
        }
    }))
    .await;
    drop(talks);
    house.end().await;
}

pub(crate) async fn a_cancelled_request_has_no_answer() {
    let house = House::new().await;
    for (count, carrier) in (1..).zip(Carrier::ALL) {
        let mut talk = Talk::legacy(&house, carrier, "2025-06-18").await;
        talk.say(old("\"n\"", "tools/call", "\"name\":\"never\"")).await;
        house.peer.until("call never", count).await;
        talk.say(cancelled("\"n\"")).await;
        house.peer.until("cancelled never", count).await;
        let next = talk.ask(&old("2", "ping", "")).await;
        has(&next, "\"id\":2,");
    }
    house.end().await;
}

pub(crate) fn cancelled(id: &str) -> String {
    let method = "notifications/cancelled";
    format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":{{\"requestId\":{id}}}}}")
}

pub(crate) async fn a_client_that_is_gone_has_no_requests() {
    let house = House::new().await;
    for (count, carrier) in (1..).zip(Carrier::ALL) {
        let mut talk = Talk::legacy(&house, carrier, "2025-06-18").await;
        talk.say(old("1", "tools/call", "\"name\":\"never\"")).await;
        house.peer.until("call never", count).await;
        drop(talk);
        house.peer.until("cancelled never", count).await;
    }
    house.end().await;
}

pub(crate) async fn progress_is_tagged_and_comes_first() {
    let house = House::new().await;
    for carrier in Carrier::ALL {
        let mut talk = Talk::legacy(&house, carrier, "2025-06-18").await;
        let params = "\"name\":\"progress\",\"_meta\":{\"progressToken\":\"t\"}";
        talk.say(old("1", "tools/call", params)).await;
        for step in 1..=3 {
            let message = talk.hear().await;
            has(&message, &format!("{{\"progressToken\":\"t\",\"progress\":{step}}}"));
        }
        has(&talk.hear().await, "\"result\"");
    }
    house.end().await;
}

pub(crate) async fn a_session_hears_of_changes_unasked() {
    for carrier in Carrier::ALL {
        let house = House::new().await;
        let mut talk = Talk::legacy(&house, carrier, "2025-06-18").await;
        has(&talk.ask(&old("1", "ping", "")).await, "result");
        house.list(&["echo", "more"]);
        let heard = talk.hear().await;
        has(&heard, "notifications/tools/list_changed");
        lacks(&heard, "_meta");
        house.draining.cancel();
        assert_eq!(talk.hear().await, "", "the daemon drains, and nothing is under way");
        house.end().await;
    }
}

pub(crate) async fn a_listener_hears_of_the_changes_it_asked_for() {
    let wanted = "\"notifications\":{\"toolsListChanged\":true}";
    let listen = new("\"s\"", "subscriptions/listen", wanted, "");
    for carrier in Carrier::OF_BOTH_ERAS {
        let house = House::new().await;
        let mut talk = Talk::begin(&house, carrier).await;
        has(&talk.ask(&listen).await, "acknowledged");
        has(&talk.ask(&listen).await, "a request with this id is open");
        house.list(&["echo", "more"]);
        let heard = talk.hear().await;
        has(&heard, "list_changed");
        has(&heard, "\"io.modelcontextprotocol/subscriptionId\":\"s\"");
        house.draining.cancel();
        has(&talk.hear().await, "\"id\":\"s\",\"result\"");
        // 2026-07-28, "Cancellation": the specification asks for both.
        has(&talk.hear().await, "notifications/cancelled\",\"params\":{\"requestId\":\"s\"}");
        assert_eq!(talk.hear().await, "");
        house.end().await;
    }
}

pub(crate) async fn subscriptions_are_limited_and_end_when_cancelled() {
    let house = House::new().await;
    for carrier in Carrier::OF_BOTH_ERAS {
        house.list(&["echo"]);
        let mut talk = Talk::begin(&house, carrier).await;
        let wanted = "\"notifications\":{\"toolsListChanged\":true}";
        for number in 0..16 {
            let listen = new(&number.to_string(), "subscriptions/listen", wanted, "");
            has(&talk.ask(&listen).await, "acknowledged");
        }
        let one_more = talk.ask(&new("16", "subscriptions/listen", wanted, "")).await;
        has(&one_more, "16 subscriptions are open already");
        for number in 0..15 {
            talk.say(cancelled(&number.to_string())).await;
        }
        has(&talk.ask(&new("99", "ping", "", "")).await, "-32601");
        house.list(&["echo", "more"]);
        has(&talk.hear().await, "\"io.modelcontextprotocol/subscriptionId\":15");
        has(&talk.ask(&new("100", "ping", "", "")).await, "\"id\":100,");
    }
    house.end().await;
}

pub(crate) async fn a_drain_waits_for_the_answers() {
    for carrier in Carrier::ALL {
        drain(carrier).await;
    }
}

async fn drain(carrier: Carrier) {
    let house = House::new().await;
    let mut talk = Talk::legacy(&house, carrier, "2025-11-25").await;
    talk.say(old("1", "tools/call", "\"name\":\"hold\"")).await;
    house.peer.until("held", 1).await;
    talk.say(old("2", "tools/call", "\"name\":\"never\"")).await;
    house.peer.until("call never", 1).await;
    house.draining.cancel();
    // What is new is refused; what is under way can still be cancelled.
    let refused = talk.ask(&old("3", "tools/call", "\"name\":\"echo\"")).await;
    has(&refused, "\"id\":3,\"error\"");
    has(&refused, "\"retry\":true");
    talk.say(cancelled("2")).await;
    house.peer.until("cancelled never", 1).await;
    house.stop.cancel();
    house.peer.release();
    let answer = talk.hear().await;
    assert!(answer.contains("\"id\":1,\"result\""), "{carrier}: {answer}");
    assert_eq!(talk.hear().await, "", "and then the conversation ends");
    house.end().await;
}

pub(crate) async fn too_many_requests_are_refused_as_busy() {
    let house = House::with(|config| config.in_flight = 2).await;
    for (round, carrier) in (1..).zip([Carrier::Sse, Carrier::WebSocket]) {
        let mut talk = Talk::legacy(&house, carrier, "2025-11-25").await;
        for id in ["1", "2"] {
            talk.say(old(id, "tools/call", "\"name\":\"hold\"")).await;
        }
        house.peer.until("held", 2 * round).await;
        let refused = talk.ask(&old("3", "tools/call", "\"name\":\"echo\"")).await;
        has(&refused, "\"reason\":\"busy\"");
        house.peer.release();
        for _ in 0..2 {
            has(&talk.hear().await, "\"result\"");
        }
    }
    house.end().await;
}
