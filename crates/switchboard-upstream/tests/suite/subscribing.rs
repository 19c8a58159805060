//! Changes of single resources: counted, asked for once, replayed.

use std::sync::LazyLock;

use serde_json::{Value, json};
use switchboard_config::TimeSpan;
use switchboard_core::{CallerId, Context, Error, Peer as _, Principal, Request};
use switchboard_mcp::{Json, Method, ProtocolVersion};
use switchboard_upstream::{EndpointSettings, Settings, State, StdioConfig};
use tokio::task::JoinHandle;

use crate::common::{LEGACY, MODERN, PATIENCE};
use crate::puppet::Stage;
use crate::web::{Reply, Web, modern};

type Outcome = JoinHandle<Result<String, Error>>;

fn offers() -> Value {
    json!({ "resources": { "subscribe": true } })
}

fn subscribe(stage: &Stage, uri: &str) -> Outcome {
    ask(stage, &ANN, Method::Subscribe, uri)
}

fn unsubscribe(stage: &Stage, uri: &str) -> Outcome {
    ask(stage, &ANN, Method::Unsubscribe, uri)
}

/// Two sessions of one person.
static ANN: LazyLock<CallerId> = LazyLock::new(CallerId::unique);
static ANN_TOO: LazyLock<CallerId> = LazyLock::new(CallerId::unique);

fn ask(stage: &Stage, who: &CallerId, method: Method, uri: &str) -> Outcome {
    let context = Context::new(Principal::new("ann"), ProtocolVersion::NEWEST_LEGACY);
    stage.ask(Context { caller: *who, ..context }, method, &json!({ "uri": uri }))
}

async fn done(outcome: Outcome) -> String {
    match tokio::time::timeout(PATIENCE, outcome).await.unwrap().unwrap() {
        Ok(result) => result,
        Err(error) => error.to_string(),
    }
}

/// Answers the next request of this method, which is about `uri`.
async fn grant(stage: &Stage, method: &str, uri: &str) {
    let request = stage.puppet.next(method).await;
    assert_eq!(request["params"], json!({ "uri": uri }));
    stage.puppet.answer(&request, &json!({})).await;
}

/// Subscribes to `uri`, and has the server agree.
async fn granted(stage: &Stage, uri: &str) {
    let outcome = subscribe(stage, uri);
    grant(stage, "resources/subscribe", uri).await;
    assert_eq!(done(outcome).await, "{}");
}

/// What the server heard and the test did not look at.
fn unanswered(stage: &Stage, word: &str) -> Vec<String> {
    stage.puppet.rest().into_iter().filter(|message| message.contains(word)).collect()
}

/// Acknowledges the next subscription, which names `uris`, as far as `honoured`; gives its id.
async fn acknowledge(stage: &Stage, uris: &[&str], honoured: &[&str]) -> Value {
    let request = stage.puppet.next("subscriptions/listen").await;
    let wanted = &request["params"]["notifications"]["resourceSubscriptions"];
    assert_eq!(*wanted, if uris.is_empty() { Value::Null } else { json!(uris) });
    let id = request["id"].clone();
    let meta = json!({ "io.modelcontextprotocol/subscriptionId": id });
    let subset = json!({ "resourceSubscriptions": honoured });
    let params = json!({ "notifications": subset, "_meta": meta });
    stage.puppet.tell("notifications/subscriptions/acknowledged", params).await;
    id
}

async fn updated(stage: &Stage, uri: &str) {
    stage.puppet.tell("notifications/resources/updated", json!({ "uri": uri })).await;
}

async fn until_cancelled(stage: &Stage, id: &Value) {
    let cancelled = stage.puppet.next("notifications/cancelled").await;
    assert_eq!(cancelled["params"]["requestId"], *id);
}

