//! JSON, with or without comments, as a text that can be changed in one place.

mod comments;
mod scan;
mod splice;

use serde_json::{Map, Value};

pub(crate) use comments::without_comments;
pub(crate) use splice::{set, unset};

use crate::error::{FileError, Place};

/// Reads a text; `lenient` allows comments and trailing commas.
pub(crate) fn value(text: &str, lenient: bool) -> Result<Value, FileError> {
    // Windows editors put a byte order mark in front; spaces in its place keep columns right.
    let mut text =
        text.strip_prefix('\u{feff}').map_or_else(|| text.to_owned(), |rest| format!("   {rest}"));
    if lenient {
        text = comments::without_trailing_commas(&without_comments(&text));
    }
    // Other white space than JSON's is no empty file: what is written behind it could not be read.
    if text.trim_matches([' ', '\t', '\n', '\r']).is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_str(&text).map_err(|error| {
        let problem = error.to_string();
        // The place is given apart.
        let problem = problem.split(" at line ").next().unwrap_or_default().to_owned();
        // A text that ends with a line end is cut off before the first column of the next.
        let place = Some(Place { line: error.line(), column: error.column().max(1) });
        FileError::Syntax {
            format: if lenient { "JSON with comments" } else { "JSON" },
            problem,
            place,
        }
    })
}

/// Where the value at `path` starts, or the nearest one around it.
pub(crate) fn place(text: &str, path: &[String]) -> Place {
    let offset = scan::nearest(&without_comments(text), path);
    let before = &text[..offset];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place { line: before.matches('\n').count() + 1, column: offset - line_start + 1 }
}

/// The first name that stands twice in the object at `path`. Readers of JSON keep the last one and
/// say nothing, so whoever wrote the first believes it works.
pub(crate) fn repeated(text: &str, path: &[String]) -> Option<String> {
    let plain = without_comments(text);
    let object = scan::Object::at(&plain, scan::nearest(&plain, path))?;
    let keys: Vec<_> = object.members.iter().map(|member| &member.key).collect();
    keys.iter()
        .enumerate()
        .find(|(index, key)| keys[..*index].contains(key))
        .map(|(_, key)| (*key).clone())
}
