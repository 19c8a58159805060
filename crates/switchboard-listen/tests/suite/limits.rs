//! What clients are told of their limits, and which address they have.

use serde_json::{Value, json};
use switchboard_listen::http::HttpConfig;
use switchboard_testkit::raw::Head;

use crate::carrier::{Talk, dial};
use crate::house::{Client, House, has, new, old, status};

const CALL: &str = "POST v=2026-07-28 m=tools/call n=echo";

fn call(id: &str, name: &str) -> String {
    new(id, "tools/call", &format!("\"name\":\"{name}\",\"arguments\":{{\"n\":1}}"), "")
}

/// Of a rule `a`: `r=…;t=…`, or nothing where no limit is told.
fn left(head: &Head) -> &str {
    head.header("ratelimit").map_or("", |left| left.strip_prefix("\"a\";").unwrap())
}

fn refused(body: &str) -> Value {
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["error"]["code"], -32603, "{body}");
    body["error"]["data"].clone()
}

/// What the fields of a head say, as `NAME: VALUE`; those that are not there are left out.
fn told(head: &Head) -> String {
    let names = ["ratelimit", "ratelimit-policy", "x-ratelimit-limit", "x-ratelimit-remaining"];
    let said = names.iter().filter_map(|name| Some(format!("{name}: {}", head.header(name)?)));
    said.collect::<Vec<_>>().join("\n")
}

fn number(head: &Head, name: &str) -> u64 {
    head.header(name).unwrap().parse().unwrap()
}

pub(crate) async fn a_stateless_answer_says_what_is_left() {
    let rules = json!({ "a": { "subject": "ann", "rate": "2/h" } });
    let house = House::limited(rules, |_| {}).await;
    for (request, body, expected) in [
        // A list is not limited.
        ("POST v=2026-07-28 m=tools/list", new("1", "tools/list", "", ""), ""),
        (
            CALL,
            call("1", "echo"),
            "ratelimit: \"a\";r=1;t=1800\nratelimit-policy: \"a\";q=2;w=3600\n\
             x-ratelimit-limit: 2\nx-ratelimit-remaining: 1",
        ),
        // The rule is about another.
        (&format!("{CALL} key=k2"), call("1", "echo"), ""),
    ] {
        let (head, body) = house.ask(request, body).await;
        assert_eq!((head.status, &*told(&head)), (200, expected), "{request}: {body}");
        assert_eq!(head.header("retry-after"), None);
    }
    // A tool that failed has been called.
    let (head, _) = house.ask("POST v=2026-07-28 m=tools/call n=refuse", call("2", "refuse")).await;
    // The clock of the wall began at 1970 here, and the bucket is full in an hour.
    let reset = number(&head, "x-ratelimit-reset");
    assert!(number(&head, "x-ratelimit-remaining") == 0 && (3_590..3_700).contains(&reset));
    house.end().await;
}

pub(crate) async fn a_stateless_request_beyond_is_a_429() {
    let rules = json!({ "a": { "subject": "ann", "rate": "1/h" } });
    let house = House::limited(rules, |_| {}).await;
    house.ask(CALL, call("1", "echo")).await;
    // A page may read what is said of it.
    let (head, body) =
        house.ask(&format!("{CALL} origin=http://localhost"), call("2", "echo")).await;
    status(&head, 429);
    has(head.header("access-control-expose-headers").unwrap(), "Retry-After, RateLimit,");
    let after = number(&head, "retry-after");
    assert!((3_590..=3_600).contains(&after), "{after}");
    assert_eq!(left(&head), format!("r=0;t={after}"));
    has(&body, "\"id\":2,");
    has(&body, "too many calls: the limit `a` is 1 calls in 3600 s; try again in ");
    let data = refused(&body);
    assert!(data["retry_after_ms"].as_u64().unwrap() <= after * 1_000);
    let told = json!({ "reason": "rate_limited", "retry": true, "rule": "a" });
    for (name, value) in told.as_object().unwrap() {
        assert_eq!(&data[name], value);
    }
    house.end().await;
}

