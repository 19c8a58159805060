//! What is wrong with an entry, and how its values are quoted without giving secrets away.

use serde_json::Value;

/// What is wrong with an entry, and at which of its keys.
pub(crate) struct Wrong {
    pub(crate) at: Vec<String>,
    pub(crate) problem: String,
    pub(crate) hint: &'static str,
}

pub(super) fn wrong(at: &[&str], problem: String, hint: &'static str) -> Wrong {
    Wrong { at: at.iter().map(|&step| step.to_owned()).collect(), problem, hint }
}

/// A value as it stands in the file, cut to what fits in a sentence.
pub(crate) fn quoted(value: &Value) -> String {
    match value {
        // Objects may hold secrets at any depth.
        Value::Object(_) => "an object".to_owned(),
        other => format!("`{}`", short(&other.to_string())),
    }
}

pub(super) fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

pub(super) fn short(text: &str) -> String {
    /// A line of a terminal has room for this much of a value beside the sentence around it.
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
