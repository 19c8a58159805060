use bytes::Bytes;

use super::{Envelope, without_hop_meta};
use crate::json::Json;
use crate::version::ProtocolVersion::{self, V2025_06_18, V2025_11_25, V2026_07_28};

fn json(text: &str) -> Json {
    Json::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

/// `=` stands for "as it was".
#[track_caller]
fn check(params: &str, to: ProtocolVersion, expected: &str) {
    let actual = match without_hop_meta(json(params), to) {
        Ok(params) => params.to_string(),
        Err(error) => format!("error: {error}"),
    };
    let expected = if expected == "=" { params } else { expected };
    assert!(actual.starts_with(expected), "gave `{actual}`, expected `{expected}`");
}

#[test]
fn what_a_server_says_to_us_stays_here() {
    check(r#"{ "progress":1.0,"_meta":{ "a/b":1 } }"#, V2026_07_28, "=");
    check(
        r#"{"progress":1.0,"_meta":{"io.modelcontextprotocol/subscriptionId":7,"a/b":1}}"#,
        V2026_07_28,
        r#"{"progress":1.0,"_meta":{"a/b":1}}"#,
    );
    check(r#"{"_meta":{"io.modelcontextprotocol\/serverInfo":{}}}"#, V2025_06_18, "{}");
    check(r#"{"_meta":{"\u0069o.modelcontextprotocol/serverInfo":{}}}"#, V2025_06_18, "{}");
    check(r#"{"_meta":{"progressToken":1}}"#, V2025_11_25, "{}");
    check(r#"{"data":"\u00e9 io.modelcontextprotocol/x"}"#, V2025_11_25, "=");
}

#[test]
fn keys_of_tasks_are_for_the_revision_that_has_them() {
    let task = r#"{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}}"#;
    check(task, V2025_11_25, "=");
    check(task, V2025_06_18, "{}");
    check(task, V2026_07_28, "{}");
}

#[test]
fn meta_that_is_none_is_malformed() {
    check(r#"{"_meta":["io.modelcontextprotocol/x"]}"#, V2025_11_25, "error: invalid type");
    check(r#"{"_meta":[{"progressToken":1}]}"#, V2025_11_25, "error: invalid type: sequence");
    check(r#"{"_meta":{"progressToken":1,"progressToken":2}}"#, V2025_11_25, "error: duplicate");
    check(r#"[{"progressToken":1}]"#, V2025_11_25, "error: invalid type: sequence");
}

#[test]
fn an_envelope_is_read_or_refused() {
    let read = |meta: &str| {
        let params = json(&format!(r#"{{"_meta":{meta}}}"#));
        let members = params.members().unwrap();
        Envelope::read(&params, &members).map_err(|error| error.to_string())
    };
    let full = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"roots":{}},"io.modelcontextprotocol/logLevel":"info","progressToken":"p"}"#;
    let envelope = read(full).unwrap();
    assert!(envelope.is_modern());
    assert_eq!(envelope.client_capabilities.unwrap().as_str(), r#"{"roots":{}}"#);
    assert_eq!(envelope.log_level.as_deref(), Some("info"));
    assert_eq!(envelope.progress_token.unwrap().as_str(), r#""p""#);
    assert!(!read("{}").unwrap().is_modern());
    for (meta, problem) in [
        (r#"{"io.modelcontextprotocol/logLevel":7}"#, "`logLevel` must be a string"),
        (r#"{"io.modelcontextprotocol/clientCapabilities":[]}"#, "must be an object"),
        (r#"{"progressToken":{}}"#, "`progressToken` must be"),
        ("[]", "`_meta` invalid type"),
    ] {
        let error = read(meta).unwrap_err();
        assert!(error.contains(problem), "{meta} gave `{error}`");
    }
}
