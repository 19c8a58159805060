//! Which index a page goes along, where the database cannot know it.
//!
//! PostgreSQL keeps statistics and knows that nearly every call is `completed`. SQLite has none unless
//! it is told to, takes one equality for as good as another and a span of time for better, and would
//! walk through all calls of a week to find the few of a tool. So it is said here: the indexes of a
//! table are listed from the least telling to the most, and where several fit, SQLite is told which,
//! by the two means that it has for that (<https://www.sqlite.org/optoverview.html#disqualifying_where_clause_terms_using_unary_>,
//! <https://www.sqlite.org/lang_corefunc.html#likelihood>). Neither changes what is found.

use serde_json::Value;
use switchboard_core::store::{Condition, Query, Table, Test, tables};

use super::dialect::{Dialect, quoted};

/// A value that nearly all rows of a table have in a column. Those that have another are looked for
/// together with what they are of (what failed, of a tool), and are so few that indexes of them alone
/// cost next to nothing.
#[derive(Debug)]
pub(super) struct Usual {
    pub(super) column: &'static str,
    value: &'static str,
    /// What they are looked for with, from the least telling to the most.
    pub(super) with: &'static [&'static str],
}

pub(super) fn usual(table: &Table) -> Option<&'static Usual> {
    static OF_CALLS: Usual =
        Usual { column: "status", value: "completed", with: &["subject", "upstream", "name"] };
    (table.name == tables::CALLS.name).then_some(&OF_CALLS)
}

impl Usual {
    /// What holds of the rows in the indexes of the unusual. A query has to say it in the same words
    /// to be answered from one; the value is a word of ours, and no caller's.
    pub(super) fn excluded(&self) -> String {
        format!("{} <> '{}'", quoted(self.column), self.value)
    }

    /// The columns of the index beside the tenant and the key.
    pub(super) fn index(&self, with: &'static str) -> [&'static str; 2] {
        [with, self.column]
    }
}

/// How the rows that meet all conditions of a query are found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    /// The column by whose index, where rows are asked for by equal values.
    along: Option<&'static str>,
    /// The indexes of the unusual, where one of them fits.
    pub(super) unusual: Option<&'static Usual>,
    /// Whether a walk along the key is all that is left then.
    is_walk: bool,
}

impl Path {
    pub(super) fn of(table: &'static Table, query: &Query) -> Self {
        let conditions = &query.conditions;
        let is_walk = query.order.column.is_none() && !is_bounded(table, conditions);
        let unusual = usual(table).and_then(|usual| {
            let is_unusual = equal(conditions, usual.column).is_some_and(|own| own != usual.value);
            let with = usual.with.iter().rev().find(|with| equal(conditions, with).is_some());
            with.filter(|_| is_unusual).map(|with| (*with, usual))
        });
        if let Some((with, usual)) = unusual {
            return Self { along: Some(with), unusual: Some(usual), is_walk };
        }
        let leading = table.indexes.iter().rev().filter_map(|index| index.first());
        let along = leading.copied().find(|column| equal(conditions, column).is_some());
        Self { along, unusual: None, is_walk }
    }

    /// What stands around the equality of a condition: `+` takes it out of the choice of an index,
    /// `likelihood` has it chosen.
    pub(super) fn around(
        self,
        dialect: &Dialect,
        condition: &Condition,
    ) -> (&'static str, &'static str) {
        let (Dialect::Sqlite, Test::Is(Value::String(_)), Some(along)) =
            (dialect, &condition.test, self.along)
        else {
            return ("", "");
        };
        let is_unusual = self.unusual.is_some_and(|usual| usual.column == condition.column);
        match along == condition.column {
            true if self.is_walk => ("likelihood(", ", 0.0001)"),
            false if !is_unusual => ("+", ""),
            _ => ("", ""),
        }
    }
}

/// Whether a page is found by its keys first, and its rows then read by these: where rows are passed
/// over or sorted, which costs a few bytes of an index each instead of a whole row.
pub(super) fn finds_keys_first(table: &Table, query: &Query) -> bool {
    query.order.column.is_none() && (query.skip > 0 || is_bounded(table, &query.conditions))
}

/// Whether a span of another column than the key is asked for.
fn is_bounded(table: &Table, conditions: &[Condition]) -> bool {
    conditions.iter().any(|condition| {
        condition.column != table.key && matches!(condition.test, Test::From(_) | Test::Below(_))
    })
}

/// The text that a column is asked to be.
fn equal<'a>(conditions: &'a [Condition], column: &str) -> Option<&'a str> {
    let mut own = conditions.iter().filter(|condition| condition.column == column);
    own.find_map(|condition| match &condition.test {
        Test::Is(Value::String(text)) => Some(text.as_str()),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
