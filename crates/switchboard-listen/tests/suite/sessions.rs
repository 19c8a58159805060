//! Sessions over streamable HTTP: what is asked and said on their streams, and said again where a
//! connection broke.

use serde_json::Value;

use crate::curious::{Curious, FORM, ROOTS};
use crate::house::{Client, House, has, initialize, lacks, old, status, still};

/// Opens a session that declares elicitation and roots.
async fn session(house: &House, version: &str) -> String {
    let opening = initialize(version)
        .replace("\"capabilities\":{}", "\"capabilities\":{\"elicitation\":{},\"roots\":{}}");
    let (head, _) = house.ask("POST", opening).await;
    head.header("mcp-session-id").unwrap().to_owned()
}

fn quiz(id: &str, steps: &str) -> String {
    old(id, "tools/call", &format!("\"name\":\"quiz\",\"arguments\":{{\"steps\":{steps}}}"))
}

/// The same with a progress token.
fn reported(id: &str, token: &str, steps: &str) -> String {
    let meta = format!("\"_meta\":{{\"progressToken\":\"{token}\"}},\"arguments\"");
    quiz(id, steps).replace("\"arguments\"", &meta)
}

/// Sends a call to a server that asks its client something, and gives the question's id.
async fn asked(client: &mut Client, session: &str, call: &str) -> String {
    let head = client.open(&format!("POST s={session}"), call).await;
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    let question = client.event().await.unwrap();
    let question: Value = serde_json::from_str(&question).unwrap();
    assert!(question["method"].is_string(), "{question}");
    question["id"].to_string()
}

impl Client {
    /// The next event has this in it.
    async fn hears(&mut self, part: &str) {
        has(&self.event().await.unwrap_or_default(), part);
    }

    /// And nothing comes after these.
    async fn hears_to_the_end(&mut self, parts: &[&str]) {
        for part in parts {
            self.hears(part).await;
        }
        assert_eq!(self.event().await, None);
    }

    /// Reads a stream on another connection, on from the last event that was read.
    async fn resume(&mut self, session: &str) {
        self.reconnect().await;
        let request = format!("GET s={session} last={}", self.last_event);
        status(&self.open(&request, "").await, 200);
    }
}

fn answer(id: &str, result: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}")
}

pub(crate) async fn a_server_asks_on_the_stream_of_its_call() {
    let (house, _) = Curious::house(|_| {}).await;
    for version in ["2025-06-18", "2025-11-25"] {
        form_is_filled_in(&house, &session(&house, version).await).await;
    }
    // What was not declared, and what the revision does not have, the server hears of.
    let sampling = "[[{\"method\":\"sampling/createMessage\",\"params\":{}}]]";
    for (version, steps) in [("2025-11-25", sampling), ("2025-03-26", &format!("[[{FORM}]]"))] {
        let request = format!("POST s={}", session(&house, version).await);
        has(&house.ask(&request, quiz("1", steps)).await.1, "\"answers\":[-32601]");
    }
    house.end().await;
}

async fn form_is_filled_in(house: &House, session: &str) {
    let mut client = house.connect().await;
    let id = asked(&mut client, session, &quiz("\"c\"", &format!("[[{FORM}]]"))).await;
    let request = format!("POST s={session}");
    // Something that nobody asked for was sent in good faith.
    for wrong in ["77", "\"1\"", "-1"] {
        status(&house.ask(&request, answer(wrong, "{}")).await.0, 202);
    }
    let (head, body) = house.ask(&request, answer(&id, "{\"action\":\"decline\"}")).await;
    assert_eq!((head.status, &*body), (202, ""));
    let result = "{\"content\":[],\"answers\":[{\"action\":\"decline\"}]}";
    client.hears(&format!("\"id\":\"c\",\"result\":{result}")).await;
    assert_eq!(client.event().await, None);
}

