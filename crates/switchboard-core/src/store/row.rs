//! What a table and a row are.

use serde_json::{Map, Value};

/// The description of a table, the same for every kind of store.
#[derive(Debug)]
pub struct Table {
    /// In SQL. In DynamoDB it is `dynamodb`.
    pub name: &'static str,
    pub dynamodb: &'static str,
    /// The column that is the key within a tenant; text.
    pub key: &'static str,
    /// All others, without the tenant's.
    pub columns: &'static [Column],
    /// What rows are found by: each is equal values of all columns but the last, in the order of
    /// the last and then of the key. They are listed from the least telling to the most: where rows
    /// are asked for by several columns, the last index that begins with one of them is taken. Of
    /// DynamoDB the first five of one column are local secondary indexes; it finds the rest by
    /// reading.
    pub indexes: &'static [&'static [&'static str]],
    /// The column whose value goes to a blob where it is large, and the Boolean column that says so.
    pub overflow: Option<(&'static str, &'static str)>,
}

/// The column that says whose a row is, in every table.
pub const PARTITION: &str = "partition_key";

#[derive(Debug)]
pub struct Column {
    pub name: &'static str,
    pub kind: ColumnKind,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ColumnKind {
    Text,
    Integer,
    Boolean,
    /// Any JSON; objects keep the order of their members as far as the store lets them.
    Json,
    /// A time as RFC 3339 text in UTC with microseconds, so that the order of texts is that of
    /// times.
    Time,
}

/// A row without its tenant. Columns that are absent are null.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Row {
    pub key: String,
    pub columns: Map<String, Value>,
}

impl Table {
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl Row {
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), columns: Map::new() }
    }

    /// With a column more; null takes it away.
    #[must_use]
    pub fn with(mut self, column: &str, value: impl Into<Value>) -> Self {
        self.columns.insert(column.to_owned(), value.into());
        self
    }

    pub fn get(&self, column: &str) -> Option<&Value> {
        self.columns.get(column).filter(|value| !value.is_null())
    }

    pub fn text(&self, column: &str) -> Option<&str> {
        self.get(column)?.as_str()
    }

    pub fn integer(&self, column: &str) -> Option<i64> {
        self.get(column)?.as_i64()
    }

    pub fn flag(&self, column: &str) -> bool {
        self.get(column).and_then(Value::as_bool).unwrap_or_default()
    }
}
