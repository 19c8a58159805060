//! Secrets of tenants, sealed in the store.
//!
//! What modules are set up with and what servers are reached with are passwords and tokens, for the
//! most part. Whoever reads a backup, a replica or an export of the database itself gets
//! `{"$sealed": "BASE64"}` in their place: `nonce ‖ XChaCha20-Poly1305(JSON)`, with table, tenant, key
//! and column as associated data, so that a sealed value is good for its place alone and cannot be
//! moved to a row that its owner may read.
//!
//! Plain values are read as they are: what was there before the vault, or was written by the older
//! engine, becomes sealed when it is next written, or by [`Vault::reseal`].

mod keys;

use std::sync::Arc;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use serde_json::{Value, json};
use switchboard_core::Tenant;
use switchboard_core::store::{
    Change, Condition, Listed, Mark, Query, Row, Store, StoreError, Table, tables,
};

pub use self::keys::VaultKey;

use crate::shape;

/// A store whose secret columns are sealed.
pub struct Vault {
    inner: Arc<dyn Store>,
    /// The first one seals.
    ciphers: Vec<XChaCha20Poly1305>,
}

/// The columns that are sealed.
fn secrets(table: &Table) -> &'static [&'static str] {
    let name = table.name;
    if name == tables::SETTINGS.name {
        &["setting"]
    } else if [tables::SERVERS.name, tables::BUNDLES.name].contains(&name) {
        &["body"]
    } else {
        &[]
    }
}

/// The one member of a sealed value.
const MEMBER: &str = "$sealed";

/// 192 random bits: so many values can be sealed under one key that none repeats.
const NONCE: usize = 24;

/// Rows that [`Vault::reseal`] looks at together.
const PAGE: u32 = 100;

/// How often a row is read again that others change at the same time.
const ATTEMPTS: u32 = 8;

impl Vault {
    /// Seals with `key`; opens what was sealed with it or with one of `former`.
    pub fn new(inner: Arc<dyn Store>, key: &VaultKey, former: &[VaultKey]) -> Self {
        let ciphers = [key].into_iter().chain(former).map(VaultKey::cipher).collect();
        Self { inner, ciphers }
    }

    /// Seals with the first key what is plain or sealed with another; how many rows that were.
    /// Afterwards the other keys are not needed any more.
    ///
    /// Rows may be written meanwhile: one that changes between reading and writing is read again.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; the rows before it are resealed, and the next call goes on with the others.
    pub async fn reseal(&self) -> Result<u64, StoreError> {
        let mut resealed = 0;
        for table in tables::ALL {
            if secrets(table).is_empty() {
                continue;
            }
            for tenant in self.inner.tenants(table).await? {
                resealed += self.reseal_all(table, &tenant).await?;
            }
        }
        Ok(resealed)
    }

    async fn reseal_all(&self, table: &'static Table, tenant: &Tenant) -> Result<u64, StoreError> {
        let mut resealed = 0;
        let mut query = Query::first(PAGE);
        loop {
            let page = self.inner.list(table, tenant, &query).await?;
            query.after =
                page.rows.last().map(|row| Mark { value: Value::Null, key: row.key.clone() });
            for row in page.rows {
                resealed += u64::from(self.reseal_row(table, tenant, row).await?);
            }
            if !page.has_more {
                return Ok(resealed);
            }
        }
    }

    async fn reseal_row(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        mut row: Row,
    ) -> Result<bool, StoreError> {
        for _ in 0..ATTEMPTS {
            let Some(change) = self.resealed(table, tenant, &row)? else { return Ok(false) };
            match self.inner.write(table, tenant, vec![change]).await {
                Err(StoreError::Conflict { .. } | StoreError::Missing { .. }) => {}
                outcome => return outcome.map(|()| true),
            }
            let Some(now) = self.inner.read(table, tenant, &[&row.key]).await?.pop() else {
                return Ok(false);
            };
            row = now;
        }
        Err(StoreError::Unavailable(format!(
            "`{}` of {} changes all the time, and was not sealed anew",
            row.key, table.name
        )))
    }

    /// The change that has everything of a row sealed with the first key; `None` where it is.
    fn resealed(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        row: &Row,
    ) -> Result<Option<Change>, StoreError> {
        let mut sealed = Row::new(&*row.key);
        for column in secrets(table) {
            let place = Place { table, tenant, key: &row.key, column };
            let Some(value) = row.get(column) else { continue };
            let current = text_of(value).is_some_and(|text| {
                self.ciphers.first().is_some_and(|first| open_with(first, &place, text).is_some())
            });
            if !current {
                let value = self.seal(&place, &self.open(&place, value.clone())?)?;
                sealed.columns.insert((*column).to_owned(), value);
            }
        }
        // Every table of secrets says when a row was changed last.
        let column = "updated_at";
        let was = row.get(column).cloned().unwrap_or_default();
        let change = Change::Replace { row: sealed, column, was };
        Ok(Some(change).filter(
            |change| matches!(change, Change::Replace { row, .. } if !row.columns.is_empty()),
        ))
    }