/// Attack table, rows 9 and 19: an answer that comes over another session, or from another user.
pub(crate) async fn an_answer_counts_in_its_own_session_only() {
    let (house, _) = Curious::house(|_| {}).await;
    let (own, other) = (session(&house, "2025-11-25").await, session(&house, "2025-11-25").await);
    let mut client = house.connect().await;
    let id = asked(&mut client, &own, &quiz("1", &format!("[[{ROOTS}]]"))).await;
    let forged = answer(&id, "{\"roots\":[\"forged\"]}");
    for (request, expected) in [
        (format!("POST s={other}"), 202),
        (format!("POST s={own} key=k2"), 404),
        ("POST".to_owned(), 400),
        ("POST v=2026-07-28".to_owned(), 400),
    ] {
        status(&house.ask(&request, &forged).await.0, expected);
    }
    status(&house.ask(&format!("POST s={own}"), answer(&id, "{\"roots\":[]}")).await.0, 202);
    client.hears("\"answers\":[{\"roots\":[]}]").await;
    house.end().await;
}

pub(crate) async fn a_call_that_is_cancelled_takes_its_question_back() {
    let (house, curious) = Curious::house(|_| {}).await;
    let session = session(&house, "2025-11-25").await;
    let mut client = house.connect().await;
    let id = asked(&mut client, &session, &quiz("1", &format!("[[{ROOTS}]]"))).await;
    let cancel = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\
        \"params\":{\"requestId\":1}}";
    house.ask(&format!("POST s={session}"), cancel).await;
    let taken_back = format!("\"notifications/cancelled\",\"params\":{{\"requestId\":{id}}}");
    client.hears(&taken_back).await;
    assert_eq!(client.event().await, None);
    curious.given_up(1).await;
    house.end().await;
}

/// Attack table, row 19: a session id that somebody else chose.
pub(crate) async fn a_session_id_is_never_the_clients_choice() {
    let house = House::new().await;
    let known = house.session("2025-11-25").await;
    for chosen in ["fixed", &known] {
        let (head, _) =
            house.ask(&format!("POST s={chosen} key=k2"), initialize("2025-11-25")).await;
        let given = head.header("mcp-session-id").unwrap();
        assert_ne!(given, chosen);
        let (head, _) = house.ask(&format!("POST s={given}"), old("1", "ping", "")).await;
        status(&head, 404);
    }
    let (head, _) = house.ask("POST s=fixed", old("1", "ping", "")).await;
    status(&head, 404);
    house.end().await;
}

pub(crate) async fn a_stream_goes_on_where_its_connection_broke() {
    let (house, curious) = Curious::house(|_| {}).await;
    let versions = ["2025-03-26", "2025-06-18", "2025-11-25", "2025-11-25"];
    for (round, version) in (1..).zip(versions) {
        let session = session(&house, version).await;
        let mut client = house.connect().await;
        let call = reported("1", "t", "[1,\"wait\",2,\"error\"]");
        client.open(&format!("POST s={session}"), call).await;
        client.hears("\"progress\":1").await;
        curious.waiting(round).await;
        client.reconnect().await;
        curious.release();
        // When all is said, or while it is.
        if round % 2 == 0 {
            answered(&house, &session, "1").await;
        }
        client.resume(&session).await;
        let rest = ["\"t\",\"progress\":2}", "\"level\":\"error\"", "\"id\":1,\"result\""];
        client.hears_to_the_end(&rest).await;
    }
    house.end().await;
}

/// Waits until no request is open under this id.
async fn answered(house: &House, session: &str, id: &str) {
    loop {
        let (_, body) = house.ask(&format!("POST s={session}"), quiz(id, "[]")).await;
        if body.contains("\"result\"") {
            return;
        }
        has(&body, "is open");
    }
}

pub(crate) async fn a_long_call_can_be_resumed_before_anything_is_said() {
    let (house, curious) = Curious::house(|_| {}).await;
    let session = session(&house, "2025-11-25").await;
    let mut client = house.connect().await;
    client.open(&format!("POST s={session}"), quiz("1", "[\"wait\"]")).await;
    let primed = client.wire.piece().await.unwrap();
    let (id, rest) = primed.strip_prefix("id: ").unwrap().split_once('\n').unwrap();
    assert_eq!(rest, "retry: 1000\ndata: \n\n");
    id.clone_into(&mut client.last_event);
    client.resume(&session).await;
    curious.release();
    client.hears_to_the_end(&["\"id\":1,\"result\""]).await;
    house.end().await;
}

