use bytes::Bytes;

use super::{answer_to_server, question_to_client};
use crate::json::Json;
use crate::method::Method;
use crate::version::ProtocolVersion::{
    self, V2024_11_05, V2025_03_26, V2025_06_18, V2025_11_25, V2026_07_28,
};

/// Takes the question `method params` to a client.
#[track_caller]
fn check(question: &str, to: ProtocolVersion, expected: &str) {
    let (method, params) = question.split_once(' ').unwrap_or((question, ""));
    let params = (!params.is_empty())
        .then(|| Json::parse(Bytes::copy_from_slice(params.as_bytes())).unwrap());
    let actual = match question_to_client(&Method::from(method), params, to, "new") {
        Ok(None) => "nothing".to_owned(),
        Ok(Some(params)) => params.to_string(),
        Err(error) => format!("{} {}", error.code, error.message),
    };
    let right =
        if expected.starts_with('-') { actual.starts_with(expected) } else { actual == expected };
    assert!(right, "`{question}` to {to} gave\n{actual}, expected\n{expected}");
}

#[test]
fn a_revision_knows_its_own_questions() {
    check("roots/list", V2024_11_05, "nothing");
    check("roots/list {}", V2026_07_28, "{}");
    check("elicitation/create {}", V2025_03_26, "-32601 a client of 2025-03-26 is not asked");
    check("tools/list {}", V2025_11_25, "-32601");
    check("ping", V2025_11_25, "-32601");
    check("elicitation/create", V2025_11_25, "-32602 `elicitation/create` has no `params`");
    check("sampling/createMessage", V2025_11_25, "-32602");
}

#[test]
fn members_of_sessions_stay_behind() {
    let question = r#"elicitation/create {"message":"?","task":{"ttl":1},"mode":"url","elicitationId":"e","url":"https://a","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"},"progressToken":1,"a/b": 2,"io.modelcontextprotocol/x":1},"later":null}"#;
    check(
        question,
        V2026_07_28,
        r#"{"message":"?","mode":"url","url":"https://a","_meta":{"a/b":2},"later":null}"#,
    );
    check(
        question,
        V2025_11_25,
        r#"{"message":"?","mode":"url","elicitationId":"e","url":"https://a","_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"},"a/b":2},"later":null}"#,
    );
    check(r#"roots/list {"_meta":{"progressToken":1}}"#, V2025_06_18, "{}");
}

#[test]
fn an_address_needs_a_client_that_knows_them() {
    let question = r#"elicitation/create {"mode":"url","url":"https://a","message":"?"}"#;
    check(
        question,
        V2025_11_25,
        r#"{"mode":"url","url":"https://a","message":"?","elicitationId":"new"}"#,
    );
    check(question, V2026_07_28, r#"{"mode":"url","url":"https://a","message":"?"}"#);
    check(question, V2025_06_18, "-32602 a client of 2025-06-18 can be asked by form only");
    check(r#"elicitation/create {"mode":"\u0075rl"}"#, V2025_06_18, "-32602");
    check(r#"elicitation/create {"mode":null}"#, V2025_11_25, "-32602 `mode` must be a string");
    check(r#"elicitation/create {"mode":"voice"}"#, V2025_06_18, "-32602");
    check(r#"elicitation/create {"mode":"voice"}"#, V2026_07_28, r#"{"mode":"voice"}"#);
}

#[test]
fn forms_are_reduced_for_2025_06_18() {
    let form = |properties: &str| {
        format!(
            r#"elicitation/create {{"message":"?","requestedSchema":{{"type":"object","properties":{properties},"required":["a"]}}}}"#
        )
    };
    let titled = r#"{"a":{"type":"string","oneOf":[{"const":"x","title":"Ex"},{"const":"y"}],"default":"x"},"b":{"type":"integer", "minimum":1}}"#;
    let reduced = r#"{"a":{"type":"string","enum":["x","y"],"enumNames":["Ex","y"],"default":"x"},"b":{"type":"integer", "minimum":1}}"#;
    check(&form(titled), V2025_06_18, form(reduced).strip_prefix("elicitation/create ").unwrap());
    for newer in [V2025_11_25, V2026_07_28] {
        check(&form(titled), newer, form(titled).strip_prefix("elicitation/create ").unwrap());
    }
    let several = r#"{"a":{"type":"array","items":{"enum":["x"]}}}"#;
    check(&form(several), V2025_06_18, "-32602 the property `a` lets the user choose several");
    check(&form(several), V2025_11_25, form(several).strip_prefix("elicitation/create ").unwrap());
}

#[test]
fn hostile_forms_are_refused() {
    let form = |schema: &str| format!(r#"elicitation/create {{"requestedSchema":{schema}}}"#);
    check(&form("[]"), V2025_06_18, "-32602 `requestedSchema`: invalid type");
    check(&form(r#"{"properties":[]}"#), V2025_06_18, "-32602 `properties`: invalid type");
    check(&form(r#"{"properties":{"a":1}}"#), V2025_06_18, "-32602 `a`: invalid type");
    check(
        &form(r#"{"properties":{"a":{},"a":{}}}"#),
        V2025_06_18,
        "-32602 `properties`: duplicate member `a`",
    );
    check(
        &form(r#"{"properties":{"a":{"oneOf":[{"type":"string"}]}}}"#),
        V2025_06_18,
        "-32602 `oneOf` of the property `a`: missing field `const`",
    );
    check(r#"elicitation/create {"mode":"url","mode":"form"}"#, V2025_11_25, "-32602 `params`");
    check(r#"roots/list {"_meta":7}"#, V2025_11_25, "-32602 `_meta`");
}

#[test]
fn sampling_is_refused_where_the_client_cannot_take_it() {
    let sample = |content: &str| {
        format!(r#"sampling/createMessage {{"messages":[{{"role":"user","content":{content}}}]}}"#)
    };
    let text = sample(r#"{"type":"text","text":"a"}"#);
    for to in ProtocolVersion::ALL {
        check(&text, to, text.strip_prefix("sampling/createMessage ").unwrap());
    }
    let list = sample(r#"[{"type":"text","text":"a"}]"#);
    check(&list, V2025_11_25, list.strip_prefix("sampling/createMessage ").unwrap());
    check(&list, V2025_06_18, "-32602 a client of 2025-06-18 knows messages of one content block");
    check(&sample(r#"{"type":"tool_use"}"#), V2025_06_18, "-32602");
    check(&sample(r#"{"type":"audio"}"#), V2024_11_05, "-32602");
    let sound = sample(r#"{"type":"audio"}"#);
    check(&sound, V2025_03_26, sound.strip_prefix("sampling/createMessage ").unwrap());
    check(
        r#"sampling/createMessage {"messages":[],"tools":[]}"#,
        V2025_06_18,
        "-32602 a client of 2025-06-18 does not know `tools` in sampling",
    );
    check(r#"sampling/createMessage {"messages":7}"#, V2025_06_18, "-32602 `messages` must be");
    check("sampling/createMessage {}", V2025_06_18, "-32602 `messages` must be");
}

#[test]
fn an_answer_passes_as_it_is() {
    let answer = |text: &str| {
        let json = Json::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap();
        answer_to_server(json).map(|answer| answer.to_string())
    };
    let accepted = r#"{ "action":"accept","content":{"a":1.0},"_meta":{} }"#;
    assert_eq!(answer(accepted).unwrap(), accepted);
    for malformed in ["[]", "null", "7", r#"{"action":1,"action":2}"#] {
        answer(malformed).unwrap_err();
    }
}
