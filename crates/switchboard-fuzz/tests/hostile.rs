//! Every translation, given every message of a small collection with every value in it replaced by
//! something it must not be: none may panic, and what comes out must be JSON.

use serde_json::{Value, json};
use switchboard_fuzz::translation;
use switchboard_mcp::{DEPTH_LIMIT, Json};

/// Stands in a message where [`REPLACEMENTS`] are put as text, some of which no `Value` can be.
const PLACE: &str = "\u{1}PLACE";

const REPLACEMENTS: [&str; 12] = [
    "null",
    "true",
    "-0.5e300",
    "9007199254740993",
    r#""""#,
    r#""\u00e9\"\\\ud83d\ude00""#,
    "[]",
    "{}",
    r#"[[[{"uri":1}]],null]"#,
    r#"{"uri":"a","uri":"b","type":"audio","type":"text"}"#,
    r#"{"type":"audio","Type":"x","taskId":{},"uri":[],"method":7,"properties":[],"_meta":[]}"#,
    r#"{"x-mcp-header":"a","properties":{"x":{"x-mcp-header":[]}},"type":["object"]}"#,
];

/// One of everything that is translated. Some are more than one thing, which no message is.
fn messages() -> Vec<Value> {
    let meta = json!({
        "io.modelcontextprotocol/related-task": { "taskId": "t" },
        "io.modelcontextprotocol/serverInfo": {}, "progressToken": 1, "a/b": 2,
        "ui": { "resourceUri": "ui://a" }, "ui/resourceUri": "ui://a",
    });
    let blocks = json!([
        { "type": "audio", "data": "AA==", "mimeType": "audio/wav" },
        { "type": "resource_link", "uri": "a:b", "name": "n" },
        { "type": "resource", "resource": { "uri": "a:b", "text": "x" } },
    ]);
    let questions = json!({ "k": { "method": "roots/list", "params": {} } });
    let schema = json!({ "type": "object", "properties": {
        "s": { "type": "string", "x-mcp-header": "S" },
        "o": { "properties": { "i": { "type": "integer", "x-mcp-header": "I" } } },
    } });
    vec![
        json!({ "content": blocks, "structuredContent": [1], "_meta": meta }),
        json!({ "messages": [{ "role": "user", "content": blocks[0] }], "maxTokens": 1,
            "tools": [], "includeContext": "thisServer" }),
        json!({ "contents": [{ "uri": "a:b" }], "resources": [{ "uri": "a:b" }] }),
        json!({ "tools": [{ "name": "t", "inputSchema": schema, "outputSchema": {},
            "execution": {}, "_meta": meta }] }),
        json!({ "name": "t", "inputSchema": schema }),
        json!({ "resultType": "input_required", "inputRequests": questions,
            "requestState": "s" }),
        json!({ "inputResponses": { "k": {} }, "requestState": "s", "arguments": { "s": "x",
            "o": { "i": 7 } }, "ref": { "type": "ref/prompt", "name": "p" }, "name": "t" }),
        json!({ "message": "?", "mode": "form", "task": { "ttl": 1 }, "_meta": meta,
            "requestedSchema": { "type": "object", "properties": {
                "a": { "type": "string", "oneOf": [{ "const": "x", "title": "X" }] },
                "b": { "type": "array", "items": {} } } } }),
        json!({ "message": "?", "mode": "url", "url": "https://a", "elicitationId": "e" }),
        json!({ "taskId": "t", "status": "input_required", "createdAt": "a", "ttlMs": 1,
            "ttl": 1, "pollInterval": 1, "resultType": "task", "inputRequests": questions,
            "_meta": meta }),
        json!({ "task": { "taskId": "t", "status": "failed", "createdAt": "a", "ttl": null } }),
        json!({ "taskId": "t", "status": "completed", "createdAt": "a", "result": {} }),
        json!({ "elicitations": [{ "elicitationId": "e", "url": "https://a" }], "uri": "a:b",
            "requiredCapabilities": {} }),
        json!({ "sampling": { "tools": {} }, "elicitation": { "url": {} }, "roots": {},
            "extensions": { "a/b": {} } }),
    ]
}

/// The message with [`PLACE`] for one value, for each of its values.
fn with_places(message: &Value) -> Vec<Value> {
    let mut found = vec![Value::from(PLACE)];
    match message {
        Value::Object(members) => {
            for (name, inner) in members {
                found.extend(with_places(inner).into_iter().map(|inner| {
                    let mut members = members.clone();
                    members.insert(name.clone(), inner);
                    Value::Object(members)
                }));
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                found.extend(with_places(inner).into_iter().map(|inner| {
                    let mut items = items.clone();
                    items[index] = inner;
                    Value::Array(items)
                }));
            }
        }
        _ => {}
    }
    found
}

#[test]
fn nothing_that_a_stranger_sends_is_too_strange() {
    let mut tried = 0;
    for message in messages() {
        for place in with_places(&message) {
            let text = place.to_string();
            for replacement in REPLACEMENTS {
                let text = text.replace(&Value::from(PLACE).to_string(), replacement);
                let message = Json::parse(text.into()).unwrap();
                translation::all(&message);
                tried += 1;
            }
        }
    }
    assert!(tried > 1_000, "only {tried} messages");
}

#[test]
fn what_nests_as_deep_as_it_may_is_translated() {
    let deep = |open: &str, inner: &str, close: &str, depth: usize| {
        let text = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
        Json::parse(text.into()).unwrap()
    };
    for (open, close) in [
        (r#"{"content":["#, "]}"),
        (r#"{"properties":{"x-mcp-header":"#, "}}"),
        (r#"{"inputSchema":{"anyOf":["#, "]}}"),
        (r#"{"_meta":{"io.modelcontextprotocol/related-task":"#, "}}"),
        (r#"{"result":{"tasks":"#, "}}"),
    ] {
        let levels = open.matches(['{', '[']).count();
        // What is sent stands two levels deeper than here.
        let depth = (DEPTH_LIMIT - 2) / levels;
        let message = deep(open, r#""x-mcp-header \u0041 taskId uri""#, close, depth);
        translation::all(&message);
    }
}
