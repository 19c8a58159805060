//! The keys that were presented lately, so that judging one waits for nothing.
//!
//! A request is judged by what was read within the last moments (`auth.keys.fresh`); what is not
//! known is read by `learn`. Meanwhile [`ApiKeys::tend`] reads again what is known, which keeps the
//! keys in use from ever being waited for, and is how a process hears what another changed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde_json::Value;
use switchboard_core::store::tables::KEYS;
use switchboard_core::store::{ATOMIC, Change};
use switchboard_core::{Admitted, Denied, Reason, Tenant};
use tokio::sync::Semaphore;

use crate::api_keys::ApiKeys;
use crate::api_keys::record::Versioned;
use crate::api_keys::text::{self, Id, PREFIX};
use crate::bounded::Bounded;
use crate::clock::{age, seconds};
use crate::way::{Asked, Way};

pub(crate) struct Known {
    tables: Mutex<Tables>,
    /// How long what was read is taken to be so.
    fresh: Duration,
    /// Reads of the store for requests at one time.
    reads: Semaphore,
}

type Place = (Tenant, Id);

struct Tables {
    keys: Bounded<Place, Arc<Entry>>,
    /// Ids that the store does not have.
    absent: Bounded<Place, ()>,
    misses: Budget,
    /// Changes made here: what was read before one is not noted after it.
    changes: u64,
}

struct Entry {
    versioned: Versioned,
    read: SystemTime,
    /// When it last let somebody in; 0 for never.
    used: AtomicU64,
}

/// Most keys that are known at once.
const KEYS_LIMIT: usize = 10_000;

/// Most ids that are known not to be; they are short, and there are more of those who guess.
const ABSENT_LIMIT: usize = 20_000;

/// How long an id that is not there is taken not to be; a key made by another process is let in
/// then at the latest.
const ABSENT: Duration = Duration::from_secs(10);

/// How long a key that nobody presents stays known, and what was opened with it hears of changes
/// that other processes make.
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// Ids that were not there, a second and at once, that the store is asked for. Who guesses sends
/// another id each time, against which remembering helps nothing: beyond this, unknown keys are
/// told to come back, while those in use are let in.
const MISSES: u32 = 50;

/// How often the use of one key is written at most.
const USE_INTERVAL: u64 = 60;

struct Budget {
    left: u32,
    second: u64,
}

impl Budget {
    fn take(&mut self, now: SystemTime) -> bool {
        let second = seconds(now);
        if self.second != second {
            *self = Self { left: MISSES, second };
        }
        let has_one = self.left > 0;
        self.left = self.left.saturating_sub(1);
        has_one
    }

    /// It was a key after all.
    fn give_back(&mut self) {
        self.left = (self.left + 1).min(MISSES);
    }
}

impl Known {
    pub(crate) fn new(fresh: Duration) -> Self {
        let tables = Tables {
            keys: Bounded::new(KEYS_LIMIT),
            absent: Bounded::new(ABSENT_LIMIT),
            misses: Budget { left: MISSES, second: 0 },
            changes: 0,
        };
        Self { tables: Mutex::new(tables), fresh, reads: Semaphore::new(4) }
    }

    /// Has the key read again before it is next judged.
    pub(crate) fn forget(&self, tenant: &Tenant, id: Id) {
        let place = (tenant.clone(), id);
        let mut tables = self.lock();
        tables.keys.remove(&place);
        tables.absent.remove(&place);
        tables.changes += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a key now; `None` where it has to be read.
    fn find(&self, place: &Place, now: SystemTime) -> Option<Option<Arc<Entry>>> {
        let tables = self.lock();
        let fresh = |entry: &&Arc<Entry>| age(entry.read, now) < self.fresh;
        match tables.keys.find(place, now).filter(fresh) {
            Some(entry) => Some(Some(Arc::clone(entry))),
            None => tables.absent.find(place, now).map(|()| None),
        }
    }

    /// Notes what was read when there had been so many `changes`; whether nothing changed since.
    fn note(&self, place: Place, read: Option<Versioned>, at: (SystemTime, u64)) -> bool {
        let (now, changes) = at;
        let mut tables = self.lock();
        if tables.changes != changes {
            return false;
        }
        let before = tables.keys.remove(&place);
        match read {
            Some(versioned) => {
                let used = before.map_or(0, |entry| entry.used.load(Ordering::Relaxed));
                let entry = Entry { versioned, read: now, used: used.into() };
                tables.keys.insert(place, Arc::new(entry), now + KEEP);
            }
            None => {
                tables.absent.insert(place, (), now + ABSENT);
            }
        }
        true
    }

    fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// All places, by tenant.
    fn places(&self, now: SystemTime) -> Vec<Place> {
        let mut tables = self.lock();
        tables.keys.take_ended(now);
        let mut places: Vec<Place> =
            tables.keys.iter_mut().map(|(place, _)| place.clone()).collect();
        places.sort_by(|a, b| a.0.cmp(&b.0));
        places
    }

    /// The keys whose use is to be written.
    fn used(&self) -> Vec<(Tenant, Versioned)> {
        let mut tables = self.lock();
        let due = tables.keys.iter_mut().filter_map(|((tenant, _), entry)| {
            let used = entry.used.load(Ordering::Relaxed);
            let written = entry.versioned.record.key.last_used.unwrap_or(0);
            let is_due = written + USE_INTERVAL <= used && used != 0;
            is_due.then(|| {
                let mut versioned = entry.versioned.clone();
                versioned.record.key.last_used = Some(used);
                (tenant.clone(), versioned)
            })
        });
        due.collect()
    }
}

/// The name under which what was opened with a text of a key is followed.
pub(crate) fn lease(tenant: &Tenant, digest: &str) -> String {
    format!("key:{tenant}:{digest}")
}

#[async_trait]
impl Way for ApiKeys {
    fn admit(&self, asked: &Asked<'_>) -> Option<Result<Admitted, Denied>> {
        let text = asked.text().filter(|text| text.starts_with(PREFIX))?;
        let Some(parsed) = text::parse(text) else {
            return Some(Err(Denied::invalid("this is no whole API key")));
        };
        let place = (asked.tenant.clone(), parsed.id);
        Some(match self.known.find(&place, asked.now) {
            None => Err(Denied::new(Reason::Unlearned, "keys cannot be looked up now; try again")),
            Some(None) => Err(Denied::invalid("the API key is not valid")),
            Some(Some(entry)) => {
                let record = &entry.versioned.record;
                record.verify(&parsed.digest, asked.now).map(|until| {
                    entry.used.store(seconds(asked.now), Ordering::Relaxed);
                    let lease = lease(asked.tenant, &parsed.digest.hex());
                    Admitted {
                        principal: record.principal(asked.tenant),
                        revoked: self.leases.of(&lease, until, asked.now),
                    }
                })
            }
        })
    }

