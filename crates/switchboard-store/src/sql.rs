//! Rows in a SQL database: one store for both, which differ in how they are opened and in a dialect.
//!
//! ```text
//! statement   SQL with its values, built from descriptions of tables and nothing else
//! writer      a statement while it is put together
//! paths       the index that a page goes along
//! dialect     where SQLite and PostgreSQL do not say the same
//! pools       connections, transactions, and values on their way in and out
//! migrate     tables made and extended until they are as described
//! json        numbers that stay what they were
//! fault       what an error of the database means for the caller
//! ```
//!
//! Identifiers come from descriptions alone, and values are always bound: there is no path on which
//! text of a caller becomes part of a statement.

mod dialect;
mod fault;
mod json;
mod migrate;
mod paths;
mod pools;
mod statement;
mod writer;

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use serde_json::Value;
use switchboard_core::Tenant;
use switchboard_core::store::{
    Change, Condition, Listed, PARTITION, Query, Row, Store, StoreError, Table,
};

pub(crate) use self::dialect::Dialect;
pub(crate) use self::migrate::{MigrateError, migrate};
pub(crate) use self::pools::Pools;

use self::fault::Fault;
use self::pools::Transaction;
use self::statement::{Statements, segments};
use crate::shape;

/// Rows in a SQL database.
pub(crate) struct SqlStore {
    pools: Pools,
    dialect: Dialect,
}

/// Keys that one statement asks for: well below the 32,766 values that SQLite binds.
const KEYS: usize = 1000;

/// How often changes are tried that the database took back because of others at the same rows.
const ATTEMPTS: u32 = 4;

/// How many rows one statement brings: a statement of each of these sizes is prepared once, and a
/// batch of any size is a few of them.
const ROWS: [usize; 3] = [64, 8, 1];

impl SqlStore {
    /// A store on a database whose tables are as described.
    pub(crate) fn new(pools: Pools, dialect: Dialect) -> Self {
        Self { pools, dialect }
    }