pub(crate) async fn an_event_of_another_session_resumes_nothing() {
    let (house, curious) = Curious::house(|_| {}).await;
    let (own, other) = (session(&house, "2025-11-25").await, session(&house, "2025-11-25").await);
    let mut client = complaint(&house, &own).await;
    let mut others = complaint(&house, &other).await;
    let last = &client.last_event;
    let (tag, place) = last.split_at(8);
    let swapped = format!("{}{place}", &others.last_event[..8]);
    for (request, expected) in [
        (format!("GET s={other} last={last}"), 400),
        (format!("GET s={own} last={swapped}"), 400),
        (format!("GET s={own} last={tag}-1-999999"), 400),
        (format!("GET s={own} last={tag}-99-1"), 400),
        (format!("GET s={own} last=nonsense"), 400),
        (format!("GET s={own} key=k2 last={last}"), 404),
        (format!("GET s=unknown last={last}"), 404),
        (format!("GET last={last}"), 405),
    ] {
        let (head, body) = house.ask(&request, "").await;
        assert_eq!(head.status, expected, "{request}");
        lacks(&body, "level");
    }
    // None of that took the streams from those who read them.
    curious.waiting(2).await;
    curious.release();
    client.hears("\"id\":1,\"result\"").await;
    others.hears("\"id\":1,\"result\"").await;
    house.end().await;
}

/// A call that has said something, and goes on.
async fn complaint(house: &House, session: &str) -> Client {
    let mut client = house.connect().await;
    client.open(&format!("POST s={session}"), quiz("1", "[\"error\",\"wait\"]")).await;
    client.hears("\"level\":\"error\"").await;
    client
}

pub(crate) async fn nothing_is_lost_between_two_streams() {
    let house = House::new().await;
    for version in ["2025-03-26", "2025-11-25"] {
        let changed = "notifications/tools/list_changed";
        let session = house.session(version).await;
        // Before there is a stream, while the client has none, and what it was handed before.
        house.list(&["echo", version]);
        let mut client = house.connect().await;
        client.open(&format!("GET s={session}"), "").await;
        client.hears(changed).await;
        let before = client.last_event.clone();
        client.reconnect().await;
        house.list(&["echo"]);
        client.resume(&session).await;
        client.hears(changed).await;
        let after = std::mem::replace(&mut client.last_event, before);
        client.resume(&session).await;
        client.hears(changed).await;
        assert_eq!(client.last_event, after, "the same once more");
        house.list(&["echo", "last"]);
        client.hears(changed).await;
        house.list(&["echo"]);
    }
    house.end().await;
}

pub(crate) async fn a_session_hears_of_its_resources_until_it_ends() {
    let house = House::new().await;
    let session = house.session("2025-11-25").await;
    let request = format!("POST s={session}");
    let mut client = house.connect().await;
    client.open(&format!("GET s={session}"), "").await;
    for (method, resource) in [
        ("subscribe", "test://1"),
        ("subscribe", "test://2"),
        ("subscribe", "test://1"),
        ("unsubscribe", "test://2"),
    ] {
        let body = old("1", &format!("resources/{method}"), &format!("\"uri\":\"{resource}\""));
        has(&house.ask(&request, body).await.1, "\"id\":1,\"result\"");
    }
    assert_eq!(house.peer.count("call resources/subscribe"), 2);
    // A part of what is watched is heard of too; `test://12` is no part of `test://1`.
    for resource in ["test://3", "test://2", "test://12", "test://1/part", "test://1"] {
        house.gateway.resource_updated("test", resource);
    }
    for heard in ["test://1/part", "test://1"] {
        let params = format!("\"params\":{{\"uri\":\"{heard}\"}}");
        client.hears(&format!("\"notifications/resources/updated\",{params}")).await;
    }
    status(&house.ask(&format!("DELETE s={session}"), "").await.0, 204);
    house.peer.until("call resources/unsubscribe test://1", 1).await;
    assert_eq!(house.peer.count("call resources/unsubscribe"), 2);
    house.end().await;
}

