//! What the kinds of store do beyond the contract, what is laid around them, and moving between
//! them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod config;
mod layers;
#[path = "../common/memory.rs"]
mod memory;
mod postgres;
mod sqlite;
mod transfer;
mod vault;

use std::path::Path;
use std::sync::Arc;

use switchboard_core::Tenant;
use switchboard_core::store::{Row, Store, Table};
use switchboard_store::{StoreConfig, open};

fn acme() -> Tenant {
    Tenant::parse("acme").unwrap()
}

/// A store in that directory.
async fn sqlite_in(directory: &Path) -> Arc<dyn Store> {
    open(&StoreConfig::default(), directory).await.unwrap()
}

async fn one(store: &dyn Store, table: &'static Table, key: &str) -> Option<Row> {
    store.read(table, &acme(), &[key]).await.unwrap().pop()
}
