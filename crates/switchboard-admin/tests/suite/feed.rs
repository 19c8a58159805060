//! The activity feed.

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use http::Request;
use serde_json::{Value, json};
use switchboard_admin::{Activity, Body, Whose};
use switchboard_core::Tenant;

use crate::house::{Caller, House, caller};

fn ann() -> Caller {
    caller("acme", "user:ann", &[])
}

fn get(last: Option<&str>) -> Request<Bytes> {
    let mut request = Request::get("/acme/sse").header("accept", "text/event-stream");
    if let Some(last) = last {
        request = request.header("last-event-id", last);
    }
    request.body(Bytes::new()).unwrap()
}

fn publish(house: &House, tenant: &str, subject: &str, text: &str) {
    let (weight, text) = (text.len(), text.to_owned());
    let show = move || Activity {
        method: "tools/call".to_owned(),
        request: json!({"params": {"toolName": text}}),
        response: json!({"result": text}),
        notes: None,
    };
    let whose = Whose { tenant: &Tenant::parse(tenant).unwrap(), subject, scopes: None };
    house.admin.publish(whose, weight, show);
}

/// The fields of an event: `id`, `event`, and `data` as JSON.
fn read(event: &str) -> (Option<String>, Option<String>, Value) {
    let field = |name: &str| {
        let prefix = format!("{name}: ");
        event.lines().find_map(|line| line.strip_prefix(&*prefix)).map(str::to_owned)
    };
    (field("id"), field("event"), serde_json::from_str(&field("data").unwrap()).unwrap())
}

/// A stream whose opening events were read.
async fn opened(house: &House, who: &Caller) -> BoxStream<'static, String> {
    let mut stream = house.stream(who, get(None)).await.unwrap();
    let (_, name, data) = read(&stream.next().await.unwrap());
    assert_eq!(name.as_deref(), Some("connected"));
    assert!(data["client_id"].is_u64() && data["timestamp"].is_string(), "{data}");
    let (id, name, data) = read(&stream.next().await.unwrap());
    assert_eq!((id, name), (None, None));
    assert_eq!(data["method"], "initialize");
    assert_eq!(data["response"]["result"]["serverInfo"]["name"], "switchboard");
    stream
}

#[tokio::test]
async fn the_own_activity_is_live_and_nobody_elses() {
    let house = House::new();
    let mut stream = opened(&house, &ann()).await;
    publish(&house, "acme", "user:bob", "bob's");
    publish(&house, "beta", "user:ann", "beta's");
    publish(&house, "acme", "user:ann", "own");
    let (id, name, data) = read(&stream.next().await.unwrap());
    assert_eq!(name, None, "clients of the older engine listen to events without a name");
    assert_eq!(data["type"], "mcp_activity");
    assert_eq!(data["method"], "tools/call");
    assert_eq!(data["request"]["params"]["toolName"], "own");
    assert_eq!(data["response"]["result"], "own");
    assert_eq!(data["id"], 3);
    assert!(id.unwrap().ends_with("-3"));
}

#[tokio::test]
async fn who_comes_back_hears_what_was_missed_of_the_own() {
    let house = House::new();
    let mut stream = opened(&house, &ann()).await;
    publish(&house, "acme", "user:ann", "one");
    let last = read(&stream.next().await.unwrap()).0.unwrap();
    drop(stream);
    publish(&house, "acme", "user:bob", "bob's");
    publish(&house, "beta", "user:ann", "beta's");
    publish(&house, "acme", "user:ann", "two");
    for (id, missed) in [(last.as_str(), 1), ("1", 1), ("0", 2), ("77-9", 2)] {
        let has_gap = missed == 2;
        let stream = house.stream(&ann(), get(Some(id))).await.unwrap();
        let mut events: Vec<_> = stream.take(2 + missed + usize::from(has_gap)).collect().await;
        // Before the first stream was there, and in another run, there may have been more.
        if has_gap {
            let (id, name, data) = read(&events.remove(1));
            assert_eq!((id, name.as_deref()), (None, Some("missed")));
            assert_eq!(data["reason"], "forgotten");
        }
        let texts: Vec<_> = events[1..=missed].iter().map(|event| read(event).2).collect();
        assert_eq!(texts.last().unwrap()["response"]["result"], "two", "{id}");
        assert_eq!(read(&events[1 + missed]).2["method"], "initialize", "{id}");
    }
    let bob = caller("acme", "user:bob", &[]);
    let stream = house.stream(&bob, get(Some("0"))).await.unwrap();
    let events: Vec<_> = stream.take(4).collect::<Vec<_>>().await.concat().into_bytes();
    let text = String::from_utf8(events).unwrap();
    assert!(text.contains("bob's") && !text.contains("beta's") && !text.contains("two"), "{text}");
}

