use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use serde_json::{Value, json};
use switchboard_config::ByteSize;
use switchboard_core::{Call, CallOutcome, Error, Principal, Recorder as _, Response, Went};
use switchboard_mcp::{Json, Method, ProtocolVersion};

use super::Form;
use crate::config::HistoryConfig;
use crate::keeper::Facts;
use crate::queue::History;
use crate::redact::Redactor;

fn parse(value: &Value) -> Json {
    Json::parse(Bytes::from(value.to_string())).unwrap()
}

/// The columns of a call of `params` with `outcome`, as far as `expected` names them.
#[track_caller]
fn check(params: &Value, outcome: Result<Value, Error>, expected: &Value) {
    let went = Went { upstream: None, endpoint: Some("git.2".into()), attempt: 2 };
    check_of(params, outcome, went, expected);
}

/// The same for a call that went elsewhere.
#[track_caller]
fn check_of(params: &Value, outcome: Result<Value, Error>, went: Went, expected: &Value) {
    let config = HistoryConfig {
        arguments_limit: ByteSize::from_bytes(60),
        result_limit: ByteSize::from_bytes(80),
        ..HistoryConfig::default()
    };
    let (history, mut waiting) =
        History::new(&config, || UNIX_EPOCH + Duration::from_secs(1_795_000_000));
    let outcome = match outcome {
        Ok(result) => CallOutcome::Answered(Response::new(parse(&result), ProtocolVersion::MODERN)),
        Err(error) => CallOutcome::Failed(error),
    };
    history.record(Call {
        principal: Principal::new("ann"),
        method: Method::ToolsCall,
        name: "git__log".to_owned(),
        params: Some(parse(params)),
        outcome,
        took: Duration::from_micros(12_345),
        went,
        is_shown: false,
    });
    let noted = waiting.try_recv().unwrap();
    let form = Form::new(&config, Redactor::new(&config.redact).unwrap());
    let facts = Facts { upstream: Some(Arc::from("git")), schema: None };
    let row = form.row("17".to_owned(), &noted, &facts);
    for (column, value) in expected.as_object().unwrap() {
        assert_eq!(row.get(column).unwrap_or(&Value::Null), value, "{column}");
    }
}

#[test]
fn a_record_says_who_called_what_and_what_came_of_it() {
    check(
        &json!({ "name": "git__log", "arguments": { "count": 3 }, "_meta": {
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        } }),
        Ok(json!({ "content": [] })),
        &json!({
            "name": "git__log", "mcp_type": "tool", "method": "tools/call", "subject": "ann",
            "upstream": "git", "endpoint": "git.2", "attempt": 2, "cache": "none",
            "status": "completed", "arguments": { "count": 3 },
            "content": "{\"content\":[]}", "duration": 12_345, "time_spent": 12,
            "tokens_in": 3, "tokens_out": 4, "notes": null, "error": null,
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "created_at": "2026-11-18T11:06:39.987655Z",
            "updated_at": "2026-11-18T11:06:40.000000Z",
        }),
    );
}

#[test]
fn a_tool_that_failed_is_told_from_one_that_was_not_reached() {
    let failed = json!({ "content": [], "isError": true });
    check(&json!({}), Ok(failed), &json!({ "status": "failed", "error": null, "tokens_in": null }));
    let error = Error::Unavailable { upstream: "git".into(), cause: "it is away".into() };
    check(
        &json!({}),
        Err(error),
        &json!({
            "status": "failed", "content": null,
            "error": {
                "message": "upstream `git` is unavailable: it is away",
                "may_be_sent_again": true, "code": "upstream_unavailable",
            },
            "notes": "upstream `git` is unavailable: it is away",
        }),
    );
}

#[test]
fn secrets_and_long_values_are_not_written() {
    check(
        &json!({ "arguments": { "password": "hush" } }),
        Ok(json!({ "structuredContent": { "token": "hush" } })),
        &json!({
            "arguments": { "password": "[redacted]" },
            "content": "{\"structuredContent\":{\"token\":\"[redacted]\"}}",
            "notes": "arguments were redacted",
        }),
    );
    check(
        &json!({ "arguments": { "text": "x".repeat(60) } }),
        Ok(json!({ "content": "y".repeat(80) })),
        &json!({
            "arguments": null, "tokens_in": 18, "tokens_out": 24,
            "content": format!("\"{{\\\"content\\\":\\\"{}\"", "y".repeat(68)),
            "notes": "arguments of 71 bytes were left out; the result of 94 bytes was cut",
        }),
    );
}

#[test]
fn what_stores_do_not_take_is_replaced() {
    check(
        &json!({ "arguments": { "a\0b": ["c\0d"] } }),
        Ok(json!({})),
        &json!({ "arguments": { "a\u{2400}b": ["c\u{2400}d"] } }),
    );
    let mut value = json!("deepest");
    for _ in 0..100 {
        value = json!([value]);
    }
    super::storable(&mut value, super::DEPTH);
    let text = value.to_string();
    assert_eq!(text.matches('[').count(), super::DEPTH, "{text}");
    assert_eq!(super::key_text(&"é".repeat(4_000)).len(), 1_024);
}

#[test]
fn a_record_says_where_the_call_went() {
    let expected = json!({ "upstream": "other", "endpoint": null, "attempt": 0, "cache": null });
    let went = Went { upstream: Some("other".into()), endpoint: None, attempt: 0 };
    check_of(&json!({}), Err(Error::Invalid("no".into())), went, &expected);
    let expected = json!({ "upstream": "git", "attempt": 0, "cache": null });
    check_of(&json!({}), Err(Error::Invalid("no".into())), Went::default(), &expected);
}
