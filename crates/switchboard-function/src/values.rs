//! Values that components keep: a few for each bundle, in the store, and for nobody else.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use switchboard_core::Tenant;
use switchboard_core::store::{Change, Query, Row, Store, StoreError, Test, tables};
use switchboard_wasm::{KeyValue, KeyValueError, Stored};

/// Keeps the values of all bundles.
#[derive(Clone)]
pub struct Values {
    store: Arc<dyn Store>,
}

/// Whose values they are.
pub(crate) struct Owner {
    pub tenant: Tenant,
    pub bundle: String,
}

/// Values that a bundle may have.
const KEYS: usize = 1_000;

/// Keys on a page.
const PAGE: usize = 100;

impl Values {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Does what a bundle asks.
    ///
    /// # Errors
    ///
    /// See [`KeyValueError`]; what went wrong inside us is in the log and not in there.
    pub(crate) async fn act(
        &self,
        owner: &Owner,
        operation: KeyValue,
    ) -> Result<Stored, KeyValueError> {
        match operation {
            KeyValue::Get { key } => self.get(owner, &key).await.map(Stored::Value),
            KeyValue::Set { key, value } => {
                self.set(owner, &key, &value).await.map(|()| Stored::Done)
            }
            KeyValue::Delete { key } => self.delete(owner, &key).await.map(|()| Stored::Done),
            KeyValue::List { prefix, after } => {
                let keys = self.keys(owner).await?;
                let is_after = |key: &String| after.as_ref().is_none_or(|after| key > after);
                let mut keys: Vec<_> = keys
                    .into_iter()
                    .filter(|key| key.starts_with(&prefix) && is_after(key))
                    .collect();
                let more = keys.len() > PAGE;
                keys.truncate(PAGE);
                Ok(Stored::Keys { keys, more })
            }
        }
    }

    async fn get(&self, owner: &Owner, key: &str) -> Result<Option<Bytes>, KeyValueError> {
        let id = owner.id(key);
        let rows = self.store.read(&tables::BUNDLE_VALUES, &owner.tenant, &[&id]).await;
        let Some(row) = rows.map_err(told)?.pop() else { return Ok(None) };
        let value = STANDARD.decode(row.text("value").unwrap_or_default());
        let value = value.map_err(|error| told(StoreError::Broken(format!("`{id}`: {error}"))))?;
        Ok(Some(value.into()))
    }

    async fn set(&self, owner: &Owner, key: &str, value: &[u8]) -> Result<(), KeyValueError> {
        let row = Row::new(owner.id(key))
            .with("bundle", owner.bundle.as_str())
            .with("value", STANDARD.encode(value));
        match self.write(owner, Change::Update(row.clone())).await {
            Err(StoreError::Missing { .. }) => {}
            other => return other.map_err(told),
        }
        if self.keys(owner).await?.len() >= KEYS {
            return Err(KeyValueError::TooLarge(format!("a bundle has at most {KEYS} values")));
        }
        self.write(owner, Change::Put(row)).await.map_err(told)
    }

    async fn delete(&self, owner: &Owner, key: &str) -> Result<(), KeyValueError> {
        match self.write(owner, Change::Delete(owner.id(key))).await {
            // What is not there already is deleted.
            Ok(()) | Err(StoreError::Missing { .. }) => Ok(()),
            Err(error) => Err(told(error)),
        }
    }

    /// All keys of a bundle, in order.
    async fn keys(&self, owner: &Owner) -> Result<Vec<String>, KeyValueError> {
        let most = u32::try_from(KEYS).expect("a small number");
        let query = Query::first(most).only("bundle", Test::Is(owner.bundle.as_str().into()));
        let query = Query { omits_large: true, ..query };
        let listed = self.store.list(&tables::BUNDLE_VALUES, &owner.tenant, &query).await;
        let own = owner.id("");
        let key = |row: Row| row.key.strip_prefix(&own).map(str::to_owned);
        let mut keys: Vec<_> = listed.map_err(told)?.rows.into_iter().filter_map(key).collect();
        // Stores need not agree on an order with those who page through it.
        keys.sort_unstable();
        Ok(keys)
    }

    async fn write(&self, owner: &Owner, change: Change) -> Result<(), StoreError> {
        self.store.write(&tables::BUNDLE_VALUES, &owner.tenant, vec![change]).await
    }
}

impl Owner {
    /// Under which a value is kept. No name of a bundle has a full stop in it.
    fn id(&self, key: &str) -> String {
        format!("{}.{key}", self.bundle)
    }
}

fn told(error: StoreError) -> KeyValueError {
    match error {
        StoreError::Invalid(why) => KeyValueError::Unavailable(why),
        error => {
            tracing::warn!(%error, "a value of a bundle is neither read nor written");
            KeyValueError::Unavailable("the store does not answer at the moment".to_owned())
        }
    }
}