pub(crate) async fn in_a_session_the_error_is_the_answer() {
    let rules = json!({ "a": { "subject": "ann", "rate": "2/h" } });
    let house = House::limited(rules, |_| {}).await;
    let session = house.session("2025-03-26").await;
    let request = format!("POST s={session}");
    let echo = |id: &str| old(id, "tools/call", "\"name\":\"echo\",\"arguments\":{}");
    let (head, _) = house.ask(&request, echo("1")).await;
    assert_eq!((head.status, left(&head)), (200, "r=1;t=1800"));
    let batch = format!("[{},{}]", echo("2"), echo("3"));
    let (head, body) = house.ask(&request, batch).await;
    status(&head, 200);
    let answers: Vec<Value> = serde_json::from_str(&body).unwrap();
    let refusals = answers.iter().filter(|it| it["error"]["data"]["rule"] == "a").count();
    assert_eq!((answers.len(), refusals), (2, 1), "{body}");
    let (head, body) = house.ask(&request, echo("4")).await;
    status(&head, 200);
    assert_eq!(refused(&body)["reason"], "rate_limited");
    assert!(head.header("retry-after").is_some());
    house.end().await;
}

pub(crate) async fn calls_at_once_are_limited() {
    let rules = json!({ "a": { "subject": "ann", "concurrency": 1, "queue": 0 } });
    let house = House::limited(rules, |_| {}).await;
    let mut first = house.connect().await;
    first.send("POST v=2026-07-28 m=tools/call n=hold", call("1", "hold")).await;
    house.peer.until("held", 1).await;
    let (head, body) = house.ask(CALL, call("2", "echo")).await;
    status(&head, 429);
    assert_eq!(head.header("ratelimit-policy"), Some("\"a\";q=1;qu=\"concurrent-requests\""));
    has(&body, "the limit `a` is 1 calls at once; try again in 1 s");
    house.peer.release();
    status(&first.wire.head().await.unwrap(), 200);
    has(&first.wire.body().await, "\"result\"");
    let (head, _) = house.ask(CALL, call("3", "echo")).await;
    status(&head, 200);
    house.end().await;
}

/// Makes these calls, each from the address that a proxy names, and compares their statuses.
async fn check_from(house: &House, calls: &[(&str, u16)]) {
    for (from, expected) in calls {
        let (head, _) = house.ask(&format!("{CALL} from={from}"), call("1", "echo")).await;
        assert_eq!(head.status, *expected, "{from}");
    }
}

pub(crate) async fn an_address_is_that_of_the_client() {
    let rules = || json!({ "a": { "per": "address", "rate": "1/h" } });
    let trusting = |config: &mut HttpConfig| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    };
    let house = House::limited(rules(), trusting).await;
    // What a client says itself stands to the left.
    let (one, claims) = ("203.0.113.1", "198.51.100.1,203.0.113.1");
    check_from(&house, &[(one, 200), (one, 429), (claims, 429), ("203.0.113.2", 200)]).await;
    check_from(&house, &[("2001:db8::1", 200), ("2001:db8::2", 429)]).await;
    // The owner, on this machine.
    check_from(&house, &[("", 200), ("", 200)]).await;
    // It holds for all that comes over a connection that stays.
    let socket = dial(&house, &[("x-forwarded-for", "203.0.113.3")]).await.unwrap();
    let mut talk = Talk::WebSocket(Box::new(socket));
    has(&talk.ask(&call("1", "echo")).await, "\"result\"");
    has(&talk.ask(&call("2", "echo")).await, "rate_limited");
    let session = house.session("2025-03-26").await;
    let echo = old("1", "tools/call", "\"name\":\"echo\",\"arguments\":{}");
    let request = format!("POST s={session} from=203.0.113.3");
    has(&house.ask(&request, &echo).await.1, "rate_limited");
    has(&house.ask(&request, format!("[{echo}]")).await.1, "rate_limited");
    house.end().await;
}

pub(crate) async fn nobody_speaks_for_a_client_who_is_not_trusted() {
    let rules = json!({ "a": { "per": "address", "rate": "1/h" } });
    let house = House::limited(rules, |_| {}).await;
    check_from(&house, &[("203.0.113.1", 200), ("203.0.113.1", 200)]).await;
    house.end().await;
}

