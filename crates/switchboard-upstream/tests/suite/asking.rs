//! Servers that ask back, and that say more than they are asked.

use std::sync::Arc;

use serde_json::{Value, json};
use switchboard_core::{Context, Error, Peer, Request};
use switchboard_mcp::{Json, LogLevel, Method};
use switchboard_upstream::{Root, Settings};

use crate::common::{Bench, Kind, LEGACY, MODERN};
use crate::puppet::{Client, Stage};
use crate::web::{Reply, Web, legacy, modern};

fn everything() -> Value {
    json!({ "sampling": { "tools": {} }, "elicitation": { "form": {}, "url": {} }, "roots": {} })
}

fn tools() -> Value {
    json!({ "tools": {} })
}

fn yes() -> Option<Result<Value, i64>> {
    Some(Ok(json!({ "action": "accept" })))
}

pub(crate) async fn a_server_is_told_everything_that_can_be_asked() {
    let stage = Stage::new(LEGACY, tools()).await;
    stage.upstream.wake();
    let opening = stage.puppet.next("initialize").await;
    let declared = &opening["params"]["capabilities"];
    assert_eq!(declared["sampling"], json!({ "context": {}, "tools": {} }));
    assert_eq!(declared["elicitation"], json!({ "form": {}, "url": {} }));
    assert_eq!(declared["roots"], json!({}), "it never hears that they changed");
    stage.end().await;
    let stage = Stage::new(MODERN, tools()).await;
    let client = Client::new(json!({ "elicitation": {}, "x": { "future": 1 } }), None);
    let call = stage.call(&client).await;
    let meta = &call.request["params"]["_meta"];
    assert_eq!(
        meta["io.modelcontextprotocol/clientCapabilities"],
        json!({ "elicitation": {}, "x": { "future": 1 } })
    );
    assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "switchboard");
    assert!(meta["io.modelcontextprotocol/logLevel"].is_null());
    stage.end().await;
}