pub(crate) async fn the_server_is_asked_once_for_each_resource() {
    let stage = Stage::new(LEGACY, offers()).await;
    let both = [&ANN, &ANN_TOO].map(|who| ask(&stage, who, Method::Subscribe, "a:1"));
    grant(&stage, "resources/subscribe", "a:1").await;
    for outcome in both {
        assert_eq!(done(outcome).await, "{}");
    }
    granted(&stage, "a:2").await;
    stage.settle().await;
    assert_eq!(unanswered(&stage, "resources/"), [""; 0]);
    stage.end().await;
}

pub(crate) async fn the_last_to_go_ends_the_subscription() {
    let stage = Stage::new(LEGACY, offers()).await;
    granted(&stage, "a:1").await;
    assert_eq!(done(ask(&stage, &ANN_TOO, Method::Subscribe, "a:1")).await, "{}");
    for (uri, why) in [
        ("a:1", "another is there"),
        ("a:1", "that of another is not taken back"),
        ("a:2", "it was never asked for"),
    ] {
        assert_eq!(done(unsubscribe(&stage, uri)).await, "{}");
        stage.settle().await;
        assert_eq!(unanswered(&stage, "resources/"), [""; 0], "{why}");
    }
    assert_eq!(done(ask(&stage, &ANN_TOO, Method::Unsubscribe, "a:1")).await, "{}");
    grant(&stage, "resources/unsubscribe", "a:1").await;
    granted(&stage, "a:1").await;
    stage.end().await;
}

pub(crate) async fn a_refused_subscription_is_nobodys() {
    let stage = Stage::new(LEGACY, offers()).await;
    for _ in 0..2 {
        let outcome = subscribe(&stage, "a:1");
        let request = stage.puppet.next("resources/subscribe").await;
        let refusal = json!({ "code": -32002, "message": "not here" });
        stage.puppet.refuse(&request, &refusal).await;
        assert_eq!(done(outcome).await, "not here (-32002)");
    }
    granted(&stage, "a:1").await;
    stage.end().await;
}

pub(crate) async fn a_server_without_subscriptions_refuses() {
    for version in [LEGACY, MODERN] {
        for offers in [json!({ "resources": {} }), json!({ "tools": {} })] {
            let stage = Stage::new(version, offers).await;
            let outcome = done(subscribe(&stage, "a:1")).await;
            assert_eq!(outcome, "method `resources/subscribe` is not served here");
            stage.end().await;
        }
    }
}

pub(crate) async fn what_is_followed_is_announced_and_nothing_else() {
    let stage = Stage::new(LEGACY, offers()).await;
    granted(&stage, "a:1").await;
    for uri in ["a:2", "a:1", "a:1/part"] {
        updated(&stage, uri).await;
    }
    stage.puppet.tell("notifications/resources/updated", json!({})).await;
    stage.settle().await;
    assert_eq!(stage.news.updated(), ["a:1", "a:1/part"]);
    done(unsubscribe(&stage, "a:1")).await;
    updated(&stage, "a:1").await;
    stage.settle().await;
    assert_eq!(stage.news.updated(), ["a:1", "a:1/part"]);
    stage.end().await;
}

pub(crate) async fn a_subscriber_that_leaves_early_is_not_counted() {
    let stage = Stage::new(LEGACY, offers()).await;
    let one = subscribe(&stage, "a:1");
    let request = stage.puppet.next("resources/subscribe").await;
    one.abort();
    assert!(one.await.unwrap_err().is_cancelled());
    stage.puppet.answer(&request, &json!({})).await;
    grant(&stage, "resources/unsubscribe", "a:1").await;
    stage.end().await;
}

pub(crate) async fn subscriptions_outlive_their_session() {
    let stage = Stage::new(LEGACY, offers()).await;
    granted(&stage, "a:1").await;
    granted(&stage, "a:2").await;
    done(unsubscribe(&stage, "a:2")).await;
    grant(&stage, "resources/unsubscribe", "a:2").await;
    stage.puppet.die().await;
    grant(&stage, "resources/subscribe", "a:1").await;
    stage.news.until_updated(1).await;
    assert_eq!(stage.news.updated(), ["a:1"], "nobody listened for a while");
    stage.end().await;
}