    fn seal_row(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        row: &mut Row,
    ) -> Result<(), StoreError> {
        for column in secrets(table) {
            let place = Place { table, tenant, key: &row.key, column };
            if let Some(value) = row.columns.get_mut(*column).filter(|value| !value.is_null()) {
                *value = self.seal(&place, value)?;
            }
        }
        Ok(())
    }

    fn open_rows(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        rows: &mut [Row],
    ) -> Result<(), StoreError> {
        for row in rows {
            for column in secrets(table) {
                let place = Place { table, tenant, key: &row.key, column };
                if let Some(value) = row.columns.get_mut(*column) {
                    *value = self.open(&place, value.take())?;
                }
            }
        }
        Ok(())
    }

    fn seal(&self, place: &Place<'_>, value: &Value) -> Result<Value, StoreError> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce)
            .map_err(|error| StoreError::Unavailable(format!("no random bytes: {error}")))?;
        let clear = value.to_string();
        let aad = place.associated();
        let payload = Payload { msg: clear.as_bytes(), aad: &aad };
        let first = self.ciphers.first().expect("a vault is made with a key");
        let sealed = first
            .encrypt(&XNonce::from(nonce), payload)
            .expect("only a payload of 256 GiB is too long");
        let whole = [&nonce[..], &sealed].concat();
        Ok(json!({ MEMBER: STANDARD.encode(whole) }))
    }

    fn open(&self, place: &Place<'_>, value: Value) -> Result<Value, StoreError> {
        let Some(text) = text_of(&value) else { return Ok(value) };
        let clear = self.ciphers.iter().find_map(|cipher| open_with(cipher, place, text));
        let clear = clear.ok_or_else(|| {
            StoreError::Broken(format!(
                "`{}` of {} is sealed with none of the configured keys, or was moved here",
                place.key, place.table.name
            ))
        })?;
        serde_json::from_slice(&clear).map_err(|_| {
            StoreError::Broken(format!("what was sealed in `{}` is no JSON", place.key))
        })
    }
}

/// Where a sealed value belongs.
struct Place<'a> {
    table: &'static Table,
    tenant: &'a Tenant,
    key: &'a str,
    column: &'a str,
}

impl Place<'_> {
    /// None of the four has the character NUL in it, so no two places read the same.
    fn associated(&self) -> Vec<u8> {
        [self.table.name, self.tenant.as_str(), self.key, self.column].join("\0").into_bytes()
    }
}

/// What is sealed in a value; `None` where it is plain.
fn text_of(value: &Value) -> Option<&str> {
    let members = value.as_object().filter(|members| members.len() == 1)?;
    members.get(MEMBER)?.as_str()
}

fn open_with(cipher: &XChaCha20Poly1305, place: &Place<'_>, text: &str) -> Option<Vec<u8>> {
    let whole = STANDARD.decode(text).ok()?;
    let (nonce, sealed) = whole.split_at_checked(NONCE)?;
    let nonce = XNonce::from(<[u8; NONCE]>::try_from(nonce).ok()?);
    cipher.decrypt(&nonce, Payload { msg: sealed, aad: &place.associated() }).ok()
}

#[async_trait]
impl Store for Vault {
    async fn read(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        keys: &[&str],
    ) -> Result<Vec<Row>, StoreError> {
        let mut rows = self.inner.read(table, tenant, keys).await?;
        self.open_rows(table, tenant, &mut rows)?;
        Ok(rows)
    }

    async fn list(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        query: &Query,
    ) -> Result<Listed, StoreError> {
        let mut listed = self.inner.list(table, tenant, query).await?;
        self.open_rows(table, tenant, &mut listed.rows)?;
        Ok(listed)
    }

    async fn latest(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        column: &'static str,
        values: &[&str],
        by: &'static str,
    ) -> Result<Vec<Row>, StoreError> {
        let mut rows = self.inner.latest(table, tenant, column, values, by).await?;
        self.open_rows(table, tenant, &mut rows)?;
        Ok(rows)
    }

    async fn write(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        mut changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        // Sealed, a value that no store may be given would look like any other.
        shape::changes(table, &changes)?;
        for row in changes.iter_mut().filter_map(Change::row_mut) {
            self.seal_row(table, tenant, row)?;
        }
        self.inner.write(table, tenant, changes).await
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
        self.inner.sweep(table, column, bound, limit).await
    }

    async fn prune(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        conditions: Vec<Condition>,
        limit: u32,
    ) -> Result<u64, StoreError> {
        self.inner.prune(table, tenant, conditions, limit).await
    }

    fn walks(&self) -> bool {
        self.inner.walks()
    }

    async fn tenants(&self, table: &'static Table) -> Result<Vec<Tenant>, StoreError> {
        self.inner.tenants(table).await
    }
}
