//! Large values as blobs beside their rows.
//!
//! DynamoDB takes items of 400 KB, and a database that people page through is better without values
//! of megabytes. What a table names as its `overflow` column goes to a blob where it is large, on
//! every path that writes; the column then has the name of the blob, and the flag column says so.
//! What reads gets the value back and never sees the flag.
//!
//! Every large value is a blob of its own, under a name that was never there before, so that nothing
//! is ever overwritten: the row changes from one value to the next in the one moment in which the
//! store changes it, and a write that fails, or loses against another, leaves what was there. What
//! can go wrong is a blob that no row names any more.
//!
//! The older engine has blobs under `mcp_content/KEY.json`, with nothing in the column; those are
//! read. That name is of no tenant, though, so nothing is written to it: a tenant that has a row
//! under the key of another's would have the other's blob.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use switchboard_core::Tenant;
use switchboard_core::store::{
    ATOMIC, BlobStore, Change, Condition, Listed, Query, Row, Store, StoreError, Table, Test,
};

use crate::shape;

/// A store whose large values are in a blob store.
pub struct Overflow {
    inner: Arc<dyn Store>,
    blobs: Arc<dyn BlobStore>,
    limit: usize,
}

/// Where blobs are whose names are ours, and those of the older engine.
const DIRECTORY: &str = "mcp_content";

/// Blobs that are fetched or written at once for one call.
const AT_ONCE: usize = 8;

/// Rows that are looked at together when rows with blobs are swept.
const SWEPT: u32 = 100;

impl Overflow {
    /// The longest value that stays in its row: 256 KiB, which leaves the other columns 144 KB of
    /// the 400 KB that an item of DynamoDB takes.
    pub const LIMIT: usize = 256 * 1024;

    /// Keeps what is longer than `limit` bytes in `blobs`.
    pub fn new(inner: Arc<dyn Store>, blobs: Arc<dyn BlobStore>, limit: usize) -> Self {
        Self { inner, blobs, limit }
    }

    /// Puts large values of `changes` into blobs and their names into the rows; gives the names.
    async fn move_out(
        &self,
        table: &Table,
        tenant: &Tenant,
        changes: &mut [Change],
        column: (&str, &str),
    ) -> Result<Vec<String>, StoreError> {
        let mut blobs = Vec::new();
        for change in changes {
            if let Some(row) = change.row_mut()
                && let Some(content) = self.take_large(table, row, column)?
            {
                let name = fresh_name(tenant, &row.key)?;
                row.columns.insert(column.0.to_owned(), name.clone().into());
                blobs.push((name, content));
            }
        }
        let names: Vec<String> = blobs.iter().map(|(name, _)| name.clone()).collect();
        let puts = blobs
            .into_iter()
            .map(async |(name, content)| self.blobs.put(&name, Bytes::from(content)).await);
        let put: Result<Vec<()>, _> = stream::iter(puts).buffered(AT_ONCE).try_collect().await;
        if let Err(error) = put {
            self.discard(names).await;
            return Err(error);
        }
        Ok(names)
    }

    /// Takes the value out of a row where it is large, and sets the flag.
    fn take_large(
        &self,
        table: &Table,
        row: &mut Row,
        (column, flag): (&str, &str),
    ) -> Result<Option<String>, StoreError> {
        // Whether a blob is meant is for us alone to say: whoever could set the flag could have a
        // name in the column read as one.
        row.columns.shift_remove(flag);
        let Some(value) = row.columns.get_mut(column) else { return Ok(None) };
        let large = value.as_str().is_some_and(|text| text.len() > self.limit);
        if large {
            // What the store would refuse, and no longer gets to see.
            shape::text(table, column, value.as_str().unwrap_or_default())?;
        }
        let content = if large { value.take() } else { Value::Null };
        row.columns.insert(flag.to_owned(), large.into());
        Ok(match content {
            Value::String(content) => Some(content),
            _ => None,
        })
    }

    /// The blobs of rows that will not name them any more once `changes` are carried out.
    async fn left_behind(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        changes: &[Change],
        column: (&str, &str),
    ) -> Result<Vec<String>, StoreError> {
        let keys: Vec<&str> = changes
            .iter()
            .filter_map(|change| match change {
                Change::Insert(_) => None,
                Change::Put(row) => Some(&*row.key),
                Change::Merge(row) | Change::Update(row) | Change::Replace { row, .. } => {
                    row.columns.contains_key(column.0).then_some(&*row.key)
                }
                Change::Delete(key) => Some(&**key),
            })
            .collect();
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.inner.read(table, tenant, &keys).await?;
        Ok(rows
            .iter()
            .filter(|row| row.flag(column.1))
            .filter_map(|row| blob_of(tenant, row, column.0))
            .collect())
    }

