//! Every translation, given every message of a small collection with every value in it replaced by
//! something it must not be: none may panic, and what comes out must be JSON.

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use switchboard_mcp::{
    Answers, ClientCapabilities, DEPTH_LIMIT, Frame, InputRequired, Json, Method, Naming,
    ParamHeaders, ProtocolVersion, RpcError, Task, TaskGeneration, TaskWish, fingerprint,
    question_to_client, related_task, renumber, rewrite_error_uris, rewrite_item_uris,
    rewrite_task_ids, rewrite_uris, to_client, url_elicitations, with_related_task, with_uri,
    without_hop_meta,
};

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

/// The methods whose results have addresses, one of each shape.
const RESULTS: [&str; 8] = [
    "tools/call",
    "tools/list",
    "prompts/get",
    "resources/read",
    "resources/list",
    "skills/list",
    "skills/get",
    "tasks/get",
];

/// What is given back must be JSON, for a stranger who reads it anew.
#[track_caller]
fn sound(json: &Json) {
    Json::parse(Bytes::copy_from_slice(json.as_bytes())).expect("what was written is JSON");
}

fn map(text: &str) -> Option<String> {
    Some(format!("new \"{text}\""))
}

fn translate(message: &Json) {
    let info = Json::empty_object();
    for to in ProtocolVersion::ALL {
        for from in [ProtocolVersion::NEWEST_LEGACY, ProtocolVersion::MODERN] {
            let _ = to_client(message.clone(), (from, to), None, &info).map(|json| sound(&json));
        }
        let _ = without_hop_meta(message.clone(), to).map(|json| sound(&json));
        for question in [Method::CreateMessage, Method::Elicit, Method::RootsList] {
            let asked = question_to_client(&question, Some(message.clone()), to, "e");
            let _ = asked.map(|params| params.iter().for_each(sound));
        }
    }
    sound(&rewrite_item_uris(message.clone(), map));
    sound(&rewrite_task_ids(message.clone(), map));
    for method in RESULTS {
        sound(&rewrite_uris(&method.into(), message.clone(), map));
    }
    let capabilities = ClientCapabilities::read(message.clone());
    let _ = capabilities.check(&Method::CreateMessage, Some(message));
    sound(&capabilities.as_json());
    sound(&capabilities.with_extension("a/b", true));
}

fn read(message: &Json) {
    let _ = InputRequired::read(message).map(|wanted| wanted.map(|w| sound(&w.encode())));
    let _ = Answers::read(message);
    let _ = fingerprint(&Method::ToolsCall, Some(message));
    let _ = TaskWish::read(message);
    let _ = TaskWish::put(None, Some(message)).map(|json| sound(&json));
    let _ = related_task(message);
    let _ = with_related_task(Some(message), "t").map(|json| sound(&json));
    for from in [TaskGeneration::Experimental, TaskGeneration::Extension] {
        let task = Task::read(message, from).ok();
        let created = Task::read_created(message, from).ok().flatten();
        for task in task.into_iter().chain(created) {
            for to in [TaskGeneration::Experimental, TaskGeneration::Extension] {
                sound(&task.encode(to));
                sound(&task.encode_created(to));
            }
        }
    }
    if let Ok(Some(headers)) = ParamHeaders::read(message) {
        let arguments: &RawValue = message.view().expect("any JSON is that");
        let expected = headers.expected(Some(arguments));
        let received = expected.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let _ = headers.check(Some(arguments), received);
    }
}

fn refuse(data: &Json) {
    for code in [-32002, -32020, -32021, -32022, -32042, -32602] {
        let error = RpcError { data: Some(data.clone()), ..RpcError::new(code, "m") };
        for (from, to) in
            ProtocolVersion::ALL.into_iter().zip(ProtocolVersion::ALL.into_iter().rev())
        {
            let _ = renumber(error.clone(), from, to, &Method::ResourcesRead);
        }
        let _ = rewrite_error_uris(with_uri(error.clone(), "a:b"), map);
        let asked = url_elicitations(&error).unwrap_or_default();
        asked.iter().filter_map(|request| request.params.as_ref()).for_each(sound);
    }
}

fn send(params: &Json) {
    for naming in [Naming::Same, Naming::Member("name", "x"), Naming::Reference("name", "x")] {
        let frame = Frame {
            id: None,
            method: &Method::ToolsCall,
            params: Some(params),
            naming,
            envelope: &[("io.modelcontextprotocol/logLevel", "\"info\"".to_owned())],
            progress: false,
        };
        if let Ok(line) = frame.encode() {
            sound(&Json::parse(line.into()).expect("what was written is JSON"));
        }
    }
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
                translate(&message);
                read(&message);
                refuse(&message);
                send(&message);
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
        translate(&message);
        read(&message);
        refuse(&message);
        send(&message);
    }
}