/// As after a reload that changed its settings.
pub(crate) async fn who_takes_its_place_has_its_subscriptions() {
    let old = Stage::new(LEGACY, offers()).await;
    granted(&old, "a:1").await;
    let new = Stage::new(LEGACY, offers()).await;
    new.upstream.succeed(&old.upstream);
    old.upstream.retire();
    grant(&new, "resources/subscribe", "a:1").await;
    new.news.until_updated(1).await;
    assert_eq!(new.news.updated(), ["a:1"], "something may have been missed in between");
    // Somebody still had the old one, and what the new one has it has once.
    let late = ask(&old, &ANN_TOO, Method::Subscribe, "a:2");
    grant(&old, "resources/subscribe", "a:2").await;
    assert_eq!(done(late).await, "{}");
    new.upstream.succeed(&old.upstream);
    grant(&new, "resources/subscribe", "a:2").await;
    old.end().await;
    for (who, uri) in [(&ANN, "a:1"), (&ANN_TOO, "a:2")] {
        assert_eq!(done(ask(&new, who, Method::Unsubscribe, uri)).await, "{}");
        grant(&new, "resources/unsubscribe", uri).await;
    }
    new.end().await;
}

pub(crate) async fn an_endpoint_that_is_down_keeps_nobody_from_watching() {
    let both = |settings: &mut Settings| {
        let there = settings.stdio.take().unwrap();
        let down = StdioConfig { command: "/nonexistent/server".to_owned(), ..there.clone() };
        let endpoint =
            |stdio| EndpointSettings { stdio: Some(stdio), ..EndpointSettings::default() };
        settings.endpoints = vec![endpoint(down), endpoint(there)];
    };
    let stage = Stage::with(LEGACY, offers(), both).await;
    granted(&stage, "a:1").await;
    assert_eq!(done(unsubscribe(&stage, "a:1")).await, "{}");
    grant(&stage, "resources/unsubscribe", "a:1").await;
    stage.end().await;
}

pub(crate) async fn a_modern_server_is_asked_for_the_union() {
    let stage = Stage::new(MODERN, offers()).await;
    let one = subscribe(&stage, "a:1");
    let first = acknowledge(&stage, &["a:1"], &["a:1"]).await;
    assert_eq!(done(one).await, "{}");
    let two = subscribe(&stage, "a:2");
    let request = stage.puppet.next("subscriptions/listen").await;
    stage.settle().await;
    assert_eq!(unanswered(&stage, "cancelled"), [""; 0], "the first goes on");
    // An acknowledgement may be bare, and its id text.
    let meta = json!({ "io.modelcontextprotocol/subscriptionId": request["id"].to_string() });
    let params = json!({ "_meta": meta });
    stage.puppet.tell("notifications/subscriptions/acknowledged", params).await;
    assert_eq!(done(two).await, "{}");
    until_cancelled(&stage, &first).await;
    stage.end().await;
}

pub(crate) async fn a_modern_server_is_asked_for_less_again() {
    let stage = Stage::new(MODERN, offers()).await;
    let one = subscribe(&stage, "a:1");
    let first = acknowledge(&stage, &["a:1"], &["a:1"]).await;
    done(one).await;
    let two = subscribe(&stage, "a:2");
    let second = acknowledge(&stage, &["a:1", "a:2"], &["a:1", "a:2"]).await;
    done(two).await;
    until_cancelled(&stage, &first).await;
    done(unsubscribe(&stage, "a:1")).await;
    let third = acknowledge(&stage, &["a:2"], &["a:2"]).await;
    until_cancelled(&stage, &second).await;
    done(unsubscribe(&stage, "a:2")).await;
    until_cancelled(&stage, &third).await;
    stage.end().await;
}

