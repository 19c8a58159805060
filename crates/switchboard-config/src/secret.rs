//! A string that is never printed.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use serde::{Serialize, Serializer};

use crate::expand;

/// A password, a key, or any other string that may hold one.
///
/// In the configuration it may contain `${env:NAME}` and `${file:path}`, which are replaced by the
/// environment variable and by the file's content (without its last line end; relative to the
/// configuration file; `~/` is the home directory). `$${` stands for `${` itself.
///
/// It prints as what was written if that refers to something (`Bearer ${env:TOKEN}`), and as `…` if
/// the secret itself was written. Read from anything but this crate's [`Loader`](crate::Loader), it
/// is taken literally.
///
/// Equality compares the values and takes longer the more of them agree: right for noticing a change
/// of configuration, wrong for checking what a stranger presents.
#[derive(Clone)]
pub struct Secret {
    value: String,
    /// What was written, kept only if it refers to the secret rather than being it.
    template: Option<String>,
}

/// The newtype name by which [`Secret`] asks our deserialiser for expansion.
///
/// Any other deserialiser sees an ordinary newtype around a string. The `$` keeps it from being the
/// name of anyone's type.
pub(crate) const MARKER: &str = "$switchboard_config::Secret";

/// The name in the schema by which the rest of this crate recognises a secret.
pub(crate) const FORMAT: &str = "secret";

impl Secret {
    /// A secret that was made rather than configured.
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: value.into(), template: None }
    }

    /// The secret itself. Every call is a place to check that it goes where it should.
    pub fn expose(&self) -> &str {
        &self.value
    }

    fn shown(&self) -> &str {
        self.template.as_deref().unwrap_or("…")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Eq for Secret {}

impl From<String> for Secret {
    fn from(value: String) -> Self {
        Self::new(value)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.shown())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(MARKER, SecretVisitor)
    }
}

struct SecretVisitor;

impl<'de> Visitor<'de> for SecretVisitor {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    /// From our deserialiser: what was written, and what it stands for.
    fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<Secret, A::Error> {
        let mut next = || -> Result<String, A::Error> {
            pair.next_element()?.ok_or_else(|| de::Error::invalid_length(0, &self))
        };
        let template = next()?;
        let value = next()?;
        let template = expand::refers(&template).then_some(template);
        Ok(Secret { value, template })
    }

    /// From any other.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, inner: D) -> Result<Secret, D::Error> {
        String::deserialize(inner).map(Secret::new)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": FORMAT, "writeOnly": true })
    }
}