    /// Deletes blobs that no row names. One that stays takes up room, and does no other harm.
    async fn discard(&self, names: Vec<String>) {
        let deletes = names.into_iter().map(async |name| {
            if let Err(error) = self.blobs.delete(&name).await {
                tracing::warn!(blob = name, %error, "a blob that nothing needs any more is left");
            }
        });
        stream::iter(deletes).buffer_unordered(AT_ONCE).collect::<()>().await;
    }

    /// Puts the values of blobs back into their rows.
    async fn move_in(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        rows: Vec<Row>,
    ) -> Result<Vec<Row>, StoreError> {
        let Some(column) = table.overflow else { return Ok(rows) };
        let filled = rows.into_iter().map(|row| self.fill(table, tenant, row, column));
        stream::iter(filled).buffered(AT_ONCE).try_collect().await
    }

    async fn fill(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        mut row: Row,
        (column, flag): (&str, &str),
    ) -> Result<Row, StoreError> {
        while row.flag(flag)
            && let Some(name) = blob_of(tenant, &row, column)
        {
            if let Some(content) = self.blobs.read(&name).await? {
                let content = String::from_utf8(content.into())
                    .map_err(|_| StoreError::Broken(format!("the blob `{name}` is no text")))?;
                row.columns.insert(column.to_owned(), content.into());
                break;
            }
            // Somebody may have changed the row since it was read, and taken the blob away.
            let now = self.inner.read(table, tenant, &[&row.key]).await?.pop();
            match now.filter(|now| blob_of(tenant, now, column).as_ref() != Some(&name)) {
                Some(now) => row = now,
                None => {
                    // Buckets have rules by which old objects go. One value that is lost must not
                    // make a page of history unreadable.
                    tracing::warn!(blob = name, key = row.key, "the blob of a row is gone");
                    row.columns.shift_remove(column);
                    break;
                }
            }
        }
        row.columns.shift_remove(flag);
        Ok(row)
    }

    /// Deletes rows that have blobs, and these; how many it were.
    async fn sweep_flagged(
        &self,
        table: &'static Table,
        below: (&'static str, &Value),
        flag: &'static str,
        limit: u32,
    ) -> Result<u32, StoreError> {
        let mut swept = 0;
        // In the order of the column, where it has one: where nothing is below the bound, nothing is
        // walked through.
        let order = shape::indexed(table, below.0).then_some(below.0);
        for tenant in self.inner.tenants(table).await? {
            let query = Query::first(limit - swept)
                .by(order, false)
                .only(below.0, Test::Below(below.1.clone()))
                .only(flag, Test::Is(true.into()));
            swept += self.prune_flagged(table, &tenant, query).await?;
            if swept >= limit {
                break;
            }
        }
        Ok(swept)
    }

    /// Deletes the rows that `query` asks for, all of which have blobs, and these; how many it were.
    async fn prune_flagged(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        query: Query,
    ) -> Result<u32, StoreError> {
        let mut pruned = 0;
        while pruned < query.limit {
            let some = Query { limit: SWEPT.min(query.limit - pruned), ..query.clone() };
            let rows = self.inner.list(table, tenant, &some).await?.rows;
            if rows.is_empty() {
                break;
            }
            let found = rows.len();
            let deletes: Vec<_> = rows.into_iter().map(|row| Change::Delete(row.key)).collect();
            for deletes in deletes.chunks(ATOMIC) {
                match self.write(table, tenant, deletes.to_vec()).await {
                    // Somebody else deletes them too, and comes to the others.
                    Err(StoreError::Missing { .. }) => return Ok(pruned),
                    outcome => outcome?,
                }
            }
            pruned += u32::try_from(found).unwrap_or(query.limit);
        }
        Ok(pruned)
    }
}

#[async_trait]
impl Store for Overflow {
    async fn read(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        keys: &[&str],
    ) -> Result<Vec<Row>, StoreError> {
        let rows = self.inner.read(table, tenant, keys).await?;
        self.move_in(table, tenant, rows).await
    }

    /// Conditions see what is in the rows: of a large value, its name.
    async fn list(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        query: &Query,
    ) -> Result<Listed, StoreError> {
        let listed = self.inner.list(table, tenant, query).await?;
        let rows = if query.omits_large {
            without_large(table, listed.rows)
        } else {
            self.move_in(table, tenant, listed.rows).await?
        };
        Ok(Listed { rows, ..listed })
    }

    async fn latest(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        column: &'static str,
        values: &[&str],
        by: &'static str,
    ) -> Result<Vec<Row>, StoreError> {
        let rows = self.inner.latest(table, tenant, column, values, by).await?;
        self.move_in(table, tenant, rows).await
    }

