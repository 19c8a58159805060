//! A store in memory that counts what it is asked.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;
use switchboard_core::Tenant;
use switchboard_core::store::{
    BlobStore, Change, Condition, Glance, Listed, Query, Row, Store, StoreError, Table, Test,
};

type Key = (&'static str, Tenant, String);

#[derive(Default)]
pub(crate) struct Memory {
    rows: Mutex<BTreeMap<Key, Row>>,
    asked: Mutex<BTreeMap<&'static str, usize>>,
    broken: Mutex<Option<StoreError>>,
    queried: Mutex<Option<Query>>,
}

impl Memory {
    /// How often each table was read since this was asked last.
    pub(crate) fn asked(&self) -> BTreeMap<&'static str, usize> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    /// Everything fails with this from now on.
    pub(crate) fn fail(&self, error: StoreError) {
        *self.broken.lock().unwrap() = Some(error);
    }

    /// What was asked for last.
    pub(crate) fn last_query(&self) -> Query {
        self.queried.lock().unwrap().clone().unwrap()
    }

    pub(crate) fn row(&self, table: &'static Table, tenant: &str, key: &str) -> Option<Row> {
        let key = (table.name, Tenant::parse(tenant).unwrap(), key.to_owned());
        self.rows.lock().unwrap().get(&key).cloned()
    }

    pub(crate) fn put(&self, table: &'static Table, tenant: &str, row: Row) {
        let key = (table.name, Tenant::parse(tenant).unwrap(), row.key.clone());
        self.rows.lock().unwrap().insert(key, row);
    }

    fn reads(&self, table: &'static Table) -> Result<(), StoreError> {
        *self.asked.lock().unwrap().entry(table.name).or_default() += 1;
        self.works()
    }

    fn works(&self) -> Result<(), StoreError> {
        self.broken.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn all(&self, table: &'static Table, tenant: &Tenant) -> Vec<Row> {
        let rows = self.rows.lock().unwrap();
        let own = rows.iter().filter(|((name, of, _), _)| *name == table.name && of == tenant);
        own.map(|(_, row)| row.clone()).collect()
    }
}

#[async_trait]
impl Store for Memory {
    async fn read(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        keys: &[&str],
    ) -> Result<Vec<Row>, StoreError> {
        self.reads(table)?;
        let rows = self.rows.lock().unwrap();
        let of = |key: &&str| rows.get(&(table.name, tenant.clone(), (*key).to_owned())).cloned();
        Ok(keys.iter().filter_map(of).collect())
    }

    async fn list(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        query: &Query,
    ) -> Result<Listed, StoreError> {
        self.reads(table)?;
        *self.queried.lock().unwrap() = Some(query.clone());
        let meets = |row: &Row| query.conditions.iter().all(|one| meets(table, row, one));
        let mut rows: Vec<_> = self.all(table, tenant).into_iter().filter(meets).collect();
        let place = |row: &Row| {
            let value = query.order.column.and_then(|column| row.text(column)).unwrap_or_default();
            (value.to_owned(), row.key.clone())
        };
        rows.sort_by_key(place);
        if query.order.descends {
            rows.reverse();
        }
        let total = query.counts.then_some(rows.len() as u64);
        if let Some(mark) = &query.after {
            let mark = (mark.value.as_str().unwrap_or_default().to_owned(), mark.key.clone());
            let behind = if query.order.descends { Ordering::Less } else { Ordering::Greater };
            rows.retain(|row| place(row).cmp(&mark) == behind);
        }
        let rows: Vec<_> = rows.into_iter().skip(query.skip as usize).collect();
        let has_more = (query.limit as usize) < rows.len();
        Ok(Listed { rows: rows.into_iter().take(query.limit as usize).collect(), has_more, total })
    }

    async fn latest(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        column: &'static str,
        values: &[&str],
        by: &'static str,
    ) -> Result<Vec<Row>, StoreError> {
        self.reads(table)?;
        let mut latest = BTreeMap::new();
        let mut rows = self.all(table, tenant);
        rows.retain(|row| row.get(by).is_some());
        rows.sort_by_key(|row| row.text(by).map(str::to_owned));
        for row in rows {
            if let Some(value) = row.text(column).filter(|value| values.contains(value)) {
                latest.insert(value.to_owned(), row);
            }
        }
        Ok(latest.into_values().collect())
    }

    async fn write(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        self.works()?;
        let mut rows = self.rows.lock().unwrap();
        for change in changes {
            let place = |key: &str| (table.name, tenant.clone(), key.to_owned());
            let missing =
                |key: &str| StoreError::Missing { table: table.name, key: key.to_owned() };
            let conflict =
                |key: &str| StoreError::Conflict { table: table.name, key: key.to_owned() };
            match change {
                Change::Insert(row) if rows.contains_key(&place(&row.key)) => {
                    return Err(conflict(&row.key));
                }
                Change::Insert(row) | Change::Put(row) => {
                    rows.insert(place(&row.key), row);
                }
                Change::Update(row) if !rows.contains_key(&place(&row.key)) => {
                    return Err(missing(&row.key));
                }
                Change::Update(row) | Change::Merge(row) => {
                    let kept = rows.entry(place(&row.key)).or_insert_with(|| Row::new(&row.key));
                    kept.columns.extend(row.columns);
                }
                Change::Replace { row, column, was } => {
                    let kept = rows.get_mut(&place(&row.key)).ok_or_else(|| missing(&row.key))?;
                    if kept.get(column) != Some(&was) {
                        return Err(conflict(&row.key));
                    }
                    kept.columns.extend(row.columns);
                }
                Change::Delete(key) => {
                    rows.remove(&place(&key)).ok_or_else(|| missing(&key))?;
                }
            }
        }
        Ok(())
    }

    async fn add(
        &self,
        _: &'static Table,
        _: &Tenant,
        _: &str,
        _: &'static str,
        by: i64,
    ) -> Result<i64, StoreError> {
        Ok(by)
    }

    async fn sweep(
        &self,
        _: &'static Table,
        _: &'static str,
        _: &Value,
        _: u32,
    ) -> Result<u64, StoreError> {
        Ok(0)
    }

    async fn tenants(&self, table: &'static Table) -> Result<Vec<Tenant>, StoreError> {
        let rows = self.rows.lock().unwrap();
        let own = rows.keys().filter(|(name, _, _)| *name == table.name);
        Ok(own.map(|(_, tenant, _)| tenant.clone()).collect())
    }
}

fn meets(table: &Table, row: &Row, condition: &Condition) -> bool {
    let key = Value::from(row.key.clone());
    let is_key = condition.column == table.key;
    let value = if is_key { Some(&key) } else { row.get(condition.column) };
    let Some(value) = value else { return false };
    let text = value.as_str().unwrap_or_default();
    match &condition.test {
        Test::Is(wanted) => value == wanted,
        Test::In(wanted) => wanted.contains(value),
        Test::Contains(part) => text.contains(part.as_str()),
        Test::From(bound) => bound.as_str().is_some_and(|bound| bound <= text),
        Test::Present => true,
        Test::Below(bound) => bound.as_str().is_some_and(|bound| text < bound),
    }
}

/// Blobs in memory, with addresses to upload to.
#[derive(Default)]
pub(crate) struct Addresses(Mutex<BTreeMap<String, Bytes>>);

#[async_trait]
impl BlobStore for Addresses {
    async fn put(&self, name: &str, content: Bytes) -> Result<(), StoreError> {
        self.0.lock().unwrap().insert(name.to_owned(), content);
        Ok(())
    }

    async fn glance(&self, name: &str) -> Result<Option<Glance>, StoreError> {
        let glance = |blob: &Bytes| Glance { bytes: blob.len() as u64, tag: format!("{blob:?}") };
        Ok(self.0.lock().unwrap().get(name).map(glance))
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.0.lock().unwrap().get(name).cloned())
    }

    async fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.0.lock().unwrap().remove(name);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let blobs = self.0.lock().unwrap();
        Ok(blobs.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    async fn upload_url(
        &self,
        name: &str,
        lifetime: std::time::Duration,
    ) -> Result<Option<String>, StoreError> {
        Ok(Some(format!("https://blobs.example/{name}?for={}", lifetime.as_secs())))
    }
}
