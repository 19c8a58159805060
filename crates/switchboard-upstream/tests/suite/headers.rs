//! What a request says in its headers to a server of 2026-07-28, and what is done when the server
//! finds that wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use switchboard_core::Peer as _;
use switchboard_core::{Context, Principal, Request};
use switchboard_mcp::{Json, Method, ProtocolVersion};
use switchboard_upstream::Upstream;

use crate::common::PATIENCE;
use crate::web::{Reply, Seen, Web, modern};

fn tool(name: &str, header: &str) -> Value {
    let place = json!({ "type": "string", "x-mcp-header": header });
    json!({ "name": name, "inputSchema": { "type": "object", "properties": { "place": place } } })
}

async fn ask(upstream: &Upstream, method: Method, params: Value) -> Result<String, i64> {
    let context = Context::new(Principal::new("ann"), ProtocolVersion::MODERN);
    let name = method.subject().and_then(|member| params[member].as_str().map(str::to_owned));
    let request = Request { method: method.clone(), params: Some(Json::encode(&params)), name };
    let answer = tokio::time::timeout(PATIENCE, upstream.request(&context, request)).await;
    match answer.unwrap() {
        Ok(response) => Ok(response.result.to_string()),
        Err(error) => Err(error.to_rpc(ProtocolVersion::MODERN, &method).code),
    }
}

async fn call(web: &Web, name: &str, arguments: Value) -> Result<String, i64> {
    ask(&web.upstream, Method::ToolsCall, json!({ "name": name, "arguments": arguments })).await
}

fn done() -> Reply {
    Reply::Result(json!({ "content": [] }))
}

async fn until_listed(web: &Web) {
    web.upstream.wake();
    web.news.until(|| web.upstream.view().lists.is_some()).await;
}

pub(crate) async fn arguments_are_repeated_where_the_tool_wants_it() {
    let web = Web::new(|seen| {
        let tools = json!([tool("x", "Place"), { "name": "plain" }]);
        modern(seen, &tools).unwrap_or_else(done)
    })
    .await;
    until_listed(&web).await;
    for (name, arguments, expected) in [
        ("x", json!({ "place": "here" }), Some("here")),
        ("x", json!({ "place": "größe" }), Some("=?base64?Z3LDtsOfZQ==?=")),
        ("x", json!({ "place": null }), None),
        ("x", json!({}), None),
        ("plain", json!({ "place": "here" }), None),
        ("unheard", json!({ "place": "here" }), None),
    ] {
        call(&web, name, arguments).await.unwrap();
        let seen = web.seen("tools/call").pop().unwrap();
        assert_eq!(seen.header("mcp-param-place"), expected, "{name} {}", seen.body);
        assert_eq!(seen.header("mcp-name"), Some(name));
        assert_eq!(seen.header("mcp-method"), Some("tools/call"));
    }
    web.end().await;
}

pub(crate) async fn the_subject_is_named_where_the_method_wants_it() {
    let web = Web::new(|seen| modern(seen, &json!([])).unwrap_or_else(done)).await;
    for (method, params, expected) in [
        ("resources/read", json!({ "uri": "a:1" }), Some("a:1")),
        ("tasks/get", json!({ "taskId": "t1" }), Some("t1")),
        ("skills/get", json!({ "uri": "a:1" }), None),
        ("x/y", json!({ "name": "n" }), None),
    ] {
        ask(&web.upstream, Method::from(method), params).await.unwrap();
        let seen = web.seen(method).pop().unwrap();
        assert_eq!(seen.header("mcp-name"), expected, "{method}");
        assert_eq!(seen.header("mcp-method"), Some(method));
    }
    web.end().await;
}

pub(crate) async fn a_tool_with_headers_that_cannot_be_is_left_out() {
    let tools = json!([tool("bad", "not a token"), tool("good", "Place")]);
    let web = Web::new(move |seen| modern(seen, &tools).unwrap_or_else(done)).await;
    until_listed(&web).await;
    let listed: Vec<_> =
        web.upstream.view().lists.unwrap().tools.iter().map(|tool| tool.key.clone()).collect();
    assert_eq!(listed, ["good"]);
    web.end().await;
}

