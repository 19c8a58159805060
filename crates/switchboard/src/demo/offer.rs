//! What the demonstration server offers.

use std::time::SystemTime;

use serde_json::{Value, json};
use switchboard_core::{Capabilities, Context, Error, Item, Kind, Lists, Request};
use switchboard_mcp::{Json, Method};

const GREETING: &str = "demo://greeting";

pub(super) fn lists() -> Lists {
    let items = |kind: Kind, items: Vec<Value>| {
        items.iter().filter_map(|item| Item::read(kind, Json::encode(item))).collect()
    };
    Lists {
        capabilities: Capabilities {
            tools: true,
            prompts: true,
            resources: true,
            ..Capabilities::default()
        },
        instructions: Some("A demonstration: nothing here changes anything.".to_owned()),
        tools: items(Kind::Tools, tools()),
        prompts: items(
            Kind::Prompts,
            vec![json!({
                "name": "greet",
                "description": "Asks for a greeting",
                "arguments": [{ "name": "name", "description": "Whom to greet", "required": true }],
            })],
        ),
        resources: items(
            Kind::Resources,
            vec![json!({
                "uri": GREETING,
                "name": "greeting",
                "description": "A greeting",
                "mimeType": "text/plain",
            })],
        ),
        ..Lists::default()
    }
}

fn tools() -> Vec<Value> {
    let harmless = json!({ "readOnlyHint": true, "idempotentHint": true, "openWorldHint": false });
    vec![
        json!({
            "name": "echo",
            "description": "Returns the message it is given",
            "inputSchema": {
                "type": "object",
                "properties": { "message": { "type": "string", "description": "What to return" } },
                "required": ["message"],
            },
            "annotations": harmless,
        }),
        json!({
            "name": "add",
            "description": "Adds two numbers",
            "inputSchema": {
                "type": "object",
                "properties": { "a": { "type": "number" }, "b": { "type": "number" } },
                "required": ["a", "b"],
            },
            "outputSchema": {
                "type": "object",
                "properties": { "sum": { "type": "number" } },
                "required": ["sum"],
            },
            "annotations": harmless,
        }),
        json!({
            "name": "ask",
            "description": "Asks the person at the client and returns the answer",
            "inputSchema": {
                "type": "object",
                "properties": { "question": { "type": "string", "description": "What to ask" } },
                "required": ["question"],
            },
            "annotations": { "readOnlyHint": true, "openWorldHint": false },
        }),
        json!({
            "name": "clock",
            "description": "Returns the time of this machine, in UTC",
            "inputSchema": { "type": "object", "properties": {} },
            "annotations": harmless,
        }),
    ]
}

/// Runs a tool. Wrong arguments are the tool's answer, so that a model can correct them
/// (2025-11-25, "Error Handling" of tools).
pub(super) async fn call(
    context: &Context,
    name: &str,
    params: Option<&Json>,
) -> Result<Json, Error> {
    let params: Value = params.and_then(|params| params.view().ok()).unwrap_or_default();
    let arguments = &params["arguments"];
    let result = match name {
        "echo" => match arguments["message"].as_str() {
            Some(message) => text(message),
            None => failed("`message` must be a string"),
        },
        "add" => match (arguments["a"].as_f64(), arguments["b"].as_f64()) {
            (Some(a), Some(b)) => {
                let mut result = text(&(a + b).to_string());
                result["structuredContent"] = json!({ "sum": a + b });
                result
            }
            _ => failed("`a` and `b` must be numbers"),
        },
        "ask" => match arguments["question"].as_str() {
            Some(question) => ask(context, question).await?,
            None => failed("`question` must be a string"),
        },
        "clock" => text(&clock()),
        _ => return Err(Error::NotFound { what: "tool", name: name.to_owned() }),
    };
    Ok(Json::encode(&result))
}

pub(super) fn prompt(params: Option<&Json>) -> Result<Json, Error> {
    let params: Value = params.and_then(|params| params.view().ok()).unwrap_or_default();
    let name = params["arguments"]["name"]
        .as_str()
        .ok_or_else(|| Error::Invalid("the argument `name` is missing".to_owned()))?;
    Ok(Json::encode(&json!({
        "description": "Asks for a greeting",
        "messages": [{
            "role": "user",
            "content": { "type": "text", "text": format!("Please greet {name} warmly.") },
        }],
    })))
}

pub(super) fn resource(uri: &str) -> Result<Json, Error> {
    if uri != GREETING {
        return Err(Error::NotFound { what: "resource", name: uri.to_owned() });
    }
    let contents =
        json!([{ "uri": GREETING, "mimeType": "text/plain", "text": "Hello from Switchboard." }]);
    Ok(Json::encode(&json!({ "contents": contents })))
}

/// Elicitation, as a server of any revision does it: the client of the call is a peer.
async fn ask(context: &Context, question: &str) -> Result<Value, Error> {
    let params = json!({
        "mode": "form",
        "message": question,
        "requestedSchema": {
            "type": "object",
            "properties": { "answer": { "type": "string" } },
            "required": ["answer"],
        },
    });
    let params = Some(Json::encode(&params));
    context
        .capabilities
        .check(&Method::Elicit, params.as_ref())
        .map_err(|uncovered| Error::Refused(uncovered.to_client()))?;
    let Some(client) = &context.client else {
        return Ok(failed("nobody is there to ask"));
    };
    let question = Request { method: Method::Elicit, params, name: None };
    let answer: Value = client.request(context, question).await?.result.view().unwrap_or_default();
    Ok(match (answer["action"].as_str(), answer["content"]["answer"].as_str()) {
        (Some("accept"), Some(answer)) => text(answer),
        (Some(action), _) => failed(&format!("the answer was: {action}")),
        (None, _) => failed("the answer could not be read"),
    })
}

fn text(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }] })
}

fn failed(reason: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": reason }], "isError": true })
}

#[expect(clippy::disallowed_methods, reason = "telling the time is what this tool does")]
fn clock() -> String {
    switchboard_telemetry::log::rfc3339(SystemTime::now())
}
