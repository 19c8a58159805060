//! Arrays, tables, structs and enums: what has further values inside.

use std::collections::BTreeMap;
use std::{slice, vec};

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer as _, EnumAccess, Error as _, IntoDeserializer as _, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};

use super::error::list;
use super::{Context, Error, Reading};
use crate::node::{Node, Value};

pub(super) fn visit_array<'de, V: Visitor<'de>>(
    items: &[Node],
    context: &Context<'_>,
    visitor: V,
) -> Result<V::Value, Error> {
    visitor.visit_seq(Items { items: items.iter(), context })
}

/// A map: every key is welcome.
pub(super) fn visit_table<'de, V: Visitor<'de>>(
    entries: &BTreeMap<String, Node>,
    context: &Context<'_>,
    visitor: V,
) -> Result<V::Value, Error> {
    visit_entries(entries.values().collect(), context, visitor)
}

/// A struct: notes the keys it does not have, and reads the others.
pub(super) fn visit_struct<'de, V: Visitor<'de>>(
    entries: &BTreeMap<String, Node>,
    fields: &'static [&'static str],
    context: &Context<'_>,
    visitor: V,
) -> Result<V::Value, Error> {
    let mut known = Vec::new();
    for (name, node) in entries {
        if fields.contains(&name.as_str()) {
            known.push(node);
        } else {
            context.unknown.borrow_mut().insert(node.key.clone(), fields);
        }
    }
    visit_entries(known, context, visitor)
}

fn visit_entries<'de, V: Visitor<'de>>(
    entries: Vec<&Node>,
    context: &Context<'_>,
    visitor: V,
) -> Result<V::Value, Error> {
    visitor.visit_map(Entries { entries: entries.into_iter(), value: None, context })
}

/// An externally tagged enum: `"variant"` or `{ variant = … }`.
pub(super) fn visit_enum<'de, V: Visitor<'de>>(
    reading: Reading<'_>,
    variants: &'static [&'static str],
    visitor: V,
) -> Result<V::Value, Error> {
    let entries = match &reading.node.value {
        Value::Text(text) | Value::String(text) => {
            return visitor.visit_enum(text.as_str().into_deserializer());
        }
        Value::Table(entries) => entries,
        _ => return reading.any(visitor),
    };
    let mut nodes = entries.values();
    if let (Some(node), None) = (nodes.next(), nodes.next()) {
        return visitor.visit_enum(Tagged { node, context: reading.context });
    }
    let found = format!("a table with {} keys", entries.len());
    let expected = format!("a table with exactly one of {}", list(variants));
    Err(Error::invalid_value(Unexpected::Other(&found), &expected.as_str()))
}

/// Reads what is inside. A type with a rule of its own fails only after its value has been read, so the
/// key has to be named here once more.
fn read<'de, T: DeserializeSeed<'de>>(
    node: &Node,
    context: &Context<'_>,
    seed: T,
) -> Result<T::Value, Error> {
    let result = seed.deserialize(Reading { node, context });
    result.map_err(|error| error.at_value(&node.key))
}

fn entry_name(node: &Node) -> &str {
    let (_, name) = node.key.split().expect("an entry of a table has a name");
    name
}

struct Items<'a> {
    items: slice::Iter<'a, Node>,
    context: &'a Context<'a>,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(node) = self.items.next() else { return Ok(None) };
        read(node, self.context, seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'a> {
    entries: vec::IntoIter<&'a Node>,
    value: Option<&'a Node>,
    context: &'a Context<'a>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    /// A key is read like the text of a variable, so that maps may have numbers, enums and checked
    /// names as their keys.
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some(node) = self.entries.next() else { return Ok(None) };
        self.value = Some(node);
        let name = Value::Text(entry_name(node).to_owned());
        let key = Node { key: node.key.clone(), value: name, source: None };
        let result = seed.deserialize(Reading { node: &key, context: self.context });
        result.map(Some).map_err(|error| error.at_value(&node.key).on_key())
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let node = self.value.take().expect("serde asks for a key before its value");
        read(node, self.context, seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// The one entry of a table that says which variant is meant, and holds what is in it.
struct Tagged<'a> {
    node: &'a Node,
    context: &'a Context<'a>,
}

impl<'de, 'a> EnumAccess<'de> for Tagged<'a> {
    type Error = Error;
    type Variant = Reading<'a>;

    fn variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<(T::Value, Reading<'a>), Error> {
        let reading = Reading { node: self.node, context: self.context };
        let tag: StrDeserializer<'_, Error> = entry_name(self.node).into_deserializer();
        let on_tag = |error: Error| error.at_value(&self.node.key).on_key();
        Ok((seed.deserialize(tag).map_err(on_tag)?, reading))
    }
}

impl<'de> VariantAccess<'de> for Reading<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        let unexpected = Unexpected::Other("a table with its name");
        self.located(Err(Error::invalid_type(unexpected, &"only its name, as a string")))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        read(self.node, self.context, seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_struct("", fields, visitor)
    }
}
