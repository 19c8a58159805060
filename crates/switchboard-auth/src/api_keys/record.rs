//! What is kept of a key.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use switchboard_core::store::Row;
use switchboard_core::{Denied, KeyRate, LoginMethod, Principal, Reason, Standing, Tenant};

use crate::api_keys::text::{Id, is_same};
use crate::clock::{column, seconds, time};
use crate::key::Digest;
use crate::named::Named;
use crate::roles::granted;

/// A key as it is shown: without what proves it. Times are seconds since 1970.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ApiKey {
    pub id: String,
    /// What people call it.
    pub name: String,
    /// As whom it acts; several keys may act as one.
    pub subject: String,
    #[serde(default)]
    pub roles: Vec<String>,
    /// What it is limited to; nothing where there are none.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// Requests a minute.
    #[serde(default)]
    pub rate: Option<NonZeroU32>,
    pub created: u64,
    #[serde(default)]
    pub expires: Option<u64>,
    /// To the minute.
    #[serde(default)]
    pub last_used: Option<u64>,
    #[serde(default)]
    pub revoked: Option<u64>,
}

/// The body of a row.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Record {
    #[serde(flatten)]
    pub(crate) key: ApiKey,
    /// SHA-256 of the whole text.
    pub(crate) digest: String,
    /// Of the text before the rotation, until its grace is over.
    #[serde(default)]
    pub(crate) previous: Option<Previous>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Previous {
    pub(crate) digest: String,
    pub(crate) until: u64,
}

/// A record and the version it was read in.
#[derive(Clone, Debug)]
pub(crate) struct Versioned {
    pub(crate) record: Record,
    pub(crate) version: i64,
}

impl Record {
    /// When the text that has this hash ends, where it is the key now.
    pub(crate) fn verify(
        &self,
        digest: &Digest,
        now: SystemTime,
    ) -> Result<Option<SystemTime>, Denied> {
        const INVALID: &str = "the API key is not valid: it may have been revoked or rotated";
        let seconds = seconds(now);
        let is_current = is_same(digest, &self.digest);
        let previous = self.previous.as_ref();
        let previous = previous.filter(|it| is_same(digest, &it.digest) && seconds < it.until);
        let until = match previous {
            _ if self.key.revoked.is_some() => return Err(Denied::invalid(INVALID)),
            _ if is_current => self.key.expires,
            Some(previous) => {
                Some(self.key.expires.map_or(previous.until, |at| at.min(previous.until)))
            }
            None => return Err(Denied::invalid(INVALID)),
        };
        if until.is_some_and(|until| until <= seconds) {
            return Err(Denied::new(Reason::Expired, "the API key has expired"));
        }
        Ok(until.and_then(time))
    }

    /// Whoever presents it, and whether it still lets them in.
    pub(crate) fn named(&self, tenant: &Tenant, now: SystemTime) -> Named {
        let ended = match &self.key {
            key if key.revoked.is_some() => Some("the key has been revoked"),
            key if key.expires.is_some_and(|until| until <= seconds(now)) => {
                Some("the key has expired")
            }
            _ => None,
        };
        Named { principal: self.principal(tenant), ended }
    }

    pub(crate) fn principal(&self, tenant: &Tenant) -> Principal {
        let key = &self.key;
        let standing = Standing {
            method: LoginMethod::ApiKey,
            name: Some(key.name.as_str().into()),
            roles: granted(&key.roles),
            scopes: key.scopes.as_ref().map(|all| all.iter().map(|it| Arc::from(&**it)).collect()),
            rate: key.rate.map(|per_minute| KeyRate { key: key.id.as_str().into(), per_minute }),
            expires: key.expires.and_then(time),
        };
        Principal::of(tenant.clone(), &key.subject, standing)
    }
}

impl Versioned {
    /// `None` where the row is none of ours.
    pub(crate) fn read(row: &Row) -> Option<(Id, Self)> {
        let record: Record = serde_json::from_value(row.get("body")?.clone()).ok()?;
        let id = Id::parse(&row.key)?;
        (record.key.id == row.key)
            .then(|| (id, Self { record, version: row.integer("version").unwrap_or_default() }))
    }

    /// The row of the next version.
    pub(crate) fn row(&self, by: &str, now: SystemTime) -> Row {
        let body = serde_json::to_value(&self.record).expect("texts and numbers");
        Row::new(&self.record.key.id)
            .with("body", body)
            .with("version", self.version + 1)
            .with("updated_by", by)
            .with("updated_at", column(now))
    }
}
