//! API keys of tenants: made, listed, revoked, rotated.
//!
//! They are kept in the table `KEYS`, each under its id, with the SHA-256 of its text: the text has
//! 256 random bits, so a slow hash would protect nothing and cost on every request. How a request
//! is judged without waiting for the store is in `known.rs`.

mod known;
mod record;
mod text;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use switchboard_core::Tenant;
use switchboard_core::scopes::{self, NoScope};
use switchboard_core::store::tables::KEYS;
use switchboard_core::store::{Change, Mark, Query, Store, StoreError};

pub use record::ApiKey;
pub(crate) use text::hex;

use crate::api_keys::known::Known;
use crate::api_keys::record::{Previous, Record, Versioned};
use crate::api_keys::text::Id;
use crate::clock::{Clock, column, seconds, time};
use crate::error::KeyError;
use crate::leases::Leases;
use crate::named::Named;

/// The keys of all tenants.
pub struct ApiKeys {
    store: Arc<dyn Store>,
    clock: Clock,
    leases: Arc<Leases>,
    known: Known,
}

/// A key to be made.
#[derive(Clone, Debug, Default)]
pub struct NewKey {
    pub name: String,
    /// As whom it acts: `user:NAME` or `service:NAME`. Absent: as itself, `key:ID`.
    pub subject: Option<String>,
    pub roles: Vec<String>,
    pub scopes: Option<Vec<String>>,
    pub expires: Option<SystemTime>,
    /// Requests a minute.
    pub rate: Option<NonZeroU32>,
}

/// A key with its text, which nothing shows again.
pub struct Made {
    pub key: ApiKey,
    pub text: String,
}

