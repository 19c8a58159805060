//! What the client can do, and what it answers when it is asked.

use serde_json::{Value, json};
use switchboard_mcp::ProtocolVersion;

/// Everything that a client of `version` can declare.
pub fn capabilities(version: ProtocolVersion) -> Value {
    let mut all = json!({ "roots": { "listChanged": true }, "sampling": {},
        "extensions": { "io.modelcontextprotocol/skills": {},
            "io.modelcontextprotocol/ui": { "mimeTypes": ["text/html;profile=mcp-app"] } } });
    if version >= ProtocolVersion::V2025_06_18 {
        all["elicitation"] = json!({});
    }
    if version >= ProtocolVersion::V2025_11_25 {
        all["sampling"] = json!({ "context": {}, "tools": {} });
        all["elicitation"] = json!({ "form": {}, "url": {} });
    }
    if version == ProtocolVersion::MODERN {
        all["roots"] = json!({});
        all["extensions"]["io.modelcontextprotocol/tasks"] = json!({});
    }
    all
}

/// Always the same, so that a test knows it.
pub(super) fn answer(method: &str, params: &Value) -> Value {
    match method {
        "sampling/createMessage" if params["tools"].is_array() => {
            let tool = &params["tools"][0]["name"];
            json!({ "role": "assistant", "model": "test-model", "stopReason": "toolUse",
                "content": [{ "type": "tool_use", "id": "u1", "name": tool, "input": {} }] })
        }
        "sampling/createMessage" => {
            let said = params["messages"][0]["content"]["text"].as_str().unwrap_or_default();
            let content = json!({ "type": "text", "text": format!("sampled: {said}") });
            json!({ "role": "assistant", "model": "test-model", "stopReason": "endTurn",
                "content": content, "x-future": 1 })
        }
        "elicitation/create" if params["mode"] == "url" => json!({ "action": "accept" }),
        "elicitation/create" => json!({ "action": "accept", "content": { "name": "Ann" } }),
        "roots/list" => json!({ "roots": [{ "uri": "file:///home/ann", "name": "home" }] }),
        _ => json!({}),
    }
}
