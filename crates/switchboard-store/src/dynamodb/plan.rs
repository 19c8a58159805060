//! What of a query the service answers by a key, what by a filter, and what is left to us.
//!
//! A filter may not name the keys of what is asked, which are the tenant's and one more: the key of
//! the table, or the column of an index
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.FilterExpression.html>).

use std::cmp::Ordering;

use serde_json::Value;
use switchboard_core::store::{ColumnKind, Condition, Row, StoreError, Table, Test};

use crate::dynamodb::expression::{Placeholders, moment};
use crate::dynamodb::tables::Place;
use crate::dynamodb::value;

/// More values than this in one condition are compared here: an expression has 4 KB
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Limits.html>).
const IN_LIMIT: usize = 50;

/// Comes after every way to write a moment.
const LAST: char = '~';

/// How the rows that meet all conditions are asked for.
#[derive(Debug, PartialEq)]
pub(super) struct Plan<'a> {
    /// The column whose index is asked; `None` for the table.
    pub(super) index: Option<&'static str>,
    /// What is asked of the column of the index, or of the key.
    pub(super) span: Span,
    /// What the service sorts out after it has read.
    pub(super) filter: Vec<&'a Condition>,
    /// What we sort out.
    pub(super) rest: Vec<&'a Condition>,
}

/// A part of an order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Span {
    pub(super) is: Option<String>,
    pub(super) from: Option<String>,
    pub(super) below: Option<String>,
}

/// Where a place in an order is, as seen from a span of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    Before,
    Within,
    After,
}

impl<'a> Plan<'a> {
    /// In the order of the key: from an index in which all rows asked for have the same value, where
    /// there is one, and else from the table.
    ///
    /// The documentation promises no order among rows that have the same value in an index. It gives
    /// them in the order of the table's key, as an index is kept in that of both, and a mark is a
    /// place in it: should that ever change, pages still lose nothing.
    pub(super) fn by_key(table: &Table, place: &Place, conditions: &'a [Condition]) -> Self {
        let equal = conditions.iter().find_map(|condition| {
            let index = place.indexes.iter().find(|index| **index == condition.column)?;
            let is_text = table.column(index)?.kind == ColumnKind::Text;
            match &condition.test {
                Test::Is(Value::String(text)) if is_text && !text.is_empty() => Some(*index),
                _ => None,
            }
        });
        Self::of(table, equal, conditions)
    }

    /// The rows that have a value in a column, in its order.
    pub(super) fn by_index(
        table: &Table,
        index: &'static str,
        conditions: &'a [Condition],
    ) -> Self {
        Self::of(table, Some(index), conditions)
    }

    /// The rows in whatever order is cheapest.
    pub(super) fn unordered(table: &Table, place: &Place, conditions: &'a [Condition]) -> Self {
        let plan = Self::by_key(table, place, conditions);
        if plan.index.is_some() || !plan.span.is_whole() {
            return plan;
        }
        let bounded = place.indexes.iter().find(|index| {
            let of_it = |condition: &&Condition| condition.column == **index;
            let mut own = conditions.iter().filter(of_it);
            own.any(|condition| matches!(condition.test, Test::From(_) | Test::Below(_)))
        });
        bounded.map_or(plan, |index| Self::of(table, Some(index), conditions))
    }

    /// The rows of the table, in the order of its key.
    pub(super) fn of(
        table: &Table,
        index: Option<&'static str>,
        conditions: &'a [Condition],
    ) -> Self {
        let mut plan = Self { index, span: Span::default(), filter: Vec::new(), rest: Vec::new() };
        let sorted = index.unwrap_or(table.key);
        let is_time = table.column(sorted).is_some_and(|column| column.kind == ColumnKind::Time);
        for condition in conditions {
            if condition.column == sorted {
                if !plan.span.take(&condition.test, is_time) {
                    plan.rest.push(condition);
                }
            } else if condition.column == table.key || is_ours(table, condition) {
                plan.rest.push(condition);
            } else {
                plan.filter.push(condition);
            }
        }
        if plan.span.from.is_some() && plan.span.below.is_some() {
            // The one test of a key that has both bounds includes the upper one.
            let upper = |condition: &&Condition| {
                condition.column == sorted && matches!(condition.test, Test::Below(_))
            };
            plan.rest.extend(conditions.iter().filter(upper));
        }
        plan
    }

    /// The condition on keys, and the filter.
    ///
    /// # Errors
    ///
    /// As [`Placeholders::condition`].
    pub(super) fn expressions(
        &self,
        table: &Table,
        (partition, tenant): (&str, &str),
        placeholders: &mut Placeholders,
    ) -> Result<(String, Option<String>), StoreError> {
        let mut keys = format!("{} = {}", placeholders.name(partition), placeholders.text(tenant));
        let sorted = self.index.unwrap_or(table.key);
        if let Some(is) = &self.span.is {
            let name = placeholders.name(sorted);
            keys += &format!(" AND {name} = {}", placeholders.text(is));
        } else if let (Some(from), Some(below)) = (&self.span.from, &self.span.below) {
            let name = placeholders.name(sorted);
            let (from, below) = (placeholders.text(from), placeholders.text(below));
            keys += &format!(" AND {name} BETWEEN {from} AND {below}");
        } else if let Some(from) = &self.span.from {
            let name = placeholders.name(sorted);
            keys += &format!(" AND {name} >= {}", placeholders.text(from));
        } else if let Some(below) = &self.span.below {
            let name = placeholders.name(sorted);
            keys += &format!(" AND {name} < {}", placeholders.text(below));
        }
        let mut filter = Vec::new();
        for condition in &self.filter {
            filter.push(placeholders.condition(table, condition)?);
        }
        Ok((keys, (!filter.is_empty()).then(|| filter.join(" AND "))))
    }
}

