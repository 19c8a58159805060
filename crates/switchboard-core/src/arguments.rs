//! The arguments of a call, decoded for rules that look at them.
//!
//! What a rule sees must be what the server gets. Of a member that is there twice parsers disagree
//! on which one counts (compare CVE-2026-27896), so such arguments are refused; only where there
//! are rules that look, because only then are they decoded.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use switchboard_mcp::Json;

use crate::error::Error;

/// The `arguments` of `tools/call` or `prompts/get`; an empty object where there are none.
///
/// # Errors
///
/// [`Error::Invalid`] where an object in them has a member twice.
pub(crate) fn arguments(params: Option<&Json>) -> Result<Value, Error> {
    let invalid = |what: String| Error::Invalid(format!("`arguments`: {what}"));
    let none = || Value::Object(Map::new());
    let Some(params) = params else { return Ok(none()) };
    let members = params.members().map_err(|error| Error::Invalid(error.to_string()))?;
    let Some(arguments) = members.get("arguments") else { return Ok(none()) };
    match serde_json::from_str(arguments.get()) {
        Ok(Unambiguous(Value::Null)) => Ok(none()),
        Ok(Unambiguous(value)) => Ok(value),
        Err(error) => Err(invalid(error.to_string())),
    }
}

/// A value in which no object has a member twice.
struct Unambiguous(Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Unambiguous(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Unambiguous(value))) = map.next_entry::<String, _>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!("duplicate member `{name}`")));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use switchboard_mcp::Json;

    use super::arguments;

    #[track_caller]
    fn check(params: &'static str, expected: &str) {
        let params = Json::parse(params.as_bytes().into()).unwrap();
        let actual = match arguments(Some(&params)) {
            Ok(value) => value.to_string(),
            Err(error) => error.to_string(),
        };
        assert!(actual.contains(expected), "{actual}");
    }

    #[test]
    fn arguments_are_read_as_they_are() {
        check(r#"{"name":"x"}"#, "{}");
        check(r#"{"arguments":null}"#, "{}");
        let all = r#"{"a":[1,-2,1.5,"x",true,null],"b":{"c":18446744073709551615}}"#;
        check(
            r#"{"arguments":{"a":[1,-2,1.5,"x",true,null],"b":{"c":18446744073709551615}}}"#,
            all,
        );
    }

    #[test]
    fn what_is_there_twice_is_refused() {
        check(r#"{"arguments":{"a":1,"a":2}}"#, "`arguments`: duplicate member `a`");
        check(r#"{"arguments":{"x":[{"a":1,"\u0061":2}]}}"#, "duplicate member `a`");
        check(r#"{"arguments":{},"arguments":{"a":1}}"#, "duplicate member `arguments`");
        check(r#"{"arguments":{"a":1,"A":2}}"#, r#"{"a":1,"A":2}"#);
    }
}
