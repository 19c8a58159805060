//! Refresh tokens: random, kept as hashes, each good once.
//!
//! Those that come of one login are a family and one row in `TOKENS`, which has the hash of the
//! newest. Any other secret of the family is one that was used before: somebody else has it too,
//! and which of the two is the thief cannot be told, so the family ends (RFC 9700, section 4.14.2).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use switchboard_core::Tenant;
use switchboard_core::store::tables::TOKENS;
use switchboard_core::store::{Change, Row, StoreError};

use crate::clock::{column, seconds, time};
use crate::error::KeyError;
use crate::key::{Digest, Key};
use crate::reach::Reach;
use crate::tokens::{Access, Identity, Pair, Tokens, random_id};

/// How every refresh token begins: `sbr_` FAMILY `_` SECRET `.` TENANT.
pub(crate) const PREFIX: &str = "sbr_";

/// Longest token that is looked at: the parts and the longest tenant.
const LIMIT: usize = 256;

/// Why there are no new tokens.
#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Log in again.
    #[error("the refresh token is not valid")]
    Invalid,
    /// The same may succeed later.
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Random(#[from] KeyError),
}

struct Parsed {
    /// The key of the row.
    row: String,
    digest: Digest,
    tenant: Tenant,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
struct Family {
    username: String,
    reach: String,
    /// What the password was that it began with ([`Identity::epoch`]).
    #[serde(default)]
    epoch: String,
    /// Of the newest secret.
    digest: String,
    /// The newest signed token, which ends with the family.
    jti: String,
    expires: u64,
    /// In microseconds since 1970; grows with each use, which tells two that use it at once apart.
    until: u64,
}

/// Whose refresh token one is.
pub(crate) struct Owner {
    pub(crate) username: String,
    pub(crate) reach: Reach,
    pub(crate) epoch: String,
}

impl Family {
    fn read(row: &Row) -> Option<Self> {
        serde_json::from_value(row.get("body")?.clone()).ok()
    }

    fn row(&self, key: &str) -> Row {
        let until = UNIX_EPOCH + Duration::from_micros(self.until);
        let body = serde_json::to_value(self).expect("texts and numbers");
        Row::new(key).with("body", body).with("until", column(until))
    }
}

impl Tokens {
    /// The first tokens of somebody who logged in.
    pub(crate) async fn issue(&self, identity: &Identity) -> Result<Pair, RefreshError> {
        let now = self.clock.now();
        let access = self.sign(identity, now);
        let id = random_id();
        let tenant = identity.reach.home();
        let (refresh, digest) = make(&id, &tenant)?;
        let until = self.until(now, 0);
        let family = family(identity, &access, &digest, until);
        let row = family.row(&format!("refresh:{id}"));
        self.store.write(&TOKENS, &tenant, vec![Change::Insert(row)]).await?;
        Ok(Pair { access: access.text, expires_in: self.rules.lifetime, refresh })
    }

    /// Whose refresh token it is, if it is the newest of its family. Nothing is used up yet.
    pub(crate) async fn owner(&self, token: &str) -> Result<Owner, RefreshError> {
        let parsed = parse(token).ok_or(RefreshError::Invalid)?;
        let family = self.family(&parsed).await?;
        let reach = Reach::parse(&family.reach).map_err(|_| RefreshError::Invalid)?;
        Ok(Owner { username: family.username, reach, epoch: family.epoch })
    }

