//! What the visitor says when a server asks.

use serde_json::{Map, Value, json};

/// The result for a question of the server, whether it came as a request or in a result.
pub(crate) fn to(method: &str, params: &Value) -> Value {
    match method {
        "elicitation/create" => json!({ "action": "accept", "content": filled(params) }),
        "sampling/createMessage" => json!({
            "role": "assistant",
            "content": { "type": "text", "text": "This is a test response." },
            "model": "test-model",
            "stopReason": "endTurn",
        }),
        "roots/list" => json!({ "roots": [{ "uri": "file:///test/root", "name": "Test root" }] }),
        // `ping`, and whatever may come.
        _ => json!({}),
    }
}

/// The form, filled with its defaults (SEP-1034), and with what it insists on.
fn filled(params: &Value) -> Map<String, Value> {
    let properties = params["requestedSchema"]["properties"].as_object().into_iter().flatten();
    let value = |schema: &Value| match schema["type"].as_str() {
        _ if !schema["default"].is_null() => schema["default"].clone(),
        Some("boolean") => json!(true),
        Some("integer" | "number") => json!(1),
        _ => json!("something"),
    };
    properties.map(|(name, schema)| (name.clone(), value(schema))).collect()
}

#[cfg(test)]
mod tests;