/// Servers show the tools of their apps only to those who declare that they know apps.
pub(crate) async fn what_is_listed_is_listed_for_hosts_of_apps() {
    let apps = json!({ "mimeTypes": ["text/html;profile=mcp-app"] });
    let stage = Stage::new(LEGACY, tools()).await;
    stage.upstream.wake();
    let opening = stage.puppet.next("initialize").await;
    let extensions = &opening["params"]["capabilities"]["extensions"];
    assert_eq!(extensions["io.modelcontextprotocol/ui"], apps);
    assert_eq!(extensions["io.modelcontextprotocol/skills"], json!({}));
    stage.end().await;
    let web = Web::new(|seen| modern(seen, &json!([])).unwrap_or(Reply::Status(404))).await;
    web.upstream.wake();
    web.until_seen("tools/list", 1).await;
    let asked = web.seen("tools/list").remove(0).body;
    let declared = &asked["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    assert_eq!(declared["extensions"]["io.modelcontextprotocol/ui"], apps);
    assert!(declared["sampling"].is_null(), "nobody is there to be asked: {declared}");
    web.end().await;
}

pub(crate) async fn a_question_reaches_the_client_of_the_call() {
    let stage = Stage::new(LEGACY, tools()).await;
    let client = Client::new(everything(), yes());
    let call = stage.call(&client).await;
    for (id, method) in [
        (json!("a"), "elicitation/create"),
        (json!(7), "sampling/createMessage"),
        (json!("b"), "roots/list"),
    ] {
        stage.puppet.ask(id.clone(), method, json!({ "x-future": 1 })).await;
        assert_eq!(stage.puppet.response(id).await, r#"{"action":"accept"}"#);
    }
    stage.finish(call).await;
    let expected = ["elicitation/create", "sampling/createMessage", "roots/list"]
        .map(|method| format!("{method} {{\"x-future\":1}}"));
    assert_eq!(client.heard(), expected);
    stage.end().await;
}

pub(crate) async fn what_a_client_did_not_declare_is_refused() {
    let stage = Stage::new(LEGACY, tools()).await;
    let client = Client::new(json!({ "elicitation": { "form": {} } }), yes());
    let call = stage.call(&client).await;
    for (id, method, params, expected) in [
        (1, "sampling/createMessage", json!({}), "-32601"),
        (2, "roots/list", json!({}), "-32601"),
        (3, "elicitation/create", json!({ "mode": "url", "url": "https://x" }), "-32602"),
        (4, "elicitation/create", json!({ "message": "?" }), r#"{"action":"accept"}"#),
        (5, "tools/call", json!({ "name": "x" }), "-32601"),
        (6, "x/unheard", json!({}), "-32601"),
        (7, "ping", json!({}), "{}"),
    ] {
        stage.puppet.ask(id, method, params).await;
        assert_eq!(stage.puppet.response(id).await, expected, "{method}");
    }
    assert_eq!(client.heard(), [r#"elicitation/create {"message":"?"}"#]);
    stage.finish(call).await;
    stage.end().await;
}

pub(crate) async fn a_modern_client_learns_what_its_call_lacked() {
    let stage = Stage::new(LEGACY, tools()).await;
    let client = Client::new(json!({ "elicitation": {} }), yes());
    let ask = async || {
        let context = Context { version: MODERN, ..client.context() };
        let call = stage.call_as(context).await;
        stage.puppet.ask(1, "sampling/createMessage", json!({})).await;
        assert_eq!(stage.puppet.response(1).await, "-32601");
        call
    };
    let lacked = |outcome: Result<String, Error>| {
        let Err(Error::Refused(error)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(error.code, -32021);
        assert_eq!(error.data.unwrap().as_str(), r#"{"requiredCapabilities":{"sampling":{}}}"#);
    };
    let call = ask().await;
    stage.puppet.answer(&call.request, &json!({ "content": [], "isError": true })).await;
    lacked(call.done().await);
    let call = ask().await;
    stage.puppet.refuse(&call.request, &json!({ "code": -32603, "message": "no" })).await;
    lacked(call.done().await);
    // A server that can do without has done what it was asked for.
    let call = ask().await;
    stage.finish(call).await;
    stage.end().await;
}

pub(crate) async fn who_never_answers_holds_nobody_up() {
    let stage = Stage::new(LEGACY, tools()).await;
    let (silent, bob) = (Client::new(everything(), None), Client::new(everything(), yes()));
    let _parked = stage.call(&silent).await;
    stage.puppet.ask(1, "elicitation/create", json!({ "message": "?" })).await;
    silent.until("elicitation/create", 1).await;
    let of_bob = stage.call(&bob).await;
    stage.puppet.ask(2, "roots/list", json!({})).await;
    assert_eq!(stage.puppet.response(2).await, r#"{"action":"accept"}"#);
    assert_eq!(bob.heard(), ["roots/list {}"]);
    assert_eq!(silent.heard(), [r#"elicitation/create {"message":"?"}"#]);
    stage.finish(of_bob).await;
    stage.end().await;
}

pub(crate) async fn a_client_may_refuse() {
    let stage = Stage::new(LEGACY, tools()).await;
    let client = Client::new(everything(), Some(Err(-1)));
    let _call = stage.call(&client).await;
    stage.puppet.ask(1, "roots/list", json!({})).await;
    assert_eq!(stage.puppet.response(1).await, "-1");
    stage.end().await;
}

pub(crate) async fn questions_outside_of_calls_reach_nobody() {
    let stage = Stage::new(LEGACY, tools()).await;
    let client = Client::new(everything(), yes());
    let call = stage.call(&client).await;
    stage.finish(call).await;
    for (id, method) in
        [(1, "elicitation/create"), (2, "sampling/createMessage"), (3, "roots/list")]
    {
        stage.puppet.ask(id, method, json!({})).await;
        assert_eq!(stage.puppet.response(id).await, "-32601", "{method}");
    }
    assert_eq!(client.heard(), [""; 0]);
    stage.end().await;
}

pub(crate) async fn configured_roots_answer_where_no_client_does() {
    let configure = |settings: &mut Settings| {
        settings.roots = vec![Root::try_from("/srv/data".to_owned()).unwrap()];
    };
    let stage = Stage::with(LEGACY, tools(), configure).await;
    let configured = r#"{"roots":[{"uri":"file:///srv/data","name":"data"}]}"#;
    let without = Client::new(json!({}), yes());
    let call = stage.call(&without).await;
    stage.puppet.ask(1, "roots/list", json!({})).await;
    assert_eq!(stage.puppet.response(1).await, configured, "the client has none");
    stage.finish(call).await;
    stage.puppet.ask(2, "roots/list", json!({})).await;
    assert_eq!(stage.puppet.response(2).await, configured, "there is no client");
    let _call = stage.call(&Client::new(everything(), yes())).await;
    stage.puppet.ask(3, "roots/list", json!({})).await;
    assert_eq!(stage.puppet.response(3).await, r#"{"action":"accept"}"#, "the client's own");
    stage.end().await;
}

pub(crate) async fn a_question_is_held_until_it_can_only_be_one_clients() {
    let stage = Stage::new(LEGACY, tools()).await;
    let (ann, bob) = (Client::new(everything(), yes()), Client::new(everything(), yes()));
    let of_ann = stage.call(&ann).await;
    let of_bob = stage.call(&bob).await;
    stage.puppet.ask(1, "elicitation/create", json!({ "message": "whose?" })).await;
    stage.puppet.tell("notifications/message", json!({ "level": "info" })).await;
    stage.settle().await;
    assert_eq!((ann.heard(), bob.heard()), (vec![], vec![]), "nobody knows whose it is");
    stage.finish(of_ann).await;
    assert_eq!(stage.puppet.response(1).await, r#"{"action":"accept"}"#);
    assert_eq!(bob.heard(), [r#"elicitation/create {"message":"whose?"}"#]);
    assert_eq!(ann.heard(), [""; 0], "it can be bob's alone");
    stage.finish(of_bob).await;
    stage.end().await;
}

/// Its server may have given up waiting and answered the call that it is of.
pub(crate) async fn a_question_is_never_held_for_another_principal() {
    let stage = Stage::new(LEGACY, tools()).await;
    let (ann, bob) = (Client::of("ann", yes()), Client::of("bob", yes()));
    let of_ann = stage.call(&ann).await;
    let of_bob = stage.call(&bob).await;
    stage.puppet.ask(1, "elicitation/create", json!({ "message": "whose?" })).await;
    assert_eq!(stage.puppet.response(1).await, "-32603", "nobody knows whose it is");
    stage.finish(of_ann).await;
    stage.finish(of_bob).await;
    assert_eq!((ann.heard(), bob.heard()), (vec![], vec![]));
    stage.end().await;
}

/// Held for two sessions of ann, who are done when only bob is left, who came later.
pub(crate) async fn a_question_that_is_held_is_for_its_principal() {
    let stage = Stage::new(LEGACY, tools()).await;
    let bob = Client::of("bob", yes());
    let [one, other] = [Client::of("ann", yes()), Client::of("ann", yes())];
    let (of_one, of_other) = (stage.call(&one).await, stage.call(&other).await);
    stage.puppet.ask(2, "elicitation/create", json!({ "message": "which?" })).await;
    stage.settle().await;
    let of_bob = stage.call(&bob).await;
    stage.finish(of_one).await;
    stage.finish(of_other).await;
    assert_eq!(stage.puppet.response(2).await, "-32603");
    stage.finish(of_bob).await;
    assert_eq!(bob.heard(), [""; 0]);
    stage.end().await;
}

pub(crate) async fn a_question_that_is_taken_back_is_dropped() {
    let stage = Stage::new(LEGACY, tools()).await;
    let client = Client::new(everything(), None);
    let call = stage.call(&client).await;
    stage.puppet.ask("q", "elicitation/create", json!({})).await;
    client.until("elicitation/create", 1).await;
    stage.puppet.tell("notifications/cancelled", json!({ "requestId": "other" })).await;
    stage.puppet.tell("notifications/cancelled", json!({ "requestId": "q" })).await;
    client.until("dropped elicitation/create", 1).await;
    stage.finish(call).await;
    stage.settle().await;
    let rest = stage.puppet.rest();
    assert!(!rest.iter().any(|message| message.contains("\"q\"")), "no answer: {rest:?}");
    stage.end().await;
}

pub(crate) async fn a_question_ends_with_its_call() {
    let stage = Stage::new(LEGACY, tools()).await;
    let client = Client::new(everything(), None);
    let call = stage.call(&client).await;
    stage.puppet.ask(1, "elicitation/create", json!({})).await;
    client.until("elicitation/create", 1).await;
    stage.finish(call).await;
    client.until("dropped elicitation/create", 1).await;
    assert_eq!(stage.puppet.response(1).await, "-32603");
    stage.end().await;
}

pub(crate) async fn a_question_ends_when_the_client_leaves() {
    let stage = Stage::new(LEGACY, tools()).await;
    let client = Client::new(everything(), None);
    let call = stage.call(&client).await;
    stage.puppet.ask(1, "elicitation/create", json!({})).await;
    client.until("elicitation/create", 1).await;
    call.outcome.abort();
    client.until("dropped elicitation/create", 1).await;
    assert_eq!(stage.puppet.response(1).await, "-32603");
    stage.end().await;
}

pub(crate) async fn what_is_said_about_a_call_that_was_given_up_is_nobodys() {
    let stage = Stage::new(LEGACY, tools()).await;
    let (ann, bob) = (Client::new(everything(), yes()), Client::new(everything(), yes()));
    let of_ann = stage.call(&ann).await;
    let of_bob = stage.call(&bob).await;
    of_ann.outcome.abort();
    stage.puppet.next("notifications/cancelled").await;
    stage.puppet.tell("notifications/message", json!({ "data": "of ann" })).await;
    stage.puppet.ask(1, "elicitation/create", json!({ "message": "whose?" })).await;
    stage.settle().await;
    assert_eq!((ann.heard(), bob.heard()), (vec![], vec![]), "nobody knows whose it is");
    stage.puppet.answer(&of_ann.request, &json!({ "content": [] })).await;
    assert_eq!(stage.puppet.response(1).await, r#"{"action":"accept"}"#);
    assert_eq!(bob.heard(), [r#"elicitation/create {"message":"whose?"}"#]);
    stage.finish(of_bob).await;
    stage.end().await;
}

pub(crate) async fn a_server_that_heard_of_a_cancellation_is_believed() {
    let stage = Stage::new(LEGACY, tools()).await;
    let (ann, bob) = (Client::new(everything(), yes()), Client::new(everything(), yes()));
    let of_ann = stage.call(&ann).await;
    of_ann.outcome.abort();
    stage.puppet.next("notifications/cancelled").await;
    let echo = stage.puppet.next("ping").await;
    let of_bob = stage.call(&bob).await;
    stage.puppet.answer(&echo, &json!({})).await;
    stage.puppet.ask(1, "elicitation/create", json!({ "message": "?" })).await;
    assert_eq!(stage.puppet.response(1).await, r#"{"action":"accept"}"#);
    assert_eq!(bob.heard(), [r#"elicitation/create {"message":"?"}"#]);
    stage.finish(of_bob).await;
    stage.end().await;
}

pub(crate) async fn questions_end_with_their_server() {
    let stage = Stage::new(LEGACY, tools()).await;
    let client = Client::new(everything(), None);
    let call = stage.call(&client).await;
    stage.puppet.ask(1, "elicitation/create", json!({})).await;
    client.until("elicitation/create", 1).await;
    stage.upstream.stop().await;
    client.until("dropped elicitation/create", 1).await;
    assert!(matches!(call.done().await, Err(Error::Lost { .. } | Error::Unavailable { .. })));
    stage.end().await;
}

pub(crate) async fn too_many_questions_are_refused() {
    let stage = Stage::new(LEGACY, tools()).await;
    let client = Client::new(everything(), None);
    let call = stage.call(&client).await;
    for id in 0..1_000 {
        stage.puppet.ask(id, "sampling/createMessage", json!({})).await;
    }
    for id in 64..1_000 {
        assert_eq!(stage.puppet.response(id).await, "-32603", "question {id}");
    }
    client.until("sampling/createMessage", 64).await;
    assert_eq!(client.heard().len(), 64);
    stage.finish(call).await;
    stage.end().await;
}

pub(crate) async fn one_id_is_one_question() {
    let stage = Stage::new(LEGACY, tools()).await;
    let client = Client::new(everything(), None);
    let call = stage.call(&client).await;
    stage.puppet.ask(1, "elicitation/create", json!({})).await;
    stage.puppet.ask(1, "elicitation/create", json!({})).await;
    assert_eq!(stage.puppet.response(1).await, "-32600");
    // It answers itself, under its own id, which is nobody's with us.
    stage.puppet.ask("q", "elicitation/create", json!({})).await;
    stage.puppet.answer(&json!({ "id": "q" }), &json!({ "action": "accept" })).await;
    client.until("elicitation/create", 2).await;
    assert!(!client.heard().iter().any(|entry| entry.starts_with("dropped")));
    stage.finish(call).await;
    stage.end().await;
}

/// A client that writes its answers over several lines.
struct Wordy;

#[async_trait::async_trait]
impl Peer for Wordy {
    async fn request(
        &self,
        context: &Context,
        _: Request,
    ) -> Result<switchboard_core::Response, Error> {
        let result = Json::parse(bytes::Bytes::from_static(b"{\r\n\"action\":\n\"accept\"\n}"));
        Ok(switchboard_core::Response::new(result.unwrap(), context.version))
    }
}

pub(crate) async fn an_answer_may_have_line_ends() {
    let stage = Stage::new(LEGACY, tools()).await;
    let mut context = Client::new(everything(), None).context();
    context.client = Some(Arc::new(Wordy));
    let _call = stage.call_as(context).await;
    stage.puppet.ask(1, "elicitation/create", json!({})).await;
    assert_eq!(stage.puppet.response(1).await, r#"{"action":"accept"}"#);
    stage.end().await;
}

pub(crate) async fn a_question_on_the_stream_of_a_call_is_that_calls() {
    let bench = Bench::new(Kind::Http, LEGACY).await;
    let (ann, bob) = (Client::new(everything(), yes()), Client::new(everything(), yes()));
    let call = |client: &Arc<Client>, tool: &'static str| {
        let (context, upstream) = (client.context(), Arc::clone(&bench.upstream));
        async move {
            let params = Some(Json::encode(&json!({ "name": tool })));
            let request =
                Request { method: Method::ToolsCall, params, name: Some(tool.to_owned()) };
            upstream.request(&context, request).await.unwrap().result.to_string()
        }
    };
    let asking = async {
        bench.fake.until("held", 1).await;
        let answer = call(&bob, "ask").await;
        bench.fake.release();
        answer
    };
    let (_, answer) = tokio::join!(call(&ann, "hold"), asking);
    assert_eq!(answer, r#"{"content":[],"ping":true,"sampling":true}"#);
    assert_eq!(bob.heard().len(), 1, "{:?}", bob.heard());
    assert_eq!(ann.heard(), [""; 0]);
    bench.end().await;
}

pub(crate) async fn too_many_questions_on_one_stream_are_refused() {
    let web = Web::new(|seen| {
        if seen.method() != "tools/call" {
            return legacy(seen).unwrap_or(Reply::Status(202));
        }
        let question = |id| json!({ "jsonrpc": "2.0", "id": id, "method": "roots/list" });
        let mut said: Vec<Value> = (0..1_000).map(question).collect();
        said.push(json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": {} }));
        Reply::Stream(said)
    })
    .await;
    let client = Client::new(everything(), None);
    let params = Some(Json::encode(&json!({ "name": "x" })));
    let request = Request { method: Method::ToolsCall, params, name: Some("x".to_owned()) };
    let answer = web.upstream.request(&client.context(), request).await;
    assert_eq!(answer.unwrap().result.to_string(), "{}");
    let asked = client.heard().iter().filter(|entry| entry.starts_with("roots/list")).count();
    assert!(asked <= 64, "{asked} questions at once");
    web.end().await;
}

pub(crate) async fn a_modern_server_asks_in_its_results_only() {
    let stage = Stage::new(MODERN, tools()).await;
    let client = Client::new(everything(), yes());
    let _call = stage.call(&client).await;
    stage.puppet.ask(1, "elicitation/create", json!({})).await;
    assert_eq!(stage.puppet.response(1).await, "-32601");
    assert_eq!(client.heard(), [""; 0]);
    stage.end().await;
}

pub(crate) async fn log_messages_reach_the_only_client() {
    for version in [LEGACY, MODERN] {
        let stage = Stage::new(version, tools()).await;
        let (ann, bob) = (Client::new(json!({}), None), Client::new(json!({}), None));
        let first = stage.call(&ann).await;
        stage.puppet.tell("notifications/message", json!({ "data": 1 })).await;
        ann.until(r#"notifications/message {"data":1}"#, 1).await;
        let _call = stage.call(&bob).await;
        stage.puppet.tell("notifications/message", json!({ "data": 2 })).await;
        stage.finish(first).await;
        stage.puppet.tell("notifications/message", json!({ "data": 3 })).await;
        bob.until(r#"notifications/message {"data":3}"#, 1).await;
        assert_eq!(ann.heard().len(), 1, "{:?}", ann.heard());
        assert_eq!(bob.heard().len(), 1, "{:?}", bob.heard());
        stage.end().await;
    }
}

pub(crate) async fn a_lower_log_level_is_asked_for_before_the_call() {
    let client = Client::logging;
    let stage = Stage::new(LEGACY, json!({ "tools": {}, "logging": {} })).await;
    stage.call(&client(None)).await;
    for (level, expected) in [
        (LogLevel::Warning, Some("warning")),
        (LogLevel::Error, None),
        (LogLevel::Warning, None),
        (LogLevel::Debug, Some("debug")),
        (LogLevel::Info, None),
    ] {
        let client = client(Some(level));
        let setting = async {
            if let Some(expected) = expected {
                let request = stage.puppet.next("logging/setLevel").await;
                assert_eq!(request["params"], json!({ "level": expected }));
                let calls = stage.puppet.rest();
                assert!(!calls.iter().any(|call| call.contains("tools/call")), "{calls:?}");
                stage.puppet.answer(&request, &json!({})).await;
            }
        };
        tokio::join!(stage.call(&client), setting);
        let rest = stage.puppet.rest();
        assert!(!rest.iter().any(|other| other.contains("setLevel")), "{level:?}: {rest:?}");
    }
    stage.end().await;
    let stage = Stage::new(LEGACY, tools()).await;
    stage.call(&client(Some(LogLevel::Debug))).await;
    assert!(!stage.puppet.rest().iter().any(|other| other.contains("setLevel")), "has none");
    stage.end().await;
    let stage = Stage::new(MODERN, json!({ "tools": {}, "logging": {} })).await;
    let call = stage.call(&client(Some(LogLevel::Debug))).await;
    assert_eq!(call.request["params"]["_meta"]["io.modelcontextprotocol/logLevel"], "debug");
    stage.end().await;
}

/// Says that each of these elicitations is done.
async fn complete(stage: &Stage, ids: &[&str]) {
    for id in ids {
        let complete = json!({ "elicitationId": id });
        stage.puppet.tell("notifications/elicitation/complete", complete).await;
    }
    stage.settle().await;
}

pub(crate) async fn the_end_of_an_elicitation_reaches_who_was_sent_there() {
    let stage = Stage::new(LEGACY, tools()).await;
    let (ann, bob) = (Client::new(everything(), yes()), Client::new(everything(), yes()));
    let call = stage.call(&ann).await;
    let params = json!({ "mode": "url", "url": "https://x", "elicitationId": "e1" });
    stage.puppet.ask(1, "elicitation/create", params).await;
    stage.puppet.response(1).await;
    stage.finish(call).await;
    // The calls of somebody else make no difference.
    let _call = stage.call(&bob).await;
    complete(&stage, &["e1", "e1", "e3"]).await;
    assert_eq!(ann.heard()[1..], [r#"notifications/elicitation/complete {"elicitationId":"e1"}"#]);
    assert_eq!(bob.heard(), [""; 0]);
    stage.end().await;
}

pub(crate) async fn elicitations_that_a_refusal_names_end_too() {
    let stage = Stage::new(LEGACY, tools()).await;
    let (ann, bob) = (Client::new(everything(), yes()), Client::new(everything(), yes()));
    let call = stage.call(&ann).await;
    let named = json!({ "elicitations": [{ "elicitationId": "e2" }, { "mode": "url" }] });
    let error = json!({ "code": -32042, "message": "first this", "data": named });
    stage.puppet.refuse(&call.request, &error).await;
    assert!(matches!(call.done().await, Err(Error::Server { error, .. }) if error.code == -32042));
    let _call = stage.call(&bob).await;
    complete(&stage, &["e1", "e2"]).await;
    assert_eq!(ann.heard(), [r#"notifications/elicitation/complete {"elicitationId":"e2"}"#]);
    assert_eq!(bob.heard(), [""; 0]);
    stage.end().await;
}

pub(crate) async fn unknown_notifications_reach_the_only_client() {
    let stage = Stage::new(LEGACY, tools()).await;
    let client = Client::new(json!({}), None);
    let call = stage.call(&client).await;
    stage.puppet.tell("notifications/x", json!({ "a": 1 })).await;
    client.until(r#"notifications/x {"a":1}"#, 1).await;
    stage.finish(call).await;
    stage.puppet.tell("notifications/x", json!({ "a": 2 })).await;
    stage.settle().await;
    assert_eq!(client.heard().len(), 1, "{:?}", client.heard());
    stage.end().await;
}