pub(crate) async fn headers_that_a_tool_wants_anew_are_learnt() {
    let web = Web::new(|seen: &Seen| {
        // Another header is wanted once somebody called.
        static CALLS: AtomicUsize = AtomicUsize::new(0);
        let wanted = if CALLS.load(Ordering::SeqCst) == 0 { "Old" } else { "New" };
        if seen.method() == "tools/call" {
            CALLS.fetch_add(1, Ordering::SeqCst);
            return match seen.header("mcp-param-new") {
                Some("here") => done(),
                _ => Reply::Error(400, json!({ "code": -32020, "message": "mismatch" })),
            };
        }
        modern(seen, &json!([tool("x", wanted)])).unwrap_or_else(done)
    })
    .await;
    until_listed(&web).await;
    let answer = call(&web, "x", json!({ "place": "here" })).await;
    assert_eq!(answer.as_deref(), Ok(r#"{"content":[]}"#));
    let calls = web.seen("tools/call");
    assert_eq!(calls.len(), 2);
    assert_eq!(calls[0].header("mcp-param-old"), Some("here"));
    assert_eq!(calls[1].header("mcp-param-old"), None);
    web.end().await;
}

pub(crate) async fn what_is_between_the_server_and_us_stays_there() {
    for code in [-32020, -32022] {
        let web = Web::new(move |seen| {
            let refusal = || Reply::Error(400, json!({ "code": code, "message": "no" }));
            modern(seen, &json!([tool("x", "Place")])).unwrap_or_else(refusal)
        })
        .await;
        assert_eq!(call(&web, "x", json!({})).await, Err(-32603));
        assert_eq!(web.seen("tools/call").len(), 2, "{code}: tried once more, and not again");
        web.end().await;
    }
}

pub(crate) async fn a_server_that_went_back_an_era_is_opened_anew() {
    let moved = Arc::new(AtomicUsize::new(0));
    let is_moved = Arc::clone(&moved);
    let web = Web::new(move |seen: &Seen| {
        if is_moved.load(Ordering::SeqCst) == 0 {
            return modern(seen, &json!([])).unwrap_or_else(done);
        }
        if seen.header("mcp-protocol-version") == Some("2026-07-28") {
            let data = json!({ "supported": ["2025-11-25"], "requested": "2026-07-28" });
            return Reply::Error(400, json!({ "code": -32022, "message": "no", "data": data }));
        }
        crate::web::legacy(seen).unwrap_or_else(done)
    })
    .await;
    call(&web, "x", json!({})).await.unwrap();
    moved.store(1, Ordering::SeqCst);
    assert_eq!(call(&web, "x", json!({})).await.as_deref(), Ok(r#"{"content":[]}"#));
    assert_eq!(web.upstream.status().version, Some("2025-11-25"));
    web.end().await;
}

/// A legacy server that closes the stream of a call, and goes on when it is asked by `GET`.
pub(crate) async fn a_stream_that_the_server_closes_is_gone_on_with() {
    let message = |id: &str, text: Value| format!("id: {id}\ndata: {text}\n\n");
    let web = Web::new(move |seen: &Seen| {
        static ID: AtomicUsize = AtomicUsize::new(0);
        if seen.method() == "tools/call" {
            let id = usize::try_from(seen.body["id"].as_u64().unwrap()).unwrap();
            ID.store(id, Ordering::SeqCst);
            return Reply::Events("id: e1\nretry: 10\ndata:\n\n".to_owned());
        }
        match (&*seen.verb, seen.header("last-event-id")) {
            ("GET", None) => Reply::Status(405),
            ("GET", Some("e1")) => Reply::Events(message("e2", json!({ "no": "message" }))),
            ("GET", Some("e2")) => {
                let id = ID.load(Ordering::SeqCst);
                let result = json!({ "content": [] });
                let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
                Reply::Events(message("e3", answer))
            }
            _ => crate::web::legacy(seen).unwrap_or(Reply::Status(404)),
        }
    })
    .await;
    assert_eq!(call(&web, "x", json!({})).await.as_deref(), Ok(r#"{"content":[]}"#));
    assert_eq!(web.seen("tools/call").len(), 1, "carried out once");
    web.end().await;
}

pub(crate) async fn a_stream_that_never_goes_on_is_given_up() {
    for status in [200, 404] {
        let web = Web::new(move |seen: &Seen| {
            if seen.method() == "tools/call" {
                return Reply::Events("id: e1\nretry: 10\ndata:\n\n".to_owned());
            }
            match (&*seen.verb, seen.header("last-event-id")) {
                ("GET", None) => Reply::Status(405),
                ("GET", Some(_)) if status == 200 => Reply::Events(String::new()),
                _ => crate::web::legacy(seen).unwrap_or(Reply::Status(404)),
            }
        })
        .await;
        assert_eq!(call(&web, "x", json!({})).await, Err(-32603));
        assert!(web.seen("GET").len() <= 4, "{:?}", web.seen("GET"));
        web.end().await;
    }
}

pub(crate) async fn what_comes_unasked_is_gone_on_with_too() {
    let web = Web::new(|seen: &Seen| {
        let changed = "notifications/tools/list_changed";
        let change = json!({ "jsonrpc": "2.0", "method": changed });
        match (&*seen.verb, seen.header("last-event-id")) {
            ("GET", None) => Reply::Events(format!("id: g1\ndata: {change}\n\n")),
            ("GET", Some("g1")) => Reply::Stream(vec![change]),
            _ => crate::web::legacy(seen).unwrap_or(Reply::Status(404)),
        }
    })
    .await;
    until_listed(&web).await;
    web.until_seen("GET", 2).await;
    assert_eq!(web.seen("GET")[1].header("last-event-id"), Some("g1"));
    web.end().await;
}