pub(crate) async fn an_address_that_guesses_is_not_looked_at() {
    let house = House::with(|config| {
        config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
        config.wrong_keys = "3/h".parse().unwrap();
    })
    .await;
    let (guesser, other) = ("from=203.0.113.1", "from=203.0.113.2");
    let nothing = [("GET /metrics key=", guesser, 401), ("GET /metrics", guesser, 200)];
    let guesses = [
        ("GET /metrics key=wrong", guesser, 401),
        ("GET /metrics?api_key=wrong key=", guesser, 401),
        ("GET /mcp key=k3", guesser, 401),
        ("GET /metrics key=wrong", guesser, 429),
    ];
    let afterwards = [
        ("GET /metrics", guesser, 429),
        ("POST", guesser, 429),
        ("GET /nowhere", guesser, 429),
        ("GET /health key=", guesser, 200),
        ("GET /metrics key=wrong", other, 401),
        ("GET /metrics", other, 200),
    ];
    // Who is on this machine is not counted.
    let here = [("GET /metrics key=wrong", "", 401), ("GET /metrics", "", 200)];
    let requests = nothing.repeat(5).into_iter().chain(guesses).chain(afterwards);
    for (request, from, expected) in requests.chain(here.repeat(5)) {
        let (head, body) = house.ask(&format!("{request} {from}"), "{}").await;
        assert_eq!(head.status, expected, "{request} {from}: {body}");
    }
    let (head, body) = house.ask(&format!("GET /metrics {guesser}"), "").await;
    has(&body, "too many wrong keys came from this address (`http.wrong_keys`)");
    let after = number(&head, "retry-after");
    assert!((1_190..=1_200).contains(&after), "{after}");
    house.end().await;
}

/// What is said of a rate is said of the key's `http.rate` as of a rule.
pub(crate) async fn who_asks_too_fast_is_told_as_of_any_limit() {
    let house = House::with(|config| config.rate = Some(1)).await;
    while house.ask(CALL, call("1", "echo")).await.0.status == 200 {}
    let (head, body) = house.ask(CALL, call("1", "echo")).await;
    assert_eq!((head.status, head.header("retry-after")), (429, Some("1")));
    has(&told(&head), "ratelimit: \"http.rate\";r=0;t=1\nratelimit-policy: \"http.rate\";q=1;w=1");
    let data = refused(&body);
    assert_eq!((&data["reason"], &data["retry"]), (&json!("rate_limited"), &json!(true)));
    has(&body, "requests come faster than `http.rate` allows");
    // Where no MCP is spoken, it is said in the words of that.
    let (head, body) = house.ask("GET /metrics", "").await;
    assert_eq!(head.status, 429);
    has(&told(&head), "http.rate");
    has(&body, "{\"error\":\"requests come faster");
    house.end().await;
}

/// Clients of one caller whose calls hang.
async fn held(house: &House, number: usize) -> Vec<Client> {
    let mut held = Vec::new();
    for _ in 0..number {
        let mut client = house.connect().await;
        client.send("POST v=2026-07-28 m=tools/call n=hold", call("1", "hold")).await;
        held.push(client);
    }
    house.peer.until("held", number).await;
    held
}

/// Calls of one that hang leave room for another, whatever carries them.
pub(crate) async fn a_server_that_hangs_shuts_nobody_out() {
    let house = House::with(|config| config.in_flight = 4).await;
    let held = held(&house, 3).await;
    let (head, body) = house.ask(CALL, call("1", "echo")).await;
    assert_eq!((head.status, head.header("retry-after")), (503, Some("1")));
    has(&body, "3 requests of this caller are under way, which is its share of 4");
    status(&house.ask(&format!("{CALL} key=k2"), call("1", "echo")).await.0, 200);
    house.peer.release();
    for mut client in held {
        status(&client.wire.head().await.unwrap(), 200);
    }
    status(&house.ask(CALL, call("1", "echo")).await.0, 200);
    house.end().await;
}

/// Connections that are all busy: one caller cannot have them all, and who watches is answered.
pub(crate) async fn busy_connections_shut_nobody_out() {
    let house = House::with(|config| config.connections = 4).await;
    let mut held = held(&house, 3).await;
    let (head, body) = house.ask(CALL, call("1", "echo")).await;
    assert_eq!((head.status, head.header("retry-after")), (503, Some("1")));
    has(&body, "this caller keeps 3 connections busy, which is its share of 4");
    status(&house.ask(&format!("{CALL} key=k2"), call("1", "echo")).await.0, 200);
    let mut last = house.connect().await;
    last.send("POST v=2026-07-28 m=tools/call n=hold key=k2", call("1", "hold")).await;
    house.peer.until("held", 4).await;
    held.push(last);
    // Nothing is left, and everybody hears of it at once.
    for (request, expected) in [
        (&*format!("{CALL} key=k2"), 503),
        ("GET /health key=", 200),
        ("GET /metrics", 200),
        ("GET /metrics key=wrong", 401),
        ("GET /sse", 503),
    ] {
        let (head, _) = house.ask(request, call("1", "echo")).await;
        assert_eq!(
            (head.status, head.header("connection")),
            (expected, Some("close")),
            "{request}"
        );
    }
    house.peer.release();
    for mut client in held {
        status(&client.wire.head().await.unwrap(), 200);
    }
    house.end().await;
}
