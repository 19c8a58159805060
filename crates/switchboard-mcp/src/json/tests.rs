use bytes::Bytes;

use super::{DEPTH_LIMIT, Json};

#[track_caller]
fn check(text: &str, expected: &str) {
    let outcome = Json::parse(Bytes::copy_from_slice(text.as_bytes()));
    let actual = match outcome.and_then(|json| {
        let names: Vec<_> = json.members()?.iter().map(|(name, _)| name.to_owned()).collect();
        Ok(names.join(" "))
    }) {
        Ok(names) => names,
        Err(error) => format!("error: {error}"),
    };
    assert!(actual.starts_with(expected), "`{text}` gave `{actual}`, expected `{expected}`");
}

#[test]
fn members_keep_their_order_and_are_unique() {
    check(r#"{"b":1,"a":{"a":1,"a":2}}"#, "b a");
    check(r#"{"na\u006de":1}"#, "name");
    check(r#"{"a":1,"a":2}"#, "error: duplicate member `a`");
    check(r#"{"name":1,"Name":2}"#, "error: duplicate member `Name`");
    check(r#"{"name":1,"na\u006de":2}"#, "error: duplicate member `name`");
    check("[1]", "error: invalid type: sequence, expected an object");
    check(r#"{"a":1} x"#, "error: trailing characters");
    check(r#"{"a":NaN}"#, "error: expected value");
    check("\u{feff}{}", "error: expected value");
}

#[test]
fn depth_counts_brackets_outside_strings() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    check(&format!(r#"{{"a":{}}}"#, nested(DEPTH_LIMIT - 1)), "a");
    check(&format!(r#"{{"a":{}}}"#, nested(DEPTH_LIMIT)), "error: nested deeper than 127");
    check(&format!(r#"{{"a":"{}\"{}"}}"#, "[".repeat(500), "{".repeat(500)), "a");
}

#[test]
fn wrong_utf8_is_refused() {
    let error = Json::parse(Bytes::from_static(b"{\"a\":\"\xff\"}")).unwrap_err();
    assert!(error.to_string().contains("unicode"), "{error}");
}
