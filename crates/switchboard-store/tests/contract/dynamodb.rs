//! DynamoDB, as moto has it.

use std::sync::Arc;

use async_trait::async_trait;
use switchboard_core::store::Store;
use switchboard_store::dynamodb::Dynamodb;

use crate::suite::Backend;
use crate::tables;

/// Data of one name is tables of one prefix.
pub(crate) struct Moto;

#[async_trait]
impl Backend for Moto {
    fn name(&self) -> &'static str {
        "dynamodb"
    }

    async fn open(&self, data: &str) -> Arc<dyn Store> {
        Arc::new(Dynamodb::open(&tables::of(&format!("{data}-"))).await.unwrap())
    }

    /// The server and all that it has end with this process.
    async fn remove(&self, _: &str) {}
}
