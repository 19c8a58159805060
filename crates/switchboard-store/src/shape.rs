//! What every kind of store refuses, in the same words.
//!
//! The limits are those of the narrowest kind, so that rows can be moved between all of them: a key
//! and an indexed value fit into a key of DynamoDB (1,024 bytes) and into a B-tree of PostgreSQL,
//! and no text has the character NUL, which PostgreSQL cannot hold.

use serde_json::Value;
use switchboard_core::store::{Change, ColumnKind, Condition, Query, Row, StoreError, Table, Test};

/// The longest key and the longest indexed value, in bytes: the sort key of a DynamoDB table.
pub(crate) const KEY_LIMIT: usize = 1024;

/// How deep JSON may be: `serde_json` reads 128 levels, and an export needs some around it.
pub(crate) const DEPTH_LIMIT: usize = 100;

/// Judges all rows and keys of `changes`.
///
/// # Errors
///
/// [`StoreError::Invalid`].
pub(crate) fn changes(table: &Table, changes: &[Change]) -> Result<(), StoreError> {
    for change in changes {
        match change.row() {
            Some(own) => row(table, own)?,
            None => key(table, change.key())?,
        }
        if let Change::Replace { column, was, .. } = change {
            comparable(table, column, was)?;
        }
    }
    Ok(())
}

/// Judges the conditions, the order and the mark of `query`.
///
/// # Errors
///
/// [`StoreError::Invalid`].
pub(crate) fn query(table: &Table, query: &Query) -> Result<(), StoreError> {
    conditions(table, &query.conditions)?;
    let Some(column) = query.order.column else {
        return query.after.as_ref().map_or(Ok(()), |mark| text(table, table.key, &mark.key));
    };
    if !indexed(table, column) {
        return Err(invalid(table, column, "has no index, so nothing is listed in its order"));
    }
    if let Some(mark) = &query.after {
        comparable(table, column, &mark.value)?;
        text(table, table.key, &mark.key)?;
    }
    Ok(())
}

/// Judges what rows are asked to be.
///
/// # Errors
///
/// [`StoreError::Invalid`].
pub(crate) fn conditions(table: &Table, conditions: &[Condition]) -> Result<(), StoreError> {
    for condition in conditions {
        let column = condition.column;
        match &condition.test {
            // Whether it is there can be asked of every column, JSON included.
            Test::Is(Value::Null) | Test::Present => {
                kind(table, column)?;
            }
            Test::Is(value) => comparable(table, column, value)?,
            Test::In(values) => {
                kind(table, column)?;
                values.iter().try_for_each(|value| comparable(table, column, value))?;
            }
            Test::Contains(part) => {
                if !matches!(kind(table, column)?, ColumnKind::Text | ColumnKind::Time) {
                    return Err(invalid(table, column, "is no text that could contain something"));
                }
                text(table, column, part)?;
            }
            Test::From(value) | Test::Below(value) => bound(table, column, value)?,
        }
    }
    Ok(())
}

/// Judges what [`Store::add`](switchboard_core::store::Store::add) is given.
///
/// # Errors
///
/// [`StoreError::Invalid`].
pub(crate) fn counter(table: &Table, own: &str, column: &str) -> Result<(), StoreError> {
    key(table, own)?;
    if own_column(table, column)? != ColumnKind::Integer {
        return Err(invalid(table, column, "is no number that could be added to"));
    }
    Ok(())
}

/// Judges a bound: a value with an order, of the kind of its column.
///
/// # Errors
///
/// [`StoreError::Invalid`].
pub(crate) fn bound(table: &Table, column: &str, value: &Value) -> Result<(), StoreError> {
    comparable(table, column, value)?;
    if matches!(kind(table, column)?, ColumnKind::Boolean) || value.is_null() {
        return Err(invalid(table, column, "has no order in which something could be below that"));
    }
    Ok(())
}

/// Whether a row could have this key. What could not is not there; no store needs to be asked.
pub(crate) fn possible(key: &str) -> bool {
    !key.is_empty() && key.len() <= KEY_LIMIT && !key.contains('\0')
}

/// The kind of a column, or of the key under its name.
///
/// # Errors
///
/// [`StoreError::Invalid`] where the table has none of that name.
pub(crate) fn kind(table: &Table, column: &str) -> Result<ColumnKind, StoreError> {
    if column == table.key {
        return Ok(ColumnKind::Text);
    }
    own_column(table, column)
}

