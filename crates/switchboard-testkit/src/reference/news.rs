//! What a server says unasked: to its sessions, or to whoever listens (2026-07-28).

use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub(crate) enum News {
    /// `tools`, `prompts` or `resources`.
    List(&'static str),
    Updated(String),
}

impl News {
    pub(crate) fn method(&self) -> String {
        match self {
            Self::List(kind) => format!("notifications/{kind}/list_changed"),
            Self::Updated(_) => "notifications/resources/updated".to_owned(),
        }
    }

    pub(crate) fn params(&self) -> Value {
        match self {
            Self::List(_) => json!({}),
            Self::Updated(uri) => json!({ "uri": uri, "x-future": "kept" }),
        }
    }

    /// Whether the filter of a listen asks for it.
    pub(crate) fn is_wanted(&self, filter: &Value) -> bool {
        match self {
            Self::List(kind) => filter[format!("{kind}ListChanged")] == true,
            Self::Updated(uri) => filter["resourceSubscriptions"]
                .as_array()
                .is_some_and(|all| all.contains(&json!(uri))),
        }
    }
}
