//! A plain `mcpServers` file, the kind that our own configuration imports.

use std::fmt;

use serde_json::{Map, Value};

use crate::entry::{self, Keys, Wrong, quoted};
use crate::error::FileError;
use crate::expand::Expansion;
use crate::json;
use crate::server::Server;
use crate::syntax::Syntax;

/// What a file says.
#[derive(Debug, Default)]
pub struct Parsed {
    /// In the order of the file.
    pub servers: Vec<Server>,
    pub notes: Vec<Note>,
}

/// Something a person should know about a file that was read: a key without meaning to us, a
/// variable that is not set, a server that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub server: Option<String>,
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.server {
            Some(server) => write!(f, "server `{server}`: {}", self.text),
            None => f.write_str(&self.text),
        }
    }
}

/// Reads a `mcpServers` file.
///
/// # Errors
///
/// The first thing that cannot be meant, with the offending value and its place. A file that a
/// person wrote for us is right or wrong as a whole; the files of clients are read by
/// [`find`](crate::find()), which leaves out what it cannot use.
pub fn parse_mcp_servers(text: &str, expansion: &Expansion<'_>) -> Result<Parsed, FileError> {
    let syntax = Syntax::Json;
    let value = syntax.value(text)?;
    let root = ["mcpServers".to_owned()];
    let Some(entries) = entries(syntax, text, &value, &root)? else {
        return Err(shape(syntax, text, &[], "has no `mcpServers`".to_owned(), EXAMPLE));
    };
    if let Some(name) = json::repeated(text, &root) {
        let path = [root[0].clone(), name.clone()];
        let hint = "rename one of the two, or take it out";
        return Err(shape(
            syntax,
            text,
            &path,
            format!("the server `{name}` is defined twice"),
            hint,
        ));
    }
    let mut notes = Vec::new();
    let table = Table { syntax, text, root: &root, keys: &entry::PLAIN, expansion };
    let servers = entries.iter().map(|(name, value)| table.read(name, value, &mut notes));
    Ok(Parsed { servers: servers.collect::<Result<_, _>>()?, notes })
}

const EXAMPLE: &str = "the file looks like `{ \"mcpServers\": { \"NAME\": { \"command\": … } } }`";

/// The table of servers at `root`, if there is one.
pub(crate) fn entries<'v>(
    syntax: Syntax,
    text: &str,
    value: &'v Value,
    root: &[String],
) -> Result<Option<&'v Map<String, Value>>, FileError> {
    let mut value = value;
    for depth in 0..=root.len() {
        let Value::Object(fields) = value else {
            let named =
                root[..depth].last().map_or("the file".to_owned(), |key| format!("`{key}`"));
            return Err(shape(
                syntax,
                text,
                &root[..depth],
                format!("{named} is {}, not an object", kind(value)),
                EXAMPLE,
            ));
        };
        let Some(key) = root.get(depth) else { return Ok(Some(fields)) };
        match fields.get(key) {
            Some(Value::Null) | None => return Ok(None),
            Some(inner) => value = inner,
        }
    }
    Ok(None)
}

/// The table of servers that an entry stands in.
pub(crate) struct Table<'a> {
    pub(crate) syntax: Syntax,
    pub(crate) text: &'a str,
    pub(crate) root: &'a [String],
    pub(crate) keys: &'a Keys,
    pub(crate) expansion: &'a Expansion<'a>,
}

impl Table<'_> {
    /// Reads one entry and, where it is wrong, says where in the file.
    pub(crate) fn read(
        &self,
        name: &str,
        value: &Value,
        notes: &mut Vec<Note>,
    ) -> Result<Server, FileError> {
        entry::read(name, value, self.keys, self.expansion, notes).map_err(
            |Wrong { at, problem, hint }| {
                let path: Vec<String> =
                    self.root.iter().cloned().chain([name.to_owned()]).chain(at).collect();
                FileError::Shape {
                    server: Some(name.to_owned()),
                    at: dotted(&path),
                    problem,
                    hint,
                    place: self.syntax.place(self.text, &path),
                }
            },
        )
    }
}

fn shape(
    syntax: Syntax,
    text: &str,
    path: &[String],
    problem: String,
    hint: &'static str,
) -> FileError {
    let place = syntax.place(text, path);
    FileError::Shape { server: None, at: dotted(path), problem, hint, place }
}

/// Lists can be long; that it is one says enough.
fn kind(value: &Value) -> String {
    match value {
        Value::Array(_) => format!(
            "a list (`{}`)",
            if value.as_array().is_some_and(Vec::is_empty) { "[]" } else { "[…]" }
        ),
        other => quoted(other),
    }
}

fn dotted(path: &[String]) -> String {
    let mut dotted = "$".to_owned();
    for step in path {
        if !step.starts_with('[') {
            dotted.push('.');
        }
        dotted.push_str(step);
    }
    dotted
}
