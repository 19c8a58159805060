//! Values of columns as attributes of items.
//!
//! | column | attribute |
//! | --- | --- |
//! | text | `S` |
//! | integer | `N` |
//! | boolean | `BOOL` |
//! | time | `S`, as the older engine writes it: `2026-11-21T03:04:05.678901+0000` |
//! | JSON | `M`, `L`, `S`, `N`, `BOOL`; as text where those cannot hold it |
//! | null | none |

mod json;
mod time;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use switchboard_core::store::{ColumnKind, Row, StoreError, Table};

use crate::dynamodb::store::Attributes;
use crate::shape;

pub(super) use time::{MOMENT, stored as stored_time};

/// A value that is not null as the attribute of a column. What the kind does not allow does not come
/// here: `shape` refuses it.
pub(super) fn encode(kind: ColumnKind, value: &Value) -> AttributeValue {
    match (kind, value) {
        (ColumnKind::Json, value) => json::encode(value),
        (ColumnKind::Time, Value::String(text)) => AttributeValue::S(time::stored(text)),
        (_, Value::String(text)) => AttributeValue::S(text.clone()),
        (_, Value::Bool(flag)) => AttributeValue::Bool(*flag),
        (_, value) => AttributeValue::N(value.to_string()),
    }
}

/// The row of an item. Attributes that are no columns are left where they are.
///
/// # Errors
///
/// [`StoreError::Broken`] where an attribute has another type than its column.
pub(super) fn row(table: &Table, item: &Attributes) -> Result<Row, StoreError> {
    let key = item.get(table.key).and_then(|key| key.as_s().ok());
    let key =
        key.ok_or_else(|| StoreError::Broken(format!("an item of {} has no key", table.dynamodb)))?;
    let mut row = Row::new(key);
    for column in table.columns {
        let Some(attribute) = item.get(column.name) else { continue };
        let value = decode(column.kind, attribute).ok_or_else(|| {
            StoreError::Broken(format!(
                "`{}` of `{key}` in {} is of the type {}, which is not that of the column",
                column.name,
                table.dynamodb,
                type_of(attribute),
            ))
        })?;
        if !value.is_null() {
            row.columns.insert(column.name.to_owned(), value);
        }
    }
    Ok(row)
}

/// `None` where the attribute has no value of that kind.
fn decode(kind: ColumnKind, attribute: &AttributeValue) -> Option<Value> {
    match (kind, attribute) {
        (_, AttributeValue::Null(_)) => Some(Value::Null),
        (ColumnKind::Json, attribute) => json::decode(attribute),
        (ColumnKind::Time, AttributeValue::S(text)) => time::canonical(text).map(Value::from),
        (ColumnKind::Text, AttributeValue::S(text)) => Some(Value::from(text.as_str())),
        (ColumnKind::Integer, AttributeValue::N(number)) => integer(number).map(Value::from),
        (ColumnKind::Boolean, AttributeValue::Bool(flag)) => Some(Value::from(*flag)),
        _ => None,
    }
}

/// A whole number, in any of the ways to write it: `12`, `12.0`, `1.2E+1`.
pub(super) fn integer(number: &str) -> Option<i64> {
    if let Ok(number) = number.parse() {
        return Some(number);
    }
    let number: f64 = number.parse().ok()?;
    // Up to there every whole number is one of the type.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole, and within the range")]
    (number.fract() == 0.0 && number.abs() <= EXACT).then_some(number as i64)
}

fn type_of(attribute: &AttributeValue) -> &'static str {
    match attribute {
        AttributeValue::B(_) => "B",
        AttributeValue::Bool(_) => "BOOL",
        AttributeValue::Bs(_) => "BS",
        AttributeValue::L(_) => "L",
        AttributeValue::M(_) => "M",
        AttributeValue::N(_) => "N",
        AttributeValue::Ns(_) => "NS",
        AttributeValue::S(_) => "S",
        AttributeValue::Ss(_) => "SS",
        _ => "unknown",
    }
}

/// The kind of a column, or of the key under its name.
///
/// # Errors
///
/// [`StoreError::Invalid`] where the table has none of that name.
pub(super) fn kind(table: &Table, column: &str) -> Result<ColumnKind, StoreError> {
    shape::kind(table, column)
}

#[cfg(test)]
mod tests;
