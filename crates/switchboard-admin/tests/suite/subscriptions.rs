//! Subscriptions, as streams of events.

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use http::Request;
use serde_json::{Value, json};
use switchboard_admin::Event;
use switchboard_core::store::Row;
use switchboard_core::{Area, Tenant};

use crate::house::{Caller, House, admin, caller, state};

fn request(query: &str) -> Request<Bytes> {
    Request::post("/graphql")
        .header("content-type", "application/json")
        .header("accept", "text/event-stream")
        .body(json!({ "query": query }).to_string().into())
        .unwrap()
}

/// A subscription that has begun, and says so.
async fn begun(house: &House, who: &Caller, query: &str) -> BoxStream<'static, String> {
    let mut stream = house.stream(who, request(query)).await.unwrap();
    assert_eq!(stream.next().await.as_deref(), Some(":\n\n"));
    stream
}

fn read(event: &str) -> Value {
    let data = event.strip_prefix("event: next\ndata: ").unwrap_or_else(|| panic!("{event}"));
    serde_json::from_str(data.trim_end()).unwrap()
}

fn call(id: &str, name: &str) -> Event {
    Event::Call(Row::new(id).with("name", name).with("status", "completed"))
}

#[tokio::test]
async fn calls_are_seen_by_their_tenant_alone() {
    let house = House::new();
    let (acme, beta) = (Tenant::parse("acme").unwrap(), Tenant::parse("beta").unwrap());
    let query = "subscription { calls(name: \"f\") { mcpFunctionCallUuid partitionKey } }";
    let mut stream = begun(&house, &admin("acme"), query).await;
    house.admin.announce(&beta, call("1", "f"));
    house.admin.announce(&acme, call("2", "g"));
    house.admin.announce(&acme, Event::Changed(Area::Functions));
    house.admin.announce(&acme, call("3", "f"));
    let event = read(&stream.next().await.unwrap());
    let expected = json!({"mcpFunctionCallUuid": "3", "partitionKey": "acme"});
    assert_eq!(event["data"]["calls"], expected);
}

#[tokio::test]
async fn states_and_changes_are_seen_by_who_may() {
    let house = House::new();
    let acme = Tenant::parse("acme").unwrap();
    let states = "subscription { serverStates { name state } }";
    let mut states = begun(&house, &admin("acme"), states).await;
    let bob = caller("acme", "user:bob", &["inspect operations", "inspect keys"]);
    let mut changes = begun(&house, &bob, "subscription { events { area } }").await;
    house.admin.announce(&acme, Event::Changed(Area::Users));
    house.admin.announce(&acme, Event::Changed(Area::Keys));
    house.admin.announce(&acme, Event::Server(state("git")));
    let event = read(&states.next().await.unwrap());
    assert_eq!(event["data"]["serverStates"], json!({"name": "git", "state": "OPEN"}));
    let event = read(&changes.next().await.unwrap());
    assert_eq!(event["data"]["events"]["area"], "keys", "users are not bob's to know of");
}

#[tokio::test]
async fn every_subscription_needs_its_right() {
    let house = House::new();
    for query in [
        "subscription { calls { name } }",
        "subscription { serverStates { name } }",
        "subscription { events { area } }",
    ] {
        let nobody = caller("acme", "user:bob", &[]);
        let events: Vec<_> = house.stream(&nobody, request(query)).await.unwrap().collect().await;
        assert_eq!(read(&events[0])["errors"][0]["extensions"]["code"], "FORBIDDEN", "{query}");
        assert_eq!(events[1], "event: complete\ndata:\n\n");
    }
}

