use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use switchboard_config::ByteSize;
use switchboard_core::{Call, CallOutcome, Error, Principal, Response, Went};
use switchboard_mcp::{Json, Method, ProtocolVersion};

use super::{Shown, Veil};
use crate::config::HistoryConfig;
use crate::redact::Redactor;

fn parse(value: &Value) -> Json {
    Json::parse(Bytes::from(value.to_string())).unwrap()
}

fn veil() -> Veil {
    let config =
        HistoryConfig { arguments_limit: ByteSize::from_bytes(200), ..HistoryConfig::default() };
    Veil::new(&config, Redactor::new(&config.redact).unwrap())
}

#[track_caller]
fn check(method: Method, params: &Value, outcome: CallOutcome, expected: (Value, Value, Value)) {
    let call = Call {
        principal: Principal::new("ann"),
        method,
        name: "x".to_owned(),
        params: Some(parse(params)),
        outcome,
        took: Duration::ZERO,
        went: Went::default(),
        is_shown: false,
    };
    let schema = parse(&json!({ "properties": { "pin": { "writeOnly": true } } }));
    let Shown { request, response, notes } = veil().show(&veil().sight(&call), Some(&schema));
    let (method, params, response_expected) = expected;
    let wanted = json!({ "jsonrpc": "2.0", "method": method, "params": params });
    assert_eq!((request, response), (wanted, response_expected), "{notes:?}");
}

fn answered(result: &Value) -> CallOutcome {
    CallOutcome::Answered(Response::new(parse(result), ProtocolVersion::MODERN))
}

#[test]
fn a_call_is_shown_as_messages_without_secrets() {
    check(
        Method::ToolsCall,
        &json!({ "name": "x", "arguments": { "a": 1, "pin": "12", "password": "hush" } }),
        answered(&json!({ "content": [], "token": "hush" })),
        (
            json!("tools/call"),
            json!({ "name": "x", "arguments": {
                "a": 1, "pin": "[redacted]", "password": "[redacted]"
            } }),
            json!({ "jsonrpc": "2.0", "result": { "content": [], "token": "[redacted]" } }),
        ),
    );
    let key = format!("sk-{}", "a1".repeat(20));
    check(
        Method::ResourcesRead,
        &json!({ "uri": "x" }),
        CallOutcome::Failed(Error::Invalid(format!("not {key}"))),
        (
            json!("resources/read"),
            json!({ "uri": "x" }),
            json!({ "jsonrpc": "2.0", "error": { "code": -32602, "message": "not [redacted]" } }),
        ),
    );
    check(
        Method::PromptsGet,
        &json!({ "name": "x", "arguments": { "long": "y".repeat(300) } }),
        CallOutcome::Abandoned,
        (json!("prompts/get"), json!({ "name": "x" }), Value::Null),
    );
}

#[test]
fn messages_are_shown_without_secrets_too() {
    let request = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
        "name": "x", "arguments": { "password": "hush" } } });
    let answer = json!({ "jsonrpc": "2.0", "id": 7, "result": { "content": [] } });
    let shown =
        veil().show_messages(request.to_string().as_bytes(), answer.to_string().as_bytes(), None);
    assert_eq!(shown.request["id"], 7);
    assert_eq!(shown.request["params"]["arguments"]["password"], "[redacted]");
    assert_eq!(shown.response, answer);
    assert_eq!(shown.notes.as_deref(), Some("what looks like a secret was redacted"));
    let long = json!({ "params": "x".repeat(2_000) }).to_string();
    let shown = veil().show_messages(long.as_bytes(), b"{}", None);
    assert_eq!((shown.request, shown.response), (Value::Null, json!({})));
}