impl Span {
    fn is_whole(&self) -> bool {
        *self == Self::default()
    }

    /// Whether nothing can be in it: a request for that is refused.
    pub(super) fn is_empty(&self) -> bool {
        let is_nothing = |bound: &Option<String>| bound.as_deref() == Some("");
        match (&self.from, &self.below) {
            (Some(from), Some(below)) if from >= below => true,
            _ => is_nothing(&self.below) || is_nothing(&self.is),
        }
    }

    /// Where a value is, as seen from the span.
    pub(super) fn side(&self, value: &str) -> Side {
        if let Some(is) = &self.is {
            return match value.cmp(is) {
                Ordering::Less => Side::Before,
                Ordering::Equal => Side::Within,
                Ordering::Greater => Side::After,
            };
        }
        if self.from.as_deref().is_some_and(|from| value < from) {
            return Side::Before;
        }
        if self.below.as_deref().is_some_and(|below| below <= value) {
            return Side::After;
        }
        Side::Within
    }

    /// Whether a test of the column is covered by the span from now on.
    fn take(&mut self, test: &Test, is_time: bool) -> bool {
        match test {
            Test::Is(Value::String(text)) if is_time => {
                self.raise(moment(text));
                self.lower(&format!("{}{LAST}", moment(text)));
                false
            }
            Test::Is(Value::String(text)) if self.is.is_none() => {
                self.is = Some(text.clone());
                true
            }
            Test::From(Value::String(text)) => {
                self.raise(moment(text));
                self.is.is_none()
            }
            Test::Below(Value::String(text)) => {
                self.lower(moment(text));
                self.is.is_none()
            }
            _ => false,
        }
    }

    fn raise(&mut self, from: &str) {
        // Everything comes after the empty text, which no key can be compared with.
        if !from.is_empty() && self.from.as_deref().is_none_or(|own| own < from) {
            self.from = Some(from.to_owned());
        }
    }

    fn lower(&mut self, below: &str) {
        if self.below.as_deref().is_none_or(|own| below < own) {
            self.below = Some(below.to_owned());
        }
    }
}

/// What a filter would not get right: part of a time, which is stored in another form; and what
/// would be too long.
fn is_ours(table: &Table, condition: &Condition) -> bool {
    match &condition.test {
        Test::Contains(_) => {
            table.column(condition.column).is_some_and(|column| column.kind == ColumnKind::Time)
        }
        Test::In(values) => values.len() > IN_LIMIT,
        _ => false,
    }
}

/// The keys that a query is about, where it names them.
pub(super) fn named<'a>(table: &Table, conditions: &'a [Condition]) -> Option<Vec<&'a str>> {
    conditions.iter().filter(|condition| condition.column == table.key).find_map(|condition| {
        match &condition.test {
            Test::Is(value) => Some(value.as_str().into_iter().collect()),
            Test::In(values) => Some(values.iter().filter_map(Value::as_str).collect()),
            _ => None,
        }
    })
}

/// Whether a row meets a condition.
pub(super) fn holds(table: &Table, row: &Row, condition: &Condition) -> bool {
    let key;
    let value = if condition.column == table.key {
        key = Value::from(row.key.as_str());
        Some(&key)
    } else {
        row.get(condition.column)
    };
    let is = |wanted: &Value| value.unwrap_or(&Value::Null) == wanted;
    match &condition.test {
        Test::Is(wanted) => is(wanted),
        Test::In(wanted) => wanted.iter().any(is),
        Test::Present => value.is_some(),
        Test::Contains(part) => {
            value.and_then(Value::as_str).is_some_and(|text| text.contains(&**part))
        }
        Test::From(bound) => {
            value.and_then(|value| compare(value, bound)).is_some_and(Ordering::is_ge)
        }
        Test::Below(bound) => {
            value.and_then(|value| compare(value, bound)).is_some_and(Ordering::is_lt)
        }
    }
}

fn compare(value: &Value, bound: &Value) -> Option<Ordering> {
    match (value, bound) {
        (Value::String(value), Value::String(bound)) => Some(value.cmp(bound)),
        (value, bound) => Some(value.as_i64()?.cmp(&bound.as_i64()?)),
    }
}

/// Whether rows without a value in a column can meet all conditions on it.
pub(super) fn allows_null(conditions: &[Condition], column: &str) -> bool {
    conditions.iter().filter(|condition| condition.column == column).all(|condition| {
        match &condition.test {
            Test::Is(value) => value.is_null(),
            Test::In(values) => values.iter().any(Value::is_null),
            Test::Contains(_) | Test::From(_) | Test::Below(_) | Test::Present => false,
        }
    })
}

/// Whether the kind of a column is one whose stored form may be another than ours.
pub(super) fn is_time(table: &Table, column: &str) -> bool {
    value::kind(table, column).is_ok_and(|kind| kind == ColumnKind::Time)
}

#[cfg(test)]
mod tests;