    async fn write(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        mut changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        let Some(column) = table.overflow else {
            return self.inner.write(table, tenant, changes).await;
        };
        // What cannot be written needs no blobs.
        shape::changes(table, &changes)?;
        let atomic = changes.len() <= ATOMIC;
        let old = self.left_behind(table, tenant, &changes, column).await?;
        let new = self.move_out(table, tenant, &mut changes, column).await?;
        let superseded = superseded(&changes, &new, column.0);
        match self.inner.write(table, tenant, changes).await {
            Ok(()) => {
                self.discard(old.into_iter().chain(superseded).collect()).await;
                Ok(())
            }
            // Nothing was changed, so nothing names them. Of more changes some may have been, and of
            // a store that does not answer it is not known.
            Err(
                error @ (StoreError::Conflict { .. }
                | StoreError::Missing { .. }
                | StoreError::Invalid(_)),
            ) if atomic => {
                self.discard(new).await;
                Err(error)
            }
            Err(error) => Err(error),
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
        self.inner.add(table, tenant, key, column, by).await
    }

    async fn sweep(
        &self,
        table: &'static Table,
        column: &'static str,
        bound: &Value,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let Some((_, flag)) = table.overflow else {
            return self.inner.sweep(table, column, bound, limit).await;
        };
        shape::bound(table, column, bound)?;
        // First those whose blobs have to go as well, one by one; then the many others at once.
        let swept = self.sweep_flagged(table, (column, bound), flag, limit).await?;
        if swept >= limit {
            return Ok(u64::from(swept));
        }
        let rest = self.inner.sweep(table, column, bound, limit - swept).await?;
        Ok(u64::from(swept) + rest)
    }

    async fn prune(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        conditions: Vec<Condition>,
        limit: u32,
    ) -> Result<u64, StoreError> {
        let Some((_, flag)) = table.overflow else {
            return self.inner.prune(table, tenant, conditions, limit).await;
        };
        shape::conditions(table, &conditions)?;
        let flagged = conditions.iter().cloned();
        let flagged = flagged.chain([Condition { column: flag, test: Test::Is(true.into()) }]);
        let query = Query { conditions: flagged.collect(), ..Query::first(limit) };
        let pruned = self.prune_flagged(table, tenant, query).await?;
        if pruned >= limit {
            return Ok(u64::from(pruned));
        }
        let rest = self.inner.prune(table, tenant, conditions, limit - pruned).await?;
        Ok(u64::from(pruned) + rest)
    }

    fn walks(&self) -> bool {
        self.inner.walks()
    }

    async fn tenants(&self, table: &'static Table) -> Result<Vec<Tenant>, StoreError> {
        self.inner.tenants(table).await
    }
}

/// The rows without the names of their blobs, which nobody outside has a use for.
fn without_large(table: &Table, mut rows: Vec<Row>) -> Vec<Row> {
    let Some((column, flag)) = table.overflow else { return rows };
    for row in &mut rows {
        if row.flag(flag) {
            row.columns.shift_remove(column);
        }
        row.columns.shift_remove(flag);
    }
    rows
}

/// Those of the `new` blobs that a later change to the same key took the row away from.
fn superseded(changes: &[Change], new: &[String], column: &str) -> Vec<String> {
    let mut last: HashMap<&str, Option<&str>> = HashMap::new();
    for change in changes {
        let Some(row) = change.row() else {
            last.insert(change.key(), None);
            continue;
        };
        if matches!(change, Change::Put(_)) || row.columns.contains_key(column) {
            last.insert(&row.key, row.text(column));
        }
    }
    let named = |name: &String| last.values().any(|last| *last == Some(&**name));
    new.iter().filter(|name| !named(name)).cloned().collect()
}

/// The blob that a flagged row names.
///
/// A name of ours begins with the tenant's directory; any other text was not written by us, and is
/// not read as a name. Nothing in the column is a row of the older engine.
fn blob_of(tenant: &Tenant, row: &Row, column: &str) -> Option<String> {
    match row.text(column) {
        None => Some(format!("{DIRECTORY}/{}.json", row.key)),
        Some(name) if name.starts_with(&directory(tenant)) => Some(name.to_owned()),
        Some(_) => None,
    }
}

/// `mcp_content/ENDPOINT/` or `mcp_content/ENDPOINT.PART/`: a dot is in no name of either.
fn directory(tenant: &Tenant) -> String {
    format!("{DIRECTORY}/{}/", tenant.as_str().replace('#', "."))
}

/// A name that was never there before. Of a key that is no plain name there is a hash in it.
fn fresh_name(tenant: &Tenant, key: &str) -> Result<String, StoreError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random)
        .map_err(|error| StoreError::Unavailable(format!("no random bytes: {error}")))?;
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    let key = if key.len() <= 64 && key.chars().all(plain) {
        key.to_owned()
    } else {
        hex(&Sha256::digest(key))
    };
    Ok(format!("{}{key}.{}.json", directory(tenant), hex(&random)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
