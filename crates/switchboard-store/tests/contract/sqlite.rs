//! SQLite, in a directory that ends with the tests.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use switchboard_core::store::Store;
use switchboard_store::{SqliteConfig, StoreConfig, open};
use tempfile::TempDir;

use crate::suite::Backend;

pub(crate) struct Sqlite(TempDir);

impl Sqlite {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }
}

#[async_trait]
impl Backend for Sqlite {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    async fn open(&self, data: &str) -> Arc<dyn Store> {
        let sqlite = SqliteConfig { path: Some(PathBuf::from(data)) };
        let config = StoreConfig { sqlite: Some(sqlite), ..StoreConfig::default() };
        open(&config, self.0.path()).await.unwrap()
    }

    async fn remove(&self, _: &str) {}
}