#[tokio::test]
async fn queries_are_streams_too_where_that_is_asked() {
    let house = House::new();
    let stream = house.stream(&admin("acme"), request("{ me { tenant } }")).await.unwrap();
    let events: Vec<_> = stream.collect().await;
    assert_eq!(read(&events[0])["data"]["me"]["tenant"], "acme");
    assert_eq!(events[1..], ["event: complete\ndata:\n\n"]);
    let deep = request(&format!("{}ping{}", "{a".repeat(40), "}".repeat(40)));
    let events: Vec<_> = house.stream(&admin("acme"), deep).await.unwrap().collect().await;
    assert_eq!(read(&events[0])["errors"][0]["extensions"]["code"], "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn who_is_too_slow_is_told() {
    let house = House::new();
    let acme = Tenant::parse("acme").unwrap();
    let mut stream = begun(&house, &admin("acme"), "subscription { calls { name } }").await;
    for number in 0..3000 {
        house.admin.announce(&acme, call(&number.to_string(), "f"));
    }
    let event = read(&stream.next().await.unwrap());
    assert_eq!(event["errors"][0]["extensions"]["code"], "LIMIT_EXCEEDED");
    assert_eq!(stream.next().await.as_deref(), Some("event: complete\ndata:\n\n"));
    assert_eq!(stream.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken() {
    let house = House::new();
    let mut stream = begun(&house, &admin("acme"), "subscription { calls { name } }").await;
    assert_eq!(stream.next().await.as_deref(), Some(":\n\n"));
    assert_eq!(stream.next().await.as_deref(), Some(":\n\n"));
}

#[tokio::test]
async fn a_principal_has_so_many_streams_and_no_more() {
    let house = House::new();
    let query = "subscription { calls { name } }";
    let mut open = Vec::new();
    for _ in 0..16 {
        open.push(begun(&house, &admin("acme"), query).await);
    }
    let events: Vec<_> =
        house.stream(&admin("acme"), request(query)).await.unwrap().collect().await;
    assert_eq!(read(&events[0])["errors"][0]["extensions"]["code"], "LIMIT_EXCEEDED");
    open.pop();
    open.push(begun(&house, &admin("acme"), query).await);
    open.push(begun(&house, &caller("acme", "user:bob", &["admin"]), query).await);
}

#[tokio::test]
async fn only_who_is_watched_is_announced_of() {
    let house = House::new();
    let (acme, beta) = (Tenant::parse("acme").unwrap(), Tenant::parse("beta").unwrap());
    assert!(!house.admin.is_watched(&acme));
    let query = "subscription { calls { name } }";
    let mut first = begun(&house, &admin("acme"), query).await;
    let second = begun(&house, &admin("acme"), query).await;
    assert!(house.admin.is_watched(&acme) && !house.admin.is_watched(&beta));
    // What happens in another tenant does not hurry who watches this one.
    for number in 0..3000 {
        house.admin.announce(&beta, call(&number.to_string(), "f"));
    }
    house.admin.announce(&acme, call("1", "own"));
    assert_eq!(read(&first.next().await.unwrap())["data"]["calls"]["name"], "own");
    drop(first);
    assert!(house.admin.is_watched(&acme));
    drop(second);
    assert!(!house.admin.is_watched(&acme));
}

#[tokio::test]
async fn what_is_managed_here_is_announced() {
    let house = House::new();
    let ann = admin("acme");
    let mut changes = begun(&house, &ann, "subscription { events { area } }").await;
    let calls = "subscription { calls { name status } }";
    let mut calls = begun(&house, &ann, calls).await;
    house.ask(&ann, "POST /acme/api/v1/keys", Some(json!({ "name": "robot" }))).await;
    let setting = "mutation { insertUpdateMcpSetting(setting: {}, updatedBy: \"a\") \
                   { mcpSetting { settingId } } }";
    house.graphql(&ann, setting, json!({})).await;
    let record = "mutation { insertUpdateMcpFunctionCall(name: \"f\", mcpType: \"tool\", \
                  updatedBy: \"a\") { mcpFunctionCall { status } } }";
    house.graphql(&ann, record, json!({})).await;
    for area in ["keys", "settings", "history"] {
        assert_eq!(read(&changes.next().await.unwrap())["data"]["events"]["area"], area);
    }
    let expected = json!({ "name": "f", "status": "initial" });
    assert_eq!(read(&calls.next().await.unwrap())["data"]["calls"], expected);
}