pub(crate) async fn a_modern_server_may_honour_a_part() {
    let stage = Stage::new(MODERN, offers()).await;
    let one = subscribe(&stage, "a:1");
    acknowledge(&stage, &["a:1"], &[]).await;
    assert_eq!(done(one).await, "method `resources/subscribe` is not served here");
    let two = subscribe(&stage, "a:2");
    acknowledge(&stage, &["a:2"], &["a:2"]).await;
    assert_eq!(done(two).await, "{}");
    for uri in ["a:1", "a:2"] {
        updated(&stage, uri).await;
    }
    stage.settle().await;
    assert_eq!(stage.news.updated(), ["a:2"]);
    stage.end().await;
}

pub(crate) async fn a_modern_server_may_refuse_the_union() {
    let stage = Stage::new(MODERN, offers()).await;
    let one = subscribe(&stage, "a:1");
    acknowledge(&stage, &["a:1"], &["a:1"]).await;
    done(one).await;
    let two = subscribe(&stage, "a:2");
    let request = stage.puppet.next("subscriptions/listen").await;
    stage.puppet.refuse(&request, &json!({ "code": -32602, "message": "too many" })).await;
    assert_eq!(done(two).await, "too many (-32602)");
    updated(&stage, "a:1").await;
    stage.settle().await;
    assert_eq!(stage.news.updated(), ["a:1"], "the first goes on");
    stage.end().await;
}

pub(crate) async fn a_subscription_that_ends_is_opened_again() {
    let stage = Stage::new(MODERN, offers()).await;
    let one = subscribe(&stage, "a:1");
    let first = acknowledge(&stage, &["a:1"], &["a:1"]).await;
    done(one).await;
    stage.puppet.tell("notifications/cancelled", json!({ "requestId": first })).await;
    let second = acknowledge(&stage, &["a:1"], &["a:1"]).await;
    stage.news.until_updated(1).await;
    stage.puppet.answer(&json!({ "id": second }), &json!({ "resultType": "complete" })).await;
    acknowledge(&stage, &["a:1"], &["a:1"]).await;
    stage.news.until_updated(2).await;
    assert_eq!(stage.news.updated(), ["a:1", "a:1"], "nobody listened for a while, twice");
    stage.end().await;
}

pub(crate) async fn a_followed_server_is_not_idle() {
    let brief = TimeSpan::from_millis(100);
    let stage = Stage::with(LEGACY, offers(), |settings| settings.idle_stop = Some(brief)).await;
    granted(&stage, "a:1").await;
    tokio::time::sleep(brief.as_duration() * 4).await;
    assert_eq!(stage.upstream.status().state, State::Ready);
    stage.end().await;
}

/// Over HTTP a subscription has a stream of its own, which the acknowledgement opens.
pub(crate) async fn a_subscription_over_http_is_a_stream() {
    let web = Web::new(|seen| {
        if seen.method() == "subscriptions/listen" {
            let meta = json!({ "io.modelcontextprotocol/subscriptionId": seen.body["id"] });
            let acknowledged = "notifications/subscriptions/acknowledged";
            let honoured = seen.body["params"]["notifications"].clone();
            let change = |uri: &str| {
                let method = "notifications/resources/updated";
                let params = json!({ "uri": uri, "_meta": meta });
                json!({ "jsonrpc": "2.0", "method": method, "params": params })
            };
            let params = json!({ "notifications": honoured, "_meta": meta });
            let first = json!({ "jsonrpc": "2.0", "method": acknowledged, "params": params });
            return Reply::Stream(vec![first, change("a:2"), change("a:1")]);
        }
        modern(seen, &json!([])).unwrap_or(Reply::Status(500))
    })
    .await;
    let context = Context::new(Principal::new("ann"), ProtocolVersion::NEWEST_LEGACY);
    let params = Some(Json::encode(&json!({ "uri": "a:1" })));
    let request = Request { method: Method::Subscribe, params, name: Some("a:1".to_owned()) };
    let answer = tokio::time::timeout(PATIENCE, web.upstream.request(&context, request)).await;
    assert_eq!(answer.unwrap().unwrap().result.to_string(), "{}");
    web.news.until_updated(1).await;
    assert_eq!(web.news.updated(), ["a:1"]);
    web.end().await;
}
