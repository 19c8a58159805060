use bytes::Bytes;
use serde_json::value::RawValue;

use super::ParamHeaders;
use crate::json::{Json, Raw};

fn json(text: &str) -> Json {
    Json::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

/// Reads a tool with these properties, and writes `name` of each header or the problem.
#[track_caller]
fn check(properties: &str, expected: &str) {
    check_schema(&format!(r#"{{"type":"object","properties":{properties}}}"#), expected);
}

#[track_caller]
fn check_schema(schema: &str, expected: &str) {
    let tool = json(&format!(r#"{{"name":"t","inputSchema":{schema}}}"#));
    let actual = match ParamHeaders::read(&tool) {
        Ok(None) => "none".to_owned(),
        Ok(Some(headers)) => headers.names().collect::<Vec<_>>().join(" "),
        Err(error) => format!("error: {error}"),
    };
    assert!(actual.starts_with(expected), "`{schema}` gave `{actual}`, expected `{expected}`");
}

#[test]
fn marks_are_found_along_properties() {
    check(r#"{"a":{"type":"string"}}"#, "none");
    check(r#"{"region":{"type":"string","x-mcp-header":"Region"}}"#, "mcp-param-region");
    check(
        r#"{"a":{"type":"integer","x-mcp-header":"A"},"b":{"type":"boolean","x-mcp-header":"b"}}"#,
        "mcp-param-a mcp-param-b",
    );
    check(
        r#"{"o":{"type":"object","properties":{"i":{"type":"string","x-mcp-header":"I"}}}}"#,
        "mcp-param-i",
    );
    // Names that differ in case only are two properties.
    check(r#"{"a":{"type":"string","x-mcp-header":"A"},"A":{"type":"string"}}"#, "mcp-param-a");
    check(r#"{"a":{"type":"string","x-mcp-heade\u0072":"A"}}"#, "mcp-param-a");
}

#[test]
fn a_property_of_that_name_and_values_are_no_marks() {
    check(r#"{"x-mcp-header":{"type":"string"}}"#, "none");
    check(r#"{"a":{"type":"object","default":{"x-mcp-header":"A"}}}"#, "none");
    check(r#"{"a":{"enum":[{"x-mcp-header":"A"}],"description":"x-mcp-header"}}"#, "none");
    check_schema(r#"{"dependentRequired":{"x-mcp-header":["a"]},"required":["a"]}"#, "none");
    check_schema(r#""x-mcp-header""#, "none");
}

#[test]
fn marks_that_make_no_header_are_refused() {
    let string = |mark: &str| format!(r#"{{"a":{{"type":"string","x-mcp-header":{mark}}}}}"#);
    check(&string(r#""""#), "error: a: `x-mcp-header` must be a name");
    check(&string("\"a b\""), "error: a: `x-mcp-header` must be a name");
    check(&string("\"a:b\""), "error: a: `x-mcp-header` must be a name");
    check(&string("\"ä\""), "error: a: `x-mcp-header` must be a name");
    check(&string("\"a\\r\\nb\""), "error: a: `x-mcp-header` must be a name");
    check(&string("7"), "error: a: `x-mcp-header` must be a string");
    check(&string("null"), "error: a: `x-mcp-header` must be a string");
    check(r#"{"a":{"type":"number","x-mcp-header":"A"}}"#, "error: a: only a string, an integer");
    check(r#"{"a":{"type":"array","x-mcp-header":"A"}}"#, "error: a: only a string, an integer");
    check(r#"{"a":{"type":["string"],"x-mcp-header":"A"}}"#, "error: a: only a string, an integer");
    check(r#"{"a":{"x-mcp-header":"A"}}"#, "error: a: only a string, an integer");
    check(
        r#"{"a":{"type":"string","x-mcp-header":"R"},"b":{"type":"string","x-mcp-header":"r"}}"#,
        "error: b: another property has the header `mcp-param-r` too",
    );
}

#[test]
fn marks_off_the_path_are_refused() {
    let mark = r#"{"type":"string","x-mcp-header":"A"}"#;
    let wrong = "only a property that is always at one place can have a header";
    check_schema(
        r#"{"type":"string","x-mcp-header":"A"}"#,
        &format!("error: inputSchema: {wrong}"),
    );
    check(&format!(r#"{{"l":{{"type":"array","items":{mark}}}}}"#), &format!("error: l: {wrong}"));
    check_schema(&format!(r#"{{"$defs":{{"d":{mark}}}}}"#), &format!("error: d: {wrong}"));
    check_schema(
        &format!(r#"{{"anyOf":[{{"properties":{{"a":{mark}}}}}]}}"#),
        &format!("error: a: {wrong}"),
    );
    check_schema(
        &format!(r#"{{"additionalProperties":{mark}}}"#),
        &format!("error: inputSchema: {wrong}"),
    );
}

#[test]
fn hostile_schemas_are_refused() {
    check(
        r#"{"a":{"type":"string","x-mcp-header":"A","x-mcp-header":"B"}}"#,
        "error: a: duplicate member `x-mcp-header`",
    );
    let many: Vec<_> =
        (0..65).map(|n| format!(r#""p{n}":{{"type":"string","x-mcp-header":"h{n}"}}"#)).collect();
    check(&format!("{{{}}}", many.join(",")), "error: p64: more than 64 properties");
    let deep = (0..50).fold(r#"{"type":"string","x-mcp-header":"A"}"#.to_owned(), |inner, _| {
        format!(r#"{{"properties":{{"p":{inner}}}}}"#)
    });
    check_schema(&deep, "mcp-param-a");
}

const PROPERTIES: &str = r#"{"s":{"type":"string","x-mcp-header":"S"},"n":{"type":"integer","x-mcp-header":"N"},"b":{"type":"boolean","x-mcp-header":"B"},"o":{"properties":{"i":{"type":"string","x-mcp-header":"I"}}}}"#;

fn headers() -> ParamHeaders {
    let tool = json(&format!(r#"{{"inputSchema":{{"properties":{PROPERTIES}}}}}"#));
    ParamHeaders::read(&tool).unwrap().unwrap()
}

#[track_caller]
fn check_expected(arguments: &str, expected: &str) {
    let raw: Option<Box<RawValue>> =
        (!arguments.is_empty()).then(|| serde_json::from_str(arguments).unwrap());
    let actual: Vec<_> = headers()
        .expected(raw.as_deref().map(Raw::from))
        .into_iter()
        .map(|(name, value)| format!("{}={value}", name.trim_start_matches("mcp-param-")))
        .collect();
    assert_eq!(actual.join(" "), expected, "{arguments}");
}

#[test]
fn what_is_there_and_not_null_has_a_header() {
    check_expected("", "");
    check_expected("{}", "");
    check_expected(r#"{"s":"x","n":-7,"b":false,"o":{"i":"y"},"more":1}"#, "s=x n=-7 b=false i=y");
    check_expected(r#"{"s":null,"n":null,"o":null}"#, "");
    check_expected(
        r#"{"s":"grün","n":7.0,"o":{"i":" pad "}}"#,
        "s==?base64?Z3LDvG4=?= n=7 i==?base64?IHBhZCA=?=",
    );
    check_expected(r#"{"s":"","n":9007199254740991}"#, "s= n=9007199254740991");
    check_expected(r#"{"n":-0}"#, "n=0");
}

#[test]
fn what_no_header_carries_has_none() {
    check_expected(r#"{"n":9007199254740992}"#, "");
    check_expected(r#"{"n":1.5}"#, "");
    check_expected(r#"{"n":1e300}"#, "");
    check_expected(r#"{"s":[1],"o":{"i":{}}}"#, "");
    check_expected(r#"{"o":"not an object"}"#, "");
    check_expected("[1]", "");
    check_expected(r#"{"s":"a","s":"b"}"#, "");
}

/// `received` are headers as `Name: value`, separated by `|`.
#[track_caller]
fn check_request(arguments: &str, received: &str, expected: &str) {
    let raw: Option<Box<RawValue>> =
        (!arguments.is_empty()).then(|| serde_json::from_str(arguments).unwrap());
    let received = received.split('|').filter_map(|line| line.split_once(": "));
    let received = received.map(|(name, value)| (name, value.as_bytes()));
    let actual = match headers().check(raw.as_deref().map(Raw::from), received) {
        Ok(()) => "ok".to_owned(),
        Err(error) => format!("{} {}", error.code, error.message),
    };
    assert!(actual.starts_with(expected), "gave `{actual}`, expected `{expected}`");
}

#[test]
fn headers_must_say_what_the_body_says() {
    check_request("", "", "ok");
    check_request(r#"{"s":"x"}"#, "Mcp-Param-S: x|accept: */*", "ok");
    check_request(r#"{"s":"x"}"#, "mcp-param-s: =?base64?eA==?=", "ok");
    check_request(r#"{"s":"x"}"#, "mcp-param-s:  x |mcp-param-unknown: y", "ok");
    check_request(r#"{"n":7,"b":true}"#, "mcp-param-n: 7|mcp-param-b: true", "ok");
    let header = "-32020 the header `mcp-param-s` of argument `s`";
    check_request(r#"{"s":"x"}"#, "", &format!("{header} is missing"));
    check_request(r#"{"s":"x"}"#, "mcp-param-s: X", &format!("{header} does not say"));
    check_request("{}", "mcp-param-s: x", &format!("{header} is there, and"));
    check_request("", "mcp-param-s: x", &format!("{header} is there, and"));
    check_request(r#"{"s":null}"#, "mcp-param-s: null", &format!("{header} is there, and"));
    check_request(
        r#"{"s":"x"}"#,
        "mcp-param-s: x|Mcp-Param-S: x",
        &format!("{header} is there twice"),
    );
    check_request(r#"{"s":"x"}"#, "mcp-param-s: =?base64?!?=", &format!("{header} is marked"));
    check_request(r#"{"o":{"i":"x"}}"#, "", "-32020 the header `mcp-param-i` of argument `o.i`");
    check_request(r#"{"s":"x","s":"y"}"#, "mcp-param-s: x", "-32602 `arguments`: duplicate member");
}
