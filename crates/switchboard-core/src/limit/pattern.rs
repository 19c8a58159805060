//! Names, of which the end may be open: `key:*`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};

/// One name, or all that begin alike.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern {
    text: Box<str>,
    /// Whether more may follow.
    is_open: bool,
}

/// A `*` that is not at the end would have to be looked for, and is mostly a slip.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{0}` has a `*` that is not at its end")]
pub struct NoPattern(String);

impl Pattern {
    pub fn matches(&self, name: &str) -> bool {
        if self.is_open { name.starts_with(&*self.text) } else { *self.text == *name }
    }
}

impl FromStr for Pattern {
    type Err = NoPattern;

    fn from_str(text: &str) -> Result<Self, NoPattern> {
        let start = text.strip_suffix('*');
        let name = start.unwrap_or(text);
        if name.contains('*') {
            return Err(NoPattern(text.to_owned()));
        }
        Ok(Self { text: name.into(), is_open: start.is_some() })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)?;
        if self.is_open { formatter.write_str("*") } else { Ok(()) }
    }
}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Pattern {
    fn schema_name() -> Cow<'static, str> {
        "Pattern".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[^*]*\\*?$" })
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[track_caller]
    fn check(pattern: &str, name: &str, expected: bool) {
        let read: Pattern = pattern.parse().unwrap();
        assert_eq!(read.matches(name), expected, "{pattern} {name}");
        assert_eq!(read.to_string(), pattern);
    }

    #[test]
    fn only_the_end_may_be_open() {
        check("acme", "acme", true);
        check("acme", "acme#eu", false);
        check("acme*", "acme#eu", true);
        check("acme*", "acm", false);
        check("key:*", "key:7", true);
        check("*", "", true);
        check("", "", true);
        check("", "x", false);
        for slip in ["*x", "a*b", "**", "a*b*"] {
            assert!(slip.parse::<Pattern>().is_err(), "{slip}");
        }
    }
}
