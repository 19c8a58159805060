//! Turns what went wrong in reading the tree into what a person is told.

use std::collections::BTreeMap;

use crate::de::{Error, Found, Problem, list};
use crate::diagnostic::{Diagnostic, Place, code};
use crate::document::Document;
use crate::key::{Key, Segment};
use crate::node::{Node, Source, Value};
use crate::range::{self, Violation};
use crate::schema::Schema;
use crate::suggest;

/// Everything a message is made of besides the error itself.
pub(crate) struct Reporter<'a> {
    pub(crate) schema: &'a Schema,
    pub(crate) document: Option<&'a Document>,
    /// The tree with all layers, nothing removed.
    pub(crate) tree: &'a Node,
    pub(crate) names: &'a BTreeMap<String, Key>,
}

/// As many known keys as are listed when none of them is near; more is what the reference is for.
const LIST_LIMIT: usize = 12;

/// As much of a wrong value as is quoted in the message.
const QUOTE_LIMIT: usize = 60;

impl Reporter<'_> {
    pub(crate) fn error(&self, error: &Error) -> Diagnostic {
        let key = error.key();
        let place = self.place(&key, error.is_on_key());
        match error.problem() {
            Problem::MissingKey { name } => self.missing_key(&key, name),
            Problem::UnknownKey { name, known } => self.unknown_key(&key.child(name), known),
            Problem::UnknownVariant { known, .. } if error.is_on_key() => {
                self.unknown_key(&key, known)
            }
            Problem::UnknownVariant { found, known } => {
                let text = self.quote(&key, found);
                let message = format!("{} must be {}, not {text}", subject(&key), list(known));
                let diagnostic = Diagnostic::new(code::INVALID_VALUE, message).with_place(place);
                let hint = suggest::nearest(found, known.iter().copied());
                Diagnostic {
                    hint: hint.map(|near| format!("did you mean `{near}`?")),
                    ..diagnostic
                }
            }
            Problem::Secret(unresolved) => {
                let message = format!("{} {}", subject(&key), unresolved.message);
                let diagnostic = Diagnostic::new(unresolved.code, message).with_place(place);
                let diagnostic = diagnostic.with_hint(&unresolved.hint);
                Diagnostic { cause: unresolved.cause.clone(), ..diagnostic }
            }
            // A rule of the type's own may quote the value; of what may be a secret, nothing is quoted.
            Problem::Other(_) if !error.is_on_key() && self.is_hidden(&key) => {
                let message = format!("{} is not valid", subject(&key));
                Diagnostic::new(code::INVALID_VALUE, message).with_place(place)
            }
            Problem::Other(message) => {
                let message = format!("{}: {message}", subject(&key));
                Diagnostic::new(code::INVALID_VALUE, message).with_place(place)
            }
            Problem::WrongType { found, expected } => {
                let message = self.must_be(&key, expected, found);
                let diagnostic = Diagnostic::new(code::WRONG_TYPE, message).with_place(place);
                Diagnostic { hint: self.type_hint(&key, found), ..diagnostic }
            }
            Problem::WrongValue { found, expected } => {
                let code = match found {
                    Found::Plain(..) | Found::TooLarge => code::OUT_OF_RANGE,
                    Found::String(_) | Found::Kind(_) => code::INVALID_VALUE,
                };
                Diagnostic::new(code, self.must_be(&key, expected, found)).with_place(place)
            }
        }
    }

    /// A key that its table does not have.
    pub(crate) fn unknown_key(&self, key: &Key, known: &[&str]) -> Diagnostic {
        let (table, name) = key.split().expect("an unknown key is the key of a table");
        let message = match table.is_root() {
            true => format!("unknown key `{}`", name.escape_debug()),
            false => format!("unknown key `{}` in `{table}`", name.escape_debug()),
        };
        let diagnostic = Diagnostic::new(code::UNKNOWN_KEY, message);
        diagnostic.with_place(self.place(key, true)).with_hint(self.known_keys(&table, name, known))
    }

    /// A value outside the limits that the schema states.
    pub(crate) fn violation(&self, violation: &Violation) -> Diagnostic {
        let Violation { key, found, wanted } = violation;
        let message = format!("{} must be {wanted}, not {}", subject(key), quote(found));
        Diagnostic::new(code::OUT_OF_RANGE, message).with_place(self.place(key, false))
    }

    fn missing_key(&self, table: &Key, name: &str) -> Diagnostic {
        let key = table.child(name);
        let mut hint = format!("add `{} = …`", crate::syntax::key(name));
        if let Some((variable, _)) = self.names.iter().find(|(_, known)| **known == key) {
            hint.push_str(&format!(" or set `{variable}`"));
        }
        let documentation =
            self.schema.at(&key).map(|view| view.documentation()).unwrap_or_default();
        if let Some(sentence) = documentation.lines().next().filter(|line| !line.is_empty()) {
            hint.push_str(&format!(": {sentence}"));
        }
        let diagnostic = Diagnostic::new(code::MISSING_KEY, format!("`{key}` is missing"));
        diagnostic.with_place(self.place(table, true)).with_hint(hint)
    }

    fn place(&self, key: &Key, on_key: bool) -> Option<Place> {
        match self.tree.at(key)?.source.as_ref()? {
            Source::File { key, value } => {
                Some(self.document?.place(if on_key { key } else { value }))
            }
            Source::Environment(name) => Some(Place::Environment { name: name.clone() }),
            Source::Flag(name) => Some(Place::Flag { name: name.clone() }),
        }
    }

    /// The nearest key, or where else the key means something, or all the keys there are.
    fn known_keys(&self, table: &Key, name: &str, known: &[&str]) -> String {
        if let Some(near) = suggest::nearest(name, known.iter().copied()) {
            return format!("did you mean `{near}`?");
        }
        let settings = self.schema.settings();
        let mut elsewhere = settings.iter().filter_map(|setting| {
            let (other, last) = setting.key.split()?;
            (last == name).then_some(other)
        });
        if let (Some(other), None) = (elsewhere.next(), elsewhere.next()) {
            return match other.is_root() {
                true => format!("`{name}` belongs at the top, before the first table"),
                false => format!("`{name}` belongs in `[{other}]`"),
            };
        }
        match known.len() {
            0 => format!("`{table}` has no keys"),
            1..=LIST_LIMIT => format!("there can be {}", list(known)),
            _ => "see the reference for the keys there are".to_owned(),
        }
    }

    fn must_be(&self, key: &Key, expected: &str, found: &Found) -> String {
        // The schema knows limits and documentation that serde does not; of an enum with values,
        // serde knows more.
        let view = self.schema.at(key).filter(|view| view.properties().is_empty());
        let wanted = view.map(range::wanted).filter(|wanted| wanted != "a value");
        let wanted = wanted.unwrap_or_else(|| match expected.starts_with("struct ") {
            true => "a table".to_owned(),
            false => expected.to_owned(),
        });
        let found = match found {
            Found::String(text) => self.quote(key, text),
            Found::Plain(kind, _) if self.is_hidden(key) => format!("a plain {kind}"),
            Found::Plain(kind, text) => format!("the {kind} `{text}`"),
            Found::TooLarge => "so large a number".to_owned(),
            Found::Kind(kind) => kind.clone(),
        };
        format!("{} must be {wanted}, not {found}", subject(key))
    }

    /// A string as it may be shown: not at all where it may be a secret.
    fn quote(&self, key: &Key, text: &str) -> String {
        let from_text = self.tree.at(key).is_some_and(|node| matches!(node.value, Value::Text(_)));
        match (self.is_hidden(key), from_text) {
            (true, _) => "this string".to_owned(),
            // In a variable or a flag everything is a string.
            (false, true) => quote(text),
            (false, false) => format!("the string {}", quote(text)),
        }
    }

    /// Whether the value may be a secret. A table is not: what is said of it as a whole is a rule of its
    /// type, and its type prints its secrets as `…`.
    fn is_hidden(&self, key: &Key) -> bool {
        let table = |node: &Node| matches!(node.value, Value::Table(_));
        !self.tree.at(key).is_some_and(table)
            && self.schema.at(key).is_none_or(|view| view.holds_secret())
    }

    /// The commonest slips: quotes too many or too few, one value where a list belongs.
    fn type_hint(&self, key: &Key, found: &Found) -> Option<String> {
        let wanted = self.schema.at(key)?.type_name();
        let in_file = matches!(self.tree.at(key)?.source, Some(Source::File { .. }));
        match (found, wanted.as_str()) {
            (Found::String(text), "integer" | "number") if in_file => {
                text.parse::<f64>().is_ok().then(|| "write it without the quotes".to_owned())
            }
            (Found::String(text), "boolean") if in_file => {
                let boolean = matches!(text.as_str(), "true" | "false");
                boolean.then(|| "write it without the quotes".to_owned())
            }
            (Found::Plain(..), "string" | "secret") => Some("write it in quotes".to_owned()),
            (Found::String(_) | Found::Plain(..), wanted) if wanted.starts_with("array") => {
                Some("write it in brackets: `[…]`".to_owned())
            }
            _ => None,
        }
    }
}

fn subject(key: &Key) -> String {
    match key.segments() {
        [] => "the configuration".to_owned(),
        [Segment::Index(_), ..] => unreachable!("the root is a table"),
        _ => format!("`{key}`"),
    }
}

fn quote(text: &str) -> String {
    let mut short: String = text.chars().take(QUOTE_LIMIT).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{}`", short.escape_debug())
}