/// Why a key was not made or changed.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// Another wish may be granted.
    #[error("{0}")]
    Invalid(&'static str),
    #[error(transparent)]
    Scope(#[from] NoScope),
    #[error("there is no key `{0}`")]
    Missing(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Random(#[from] KeyError),
}

/// Longest name and longest subject.
const NAME: usize = 200;

/// Rows that are read at once where a key is looked for by its name, and how often: names are no
/// keys of the table, and people look for them, not requests.
const PAGE: u32 = 500;
const PAGES: usize = 20;

/// How often a change is tried that somebody else overtakes.
const TRIES: usize = 5;

impl ApiKeys {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Clock,
        leases: Arc<Leases>,
        fresh: Duration,
    ) -> Self {
        Self { store, clock, leases, known: Known::new(fresh) }
    }

    /// Makes a key of `tenant`, in the name of `by`.
    ///
    /// # Errors
    ///
    /// [`ApiKeyError`]; no key was made.
    pub async fn create(
        &self,
        tenant: &Tenant,
        new: NewKey,
        by: &str,
    ) -> Result<Made, ApiKeyError> {
        let now = self.clock.now();
        check(&new, now)?;
        let id = Id::generate()?;
        let (text, digest) = text::make(id)?;
        let key = ApiKey {
            id: id.as_str().to_owned(),
            subject: new.subject.unwrap_or_else(|| format!("key:{}", id.as_str())),
            name: new.name,
            roles: new.roles,
            scopes: new.scopes,
            rate: new.rate,
            created: seconds(now),
            expires: new.expires.map(seconds),
            last_used: None,
            revoked: None,
        };
        let record = Record { key: key.clone(), digest: digest.hex(), previous: None };
        let row = Versioned { record, version: 0 }.row(by, now).with("created_at", column(now));
        self.store.write(&KEYS, tenant, vec![Change::Insert(row)]).await?;
        self.known.forget(tenant, id);
        Ok(Made { key, text })
    }

    /// The keys of `tenant` in the order of their ids, those that are revoked or expired included:
    /// up to `limit` after the one of the id `after`.
    ///
    /// # Errors
    ///
    /// [`ApiKeyError::Store`].
    pub async fn list(
        &self,
        tenant: &Tenant,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ApiKey>, ApiKeyError> {
        let after = after.map(|id| Mark { value: Value::Null, key: id.to_owned() });
        let query = Query { after, ..Query::first(limit) };
        let listed = self.store.list(&KEYS, tenant, &query).await?;
        let keys = listed.rows.iter().filter_map(Versioned::read);
        Ok(keys.map(|(_, versioned)| versioned.record.key).collect())
    }

    /// The key of this id, as it would show whoever presents it.
    pub(crate) async fn of_id(
        &self,
        tenant: &Tenant,
        id: &str,
    ) -> Result<Option<Named>, StoreError> {
        let Some(id) = Id::parse(id) else { return Ok(None) };
        let rows = self.store.read(&KEYS, tenant, &[id.as_str()]).await?;
        let read = rows.first().and_then(Versioned::read);
        Ok(read.map(|(_, versioned)| versioned.record.named(tenant, self.clock.now())))
    }

    /// The keys that have this name, or act as this subject.
    pub(crate) async fn called(
        &self,
        tenant: &Tenant,
        text: &str,
    ) -> Result<Vec<Named>, StoreError> {
        let mut named = Vec::new();
        let mut query = Query::first(PAGE);
        for _ in 0..PAGES {
            let listed = self.store.list(&KEYS, tenant, &query).await?;
            let read = listed.rows.iter().filter_map(Versioned::read);
            let called =
                read.filter(|(_, it)| it.record.key.name == text || it.record.key.subject == text);
            named.extend(called.map(|(_, it)| it.record.named(tenant, self.clock.now())));
            let Some(last) = listed.rows.last().filter(|_| listed.has_more) else { break };
            query.after = Some(Mark { value: Value::Null, key: last.key.clone() });
        }
        Ok(named)
    }

    /// Takes a key back: it lets nobody in any more, and what was opened with it ends. Other
    /// processes with the same store notice within the time that keys are taken to be fresh.
    ///
    /// # Errors
    ///
    /// [`ApiKeyError::Missing`] where there is none.
    pub async fn revoke(&self, tenant: &Tenant, id: &str, by: &str) -> Result<(), ApiKeyError> {
        let revoked = seconds(self.clock.now());
        let change = |record: &mut Record| {
            record.key.revoked = record.key.revoked.or(Some(revoked));
        };
        let changed = self.change(tenant, id, by, change).await?;
        self.leases.end(&known::lease(tenant, &changed.digest));
        if let Some(previous) = changed.previous {
            self.leases.end(&known::lease(tenant, &previous.digest));
        }
        Ok(())
    }

    /// Takes back every key of a tenant that is about to be no more.
    ///
    /// # Errors
    ///
    /// [`ApiKeyError::Store`]; some may be taken back then.
    pub async fn revoke_all(&self, tenant: &Tenant, by: &str) -> Result<(), ApiKeyError> {
        let mut after: Option<String> = None;
        loop {
            let keys = self.list(tenant, after.as_deref(), PAGE).await?;
            let Some(last) = keys.last() else { return Ok(()) };
            after = Some(last.id.clone());
            for key in keys.iter().filter(|key| key.revoked.is_none()) {
                match self.revoke(tenant, &key.id, by).await {
                    Ok(()) | Err(ApiKeyError::Missing(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    /// Makes another text for a key; the present one is good until `grace` is over.
    ///
    /// One text before is kept at most: who rotates again within the grace wants the first to end.
    ///
    /// # Errors
    ///
    /// [`ApiKeyError::Missing`] where there is none, [`ApiKeyError::Invalid`] where it is revoked.
    pub async fn rotate(
        &self,
        tenant: &Tenant,
        id: &str,
        grace: Duration,
        by: &str,
    ) -> Result<Made, ApiKeyError> {
        let parsed = Id::parse(id).ok_or_else(|| ApiKeyError::Missing(id.to_owned()))?;
        let (text, digest) = text::make(parsed)?;
        let now = self.clock.now();
        let until = now.checked_add(grace).map_or(u64::MAX, seconds);
        let mut ended = Vec::new();
        let changed = self.change(tenant, id, by, |record| {
            if record.key.revoked.is_some() {
                return;
            }
            let old = std::mem::replace(&mut record.digest, digest.hex());
            ended = record.previous.take().map(|it| it.digest).into_iter().collect();
            if grace.is_zero() {
                ended.push(old);
            } else {
                record.previous = Some(Previous { digest: old, until });
            }
        });
        let changed = changed.await?;
        if changed.key.revoked.is_some() {
            return Err(ApiKeyError::Invalid("a key that is revoked cannot be rotated"));
        }
        for digest in ended {
            self.leases.end(&known::lease(tenant, &digest));
        }
        self.limit_previous(tenant, &changed);
        Ok(Made { key: changed.key, text })
    }

    /// Has what was opened with the text before the rotation end with it.
    fn limit_previous(&self, tenant: &Tenant, record: &Record) {
        let Some(previous) = &record.previous else { return };
        if let Some(until) = time(previous.until) {
            self.leases.limit(&known::lease(tenant, &previous.digest), until);
        }
    }

    async fn change(
        &self,
        tenant: &Tenant,
        id: &str,
        by: &str,
        mut change: impl FnMut(&mut Record),
    ) -> Result<Record, ApiKeyError> {
        let missing = || ApiKeyError::Missing(id.to_owned());
        let id = Id::parse(id).ok_or_else(missing)?;
        let mut left = TRIES;
        loop {
            let rows = self.store.read(&KEYS, tenant, &[id.as_str()]).await?;
            let (_, mut read) = rows.first().and_then(Versioned::read).ok_or_else(missing)?;
            change(&mut read.record);
            let row = read.row(by, self.clock.now());
            let was = Value::from(read.version);
            let replace = Change::Replace { row, column: "version", was };
            match self.store.write(&KEYS, tenant, vec![replace]).await {
                Ok(()) => {
                    self.known.forget(tenant, id);
                    return Ok(read.record);
                }
                Err(StoreError::Conflict { .. }) if left > 1 => left -= 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn check(new: &NewKey, now: SystemTime) -> Result<(), ApiKeyError> {
    let is_name =
        |text: &str| (1..=NAME).contains(&text.len()) && !text.chars().any(char::is_control);
    let as_whom = |subject: &String| {
        let name = subject.strip_prefix("user:").or_else(|| subject.strip_prefix("service:"));
        name.is_some_and(is_name)
    };
    if !is_name(&new.name) {
        return Err(ApiKeyError::Invalid("a key needs a name of 1 to 200 characters"));
    }
    if !new.subject.as_ref().is_none_or(as_whom) {
        return Err(ApiKeyError::Invalid("a key acts as `user:NAME` or `service:NAME`"));
    }
    if new.roles.iter().any(|role| !is_name(role) || role == switchboard_core::OWNER) {
        return Err(ApiKeyError::Invalid("no key has an empty role, or the role `owner`"));
    }
    if new.expires.is_some_and(|expires| expires <= now) {
        return Err(ApiKeyError::Invalid("the key would have expired already"));
    }
    if let Some(scopes) = &new.scopes {
        scopes::check(scopes)?;
    }
    Ok(())
}