pub(crate) async fn a_session_that_is_forgotten_has_no_resources() {
    still(async {
        let house = House::new().await;
        let request = format!("POST s={}", house.session("2025-11-25").await);
        house.ask(&request, old("1", "resources/subscribe", "\"uri\":\"test://1\"")).await;
        assert_eq!(house.peer.count("call resources/subscribe test://1"), 1);
        tokio::time::sleep(std::time::Duration::from_secs(2 * 60 * 60 + 1)).await;
        house.peer.until("call resources/unsubscribe test://1", 1).await;
        house.end().await;
    })
    .await;
}

pub(crate) async fn log_levels_hold_for_the_session() {
    let house = House::new().await;
    let set = |level: &str| old("1", "logging/setLevel", &format!("\"level\":{level}"));
    let request = format!("POST s={}", house.session("2025-06-18").await);
    let other = format!("POST s={}", house.session("2025-06-18").await);
    let count = |body: &str| body.matches("\"data\":\"said\"").count();
    let call = old("1", "tools/call", "\"name\":\"log\"");
    assert_eq!(count(&house.ask(&request, &call).await.1), 8);
    for wrong in ["\"loud\"", "7", "null"] {
        has(&house.ask(&request, set(wrong)).await.1, "-32602");
    }
    has(&house.ask(&request, set("\"critical\"")).await.1, "\"id\":1,\"result\":{}");
    assert_eq!(count(&house.ask(&request, &call).await.1), 3);
    assert_eq!(count(&house.ask(&other, &call).await.1), 8);
    house.end().await;
}

pub(crate) async fn a_log_that_nobody_has_cannot_be_set() {
    let (house, _) = Curious::house(|_| {}).await;
    let request = format!("POST s={}", house.session("2025-06-18").await);
    let set = old("1", "logging/setLevel", "\"level\":\"error\"");
    has(&house.ask(&request, set).await.1, "-32601");
    house.end().await;
}

pub(crate) async fn a_batch_may_be_asked_back() {
    let (house, _) = Curious::house(|_| {}).await;
    let session = session(&house, "2025-03-26").await;
    let mut client = house.connect().await;
    let batch = format!(
        "[{},{},{}]",
        quiz("1", &format!("[[{ROOTS}]]")),
        old("2", "ping", ""),
        "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/roots/list_changed\"}"
    );
    let id = asked(&mut client, &session, &batch).await;
    let answers = format!("[{},{}]", answer("99", "{}"), answer(&id, "{\"roots\":[]}"));
    status(&house.ask(&format!("POST s={session}"), answers).await.0, 202);
    let answered = "\"id\":1,\"result\":{\"content\":[],\"answers\":[{";
    client.hears_to_the_end(&[answered, "\"id\":2,\"result\":{}"]).await;
    house.end().await;
}

/// Attack table, row 26: a client that does not read what it wanted to hear.
pub(crate) async fn a_client_that_does_not_read_holds_up_nobody() {
    let (house, curious) = Curious::house(|_| {}).await;
    let session = session(&house, "2025-11-25").await;
    let request = format!("POST s={session}");
    let steps: Vec<_> = (1..20_000).map(|step| step.to_string()).collect();
    let steps = format!("[{},\"wait\"]", steps.join(","));
    let mut clients = Vec::new();
    for number in 0..8 {
        let mut client = house.connect().await;
        let id = format!("\"{number}\"");
        client.send(&request, reported(&id, &"t".repeat(200), &steps)).await;
        clients.push((client, id));
    }
    curious.waiting(8).await;
    curious.release();
    for (mut client, id) in clients {
        status(&client.wire.head().await.unwrap(), 200);
        let mut events = 0;
        let last = loop {
            let event = client.event().await.unwrap();
            if event.contains("\"result\"") {
                break event;
            }
            events += 1;
        };
        has(&last, &format!("\"id\":{id},"));
        assert!(events < 1_000, "{events} were kept for it");
    }
    house.end().await;
}
