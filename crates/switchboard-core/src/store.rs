//! The ports to whatever keeps things: rows in a [`Store`], large values in a [`BlobStore`].
//!
//! A store knows tables by their description ([`Table`]), never by what they are for, so that a
//! table more is a `const` more and no kind of store is touched. Every row belongs to a tenant; no
//! operation but [`Store::tenants`] and [`Store::sweep`] reaches beyond one.

mod query;
mod row;
pub mod tables;

use async_trait::async_trait;
use bytes::Bytes;

pub use query::{Condition, Listed, Mark, Order, Query, Test};
pub use row::{Column, ColumnKind, PARTITION, Row, Table};

use crate::tenant::Tenant;

/// Keeps rows.
#[expect(clippy::too_many_arguments, reason = "where a row is takes three of them")]
#[async_trait]
pub trait Store: Send + Sync {
    /// The rows that have these keys, in the order of the keys; those that are not there are left
    /// out. One round trip for any number of keys, as far as the store can.
    async fn read(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        keys: &[&str],
    ) -> Result<Vec<Row>, StoreError>;

    /// The rows that `query` asks for.
    async fn list(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        query: &Query,
    ) -> Result<Listed, StoreError>;

    /// For each of `values`, of the rows that have it in `column` the one with the greatest `by`, and
    /// of equals that with the greatest key; rows without `by` are left out. One after the other here;
    /// a store that can ask for all of them at once does.
    async fn latest(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        column: &'static str,
        values: &[&str],
        by: &'static str,
    ) -> Result<Vec<Row>, StoreError> {
        let mut rows = Vec::new();
        // No store has a value with NUL in it.
        for value in values.iter().filter(|value| !value.contains('\0')) {
            let query = Query::first(1).by(Some(by), true).only(by, Test::Present);
            let query = query.only(column, Test::Is((*value).into()));
            rows.extend(self.list(table, tenant, &query).await?.rows);
        }
        Ok(rows)
    }

    /// Carries out `changes` in order. Up to [`ATOMIC`] of them are carried out all or not at all;
    /// of more, those before one that fails may have been.
    ///
    /// # Errors
    ///
    /// [`StoreError::Conflict`] and [`StoreError::Missing`] name the key that was the reason.
    async fn write(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        changes: Vec<Change>,
    ) -> Result<(), StoreError>;

    /// Adds `by` to an integer column of a row that is made where it is not there; what it is then.
    /// Two that add at once both count.
    async fn add(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        key: &str,
        column: &'static str,
        by: i64,
    ) -> Result<i64, StoreError>;

    /// Deletes up to `limit` rows of any tenant whose `column` is below `bound`; how many it were.
    async fn sweep(
        &self,
        table: &'static Table,
        column: &'static str,
        bound: &serde_json::Value,
        limit: u32,
    ) -> Result<u64, StoreError>;

    /// Deletes up to `limit` rows of a tenant that meet all `conditions`; how many it were. One after
    /// the other here; a store that can do with one request does.
    async fn prune(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        conditions: Vec<Condition>,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let query = Query { conditions, omits_large: true, ..Query::first(limit) };
        let mut deleted = 0;
        for row in self.list(table, tenant, &query).await?.rows {
            match self.write(table, tenant, vec![Change::Delete(row.key)]).await {
                Ok(()) => deleted += 1,
                // Somebody else who deletes it too does no harm.
                Err(StoreError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(deleted)
    }

    /// Whether what reaches beyond one tenant is a walk through the whole table, which somebody pays
    /// for by the row: it is done rarely then, or not at all.
    fn walks(&self) -> bool {
        false
    }

    /// The tenants that have rows in `table`.
    async fn tenants(&self, table: &'static Table) -> Result<Vec<Tenant>, StoreError>;
}

/// How many changes a store carries out together: what DynamoDB takes in one transaction.
pub const ATOMIC: usize = 100;

/// One change to a table.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A row that is not there yet.
    Insert(Row),
    /// A row, whether it was there or not; columns that it does not name are null afterwards.
    Put(Row),
    /// A row, whether it was there or not; columns that it does not name stay as they are.
    Merge(Row),
    /// The same for a row that has to be there.
    Update(Row),
    /// The same for a row whose column of that name has to have that value: nobody else changed it
    /// since it was read.
    Replace { row: Row, column: &'static str, was: serde_json::Value },
    /// The row of this key, which has to be there.
    Delete(String),
}

impl Change {
    /// The key of the row that it is about.
    pub fn key(&self) -> &str {
        match self {
            Self::Delete(key) => key,
            change => change.row().map_or("", |row| row.key.as_str()),
        }
    }

    /// What it writes; `None` where it takes away.
    pub fn row(&self) -> Option<&Row> {
        match self {
            Self::Insert(row) | Self::Put(row) | Self::Merge(row) | Self::Update(row) => Some(row),
            Self::Replace { row, .. } => Some(row),
            Self::Delete(_) => None,
        }
    }

    /// The same, for whoever writes something else in its place.
    pub fn row_mut(&mut self) -> Option<&mut Row> {
        match self {
            Self::Insert(row) | Self::Put(row) | Self::Merge(row) | Self::Update(row) => Some(row),
            Self::Replace { row, .. } => Some(row),
            Self::Delete(_) => None,
        }
    }
}

/// Keeps large values by name. Names are paths of our own making: `mcp_content/ID.json`.
#[async_trait]
pub trait BlobStore: Send + Sync {
    /// # Errors
    ///
    /// [`StoreError`]; a blob of that name is then as it was.
    async fn put(&self, name: &str, content: Bytes) -> Result<(), StoreError>;

    /// How large a blob is, and which content it has; `None` where there is none of that name.
    async fn glance(&self, name: &str) -> Result<Option<Glance>, StoreError>;

    /// `None` where there is none of that name.
    async fn read(&self, name: &str) -> Result<Option<Bytes>, StoreError>;

    /// Deletes what is there; what is not there already is deleted.
    async fn delete(&self, name: &str) -> Result<(), StoreError>;

    /// The names that begin with `prefix`, in order.
    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError>;

    /// An address at which a client may `PUT` the blob until `lifetime` is over; `None` where the
    /// store has no door of its own.
    async fn upload_url(
        &self,
        name: &str,
        lifetime: std::time::Duration,
    ) -> Result<Option<String>, StoreError>;
}

/// A blob as it looks from outside.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Glance {
    pub bytes: u64,
    /// Another one where the content is another. (The same content may have several, too.)
    pub tag: String,
}

/// Why something could not be kept or read. Named after what the caller can do about it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else has it, or changed it meanwhile: read it again.
    #[error("`{key}` of {table} is there already, or was changed meanwhile")]
    Conflict { table: &'static str, key: String },
    #[error("`{key}` is not in {table}")]
    Missing { table: &'static str, key: String },
    /// Another value may do.
    #[error("{0}")]
    Invalid(String),
    /// The store does not answer, or not in time; the same may succeed later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// What is in the store is not what we wrote, or the store refuses us; somebody has to look.
    #[error("the store failed: {0}")]
    Broken(String),
}
