//! Why a node could not be read, as data.

use std::fmt;

use serde::de::{self, Expected, Unexpected};

use crate::expand::Unresolved;
use crate::key::Key;

/// A [`Problem`] and the value it is about. Boxed, because every `Result` of the deserialiser has room for it.
#[derive(Debug)]
pub(crate) struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    problem: Problem,
    key: Option<Key>,
    on_key: bool,
}

/// What can be wrong with a value.
#[derive(Debug)]
pub(crate) enum Problem {
    WrongType {
        found: Found,
        expected: String,
    },
    /// The right type, but not a value that is allowed.
    WrongValue {
        found: Found,
        expected: String,
    },
    UnknownVariant {
        found: String,
        known: &'static [&'static str],
    },
    /// A key that its table does not have, told by a type with a reader of its own.
    UnknownKey {
        name: String,
        known: &'static [&'static str],
    },
    MissingKey {
        name: &'static str,
    },
    Secret(Unresolved),
    /// What a type with rules of its own says.
    Other(String),
}

/// What stood where something else was wanted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A string; may be secret.
    String(String),
    /// A number or a boolean, as written; may be secret.
    Plain(&'static str, String),
    /// An integer of more than 64 bits.
    TooLarge,
    /// Something without a short form: `a table`.
    Kind(String),
}

impl Error {
    pub(super) fn unresolved(unresolved: Unresolved) -> Self {
        Self::new(Problem::Secret(unresolved))
    }

    pub(super) fn too_large(expected: &dyn Expected) -> Self {
        Self::new(Problem::WrongValue { found: Found::TooLarge, expected: expected.to_string() })
    }

    fn new(problem: Problem) -> Self {
        Self(Box::new(Inner { problem, key: None, on_key: false }))
    }

    /// Says which value the error is about; the first to say so was nearest.
    pub(super) fn at_value(mut self, key: &Key) -> Self {
        self.0.key.get_or_insert_with(|| key.clone());
        self
    }

    /// Says that the error is about the name itself, not what it names.
    pub(super) fn on_key(mut self) -> Self {
        self.0.on_key = true;
        self
    }

    /// The value it is about: the root, if nobody said more.
    pub(crate) fn key(&self) -> Key {
        self.0.key.clone().unwrap_or_default()
    }

    pub(crate) fn is_on_key(&self) -> bool {
        self.0.on_key
    }

    pub(crate) fn problem(&self) -> &Problem {
        &self.0.problem
    }
}

impl From<Unexpected<'_>> for Found {
    fn from(unexpected: Unexpected<'_>) -> Self {
        match unexpected {
            Unexpected::Bool(boolean) => Self::Plain("boolean", boolean.to_string()),
            Unexpected::Unsigned(integer) => Self::Plain("integer", integer.to_string()),
            Unexpected::Signed(integer) => Self::Plain("integer", integer.to_string()),
            Unexpected::Float(float) => Self::Plain("number", float.to_string()),
            Unexpected::Char(c) => Self::String(c.to_string()),
            Unexpected::Str(text) => Self::String(text.to_owned()),
            Unexpected::Seq => Self::Kind("an array".to_owned()),
            Unexpected::Map => Self::Kind("a table".to_owned()),
            Unexpected::UnitVariant => Self::Kind("a bare name".to_owned()),
            Unexpected::Other(kind) => Self::Kind(kind.to_owned()),
            other => Self::Kind(other.to_string()),
        }
    }
}

impl de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(Problem::Other(message.to_string()))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Problem::WrongType { found: found.into(), expected: expected.to_string() })
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Problem::WrongValue { found: found.into(), expected: expected.to_string() })
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownVariant { found: variant.to_owned(), known })
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::new(Problem::UnknownKey { name: field.to_owned(), known })
    }

    fn missing_field(name: &'static str) -> Self {
        Self::new(Problem::MissingKey { name })
    }
}

/// Only because serde demands it: people see the diagnostic made of it. Says nothing of the value, so
/// that a type that wraps this error in a message of its own does not print a secret.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value cannot be read")
    }
}

impl std::error::Error for Error {}

/// `a`, `b` or `c`, each in backticks.
pub(crate) fn list(names: &[impl AsRef<str>]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