    async fn learn(&self, asked: &Asked<'_>) {
        let Some(parsed) = asked.text().and_then(text::parse) else { return };
        let place = (asked.tenant.clone(), parsed.id);
        let Ok(_permit) = self.known.reads.acquire().await else { return };
        // Whoever waited longer may have read it.
        if self.known.find(&place, asked.now).is_some() || !self.known.lock().misses.take(asked.now)
        {
            return;
        }
        // Once more where a key was changed here meanwhile; what is read then is not older.
        for _ in 0..2 {
            let at = (asked.now, self.known.changes());
            let rows = match self.store.read(&KEYS, asked.tenant, &[parsed.id.as_str()]).await {
                Ok(rows) => rows,
                Err(error) => {
                    tracing::warn!(%error, "cannot look up an API key");
                    return;
                }
            };
            let read = rows.first().and_then(Versioned::read).map(|(_, versioned)| versioned);
            if read.is_some() {
                self.known.lock().misses.give_back();
            }
            if self.known.note(place.clone(), read, at) {
                return;
            }
        }
    }
}

impl ApiKeys {
    /// Reads again what is known, ends what was opened with keys that are gone, and writes when
    /// keys were used. To be done every few seconds, away from requests.
    pub(crate) async fn tend(&self) {
        self.write_use().await;
        let places = self.known.places(self.clock.now());
        for of_tenant in places.chunk_by(|a, b| a.0 == b.0) {
            for places in of_tenant.chunks(ATOMIC) {
                self.read_again(places).await;
            }
        }
    }

    async fn read_again(&self, places: &[Place]) {
        let Some((tenant, _)) = places.first() else { return };
        let ids: Vec<&str> = places.iter().map(|(_, id)| id.as_str()).collect();
        let now = self.clock.now();
        let at = (now, self.known.changes());
        let rows = match self.store.read(&KEYS, tenant, &ids).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(%error, "cannot read API keys again");
                return;
            }
        };
        let read: Vec<(Id, Versioned)> = rows.iter().filter_map(Versioned::read).collect();
        for place in places {
            let before = self.known.lock().keys.find(place, now).cloned();
            let Some(before) = before else { continue };
            let after = read.iter().find(|(id, _)| *id == place.1).map(|(_, it)| it.clone());
            for digest in gone(&before.versioned, after.as_ref()) {
                self.leases.end(&lease(tenant, digest));
            }
            if let Some(after) = &after {
                self.limit_previous(tenant, &after.record);
            }
            self.known.note(place.clone(), after, at);
        }
    }

    async fn write_use(&self) {
        for (tenant, versioned) in self.known.used() {
            let Some(id) = Id::parse(&versioned.record.key.id) else { continue };
            let at = (self.clock.now(), self.known.changes());
            let row = versioned.row("switchboard", self.clock.now());
            let was = Value::from(versioned.version);
            let change = Change::Replace { row, column: "version", was };
            // Where somebody changed it meanwhile, it is read again and written the next time.
            match self.store.write(&KEYS, &tenant, vec![change]).await {
                Ok(()) => {
                    let written = Versioned { version: versioned.version + 1, ..versioned };
                    self.known.note((tenant, id), Some(written), at);
                }
                Err(error) => tracing::debug!(%error, "the use of an API key is not written yet"),
            }
        }
    }
}

/// The hashes that let somebody in before and do not any more.
fn gone<'a>(before: &'a Versioned, after: Option<&Versioned>) -> Vec<&'a str> {
    let record = &before.record;
    let previous = record.previous.as_ref().map(|previous| &*previous.digest);
    let after = after.map(|after| &after.record).filter(|after| after.key.revoked.is_none());
    let stays = |digest: &&str| {
        after.is_some_and(|after| {
            after.digest == **digest
                || after.previous.as_ref().is_some_and(|it| it.digest == **digest)
        })
    };
    [Some(&*record.digest), previous].into_iter().flatten().filter(|it| !stays(it)).collect()
}
