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

/// Whether a parser that is not ours takes it, the depth apart.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

const VALUES: &str = r#"0 -0 01 1. 1.5 .5 1e5 1E+5 1e-5 1e 1e+ - --1 +1 1.5.5 true tru truex false
null nul NaN Infinity 0x1 "" "a "\"" "\\" "\/\b\f\n\r\t" "\x" "\u12" "\u12G4" "\u00e9" "\ud800" "é"
"1234567" "12345678" "1234567é" [] [1] [1,] [,] [1,2 [1} [[],{}] ] {} {"a":1} {"a":1,} {"a"} {"a":}
{a:1} {1:1} {"a":1]} { // /**/1 'a'"#;

#[test]
fn the_grammar_is_that_of_any_parser() {
    let odd = ["", "[ ]", "{ }", "[1 2]", "{\"a\":1 \"b\":2}", "{\"a\" : [ 1 , {\"b\" : 2 } ] }"];
    let control =
        ["\"\u{1}\"", "\"\n\"", "\"\u{7f}\"", "\"1234567\u{1f}\"", "\"12345678\u{0}9\"", "1\u{0}"];
    let spaces = ["\u{a0}1", "1 1", "\u{feff}1"];
    for value in VALUES.split_ascii_whitespace().chain(odd).chain(control).chain(spaces) {
        for text in [
            value.to_owned(),
            format!(" \t\r\n{value} \n"),
            format!("[{value}]"),
            format!("{{\"a\":{value},\"b\":[{value}]}}"),
            format!("{{\"a\":{{\"b\":{value}}}}}"),
        ] {
            let parsed = Json::parse(Bytes::copy_from_slice(text.as_bytes()));
            assert_eq!(parsed.is_ok(), is_json(&text), "`{text}`");
        }
    }
}

#[test]
fn a_value_ends_where_it_ends() {
    for value in [
        r#""a\\\"}]""#,
        r#""\\""#,
        "[ ]",
        r#"[{"]":"}"},"[\"{"]"#,
        "-1.5e+7",
        "true",
        "null",
        r#"{"a":[1,2,{"b":"c"}],"d":"1234567\"8"}"#,
    ] {
        let text = format!(r#"{{ "first" : {value} ,"second":{value}, "third":{value}}}"#);
        let json = Json::parse(Bytes::from(text)).unwrap();
        for (name, found) in json.members().unwrap().iter() {
            assert_eq!(found.get(), value, "{name} of {json}");
        }
    }
}

#[test]
fn a_name_that_is_no_text_is_refused() {
    let json = Json::parse(Bytes::from_static(br#"{"\ud800":1}"#)).unwrap();
    assert!(json.members().is_err());
}
