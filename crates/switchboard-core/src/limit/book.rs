//! A store in memory with nothing but what a ledger needs, for the tests of this module; that real
//! stores add as they should is for their own.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::Value;

use crate::store::{Change, Listed, Query, Row, Store, StoreError, Table};
use crate::tenant::Tenant;

#[derive(Default)]
pub(crate) struct Book {
    rows: Mutex<BTreeMap<String, (i64, Option<String>)>>,
    pub fails: AtomicBool,
    /// Operations so far.
    pub asked: AtomicUsize,
}

impl Book {
    /// `TENANT KEY USED UNTIL`, a line each.
    pub(crate) fn read(&self) -> String {
        let rows = self.rows.lock().unwrap();
        let line = |(key, (used, until)): (&String, &(i64, Option<String>))| {
            format!("{key} {used} {}", until.as_deref().unwrap_or("-"))
        };
        rows.iter().map(line).collect::<Vec<_>>().join("\n")
    }

    fn ask(&self) -> Result<(), StoreError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if self.fails.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("out of order".into()));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Book {
    async fn read(
        &self,
        _: &'static Table,
        _: &Tenant,
        _: &[&str],
    ) -> Result<Vec<Row>, StoreError> {
        unreachable!("a ledger only adds")
    }

    async fn list(&self, _: &'static Table, _: &Tenant, _: &Query) -> Result<Listed, StoreError> {
        unreachable!("a ledger only adds")
    }

    async fn write(
        &self,
        _: &'static Table,
        tenant: &Tenant,
        changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        self.ask()?;
        for change in changes {
            let Change::Merge(row) = change else { unreachable!("only `until` is written") };
            let until = row.text("until").map(str::to_owned);
            self.rows.lock().unwrap().entry(format!("{tenant} {}", row.key)).or_default().1 = until;
        }
        Ok(())
    }

    async fn add(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        key: &str,
        column: &'static str,
        by: i64,
    ) -> Result<i64, StoreError> {
        self.ask()?;
        assert_eq!((table.name, column), ("switchboard_usage", "used"));
        // So that one task's flush does not happen in one go.
        tokio::task::yield_now().await;
        let mut rows = self.rows.lock().unwrap();
        let row = rows.entry(format!("{tenant} {key}")).or_default();
        row.0 += by;
        Ok(row.0)
    }

    async fn sweep(
        &self,
        _: &'static Table,
        column: &'static str,
        bound: &Value,
        _: u32,
    ) -> Result<u64, StoreError> {
        self.ask()?;
        assert_eq!(column, "until");
        let mut rows = self.rows.lock().unwrap();
        let before = rows.len();
        let bound = bound.as_str().unwrap();
        rows.retain(|_, (_, until)| until.as_deref().is_none_or(|until| bound <= until));
        Ok((before - rows.len()) as u64)
    }

    async fn tenants(&self, _: &'static Table) -> Result<Vec<Tenant>, StoreError> {
        unreachable!("a ledger only adds")
    }
}
