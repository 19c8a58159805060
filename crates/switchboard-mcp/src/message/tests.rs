use bytes::Bytes;

use super::{Incoming, encode};

/// Decodes `text` and says in a few words what it is.
#[track_caller]
fn check(text: &str, expected: &str) {
    let actual = match Incoming::decode(Bytes::copy_from_slice(text.as_bytes())) {
        Ok(Incoming::Request { id, method, params }) => {
            format!("request {id:?} {method} {}", params.map_or("-".into(), |p| p.to_string()))
        }
        Ok(Incoming::Notification { method, .. }) => format!("notification {method}"),
        Ok(Incoming::Response { id, outcome: Ok(result) }) => format!("result {id:?} {result}"),
        Ok(Incoming::Response { id, outcome: Err(error) }) => format!("error {id:?} {error}"),
        Err(refusal) => {
            format!("{:?} {} {}", refusal.id, refusal.error.code, refusal.error.message)
        }
    };
    assert!(actual.starts_with(expected), "`{text}` gave\n  {actual}, expected\n  {expected}");
}

#[test]
fn messages_are_told_apart() {
    check(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, "request 1 ping -");
    check(
        r#"{"method":"a\u002fb","params":{"x":1.10},"id":"q","jsonrpc":"2.0"}"#,
        r#"request "q" a/b {"x":1.10}"#,
    );
    check(
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        "notification notifications/initialized",
    );
    check(r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, "result Some(7) {}");
    check(r#"{"jsonrpc":"2.0","id":7,"result":null}"#, "result Some(7) null");
    check(
        r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}"#,
        "error None no (-32700)",
    );
    check(
        r#"{"jsonrpc":"2.0","id":7,"error":"odd"}"#,
        "error Some(7) the server answered with a malformed error",
    );
    check(r#"{"jsonrpc":"2.0","id":1,"method":"ping","future":true}"#, "request 1 ping");
}

#[test]
fn what_is_not_utf_8_is_no_message() {
    for text in [
        &b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{\"a\":\"\xff\"}}"[..],
        b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"later\":\"\xff\"}",
    ] {
        let refusal = Incoming::decode(Bytes::from_static(text)).unwrap_err();
        assert_eq!(refusal.error.code, -32700, "{}", text.escape_ascii());
    }
}

#[test]
fn an_array_is_no_message() {
    check(r#"["2.0",1,"ping"]"#, "None -32600 a message is an object");
    check("[]", "None -32600 a message is an object");
}

#[test]
fn a_member_that_is_null_beside_the_other_counts_as_absent() {
    check(r#"{"jsonrpc":"2.0","id":7,"result":{},"error":null}"#, "result Some(7) {}");
    let both = r#"{"jsonrpc":"2.0","id":7,"result":null,"error":{"code":-1,"message":"no"}}"#;
    check(both, "error Some(7) no (-1)");
}

#[test]
fn a_malformed_answer_is_known_as_one() {
    for (text, is_answer) in [
        (r#"{"jsonrpc":"2.0","id":7}"#, true),
        (r#"{"id":7,"result":{}}"#, true),
        (r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{}}"#, true),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}"#, false),
        (r#"{"id":7,"method":"ping"}"#, false),
    ] {
        let refusal = Incoming::decode(Bytes::copy_from_slice(text.as_bytes())).unwrap_err();
        assert_eq!(refusal.is_answer, is_answer, "{text}");
        assert_eq!(refusal.id.unwrap().as_number(), Some(7), "{text}");
    }
}

#[test]
fn ids_keep_their_spelling() {
    for id in ["1", "-7", "1.0", "18446744073709551616", "\"1\"", "\"\\u0031\"", "\"\""] {
        check(
            &format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#),
            &format!("request {id} ping"),
        );
    }
}

#[test]
fn hostile_ids_are_refused() {
    let long = format!("\"{}\"", "x".repeat(300));
    for id in ["{}", "[1]", "true", "1.5", "1e400", &long] {
        check(&format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#), "None -32600 `id`");
    }
    check(r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, "None -32600 `id` must be");
}

#[test]
fn broken_messages_get_the_error_json_rpc_defines() {
    check("{", "None -32700 EOF");
    check("nonsense", "None -32700");
    check("{} {}", "None -32700 trailing");
    check("[]", "None -32600");
    check("3", "None -32600");
    check(r#"{"id":1,"method":"ping"}"#, "Some(1) -32600 `jsonrpc`");
    check(r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, "Some(1) -32600 `jsonrpc`");
    check(r#"{"jsonrpc":"2.0","id":1,"method":7}"#, "Some(1) -32600 `method`");
    check(r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#, "Some(1) -32600 `params`");
    check(
        r#"{"jsonrpc":"2.0","id":1,"method":"a","method":"b"}"#,
        "None -32600 duplicate field `method`",
    );
    check(
        r#"{"jsonrpc":"2.0","id":1,"method":"a","result":{}}"#,
        "Some(1) -32600 a message has either",
    );
    check(r#"{"jsonrpc":"2.0","id":1}"#, "Some(1) -32600 neither");
    check(r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#, "Some(1) -32600 neither");
}

#[test]
fn an_answer_carries_the_id_as_it_was_sent() {
    let Ok(Incoming::Request { id, .. }) =
        Incoming::decode(Bytes::from_static(br#"{"jsonrpc":"2.0","id":"\u0061","method":"ping"}"#))
    else {
        panic!("a request");
    };
    let answer = encode::result(&id, &super::Json::empty_object());
    assert_eq!(
        String::from_utf8(answer).unwrap(),
        r#"{"jsonrpc":"2.0","id":"\u0061","result":{}}"#
    );
}