#[tokio::test]
async fn a_slow_client_is_told_and_its_stream_ends() {
    let house = House::new();
    let mut slow = opened(&house, &ann()).await;
    let mut quick = opened(&house, &ann()).await;
    for number in 0..150 {
        publish(&house, "acme", "user:ann", &number.to_string());
        assert!(quick.next().await.is_some());
    }
    let rest: Vec<_> = slow.by_ref().collect().await;
    assert_eq!(rest.len(), 101);
    let (_, name, data) = read(rest.last().unwrap());
    assert_eq!((name.as_deref(), &data["reason"]), (Some("dropped"), &json!("slow")));
}

#[tokio::test(start_paused = true)]
async fn silence_has_a_heart_beat() {
    let house = House::new();
    let mut stream = opened(&house, &ann()).await;
    let begin = tokio::time::Instant::now();
    let (_, name, data) = read(&stream.next().await.unwrap());
    assert_eq!((name.as_deref(), &data["type"]), (Some("heartbeat"), &json!("heartbeat")));
    assert_eq!(begin.elapsed().as_secs(), 15);
    assert_eq!(read(&stream.next().await.unwrap()).1.as_deref(), Some("heartbeat"));
}

#[tokio::test]
async fn streams_are_counted_and_closed() {
    let house = House::new();
    let counts = async || {
        let answered = house.ask(&ann(), "GET /acme", None).await;
        serde_json::from_str::<Value>(&answered.body).unwrap()["sse_stats"].clone()
    };
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(house.stream(&ann(), get(None)).await.unwrap());
    }
    assert_eq!(counts().await["total_clients"], 16);
    let refused = house.stream(&ann(), get(None)).await.err().unwrap();
    assert!(refused.contains("detail"), "{refused}");
    open.clear();
    assert_eq!(counts().await["total_clients"], 0);
    open.push(house.stream(&ann(), get(None)).await.unwrap());
    assert_eq!(counts().await["total_clients"], 1);
}

#[tokio::test]
async fn only_who_is_watched_is_told_of() {
    let house = House::new();
    let acme = Tenant::parse("acme").unwrap();
    assert!(!house.admin.follows(&acme, "user:ann"));
    let stream = opened(&house, &ann()).await;
    assert!(house.admin.follows(&acme, "user:ann") && !house.admin.follows(&acme, "user:bob"));
    assert!(!house.admin.follows(&Tenant::parse("beta").unwrap(), "user:ann"));
    drop(stream);
    assert!(house.admin.follows(&acme, "user:ann"), "it may come back");
}

#[tokio::test]
async fn what_is_shown_is_made_when_it_is_read() {
    let house = House::new();
    let acme = Tenant::parse("acme").unwrap();
    let mut stream = opened(&house, &ann()).await;
    let made = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = std::sync::Arc::clone(&made);
    let show = move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let notes = Some("the result was left out".to_owned());
        Activity { method: "x".to_owned(), request: json!({}), response: Value::Null, notes }
    };
    let whose = Whose { tenant: &acme, subject: "user:ann", scopes: None };
    house.admin.publish(whose, 10, show);
    let count = || made.load(std::sync::atomic::Ordering::Relaxed);
    assert_eq!(count(), 0);
    assert_eq!(read(&stream.next().await.unwrap()).2["notes"], "the result was left out");
    assert_eq!(count(), 1);
}

#[tokio::test]
async fn nothing_between_us_may_keep_events_back() {
    let house = House::new();
    let ann = ann();
    let response = house.admin.respond(&ann.principal, &ann.tenant, get(None)).await;
    let headers = response.headers();
    assert_eq!(headers["content-type"], "text/event-stream");
    assert_eq!(headers["cache-control"], "no-cache");
    assert_eq!(headers["x-accel-buffering"], "no");
    assert!(matches!(response.body(), Body::Stream(_)));
}
