//! Blobs in memory, which can be made to fail.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_core::store::{BlobStore, Glance, StoreError};

#[derive(Default)]
pub(crate) struct Memory {
    blobs: Mutex<BTreeMap<String, Bytes>>,
    /// Whether nothing can be put.
    pub(crate) fails: AtomicBool,
}

#[async_trait]
impl BlobStore for Memory {
    async fn put(&self, name: &str, content: Bytes) -> Result<(), StoreError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError::Unavailable("told to fail".to_owned()));
        }
        self.blobs.lock().unwrap().insert(name.to_owned(), content);
        Ok(())
    }

    async fn glance(&self, name: &str) -> Result<Option<Glance>, StoreError> {
        let glance = |blob: &Bytes| Glance { bytes: blob.len() as u64, tag: format!("{blob:?}") };
        Ok(self.blobs.lock().unwrap().get(name).map(glance))
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.blobs.lock().unwrap().get(name).cloned())
    }

    async fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.blobs.lock().unwrap().remove(name);
        Ok(())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let blobs = self.blobs.lock().unwrap();
        Ok(blobs.keys().filter(|name| name.starts_with(prefix)).cloned().collect())
    }

    async fn upload_url(&self, _: &str, _: Duration) -> Result<Option<String>, StoreError> {
        Ok(None)
    }
}