    /// The next tokens of `identity`, whose refresh token this is; it is used up.
    pub(crate) async fn refresh(
        &self,
        token: &str,
        identity: &Identity,
    ) -> Result<Pair, RefreshError> {
        let parsed = parse(token).ok_or(RefreshError::Invalid)?;
        let before = self.family(&parsed).await?;
        let now = self.clock.now();
        let access = self.sign(identity, now);
        let id = parsed.row.trim_start_matches("refresh:");
        let (refresh, digest) = make(id, &parsed.tenant)?;
        let after = family(identity, &access, &digest, self.until(now, before.until));
        let was = before.row(&parsed.row).columns["until"].clone();
        let change = Change::Replace { row: after.row(&parsed.row), column: "until", was };
        match self.store.write(&TOKENS, &parsed.tenant, vec![change]).await {
            Ok(()) => Ok(Pair { access: access.text, expires_in: self.rules.lifetime, refresh }),
            // Used twice at once is used twice.
            Err(StoreError::Conflict { .. }) => {
                self.end(&parsed, &before).await?;
                Err(RefreshError::Invalid)
            }
            Err(StoreError::Missing { .. }) => Err(RefreshError::Invalid),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends the family that a refresh token is of.
    pub(crate) async fn revoke_family(&self, token: &str) -> Result<(), StoreError> {
        let Some(parsed) = parse(token) else { return Ok(()) };
        match self.family(&parsed).await {
            Ok(family) => self.end(&parsed, &family).await,
            Err(RefreshError::Store(error)) => Err(error),
            Err(RefreshError::Invalid | RefreshError::Random(_)) => Ok(()),
        }
    }

    /// The family of which this is the newest token. Where it is an older one, the family ends.
    async fn family(&self, parsed: &Parsed) -> Result<Family, RefreshError> {
        let rows = self.store.read(&TOKENS, &parsed.tenant, &[&parsed.row]).await?;
        let family = rows.first().and_then(Family::read).ok_or(RefreshError::Invalid)?;
        let now = self.clock.now();
        if UNIX_EPOCH + Duration::from_micros(family.until) <= now {
            return Err(RefreshError::Invalid);
        }
        let kept = Digest::parse(&family.digest).ok_or(RefreshError::Invalid)?;
        if bool::from(parsed.digest.same(&kept)) {
            return Ok(family);
        }
        tracing::warn!(
            username = family.username,
            "a refresh token was used twice; whoever has it has to log in again"
        );
        self.end(parsed, &family).await?;
        Err(RefreshError::Invalid)
    }

    async fn end(&self, parsed: &Parsed, family: &Family) -> Result<(), StoreError> {
        if let Some(expires) = time(family.expires) {
            let whose = (&parsed.tenant, &*family.username);
            self.revoke_access(&family.jti, expires, whose).await?;
        }
        let delete = vec![Change::Delete(parsed.row.clone())];
        match self.store.write(&TOKENS, &parsed.tenant, delete).await {
            Err(StoreError::Missing { .. }) => Ok(()),
            other => other,
        }
    }

    fn until(&self, now: SystemTime, before: u64) -> u64 {
        let end = now.checked_add(self.rules.refresh_lifetime).unwrap_or(now);
        let micros = end.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros());
        u64::try_from(micros).unwrap_or(u64::MAX / 2).max(before + 1)
    }
}

fn family(identity: &Identity, access: &Access, digest: &Digest, until: u64) -> Family {
    Family {
        username: identity.username.clone(),
        reach: identity.reach.to_string(),
        epoch: identity.epoch.clone(),
        digest: digest.hex(),
        jti: access.jti.clone(),
        expires: seconds(access.expires),
        until,
    }
}

fn make(id: &str, tenant: &Tenant) -> Result<(String, Digest), KeyError> {
    let text = format!("{PREFIX}{id}_{}.{tenant}", Key::generate()?.expose());
    let digest = Digest::of(text.as_bytes());
    Ok((text, digest))
}

fn parse(token: &str) -> Option<Parsed> {
    if LIMIT < token.len() {
        return None;
    }
    let (rest, tenant) = token.strip_prefix(PREFIX)?.split_once('.')?;
    let (id, _) = rest.split_once('_')?;
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let tenant = Tenant::parse(tenant).ok()?;
    let digest = Digest::of(token.as_bytes());
    is_id.then(|| Parsed { row: format!("refresh:{id}"), digest, tenant })
}
