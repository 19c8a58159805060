//! JSON as documents of DynamoDB.
//!
//! A document has numbers of 38 digits between 1E-130 and 9.9E+125, 32 levels
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Limits.html>), and names that
//! are not empty; JSON may be more. Then it is kept as text, in a document with one member of a name
//! that nobody uses. So is JSON that looks like that itself.
//!
//! Numbers keep their value and not how they were written: `1.0` comes back as `1`, as numbers of the
//! service do.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Number, Value};

/// The name of the one member of a document that is the text of its JSON.
const AS_TEXT: &str = "$json";

/// Levels of a document, with one to spare for the attribute itself.
const LEVELS: usize = 31;

pub(super) fn encode(value: &Value) -> AttributeValue {
    if fits(value, LEVELS) {
        return document(value);
    }
    let text = AttributeValue::S(value.to_string());
    AttributeValue::M([(AS_TEXT.to_owned(), text)].into())
}

/// `None` where there is something in it that JSON does not have.
pub(super) fn decode(attribute: &AttributeValue) -> Option<Value> {
    if let AttributeValue::M(members) = attribute
        && members.len() == 1
        && let Some(AttributeValue::S(text)) = members.get(AS_TEXT)
    {
        return serde_json::from_str(text).ok();
    }
    plain(attribute)
}

fn fits(value: &Value, levels: usize) -> bool {
    let Some(within) = levels.checked_sub(1) else { return false };
    match value {
        Value::Number(number) => {
            number.as_i64().is_some() || number.as_u64().is_some() || {
                let size = number.as_f64().unwrap_or(f64::INFINITY).abs();
                size == 0.0 || (1e-130..=9.9e125).contains(&size)
            }
        }
        Value::Array(items) => items.iter().all(|item| fits(item, within)),
        Value::Object(members) => {
            !members.contains_key(AS_TEXT)
                && !members.contains_key("")
                && members.values().all(|member| fits(member, within))
        }
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

fn document(value: &Value) -> AttributeValue {
    match value {
        Value::Null => AttributeValue::Null(true),
        Value::Bool(flag) => AttributeValue::Bool(*flag),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Array(items) => AttributeValue::L(items.iter().map(document).collect()),
        Value::Object(members) => AttributeValue::M(
            members.iter().map(|(name, member)| (name.clone(), document(member))).collect(),
        ),
    }
}

fn plain(attribute: &AttributeValue) -> Option<Value> {
    Some(match attribute {
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::Bool(flag) => Value::Bool(*flag),
        AttributeValue::N(text) => Value::Number(number(text)?),
        AttributeValue::S(text) => Value::String(text.clone()),
        AttributeValue::L(items) => Value::Array(items.iter().map(plain).collect::<Option<_>>()?),
        AttributeValue::M(members) => {
            // A document has no order; ours is at least the same each time.
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            let members = members.into_iter().map(|(name, own)| Some((name.clone(), plain(own)?)));
            Value::Object(members.collect::<Option<_>>()?)
        }
        AttributeValue::Ss(items) => items.iter().map(String::as_str).collect(),
        AttributeValue::Ns(items) => {
            let items = items.iter().map(|item| number(item).map(Value::Number));
            Value::Array(items.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// A number of DynamoDB; one with more digits than JSON's readers keep becomes the nearest.
fn number(text: &str) -> Option<Number> {
    let whole = text.parse::<i64>().map(Number::from);
    let whole = whole.or_else(|_| text.parse::<u64>().map(Number::from));
    whole.ok().or_else(|| Number::from_f64(text.parse().ok()?))
}
