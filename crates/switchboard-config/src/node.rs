//! The configuration as a tree in which every value knows where it was given.
//!
//! The tree is what the layers are merged into: the file becomes the tree, environment variables and
//! flags replace or add values. Defaults are not in it; they come from the struct that is read.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::key::{Key, Segment};

/// One value and where it came from.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) key: Key,
    pub(crate) value: Value,
    /// `None` for the root alone, which nobody wrote.
    pub(crate) source: Option<Source>,
}

/// What a [`Node`] holds.
#[derive(Clone)]
pub(crate) enum Value {
    /// From an environment variable or a flag: read as whatever type is wanted there.
    Text(String),
    String(String),
    Integer(i128),
    Float(f64),
    Boolean(bool),
    /// No setting is a date, so only the fact is kept, for the message.
    Date,
    Array(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

/// Who gave a value.
#[derive(Clone)]
pub(crate) enum Source {
    /// Byte ranges in the file.
    File {
        key: Range<usize>,
        value: Range<usize>,
    },
    Environment(String),
    Flag(String),
}

impl Node {
    /// The tree of a file's top-level table.
    pub(crate) fn from_toml(table: &DeTable<'_>) -> Self {
        let key = Key::default();
        Self { value: table_value(table, &key), key, source: None }
    }

    /// The tree of no file at all.
    pub(crate) fn empty() -> Self {
        Self { key: Key::default(), value: Value::Table(BTreeMap::new()), source: None }
    }

    pub(crate) fn at(&self, key: &Key) -> Option<&Self> {
        key.segments().iter().try_fold(self, |node, segment| match (&node.value, segment) {
            (Value::Table(entries), Segment::Name(name)) => entries.get(name),
            (Value::Array(items), Segment::Index(index)) => items.get(*index),
            _ => None,
        })
    }

    /// Lays a value from a higher layer over the tree, making tables on the way as needed.
    ///
    /// Does nothing where the file has something other than a table on the way: reading the tree
    /// reports that as the wrong type, which is the mistake the person has to see.
    pub(crate) fn set(&mut self, key: &Key, text: &str, source: &Source) {
        let mut node = self;
        for segment in key.segments() {
            let (Segment::Name(name), Value::Table(entries)) = (segment, &mut node.value) else {
                return;
            };
            let child = node.key.child(name);
            node = entries.entry(name.clone()).or_insert_with(|| Self {
                key: child,
                value: Value::Table(BTreeMap::new()),
                source: Some(source.clone()),
            });
        }
        node.value = Value::Text(text.to_owned());
        node.source = Some(source.clone());
    }

    /// Takes a value out of the tree.
    pub(crate) fn remove(&mut self, key: &Key) {
        let Some((last, parents)) = key.segments().split_last() else { return };
        let mut node = self;
        for segment in parents {
            let (Value::Table(entries), Segment::Name(name)) = (&mut node.value, segment) else {
                return;
            };
            let Some(child) = entries.get_mut(name) else { return };
            node = child;
        }
        if let (Value::Table(entries), Segment::Name(name)) = (&mut node.value, last) {
            entries.remove(name);
        }
    }
}

fn table_value(table: &DeTable<'_>, key: &Key) -> Value {
    let entries = table.iter().map(|(name, value)| {
        let name_text: &str = name.get_ref();
        (name_text.to_owned(), node(value, key.child(name_text), name.span()))
    });
    Value::Table(entries.collect())
}

fn node(value: &Spanned<DeValue<'_>>, key: Key, key_span: Range<usize>) -> Node {
    let source = Some(Source::File { key: key_span, value: value.span() });
    let value = match value.get_ref() {
        DeValue::String(text) => Value::String(text.clone().into_owned()),
        DeValue::Integer(integer) => {
            Value::Integer(wide_integer(integer.as_str(), integer.radix()))
        }
        // The parser has checked the form; a number too large for a float is infinite, as IEEE 754 rounds it.
        DeValue::Float(float) => Value::Float(float.as_str().parse().unwrap_or(f64::INFINITY)),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(items) => Value::Array(
            items
                .iter()
                .enumerate()
                .map(|(index, item)| node(item, key.then(Segment::Index(index)), item.span()))
                .collect(),
        ),
        DeValue::Table(table) => table_value(table, &key),
    };
    Node { key, value, source }
}

/// Any integer a file can hold.
///
/// The parser has checked the digits, so the only failure is one too many of them. It is kept as the
/// extreme, which is out of range for every setting and reported as that.
fn wide_integer(digits: &str, radix: u32) -> i128 {
    let extreme = if digits.starts_with('-') { i128::MIN } else { i128::MAX };
    i128::from_str_radix(digits, radix).unwrap_or(extreme)
}
