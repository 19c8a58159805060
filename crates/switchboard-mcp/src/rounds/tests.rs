use bytes::Bytes;

use super::{Answers, InputRequired, fingerprint, with_answers, without_answers};
use crate::json::Json;
use crate::method::Method;

fn json(text: &str) -> Json {
    Json::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

/// Reads a result and writes it again.
#[track_caller]
fn check_result(result: &str, expected: &str) {
    let actual = match InputRequired::read(&json(result)) {
        Ok(None) => "other".to_owned(),
        Ok(Some(wanted)) => wanted.encode().to_string(),
        Err(error) => format!("error: {error}"),
    };
    assert_eq!(actual, expected, "{result}");
}

#[test]
fn a_result_that_asks_is_told_from_others() {
    check_result(r#"{"content":[]}"#, "other");
    check_result(r#"{"resultType":"complete","inputRequests":{}}"#, "other");
    check_result(
        r#"{"resultType":"input_required","requestState":"s"}"#,
        r#"{"resultType":"input_required","requestState":"s"}"#,
    );
    check_result(
        r#"{"_meta":{},"requestState":"","inputRequests":{"b":{"method":"roots/list"},"a":{"method":"x/y","params":{ "n":1.0 }}},"resultType":"input_required"}"#,
        r#"{"resultType":"input_required","inputRequests":{"b":{"method":"roots/list"},"a":{"method":"x/y","params":{ "n":1.0 }}},"requestState":""}"#,
    );
}

#[test]
fn what_nobody_can_answer_is_malformed() {
    let with = |rest: &str| format!(r#"{{"resultType":"input_required","inputRequests":{rest}}}"#);
    check_result(&with("{}"), "error: neither `inputRequests` nor `requestState`");
    check_result(&with(r#"{"a":{}}"#), "error: `a` has no method");
    check_result(&with(r#"{"a":{"method":7}}"#), "error: `a` has no method");
    check_result(
        &with(r#"{"a":{"method":"roots/list","params":[]}}"#),
        "error: `params` of `a` is no object",
    );
    check_result(&with(r#"{},"requestState":7"#), "error: `requestState` must be a string");
    let error = InputRequired::read(&json(&with(r#"{"a":{},"a":{}}"#))).unwrap_err();
    assert!(error.to_string().contains("duplicate member `a`"), "{error}");
    InputRequired::read(&json("[]")).unwrap_err();
    let many: Vec<_> = (0..65).map(|n| format!(r#""k{n}":{{"method":"roots/list"}}"#)).collect();
    check_result(&with(&format!("{{{}}}", many.join(","))), "error: more than 64 questions");
}

#[track_caller]
fn check_answers(params: &str, expected: &str) {
    let params = json(params);
    let actual = match Answers::read(&params) {
        Ok(None) => "none".to_owned(),
        Ok(Some(answers)) => with_answers(None, &answers).unwrap().to_string(),
        Err(error) => format!("error: {error}"),
    };
    assert!(actual.starts_with(expected), "`{params}` gave `{actual}`, expected `{expected}`");
}

#[test]
fn a_retry_is_told_by_what_it_brings() {
    check_answers(r#"{"name":"t"}"#, "none");
    check_answers(r#"{"name":"t","requestState":"s"}"#, r#"{"requestState":"s"}"#);
    check_answers(r#"{"inputResponses":{}}"#, "{}");
    check_answers(
        r#"{"inputResponses":{"a":{"action":"decline"}},"requestState":"s"}"#,
        r#"{"inputResponses":{"a":{"action":"decline"}},"requestState":"s"}"#,
    );
    check_answers(r#"{"inputResponses":{"a":1,"A":2}}"#, r#"{"inputResponses":{"a":1,"A":2}}"#);
    check_answers(r#"{"requestState":null}"#, "error: `requestState` must be a string");
    check_answers(r#"{"inputResponses":[]}"#, "error: invalid type: sequence");
    check_answers(r#"{"inputResponses":{"a":1,"a":2}}"#, "error: duplicate member `a`");
}

#[test]
fn answers_of_the_round_before_are_replaced() {
    let before = json(r#"{"name":"t","inputResponses":{"a":{}},"requestState":"1","x":[ 1 ]}"#);
    let answers =
        Answers { responses: vec![("b".into(), json("{}"))], state: Some("\"2\"".into()) };
    let after = with_answers(Some(&before), &answers).unwrap();
    let expected = r#"{"name":"t","x":[ 1 ],"inputResponses":{"b":{}},"requestState":"\"2\""}"#;
    assert_eq!(after.as_str(), expected);
    assert_eq!(without_answers(&after).unwrap().as_str(), r#"{"name":"t","x":[ 1 ]}"#);
}

#[test]
fn a_fingerprint_tells_requests_apart_and_nothing_else() {
    let of = |method: &Method, params: &str| fingerprint(method, Some(&json(params))).unwrap();
    let first = of(&Method::ToolsCall, r#"{"name":"t","arguments":{"a":1,"b":{"c":2,"d":3}}}"#);
    let same = r#"{ "arguments" : {"b":{"d":3,"c":2},"a":1},"requestState":"s","inputResponses":{},"_meta":{"progressToken":1},"n\u0061me":"t"}"#;
    assert_eq!(first, of(&Method::ToolsCall, same));
    let others = [
        r#"{"name":"t","arguments":{"a":1,"b":{"c":2,"d":4}}}"#,
        r#"{"name":"t","arguments":{"a":"1","b":{"c":2,"d":3}}}"#,
        r#"{"name":"u","arguments":{"a":1,"b":{"c":2,"d":3}}}"#,
        r#"{"name":"t"}"#,
    ];
    for other in others {
        assert_ne!(first, of(&Method::ToolsCall, other), "{other}");
    }
    assert_ne!(first, of(&Method::PromptsGet, same));
    fingerprint(&Method::ToolsCall, Some(&json(r#"{"a":1,"a":1}"#))).unwrap_err();
}
