//! Reads a [`Node`] as any type that serde can read.
//!
//! Written for its errors: each keeps what was found, what was wanted and the key it is about, where
//! a ready-made deserialiser keeps a sentence. Unknown keys of a struct do not end the reading; they
//! are collected, so that a person sees all of them at once.

mod compound;
mod error;

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde::de::value::SeqDeserializer;
use serde::de::{Deserializer, Error as _, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use crate::expand::Lookup;
use crate::key::Key;
use crate::node::{Node, Value};
use crate::secret;

pub(crate) use error::{Error, Found, Problem, list};

/// What reading a tree needs and collects.
pub(crate) struct Context<'a> {
    pub(crate) lookup: Lookup<'a>,
    /// Keys that their struct does not have, with those it has.
    pub(crate) unknown: RefCell<BTreeMap<Key, &'static [&'static str]>>,
}

/// One node about to be read.
#[derive(Clone, Copy)]
pub(crate) struct Reading<'a> {
    pub(crate) node: &'a Node,
    pub(crate) context: &'a Context<'a>,
}

impl Reading<'_> {
    /// Says that an error is about this node, unless it is already known to be about one further in.
    fn located<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        result.map_err(|error| error.at_value(&self.node.key))
    }

    fn any<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.node.value {
            Value::Text(text) | Value::String(text) => visitor.visit_str(text),
            Value::Integer(integer) => visit_integer(*integer, visitor),
            Value::Float(float) => visitor.visit_f64(*float),
            Value::Boolean(boolean) => visitor.visit_bool(*boolean),
            Value::Date => Err(Error::invalid_type(Unexpected::Other("a date"), &visitor)),
            Value::Array(items) => compound::visit_array(items, self.context, visitor),
            Value::Table(entries) => compound::visit_table(entries, self.context, visitor),
        }
    }

    /// A variable or flag that is wanted as a number is read as one.
    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Text(text) = &self.node.value else { return self.any(visitor) };
        if let Ok(integer) = text.trim().parse() {
            return visit_integer(integer, visitor);
        }
        match text.trim().parse::<f64>() {
            Ok(float) if float.is_finite() => visitor.visit_f64(float),
            _ => visitor.visit_str(text),
        }
    }

    fn boolean<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let Value::Text(text) = &self.node.value else { return self.any(visitor) };
        match text.trim() {
            "true" | "1" => visitor.visit_bool(true),
            "false" | "0" => visitor.visit_bool(false),
            _ => visitor.visit_str(text),
        }
    }

    /// Gives [`Secret`](crate::Secret) what was written and what it stands for.
    fn secret<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let (Value::Text(template) | Value::String(template)) = &self.node.value else {
            return self.any(visitor);
        };
        let expanded = self.context.lookup.expand(template).map_err(Error::unresolved)?;
        visitor.visit_seq(SeqDeserializer::new([template.clone(), expanded].into_iter()))
    }
}

fn visit_integer<'de, V: Visitor<'de>>(integer: i128, visitor: V) -> Result<V::Value, Error> {
    if let Ok(signed) = i64::try_from(integer) {
        return visitor.visit_i64(signed);
    }
    match u64::try_from(integer) {
        Ok(unsigned) => visitor.visit_u64(unsigned),
        Err(_) => Err(Error::too_large(&visitor)),
    }
}

macro_rules! read {
    ($how:ident: $($method:ident)+) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.located(self.$how(visitor))
        })+
    };
}

impl<'de> Deserializer<'de> for Reading<'_> {
    type Error = Error;

    read! { any: deserialize_any }
    read! { boolean: deserialize_bool }
    read! { number:
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_f32 deserialize_f64
    }

    /// A key that is there is never `None`: TOML has no null.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.located(visitor.visit_some(self))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == secret::MARKER {
            return self.located(self.secret(visitor));
        }
        self.located(visitor.visit_newtype_struct(self))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let Value::Table(entries) = &self.node.value else { return self.deserialize_any(visitor) };
        self.located(compound::visit_struct(entries, fields, self.context, visitor))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.located(compound::visit_enum(self, variants, visitor))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier
    }
}
