//! A store in memory, with as much of the port as this crate uses.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::Value;
use switchboard_core::Tenant;
use switchboard_core::store::{
    Change, Condition, Listed, Query, Row, Store, StoreError, Table, Test,
};

type Rows = BTreeMap<String, Row>;

#[derive(Default)]
pub(crate) struct MemoryStore {
    tables: Mutex<BTreeMap<(&'static str, Tenant), Rows>>,
    pub(crate) reads: AtomicUsize,
    pub(crate) writes: AtomicUsize,
    pub(crate) is_down: AtomicBool,
    /// Whether looking for tenants is a walk through all rows, and how often it was made.
    pub(crate) walks: AtomicBool,
    pub(crate) walked: AtomicUsize,
}

impl MemoryStore {
    fn up(&self) -> Result<(), StoreError> {
        match self.is_down.load(Ordering::Relaxed) {
            true => Err(StoreError::Unavailable("it is down".to_owned())),
            false => Ok(()),
        }
    }

    /// All that is in a table, as text.
    pub(crate) fn text(&self, table: &'static Table) -> String {
        let tables = self.tables.lock().unwrap();
        let rows = tables.iter().filter(|((name, _), _)| *name == table.name);
        rows.map(|(_, rows)| format!("{rows:?}")).collect()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn read(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        keys: &[&str],
    ) -> Result<Vec<Row>, StoreError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.up()?;
        let tables = self.tables.lock().unwrap();
        let rows = tables.get(&(table.name, tenant.clone()));
        Ok(keys.iter().filter_map(|key| rows?.get(*key).cloned()).collect())
    }

    async fn list(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        query: &Query,
    ) -> Result<Listed, StoreError> {
        self.up()?;
        let tables = self.tables.lock().unwrap();
        let Some(rows) = tables.get(&(table.name, tenant.clone())) else {
            return Ok(Listed::default());
        };
        let after = query.after.as_ref().map_or("", |mark| &mark.key);
        let meets = |row: &&Row| {
            row.key.as_str() > after && query.conditions.iter().all(|it| holds(it, table, row))
        };
        let mut found: Vec<Row> = rows.values().filter(meets).cloned().collect();
        let has_more = query.limit as usize <= found.len().saturating_sub(1);
        found.truncate(query.limit as usize);
        Ok(Listed { rows: found, has_more, total: None })
    }

    async fn write(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.up()?;
        let mut tables = self.tables.lock().unwrap();
        let rows = tables.entry((table.name, tenant.clone())).or_default();
        for change in changes {
            apply(table.name, rows, change)?;
        }
        Ok(())
    }

    async fn add(
        &self,
        _: &'static Table,
        _: &Tenant,
        _: &str,
        _: &'static str,
        _: i64,
    ) -> Result<i64, StoreError> {
        unimplemented!("identity counts nothing")
    }

    async fn sweep(
        &self,
        table: &'static Table,
        column: &'static str,
        bound: &Value,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.up()?;
        let mut tables = self.tables.lock().unwrap();
        let mut deleted = 0;
        for ((name, _), rows) in tables.iter_mut() {
            rows.retain(|_, row| {
                let is_over = row.text(column).is_some_and(|own| Some(own) < bound.as_str());
                let goes = *name == table.name && is_over && deleted < u64::from(limit);
                deleted += u64::from(goes);
                !goes
            });
        }
        Ok(deleted)
    }

    fn walks(&self) -> bool {
        self.walks.load(Ordering::Relaxed)
    }

    async fn tenants(&self, table: &'static Table) -> Result<Vec<Tenant>, StoreError> {
        self.up()?;
        self.walked.fetch_add(1, Ordering::Relaxed);
        let tables = self.tables.lock().unwrap();
        let of_table = tables.keys().filter(|(name, _)| *name == table.name);
        Ok(of_table.map(|(_, tenant)| tenant.clone()).collect())
    }
}

fn apply(table: &'static str, rows: &mut Rows, change: Change) -> Result<(), StoreError> {
    let missing = |key: &str| StoreError::Missing { table, key: key.to_owned() };
    let conflict = |key: &str| StoreError::Conflict { table, key: key.to_owned() };
    match change {
        Change::Insert(row) if rows.contains_key(&row.key) => return Err(conflict(&row.key)),
        Change::Insert(row) | Change::Put(row) => {
            rows.insert(row.key.clone(), row);
        }
        Change::Merge(row) => {
            let known = rows.entry(row.key.clone()).or_insert_with(|| Row::new(&row.key));
            known.columns.extend(row.columns);
        }
        Change::Update(row) => {
            let known = rows.get_mut(&row.key).ok_or_else(|| missing(&row.key))?;
            known.columns.extend(row.columns);
        }
        Change::Replace { row, column, was } => {
            let known = rows.get_mut(&row.key).ok_or_else(|| missing(&row.key))?;
            if known.columns.get(column) != Some(&was) {
                return Err(conflict(&row.key));
            }
            known.columns.extend(row.columns);
        }
        Change::Delete(key) => {
            rows.remove(&key).ok_or_else(|| missing(&key))?;
        }
    }
    Ok(())
}

fn holds(condition: &Condition, table: &Table, row: &Row) -> bool {
    let value = match condition.column {
        key if key == table.key => row.key.as_str(),
        column => row.text(column).unwrap_or_default(),
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    match &condition.test {
        Test::Is(wanted) => value == text(wanted),
        Test::In(wanted) => wanted.iter().any(|wanted| value == text(wanted)),
        Test::Contains(part) => value.contains(part),
        Test::From(least) => value >= text(least).as_str(),
        Test::Present => !value.is_empty(),
        Test::Below(bound) => value < text(bound).as_str(),
    }
}
