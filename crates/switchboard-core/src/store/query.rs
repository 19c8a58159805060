//! Which rows, in which order, and how many.

use serde_json::Value;

use crate::store::Row;

/// Asks for the rows of a tenant that meet all conditions.
#[derive(Clone, Debug)]
pub struct Query {
    pub conditions: Vec<Condition>,
    pub order: Order,
    /// Only what comes after this row in that order.
    pub after: Option<Mark>,
    /// Rows to leave out first; for those who count pages.
    pub skip: u64,
    pub limit: u32,
    /// Whether to count all rows that meet the conditions, which may cost a walk through them.
    pub counts: bool,
    /// Whether values that are kept beside their rows because they are large are left out, which
    /// saves fetching them.
    pub omits_large: bool,
}

/// What has to hold of one column, or of the key under its name.
#[derive(Clone, Debug, PartialEq)]
pub struct Condition {
    pub column: &'static str,
    pub test: Test,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    Is(Value),
    /// One of these.
    In(Vec<Value>),
    /// The text has this in it, in the same case.
    Contains(String),
    /// At least this.
    From(Value),
    /// Less than this.
    Below(Value),
    /// Anything but null.
    Present,
}

/// By a column of an index, or by the key; rows with the same value are in the order of the key.
/// Texts are in the order of their bytes, and null is below every value. Descending is the reverse of
/// all that, the order of the keys included.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Order {
    /// `None` for the key.
    pub column: Option<&'static str>,
    pub descends: bool,
}

/// The place of a row in an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Its value in the column of the order; null for the key.
    pub value: Value,
    pub key: String,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    pub rows: Vec<Row>,
    /// Whether there are more after these.
    pub has_more: bool,
    /// How many meet the conditions, where that was asked.
    pub total: Option<u64>,
}

impl Query {
    /// The first `limit` rows in the order of the key.
    pub fn first(limit: u32) -> Self {
        Self {
            conditions: Vec::new(),
            order: Order { column: None, descends: false },
            after: None,
            skip: 0,
            limit,
            counts: false,
            omits_large: false,
        }
    }

    /// With a condition more.
    #[must_use]
    pub fn only(mut self, column: &'static str, test: Test) -> Self {
        self.conditions.push(Condition { column, test });
        self
    }

    /// In another order.
    #[must_use]
    pub fn by(self, column: Option<&'static str>, descends: bool) -> Self {
        Self { order: Order { column, descends }, ..self }
    }
}
