//! The three syntaxes of clients' files behind one set of functions.

use serde_json::{Map, Value};

use crate::error::{FileError, Place};
use crate::json;
use crate::toml_file;

/// How a file is written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    Json,
    /// JSON with comments and trailing commas, for clients that read both.
    Jsonc,
    Toml,
}

impl Syntax {
    /// The file as a value; an empty file is an empty object.
    pub(crate) fn value(self, text: &str) -> Result<Value, FileError> {
        match self {
            Self::Json => json::value(text, false),
            Self::Jsonc => json::value(text, true),
            Self::Toml => toml_file::value(text),
        }
    }

    /// The text with `value` as the entry `name` of the table at `root`, and everything else as it was.
    pub(crate) fn set(
        self,
        text: &str,
        root: &str,
        name: &str,
        value: &Map<String, Value>,
    ) -> Result<String, FileError> {
        match self {
            Self::Json | Self::Jsonc => {
                Ok(json::set(text, &[root, name], &Value::Object(value.clone())))
            }
            Self::Toml => toml_file::set(text, root, name, value),
        }
    }

    /// The text without the entry `name` of the table at `root`.
    pub(crate) fn unset(self, text: &str, root: &str, name: &str) -> Result<String, FileError> {
        match self {
            Self::Json | Self::Jsonc => Ok(json::unset(text, &[root, name])),
            Self::Toml => toml_file::unset(text, root, name),
        }
    }

    /// Where the value at `path` starts, or the nearest one around it.
    pub(crate) fn place(self, text: &str, path: &[String]) -> Option<Place> {
        match self {
            Self::Json | Self::Jsonc => Some(json::place(text, path)),
            // `toml` forgets the places of values when it turns them into JSON; the path is enough.
            Self::Toml => None,
        }
    }
}
