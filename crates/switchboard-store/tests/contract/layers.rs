//! Everything that is laid around a store, around SQLite, with a limit that most texts exceed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use switchboard_config::Secret;
use switchboard_core::store::Store;
use switchboard_store::{Overflow, Vault, VaultKey};

use crate::memory::Memory;
use crate::sqlite::Sqlite;
use crate::suite::Backend;

pub(crate) struct Layers {
    inner: Sqlite,
    blobs: Mutex<HashMap<String, Arc<Memory>>>,
}

impl Layers {
    pub(crate) fn new() -> Self {
        Self { inner: Sqlite::new(), blobs: Mutex::default() }
    }
}

#[async_trait]
impl Backend for Layers {
    fn name(&self) -> &'static str {
        "layers"
    }

    async fn open(&self, data: &str) -> Arc<dyn Store> {
        let blobs = Arc::clone(self.blobs.lock().unwrap().entry(data.to_owned()).or_default());
        let inner = self.inner.open(data).await;
        let key = VaultKey::parse("the test", &Secret::new("5a".repeat(32))).unwrap();
        Arc::new(Vault::new(Arc::new(Overflow::new(inner, blobs, 3)), &key, &[]))
    }

    async fn remove(&self, data: &str) {
        self.blobs.lock().unwrap().remove(data);
    }
}
