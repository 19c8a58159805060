//! Changes of one key that come together, as one.
//!
//! A transaction may name an item once
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html>), the
//! port takes changes in order. So what becomes of a row is worked out here, and what has to hold of
//! it before.

use std::collections::HashMap;

use serde_json::{Map, Value};
use switchboard_core::store::{Change, Row, StoreError, Table};

/// What all changes of one key come to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Folded {
    pub(super) key: String,
    /// Whether the row has to be there before, or must not be.
    pub(super) expects: Option<Presence>,
    /// What columns have to be before.
    pub(super) was: Vec<(&'static str, Value)>,
    pub(super) effect: Effect,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Presence {
    There,
    Absent,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Effect {
    /// Only the conditions count.
    Nothing,
    /// The row is this one.
    Whole(Row),
    /// The row, which is made where it is not there, has these columns; others stay.
    Columns(Map<String, Value>),
    Gone,
}

/// One for each key, in the order in which the keys come first.
///
/// # Errors
///
/// [`StoreError::Conflict`] and [`StoreError::Missing`] where a change cannot be carried out after
/// those before it, whatever is in the table.
pub(super) fn fold(table: &Table, changes: Vec<Change>) -> Result<Vec<Folded>, StoreError> {
    let mut folded: Vec<Folded> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for change in changes {
        let key = key(&change);
        let place = places.get(key).copied().unwrap_or_else(|| {
            places.insert(key.to_owned(), folded.len());
            folded.push(Folded::new(key));
            folded.len() - 1
        });
        folded[place].apply(table, change)?;
    }
    Ok(folded)
}

fn key(change: &Change) -> &str {
    match change {
        Change::Insert(row) | Change::Put(row) | Change::Merge(row) | Change::Update(row) => {
            &row.key
        }
        Change::Replace { row, .. } => &row.key,
        Change::Delete(key) => key,
    }
}

impl Folded {
    fn new(key: &str) -> Self {
        Self { key: key.to_owned(), expects: None, was: Vec::new(), effect: Effect::Nothing }
    }

    /// Whether it is carried out whatever is in the table.
    pub(super) fn is_unconditional(&self) -> bool {
        self.expects.is_none() && self.was.is_empty()
    }

    /// Why it was not carried out, by whether the row was there.
    pub(super) fn refused(&self, table: &Table, was_there: bool) -> StoreError {
        if was_there || self.expects == Some(Presence::Absent) {
            return self.conflict(table);
        }
        self.missing(table)
    }

    fn apply(&mut self, table: &Table, change: Change) -> Result<(), StoreError> {
        match change {
            Change::Insert(row) => {
                self.expect(table, Presence::Absent)?;
                self.effect = Effect::Whole(row);
            }
            Change::Put(row) => self.effect = Effect::Whole(row),
            Change::Merge(row) => self.merge(row),
            Change::Update(row) => {
                self.expect(table, Presence::There)?;
                self.merge(row);
            }
            Change::Replace { row, column, was } => {
                self.expect(table, Presence::There)?;
                match self.known(column) {
                    Some(value) if *value != was => return Err(self.conflict(table)),
                    Some(_) => {}
                    None => self.was.push((column, was)),
                }
                self.merge(row);
            }
            Change::Delete(_) => {
                self.expect(table, Presence::There)?;
                self.effect = Effect::Gone;
            }
        }
        Ok(())
    }

    /// The next change needs the row, or needs it not to be there.
    fn expect(&mut self, table: &Table, needed: Presence) -> Result<(), StoreError> {
        let known = match self.effect {
            Effect::Whole(_) | Effect::Columns(_) => Some(Presence::There),
            Effect::Gone => Some(Presence::Absent),
            Effect::Nothing => self.expects,
        };
        match (known, needed) {
            (None, needed) => self.expects = Some(needed),
            (Some(Presence::There), Presence::Absent) => return Err(self.conflict(table)),
            (Some(Presence::Absent), Presence::There) => return Err(self.missing(table)),
            (Some(_), _) => {}
        }
        Ok(())
    }

    /// What a column is after the changes so far, where they say so.
    fn known(&self, column: &str) -> Option<&Value> {
        match &self.effect {
            Effect::Whole(row) => Some(row.columns.get(column).unwrap_or(&Value::Null)),
            Effect::Columns(columns) => columns.get(column),
            Effect::Nothing | Effect::Gone => None,
        }
    }

    fn merge(&mut self, row: Row) {
        match &mut self.effect {
            Effect::Nothing => self.effect = Effect::Columns(row.columns),
            Effect::Whole(Row { columns, .. }) | Effect::Columns(columns) => {
                columns.extend(row.columns);
            }
            Effect::Gone => self.effect = Effect::Whole(row),
        }
    }

    fn conflict(&self, table: &Table) -> StoreError {
        StoreError::Conflict { table: table.name, key: self.key.clone() }
    }

    fn missing(&self, table: &Table) -> StoreError {
        StoreError::Missing { table: table.name, key: self.key.clone() }
    }
}

#[cfg(test)]
mod tests;
