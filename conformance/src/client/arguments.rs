//! Arguments that fit a tool.

use serde_json::{Map, Value, json};

/// A value for every property the tool insists on.
pub(crate) fn fitting(tool: &Value) -> Map<String, Value> {
    let schema = &tool["inputSchema"];
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let value = |name: &str| match schema["properties"][name]["type"].as_str() {
        Some("number" | "integer") => json!(5),
        Some("boolean") => json!(true),
        Some("object") => json!({}),
        Some("array") => json!([]),
        Some("null") => Value::Null,
        _ => json!("something"),
    };
    required.map(|name| (name.to_owned(), value(name))).collect()
}

#[cfg(test)]
mod tests;