fn own_column(table: &Table, column: &str) -> Result<ColumnKind, StoreError> {
    let found = table.column(column).map(|column| column.kind);
    found.ok_or_else(|| invalid(table, column, "is no column of it"))
}

/// Judges a row, its key and its columns.
///
/// # Errors
///
/// [`StoreError::Invalid`].
pub(crate) fn row(table: &Table, row: &Row) -> Result<(), StoreError> {
    key(table, &row.key)?;
    for (column, value) in &row.columns {
        let kind = own_column(table, column)?;
        fits(table, column, kind, value)?;
        let length = value.as_str().map_or(0, str::len);
        if length > KEY_LIMIT && indexed(table, column) {
            let why = format!("is {length} bytes long, and its index takes {KEY_LIMIT}");
            return Err(invalid(table, column, &why));
        }
    }
    Ok(())
}

fn key(table: &Table, key: &str) -> Result<(), StoreError> {
    if key.is_empty() {
        return Err(invalid(table, table.key, "is empty"));
    }
    if key.len() > KEY_LIMIT {
        let why = format!("is {} bytes long; a key has at most {KEY_LIMIT}", key.len());
        return Err(invalid(table, table.key, &why));
    }
    text(table, table.key, key)
}

/// Whether an index has that column in it.
pub(crate) fn indexed(table: &Table, column: &str) -> bool {
    table.indexes.iter().any(|index| index.contains(&column))
}

/// A value that equality is defined for: JSON is not, whose texts differ where it does not.
fn comparable(table: &Table, column: &str, value: &Value) -> Result<(), StoreError> {
    match kind(table, column)? {
        ColumnKind::Json => Err(invalid(table, column, "is JSON, which is not compared")),
        // A bound may be the beginning of a time: `2026-11-21` is the first moment of that day.
        ColumnKind::Time => fits(table, column, ColumnKind::Text, value),
        kind => fits(table, column, kind, value),
    }
}

fn fits(table: &Table, column: &str, kind: ColumnKind, value: &Value) -> Result<(), StoreError> {
    match (kind, value) {
        (_, Value::Null) | (ColumnKind::Boolean, Value::Bool(_)) => Ok(()),
        (ColumnKind::Integer, Value::Number(number)) if number.is_i64() => Ok(()),
        (ColumnKind::Text, Value::String(value)) => text(table, column, value),
        (ColumnKind::Time, Value::String(value)) if is_time(value) => Ok(()),
        (ColumnKind::Json, value) => json(table, column, value, DEPTH_LIMIT),
        (kind, _) => Err(invalid(table, column, expected(kind))),
    }
}

fn expected(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Text => "is to be a text",
        ColumnKind::Integer => "is to be a whole number of 64 bits",
        ColumnKind::Boolean => "is to be true or false",
        ColumnKind::Json => "is to be JSON",
        ColumnKind::Time => "is to be a time such as 2026-11-21T03:04:05.678901Z",
    }
}

/// `2026-11-21T03:04:05.678901Z`, digit for digit: a text of another shape would be kept, and sorted
/// wrongly for ever.
fn is_time(text: &str) -> bool {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00.000000Z";
    text.len() == SHAPE.len()
        && text.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            sign => byte == *sign,
        })
}

fn json(table: &Table, column: &str, value: &Value, depth: usize) -> Result<(), StoreError> {
    let Some(within) = depth.checked_sub(1) else {
        let why = format!("is nested deeper than {DEPTH_LIMIT} levels");
        return Err(invalid(table, column, &why));
    };
    match value {
        Value::String(value) => text(table, column, value),
        Value::Array(items) => items.iter().try_for_each(|item| json(table, column, item, within)),
        Value::Object(members) => members.iter().try_for_each(|(name, member)| {
            text(table, column, name)?;
            json(table, column, member, within)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

pub(crate) fn text(table: &Table, column: &str, text: &str) -> Result<(), StoreError> {
    if text.contains('\0') {
        return Err(invalid(
            table,
            column,
            "has the character NUL, which not every store can keep",
        ));
    }
    Ok(())
}

fn invalid(table: &Table, column: &str, why: &str) -> StoreError {
    StoreError::Invalid(format!("`{column}` of {} {why}", table.name))
}

#[cfg(test)]
mod tests;
