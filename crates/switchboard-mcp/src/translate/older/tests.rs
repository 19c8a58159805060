use bytes::Bytes;

use super::lower;
use crate::json::Json;
use crate::version::ProtocolVersion::{
    self, V2024_11_05, V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28,
};

/// Takes a result of 2026-07-28 to a client; `=` stands for "as it was".
#[track_caller]
fn check(result: &str, to: ProtocolVersion, expected: &str) {
    check_from(V2026_07_28, result, to, expected);
}

#[track_caller]
fn check_from(from: ProtocolVersion, result: &str, to: ProtocolVersion, expected: &str) {
    let json = Json::parse(Bytes::copy_from_slice(result.as_bytes())).unwrap();
    let actual = lower(json, from, to).unwrap();
    let expected = if expected == "=" { result } else { expected };
    assert_eq!(actual.as_str(), expected, "to {to}");
}

#[test]
fn structured_content_becomes_text_where_it_cannot_be() {
    let object =
        r#"{"content":[ {"type":"text","text":"{\"x\": 1}"} ],"structuredContent":{"x":1}}"#;
    for to in [V2025_06_18, V2025_11_25, V2026_07_28] {
        check(object, to, "=");
    }
    check(object, V2025_03_26, r#"{"content":[ {"type":"text","text":"{\"x\": 1}"} ]}"#);
    let list = r#"{"content":[],"structuredContent":[1, 2],"isError":false}"#;
    check(list, V2026_07_28, "=");
    let text = r#"{"content":[{"type":"text","text":"[1, 2]"}],"isError":false}"#;
    for to in [V2024_11_05, V2025_03_26, V2025_06_18, V2025_11_25] {
        check(list, to, text);
    }
    // What passes within the older revisions is not looked into.
    check_from(V2025_11_25, object, V2025_06_18, "=");
    check_from(V2025_11_25, list, V2025_11_25, "=");
    check_from(V2025_03_26, object, V2025_03_26, "=");
    check_from(V2024_11_05, object, V2025_03_26, "=");
}

#[test]
fn a_text_is_made_where_the_server_gave_none() {
    check(
        r#"{"structuredContent":[3],"content":[{"type":"text","text":"3 found"} ]}"#,
        V2025_11_25,
        r#"{"content":[{"type":"text","text":"3 found"} ]}"#,
    );
    check(
        r#"{"content":[ {"type":"image","data":""} ],"structuredContent":"a\"b"}"#,
        V2025_11_25,
        r#"{"content":[ {"type":"image","data":""} ,{"type":"text","text":"\"a\\\"b\""}]}"#,
    );
    check(
        r#"{"structuredContent":null}"#,
        V2025_11_25,
        r#"{"content":[{"type":"text","text":"null"}]}"#,
    );
    check(
        r#"{"content":[{"type":"resource_link","uri":"a:b"}],"structuredContent":{}}"#,
        V2025_03_26,
        r#"{"content":[{"type":"text","text":"a:b"},{"type":"text","text":"{}"}]}"#,
    );
}

#[test]
fn links_and_sounds_become_what_the_client_knows() {
    let link =
        r#"{"type":"resource_link","uri":"file:///a","name":"A","annotations":{"priority":1}}"#;
    let text = r#"{"type":"text","text":"A: file:///a","annotations":{"priority":1}}"#;
    let sound = r#"{"type":"audio","data":"AAAA","mimeType":"audio/wav"}"#;
    let blob = r#"{"type":"resource","resource":{"uri":"embedded:audio/1","mimeType":"audio/wav","blob":"AAAA"}}"#;
    let result = |first: &str, second: &str| format!(r#"{{"content":[{first},{second}]}}"#);
    check(&result(link, sound), V2025_06_18, "=");
    check(&result(link, sound), V2025_03_26, &result(text, sound));
    check(&result(link, sound), V2024_11_05, &result(text, blob));
    check(
        r#"{"content":[{"type":"audio","data":7}]}"#,
        V2024_11_05,
        r#"{"content":[{"type":"text","text":"(a sound without data)"}]}"#,
    );
    let prompt = |content: &str| {
        format!(r#"{{"messages":[{{"role":"user","content":{content}}}],"description":"d"}}"#)
    };
    check(&prompt(link), V2025_03_26, &prompt(text));
    check(&prompt(link), V2025_06_18, "=");
}

#[test]
fn tools_lose_what_the_client_does_not_know() {
    let tools = |more: &str| {
        format!(
            r#"{{"tools":[{{"name":"a"{more}}}, {{"name":"b","title":"B"}}],"nextCursor":"c"}}"#
        )
    };
    let plain = r#"{"tools":[{"name":"a"},{"name":"b","title":"B"}],"nextCursor":"c"}"#;
    let object = tools(r#","outputSchema":{"properties":{},"type":"object"}"#);
    let list = tools(r#","outputSchema":{"type":"array"}"#);
    let any = tools(r##","outputSchema":{"$ref":"#/$defs/x"}"##);
    let execution = tools(r#","execution":{"taskSupport":"required"}"#);
    for to in [V2025_06_18, V2025_11_25, V2026_07_28] {
        check(&object, to, "=");
        // A list is put together from those of several servers.
        check_from(V2025_11_25, &list, to, if to == V2026_07_28 { "=" } else { plain });
    }
    check(&any, V2025_11_25, plain);
    check(&object, V2025_03_26, plain);
    check(&execution, V2025_11_25, "=");
    for to in [V2024_11_05, V2025_03_26, V2025_06_18, V2026_07_28] {
        check_from(V2025_11_25, &execution, to, plain);
    }
}

#[test]
fn what_is_not_of_the_shape_stays() {
    for result in [
        r#"{"content":"audio","resource_link":1}"#,
        r#"{"content":[7,null,[{"type":"audio"}],{"type":["audio"]},{"type":"audio","type":"audio"}]}"#,
        r#"{"tools":{"outputSchema":1}}"#,
        r#"{"messages":[{"content":["audio"]},"audio"]}"#,
        r#"{"contents":[{"type":"audio","outputSchema":1}]}"#,
    ] {
        check(result, V2024_11_05, "=");
    }
    // Content that is no list has no place for the copy; the client sees that it is malformed.
    check(r#"{"content":7,"structuredContent":[1]}"#, V2025_11_25, r#"{"content":7}"#);
    let json = Json::parse(Bytes::from_static(b"[\"audio\"]")).unwrap();
    lower(json, V2026_07_28, V2024_11_05).unwrap_err();
}
