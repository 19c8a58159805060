//! The texts that policies are in, and places in them.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

/// A text with policies.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Text {
    /// What people know it by: a path, a key of the configuration, the id of a stored policy.
    pub name: Arc<str>,
    pub content: String,
}

/// A place in a text, counted from one.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Place {
    pub text: Arc<str>,
    pub line: usize,
    pub column: usize,
}

impl Text {
    pub fn new(name: &str, content: impl Into<String>) -> Self {
        Self { name: name.into(), content: content.into() }
    }

    /// The place of the byte at `offset`; columns are characters.
    pub(crate) fn place(&self, offset: usize) -> Place {
        let before = self.content.get(..offset).unwrap_or(&self.content);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Place {
            text: Arc::clone(&self.name),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.text, self.line, self.column)
    }
}
