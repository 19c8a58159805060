//! Finds what in a file may be a secret, so that no excerpt shows it.
//!
//! An excerpt ends in a terminal, but with a reload also in a log. Where the file could be parsed, the
//! schema tells which values are secret. Where it could not, the line is judged by the keys on it.
//! What nobody knows, such as the value of a misspelt key, is taken for a secret.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::expand;
use crate::key::Segment;
use crate::node::{Node, Source, Value};
use crate::schema::{Schema, View};

/// The values in the tree that may be secrets.
pub(crate) fn values(node: &Node, view: Option<View<'_>>, hidden: &mut Vec<Range<usize>>) {
    match &node.value {
        Value::Table(entries) => {
            for (name, entry) in entries {
                let segment = Segment::Name(name.clone());
                values(entry, view.and_then(|view| view.child(&segment)), hidden);
            }
        }
        Value::Array(items) => {
            let view = view.and_then(|view| view.items());
            items.iter().for_each(|item| values(item, view, hidden));
        }
        Value::String(text) if view.is_some() && expand::refers(text) => {}
        _ => {
            let secret = view.is_none_or(|view| view.holds_secret());
            if let (true, Some(Source::File { value, .. })) = (secret, &node.source) {
                hidden.push(value.clone());
            }
        }
    }
}

/// The part of a line that may be secret, when the file could not be parsed.
pub(crate) fn line(text: &str, line: Range<usize>, schema: &Schema) -> Option<Range<usize>> {
    // Within a string over several lines, nothing on the line is what it looks like.
    let within_string =
        ["\"\"\"", "'''"].iter().any(|quotes| text[..line.start].matches(quotes).count() % 2 == 1);
    if within_string {
        return Some(line);
    }
    let content = &text[line.clone()];
    if content.trim_start().starts_with(['[', '#']) {
        return None;
    }
    let public = public_keys(schema);
    let mut equals = content.match_indices('=').peekable();
    if equals.peek().is_none() {
        // A bare key is worth seeing; anything longer may be the rest of a value.
        return (!public.contains_key(content.trim())).then_some(line);
    }
    let secret = equals.find(|(offset, _)| {
        let key = content[..*offset].trim_end().trim_end_matches(['"', '\'']);
        let mut words = key.rsplit(|c: char| !c.is_alphanumeric() && c != '_' && c != '-');
        let name = words.next().unwrap_or_default();
        !public.get(name).copied().unwrap_or(false)
    });
    secret.map(|(offset, _)| {
        let after = &content[offset + 1..];
        let space = after.len() - after.trim_start().len();
        line.start + offset + 1 + space..line.end
    })
}

/// The names of keys, and whether all values of that name are public.
fn public_keys(schema: &Schema) -> BTreeMap<String, bool> {
    let mut names = BTreeMap::new();
    for setting in schema.settings() {
        let items_secret = setting.view.items().is_some_and(|items| items.is_secret());
        let public = !setting.view.is_secret() && !items_secret;
        // Of `env.NAME`, the file has `env = …` or a line that begins with a name nobody knows.
        let name = setting.key.segments().iter().rev().find_map(|segment| match segment {
            Segment::Name(name) => Some(name.clone()),
            _ => None,
        });
        if let Some(name) = name {
            *names.entry(name).or_insert(true) &= public;
        }
    }
    names
}
