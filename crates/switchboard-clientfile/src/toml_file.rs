//! The TOML of Codex, read as JSON and changed with `toml_edit`, which keeps what it does not touch.

use serde_json::{Map, Value};
use toml_edit::{Array, DocumentMut, Item, Table};

use crate::error::{FileError, Place};

pub(crate) fn value(text: &str) -> Result<Value, FileError> {
    toml::from_str(text).map_err(|error| syntax(text, error.message(), error.span()))
}

pub(crate) fn set(
    text: &str,
    root: &str,
    name: &str,
    value: &Map<String, Value>,
) -> Result<String, FileError> {
    edit(text, |document| {
        let servers = document.entry(root).or_insert_with(|| {
            let mut table = Table::new();
            // `[mcp_servers]` itself says nothing, so its header is not written.
            table.set_implicit(true);
            Item::Table(table)
        });
        if let Some(servers) = servers.as_table_like_mut() {
            servers.insert(name, Item::Table(table(value)));
        }
    })
}

pub(crate) fn unset(text: &str, root: &str, name: &str) -> Result<String, FileError> {
    edit(text, |document| {
        if let Some(servers) = document.get_mut(root).and_then(Item::as_table_like_mut) {
            servers.remove(name);
        }
    })
}

fn edit(text: &str, change: impl FnOnce(&mut DocumentMut)) -> Result<String, FileError> {
    // `toml_edit` writes line feeds; a file from Windows gets its line ends back.
    let windows =
        text.contains("\r\n") && text.matches('\n').count() == text.matches("\r\n").count();
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error: toml_edit::TomlError| syntax(text, error.message(), error.span()))?;
    change(&mut document);
    let edited = document.to_string();
    Ok(if windows { edited.replace("\r\n", "\n").replace('\n', "\r\n") } else { edited })
}

/// The few shapes an entry of ours has: texts, lists of texts, tables of texts.
fn table(fields: &Map<String, Value>) -> Table {
    let mut table = Table::new();
    for (key, field) in fields {
        let item = match field {
            Value::Array(items) => {
                toml_edit::value(items.iter().filter_map(Value::as_str).collect::<Array>())
            }
            Value::Object(fields) => {
                let texts =
                    fields.iter().filter_map(|(key, text)| Some((key.as_str(), text.as_str()?)));
                toml_edit::value(texts.collect::<toml_edit::InlineTable>())
            }
            other => toml_edit::value(other.as_str().unwrap_or_default()),
        };
        table.insert(key, item);
    }
    table
}

fn syntax(text: &str, message: &str, span: Option<std::ops::Range<usize>>) -> FileError {
    let place = span.and_then(|span| text.get(..span.start)).map(|before| {
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place { line: before.matches('\n').count() + 1, column: before.len() - line_start + 1 }
    });
    // The first line names the problem; the others may repeat the text, which may hold secrets.
    let problem = message.lines().next().unwrap_or_default().to_owned();
    FileError::Syntax { format: "TOML", problem, place }
}
