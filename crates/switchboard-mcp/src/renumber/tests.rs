use bytes::Bytes;

use super::{renumber, url_elicitations, with_uri};
use crate::error::RpcError;
use crate::json::Json;
use crate::method::Method;
use crate::version::ProtocolVersion::{self, V2025_06_18, V2025_11_25, V2026_07_28};

/// An error written as `CODE MESSAGE | DATA`.
fn error(text: &str) -> RpcError {
    let (head, data) = text.split_once(" | ").unwrap_or((text, ""));
    let (code, message) = head.split_once(' ').unwrap();
    let data =
        (!data.is_empty()).then(|| Json::parse(Bytes::copy_from_slice(data.as_bytes())).unwrap());
    RpcError { data, ..RpcError::new(code.parse().unwrap(), message.to_owned()) }
}

fn text(error: &RpcError) -> String {
    let data = error.data.as_ref().map(|data| format!(" | {data}")).unwrap_or_default();
    format!("{} {}{data}", error.code, error.message)
}

/// `=` stands for "as it was".
#[track_caller]
fn check(method: &str, given: &str, route: (ProtocolVersion, ProtocolVersion), expected: &str) {
    let actual = text(&renumber(error(given), route.0, route.1, &Method::from(method)));
    let expected = if expected == "=" { given } else { expected };
    assert_eq!(actual, expected, "{given} of {} to {}", route.0, route.1);
}

const OLD: ProtocolVersion = V2025_11_25;
const NEW: ProtocolVersion = V2026_07_28;

#[test]
fn a_missing_resource_has_two_numbers() {
    let old = r#"-32002 Resource not found | {"uri":"a:b"}"#;
    let new = r#"-32602 Resource not found | {"uri":"a:b"}"#;
    check("resources/read", old, (OLD, NEW), new);
    check("resources/read", old, (OLD, V2025_06_18), "=");
    check("resources/read", new, (NEW, OLD), old);
    check("resources/read", new, (NEW, NEW), "=");
    check("resources/read", "-32602 x not FOUND", (NEW, OLD), "-32002 x not FOUND");
    check("resources/read", "-32602 bad cursor", (NEW, OLD), "=");
    check("resources/read", "-32602 bad | [1]", (NEW, OLD), "=");
    check("tools/call", "-32602 tool not found", (NEW, OLD), "=");
    check("resources/read", "-32602 not found", (OLD, OLD), "=");
}

#[test]
fn what_is_between_us_and_the_server_stays_there() {
    let sentence = "-32603 the server does not take requests as we send them: h";
    for code in ["-32020", "-32022"] {
        check("tools/call", &format!("{code} h | {{}}"), (NEW, OLD), sentence);
        check("tools/call", &format!("{code} h"), (NEW, NEW), sentence);
    }
    let data = r#"{"requiredCapabilities":{"sampling":{}}}"#;
    check("tools/call", &format!("-32021 m | {data}"), (NEW, NEW), "=");
    check(
        "tools/call",
        &format!("-32021 m | {data}"),
        (NEW, OLD),
        &format!(
            r#"-32603 the client did not declare what the server needs: {{"sampling":{{}}}} | {data}"#
        ),
    );
    check(
        "tools/call",
        "-32021 m",
        (NEW, OLD),
        "-32603 the client did not declare a capability the server needs: m",
    );
}

#[test]
fn numbers_without_a_meaning_stay_where_they_may() {
    for code in ["-32000", "-32001", "-32019", "-1", "7"] {
        check("tools/call", &format!("{code} m"), (OLD, NEW), "=");
    }
    check("tools/call", "-32050 m", (OLD, NEW), "-32603 m");
    check("tools/call", "-32050 m", (OLD, OLD), "=");
    check("tools/call", "-32050 m", (NEW, NEW), "=");
}

#[test]
fn addresses_to_visit_are_named_where_they_cannot_be_asked() {
    let required = r#"-32042 log in | {"elicitations":[{"mode":"url","elicitationId":"1","url":"https://a"},{"elicitationId":"2","url":"https://b"}]}"#;
    check("tools/call", required, (OLD, OLD), "=");
    let data = required.split_once(" | ").unwrap().1;
    let sentence = format!("-32603 log in; visit https://a and https://b and try again | {data}");
    check("tools/call", required, (OLD, V2025_06_18), &sentence);
    check("tools/call", required, (OLD, NEW), &sentence);
    check("tools/call", "-32042 log in", (OLD, NEW), "-32603 log in");
}

#[track_caller]
fn check_questions(given: &str, expected: &str) {
    let actual = url_elicitations(&error(given)).map_or("none".to_owned(), |requests| {
        let written: Vec<_> = requests
            .iter()
            .map(|request| {
                format!("{} {} {:?}", request.key, request.method, request.params.as_ref().unwrap())
            })
            .collect();
        written.join("; ")
    });
    assert_eq!(actual, expected, "{given}");
}

#[test]
fn addresses_to_visit_become_questions() {
    check_questions(
        r#"-32042 log in | {"elicitations":[{"mode":"url","elicitationId":"e","url":"https://a","message":"?","x":1}]}"#,
        r#"e elicitation/create {"mode":"url","url":"https://a","message":"?","x":1}"#,
    );
    check_questions(
        r#"-32042 log in | {"elicitations":[{"elicitationId":"e","url":"https://a"}]}"#,
        r#"e elicitation/create {"mode":"url","url":"https://a","message":"log in"}"#,
    );
    for malformed in [
        r#"-32041 m | {"elicitations":[{"elicitationId":"e","url":"https://a"}]}"#,
        "-32042 m",
        "-32042 m | []",
        r#"-32042 m | {"elicitations":[]}"#,
        r#"-32042 m | {"elicitations":{}}"#,
        r#"-32042 m | {"elicitations":[{"elicitationId":7,"url":"https://a"}]}"#,
        r#"-32042 m | {"elicitations":[{"elicitationId":"e"}]}"#,
        r#"-32042 m | {"elicitations":[{"elicitationId":"e","url":"u"},{"elicitationId":"e","url":"u"}]}"#,
    ] {
        check_questions(malformed, "none");
    }
    let many = vec![r#"{"elicitationId":"e","url":"u"}"#; 33].join(",");
    check_questions(&format!(r#"-32042 m | {{"elicitations":[{many}]}}"#), "none");
}

#[test]
fn the_resource_is_named_once() {
    let check = |given: &str, expected: &str| {
        assert_eq!(text(&with_uri(error(given), "a:b")), expected);
    };
    check("-32602 m", r#"-32602 m | {"uri":"a:b"}"#);
    check(r#"-32602 m | {"x":1}"#, r#"-32602 m | {"x":1,"uri":"a:b"}"#);
    check(r#"-32602 m | {"uri":"c:d"}"#, r#"-32602 m | {"uri":"c:d"}"#);
    check("-32602 m | [1]", "-32602 m | [1]");
}