    fn statements(&self, table: &'static Table) -> Statements<'_> {
        Statements { dialect: &self.dialect, table }
    }

    async fn number(&self, statement: statement::Statement) -> Result<u64, StoreError> {
        let rows = self.pools.fetch(statement).await.map_err(StoreError::from)?;
        let number = rows.first().and_then(|row| row.first()).and_then(Value::as_u64);
        number.ok_or_else(|| StoreError::Broken("a count came back without a number".to_owned()))
    }

    /// The rows of a page and one more, if there is one.
    async fn page(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        query: &Query,
    ) -> Result<Vec<Row>, StoreError> {
        let statements = self.statements(table);
        let wanted = u64::from(query.limit) + 1;
        let mut skip = query.skip;
        let mut rows = Vec::new();
        for segment in segments(query) {
            let limit = wanted - rows.len() as u64;
            let select = statements.list(tenant, query, segment, (skip, limit));
            let found = self.pools.fetch(select).await.map_err(StoreError::from)?;
            if found.is_empty() && skip > 0 {
                // All of it was skipped; how many that were, the next one has to know.
                let passed = self.number(statements.count(tenant, query, Some(segment))).await?;
                skip = skip.saturating_sub(passed);
            } else {
                skip = 0;
            }
            rows.extend(found.into_iter().map(|values| to_row(table, values)));
            if rows.len() as u64 >= wanted {
                break;
            }
        }
        Ok(rows)
    }

    /// Carries out changes in one transaction. `false` where a row is there already that was to be
    /// inserted `together` with others: nothing is changed then, and which it is is found out by
    /// carrying them out one by one.
    async fn try_write(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        changes: &[Change],
        together: bool,
    ) -> Result<bool, Fault> {
        let mut transaction = self.pools.begin().await?;
        let mut left = changes;
        while let Some(first) = left.first() {
            let rows = if together { run(left) } else { Vec::new() };
            if rows.len() > 1 {
                let overwrites = matches!(first, Change::Put(_));
                let statement = self.statements(table).rows(tenant, &rows, overwrites);
                let touched = transaction.execute(statement).await?;
                if !overwrites && touched < rows.len() as u64 {
                    return Ok(false);
                }
            } else {
                self.carry_out(&mut transaction, table, tenant, first).await?;
            }
            left = &left[rows.len().max(1)..];
        }
        transaction.commit().await?;
        Ok(true)
    }

    async fn carry_out(
        &self,
        transaction: &mut Transaction,
        table: &'static Table,
        tenant: &Tenant,
        change: &Change,
    ) -> Result<(), Fault> {
        let statements = self.statements(table);
        let touched = transaction.execute(statements.change(tenant, change)).await?;
        let there = touched > 0;
        let key = || change.key().to_owned();
        let conflict = || Fault::Store(StoreError::Conflict { table: table.name, key: key() });
        let missing = || Fault::Store(StoreError::Missing { table: table.name, key: key() });
        match change {
            Change::Put(_) | Change::Merge(_) => Ok(()),
            _ if there => Ok(()),
            Change::Insert(_) => Err(conflict()),
            Change::Update(_) | Change::Delete(_) => Err(missing()),
            Change::Replace { row, .. } => {
                let found = transaction.fetch(statements.read(tenant, &[&row.key])).await?;
                Err(if found.is_empty() { missing() } else { conflict() })
            }
        }
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn read(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        keys: &[&str],
    ) -> Result<Vec<Row>, StoreError> {
        let mut found = HashMap::new();
        let possible: Vec<&str> = keys.iter().copied().filter(|key| shape::possible(key)).collect();
        for keys in possible.chunks(KEYS) {
            let statement = self.statements(table).read(tenant, keys);
            for values in self.pools.fetch(statement).await.map_err(StoreError::from)? {
                let row = to_row(table, values);
                found.insert(row.key.clone(), row);
            }
        }
        Ok(keys.iter().filter_map(|key| found.get(*key).cloned()).collect())
    }

    async fn list(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        query: &Query,
    ) -> Result<Listed, StoreError> {
        shape::query(table, query)?;
        let mut rows = self.page(table, tenant, query).await?;
        let has_more = rows.len() > query.limit as usize;
        rows.truncate(query.limit as usize);
        let total = if query.counts {
            Some(self.number(self.statements(table).count(tenant, query, None)).await?)
        } else {
            None
        };
        Ok(Listed { rows, has_more, total })
    }

    async fn latest(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        column: &'static str,
        values: &[&str],
        by: &'static str,
    ) -> Result<Vec<Row>, StoreError> {
        shape::kind(table, column)?;
        shape::kind(table, by)?;
        // What no text can have in it, no row has; PostgreSQL would refuse to look.
        let possible: Vec<&str> =
            values.iter().copied().filter(|value| !value.contains('\0')).collect();
        let mut rows = Vec::new();
        for values in possible.chunks(KEYS) {
            let statement = self.statements(table).latest(tenant, column, values, by);
            let found = self.pools.fetch(statement).await.map_err(StoreError::from)?;
            rows.extend(found.into_iter().map(|values| to_row(table, values)));
        }
        Ok(rows)
    }

    async fn write(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        shape::changes(table, &changes)?;
        if changes.is_empty() {
            return Ok(());
        }
        let (mut together, mut attempt) = (true, 1);
        loop {
            match self.try_write(table, tenant, &changes, together).await {
                Ok(true) => return Ok(()),
                Ok(false) => together = false,
                Err(Fault::Collided(_)) if attempt < ATTEMPTS => attempt += 1,
                Err(fault) => return Err(fault.into()),
            }
        }
    }

    async fn add(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        key: &str,
        column: &'static str,
        by: i64,
    ) -> Result<i64, StoreError> {
        shape::counter(table, key, column)?;
        let statement = self.statements(table).add(tenant, key, column, by);
        let mut transaction = self.pools.begin().await?;
        let rows = transaction.fetch(statement).await?;
        transaction.commit().await?;
        let sum = rows.first().and_then(|row| row.first()).and_then(Value::as_i64);
        sum.ok_or_else(|| StoreError::Broken("a sum came back without a number".to_owned()))
    }

    async fn sweep(
        &self,
        table: &'static Table,
        column: &'static str,
        bound: &Value,
        limit: u32,
    ) -> Result<u64, StoreError> {
        shape::bound(table, column, bound)?;
        let statement = self.statements(table).sweep(column, bound, limit);
        let mut transaction = self.pools.begin().await?;
        let swept = transaction.execute(statement).await?;
        transaction.commit().await?;
        Ok(swept)
    }

    async fn prune(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        conditions: Vec<Condition>,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let query = Query { conditions, ..Query::first(limit) };
        shape::query(table, &query)?;
        let statement = self.statements(table).prune(tenant, &query);
        let mut transaction = self.pools.begin().await?;
        let pruned = transaction.execute(statement).await?;
        transaction.commit().await?;
        Ok(pruned)
    }

    async fn tenants(&self, table: &'static Table) -> Result<Vec<Tenant>, StoreError> {
        let rows = self.pools.fetch(self.statements(table).tenants()).await?;
        let names = rows.iter().filter_map(|row| row.first()).filter_map(Value::as_str);
        let parsed = names.map(|name| {
            Tenant::parse(name).map_err(|error| {
                StoreError::Broken(format!("`{PARTITION}` of {}: {error}", table.name))
            })
        });
        parsed.collect()
    }
}

/// The rows at the beginning of `changes` that one statement can bring: all inserted or all put,
/// each key once.
fn run(changes: &[Change]) -> Vec<&Row> {
    let mut keys = HashSet::new();
    let overwrites = matches!(changes.first(), Some(Change::Put(_)));
    let rows = changes.iter().map_while(|change| match change {
        Change::Put(row) if overwrites && keys.insert(&row.key) => Some(row),
        Change::Insert(row) if !overwrites && keys.insert(&row.key) => Some(row),
        _ => None,
    });
    let mut rows: Vec<&Row> = rows.take(ROWS[0]).collect();
    let size = ROWS.into_iter().find(|size| *size <= rows.len());
    rows.truncate(size.unwrap_or_default());
    rows
}

/// The key and the columns in the order of the description, as `Statements::list` selects them.
fn to_row(table: &Table, values: Vec<Value>) -> Row {
    let mut values = values.into_iter();
    let key = match values.next() {
        Some(Value::String(key)) => key,
        _ => String::new(),
    };
    let columns = table.columns.iter().zip(values).filter(|(_, value)| !value.is_null());
    Row { key, columns: columns.map(|(column, value)| (column.name.to_owned(), value)).collect() }
}
