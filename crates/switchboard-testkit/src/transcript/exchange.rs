//! The examples of the specification as conversations of whole messages.
//!
//! One file in `transcripts/specification` is one conversation, of a client and a server that
//! speak the same revision:
//!
//! ```text
//! revisions 2025-06-18 2025-11-25                 what client and server speak
//! listeners Http Lines                            over which, where it is not all of them
//! client > {"method":"ping"}                      the client says this
//! server < {"method":"tools/call","params":…}     the next that the server hears is this
//! server > {"result":{}}                          the server says this
//! client < {"result":{}}                          the next that the client hears is this
//! server saw {"method":"tools/list"}              the server got this, now or earlier
//! gateway stops                                   as a daemon that drains
//! ```
//!
//! A line that begins with a blank goes on with the one before. Left out is what belongs to a hop:
//! `jsonrpc`, the id, and of what 2026-07-28 adds to each message all but what is written. A result or an
//! error answers the last request that is open. A text `$name` stands for whatever comes there the
//! first time and for the same from then on; `$request` is the id of the speaker's last request and
//! `$subscription` that of the last `subscriptions/listen` that the server got. A list that ends
//! with `"..."` may have more elements.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use switchboard_mcp::ProtocolVersion;

use super::{directory, texts};

pub struct Exchange {
    pub name: String,
    pub revisions: Vec<ProtocolVersion>,
    /// The names of those that carry it; none stands for all.
    pub listeners: Vec<String>,
    /// With the number of the line.
    pub moves: Vec<(usize, Move)>,
}

#[derive(Clone, Debug)]
pub enum Move {
    Says(Side, Value),
    Hears(Side, Value),
    Saw(Value),
    Stops,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Side {
    Client,
    Server,
}

/// What the `$names` of one conversation stand for.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<String, Value>);

/// All of them, by name.
pub fn exchanges() -> Vec<Exchange> {
    texts(&directory().join("specification")).iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> Exchange {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let (mut revisions, mut listeners, mut moves) = (Vec::new(), Vec::new(), Vec::new());
    for (number, line) in whole_lines(&text) {
        if let Some(rest) = line.strip_prefix("revisions ") {
            revisions = rest.split_whitespace().map(revision).collect();
            continue;
        }
        if let Some(rest) = line.strip_prefix("listeners ") {
            listeners = rest.split_whitespace().map(str::to_owned).collect();
            continue;
        }
        let step = parse(&line).unwrap_or_else(|| panic!("{name}:{number}: `{line}` is no move"));
        moves.push((number, step));
    }
    assert!(!revisions.is_empty(), "{name}: `revisions` is missing");
    Exchange { name, revisions, listeners, moves }
}

fn whole_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        match lines.last_mut() {
            _ if line.trim().is_empty() || line.starts_with('#') => {}
            Some((_, last)) if line.starts_with(' ') => last.push_str(line.trim()),
            _ => lines.push((number, line.to_owned())),
        }
    }
    lines
}

fn revision(text: &str) -> ProtocolVersion {
    let found = ProtocolVersion::ALL.into_iter().find(|version| version.as_str() == text);
    found.unwrap_or_else(|| panic!("`{text}` is no revision"))
}

fn parse(line: &str) -> Option<Move> {
    if line == "gateway stops" {
        return Some(Move::Stops);
    }
    let (words, message) = line.split_at(line.find(['{', '['])?);
    let message = serde_json::from_str(message).ok()?;
    Some(match words.trim() {
        "client >" => Move::Says(Side::Client, message),
        "client <" => Move::Hears(Side::Client, message),
        "server >" => Move::Says(Side::Server, message),
        "server <" => Move::Hears(Side::Server, message),
        "server saw" => Move::Saw(message),
        _ => return None,
    })
}

impl Names {
    pub fn set(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    /// `message` with what the names in it stand for.
    pub fn fill(&self, message: &Value) -> Value {
        match message {
            Value::String(text) if text.starts_with('$') => {
                self.0.get(text).unwrap_or_else(|| panic!("{text} is not known yet")).clone()
            }
            Value::Array(list) => list.iter().map(|item| self.fill(item)).collect(),
            Value::Object(members) => {
                let filled = members.iter().map(|(name, value)| (name.clone(), self.fill(value)));
                Value::Object(filled.collect())
            }
            other => other.clone(),
        }
    }

    /// Whether `seen`, without what belongs to its hop, is what was expected.
    pub fn fits(&mut self, expected: &Value, seen: &Value) -> bool {
        let mut seen = seen.clone();
        if let Some(members) = seen.as_object_mut() {
            members.retain(|name, _| name != "id" && name != "jsonrpc");
            if expected.get("params").is_none() && members.get("params") == Some(&Value::default())
            {
                members.remove("params");
            }
        }
        strip(expected, &mut seen);
        // What a message that does not fit would have named stays unnamed.
        let mut names = Self(self.0.clone());
        let fits = names.equal(expected, &seen);
        if fits {
            *self = names;
        }
        fits
    }

    fn equal(&mut self, expected: &Value, seen: &Value) -> bool {
        match (expected, seen) {
            (Value::String(name), _) if name.starts_with('$') => {
                self.0.entry(name.clone()).or_insert_with(|| seen.clone()) == seen
            }
            (Value::Array(expected), Value::Array(seen)) => match expected.split_last() {
                Some((Value::String(more), some)) if more == "..." => {
                    some.iter().all(|item| seen.iter().any(|seen| self.equal(item, seen)))
                }
                _ => {
                    expected.len() == seen.len()
                        && expected.iter().zip(seen).all(|(one, other)| self.equal(one, other))
                }
            },
            (Value::Object(expected), Value::Object(seen)) => {
                let known = |(name, value): (&String, &Value)| {
                    seen.get(name).is_some_and(|seen| self.equal(value, seen))
                };
                expected.len() == seen.len() && expected.iter().all(known)
            }
            _ => expected == seen,
        }
    }
}

/// Members of `_meta` that each hop writes for itself, unless the transcript has them.
fn strip(expected: &Value, seen: &mut Value) {
    for part in ["params", "result"] {
        let written = expected.get(part).and_then(|part| part.get("_meta"));
        let Some(inside) = seen.get_mut(part).and_then(Value::as_object_mut) else { continue };
        inside.retain(|name, value| {
            let is_of_hop = OF_RESULTS.contains(&name.as_str()) && value != "input_required";
            !is_of_hop || expected[part].get(name).is_some()
        });
        if let Some(meta) = inside.get_mut("_meta").and_then(Value::as_object_mut) {
            let is_written = |name: &str| written.is_some_and(|meta| meta.get(name).is_some());
            meta.retain(|name, _| {
                let is_of_hop = HOP.contains(&name.as_str());
                !is_of_hop || is_written(name)
            });
            if meta.is_empty() && written.is_none() {
                inside.remove("_meta");
            }
        }
        if inside.is_empty() && part == "params" && expected.get(part).is_none() {
            seen.as_object_mut().map(|members: &mut Map<_, _>| members.remove(part));
        }
    }
}

const OF_RESULTS: [&str; 3] = ["resultType", "ttlMs", "cacheScope"];

const HOP: [&str; 6] = [
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/clientCapabilities",
    "io.modelcontextprotocol/serverInfo",
    "io.modelcontextprotocol/logLevel",
    "progressToken",
];
