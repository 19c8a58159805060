//! What was used of quotas: counted here, written down in batches.
//!
//! No call waits for the store. What is counted is added to the store by [`Ledger::flush`], which
//! hears in return what all daemons on the store have used. Until then a daemon knows only its own
//! part, so a quota is overshot by what the others let through since the last flush, and by what
//! this one lets through before it has heard of an account for the first time: after its start, or
//! at the begin of a period. A new account asks for a flush at once, which makes that time short.
//! A flush that fails leaves everything to the next.
//!
//! The accounts are bounded. Those of which everything is written down, and which have something
//! left, are forgotten when room is needed, and heard of again. Where there are none of these, a
//! call of yet another account is let through uncounted: too many accounts are no reason to refuse
//! anybody.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use futures_util::stream::{self, StreamExt as _};
use tokio::sync::Notify;

use crate::limit::period::stored;
use crate::store::{Change, Row, Store, StoreError, tables};
use crate::tenant::Tenant;

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    /// There is something to write down.
    pub(crate) work: Notify,
    /// And it is of somebody of whom nothing is known.
    pub(crate) news: Notify,
    uncounted: AtomicU64,
}

/// Whose usage, of what: the key of a row of [`tables::USAGE`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Account {
    pub tenant: Tenant,
    pub row: Arc<str>,
}

/// How an account is found: a hash that is keyed by chance; see `buckets.rs`. The account itself is
/// only made where it is new, because a call should not have to write it out.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Key(u64);

/// What holds for an account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub limit: u64,
    /// Seconds since 1970.
    pub ends: u64,
}

/// What a flush did.
#[derive(Clone, Debug, Default)]
pub struct Flushed {
    /// Accounts that were written down.
    pub written: usize,
    /// Accounts that are left to the next flush, and why the first of them is.
    pub failed: usize,
    pub error: Option<StoreError>,
    /// Calls since the last flush that found no room to be counted in.
    pub uncounted: u64,
}

#[derive(Debug, Default)]
struct Shard {
    accounts: HashMap<Key, Usage>,
    /// Nothing can be forgotten before the next flush.
    is_full: bool,
}

#[derive(Debug)]
struct Usage {
    account: Account,
    limit: u64,
    ends: u64,
    /// What the store said last.
    written: i64,
    /// What it was not told yet; less than nothing where something was given back.
    pending: i64,
    /// Whether the store was asked.
    is_known: bool,
}

/// What is to be written of an account.
struct Due {
    key: Key,
    account: Account,
    by: i64,
    /// Where it may not be written yet.
    ends: Option<u64>,
}

/// Enough that calls on all processors seldom meet at one lock.
const SHARDS: usize = 16;

/// Accounts of one shard: 64,000 in all, some 15 MB where all are taken.
const ACCOUNTS: usize = 4_000;

/// Accounts that are written at the same time: what a pool of connections commonly has.
const AT_ONCE: usize = 8;

/// Rows that are swept at once: some milliseconds of a store's time.
const SWEPT: u32 = 1_000;

impl Usage {
    fn used(&self) -> i64 {
        self.written + self.pending
    }

    fn is_due(&self) -> bool {
        self.pending != 0 || !self.is_known
    }

    fn remaining(&self) -> u64 {
        self.limit.saturating_sub(u64::try_from(self.used()).unwrap_or(0))
    }
}

impl Ledger {
    /// The key of the account that `what` is all about.
    pub(crate) fn key(&self, what: &impl Hash) -> Key {
        Key(self.hasher.hash_one(what))
    }

    /// Uses `by` of an account where anything is left; what is left then, or `None`.
    pub(crate) fn take(
        &self,
        key: Key,
        terms: Terms,
        by: i64,
        account: impl FnOnce() -> Account,
    ) -> Option<u64> {
        let mut shard = self.shard(key);
        let Some(usage) = shard.open(key, terms, account, &self.news) else {
            drop(shard);
            self.uncounted.fetch_add(1, Ordering::Relaxed);
            return Some(terms.limit);
        };
        let left = (usage.remaining() != 0).then(|| {
            usage.pending += by;
            usage.remaining()
        });
        // Whoever is refused hears of it when somebody has given back, or the row was changed.
        usage.is_known &= left.is_some();
        let is_due = usage.is_due();
        drop(shard);
        if is_due {
            self.work.notify_one();
        }
        left
    }

    /// Counts what was used, or given back where it is less than nothing.
    pub(crate) fn add(&self, key: Key, terms: Terms, by: i64, account: impl FnOnce() -> Account) {
        let mut shard = self.shard(key);
        if let Some(usage) = shard.open(key, terms, account, &self.news) {
            usage.pending = usage.pending.saturating_add(by);
            self.work.notify_one();
        }
    }

    /// Writes down what was used, and hears what all have used. `now` is seconds since 1970.
    ///
    /// One flush at a time.
    ///
    /// # Cancel safety
    ///
    /// What was written and not yet heard of is written again by the next flush.
    pub(crate) async fn flush(&self, store: &dyn Store, now: u64) -> Flushed {
        let uncounted = self.uncounted.swap(0, Ordering::Relaxed);
        let mut flushed = Flushed { uncounted, ..Flushed::default() };
        let due = self.due();
        let writing = due.into_iter().map(|Due { key, account, by, ends }| async move {
            let written = write(store, &account, by, ends).await;
            (key, by, written)
        });
        let mut writing = stream::iter(writing).buffer_unordered(AT_ONCE);
        while let Some((key, by, written)) = writing.next().await {
            match written {
                Ok(total) => {
                    flushed.written += 1;
                    self.shard(key).settle(key, by, total);
                }
                Err(error) => {
                    flushed.failed += 1;
                    flushed.error.get_or_insert(error);
                }
            }
        }
        for shard in &self.shards {
            let mut shard = shard.lock().expect("no one panics holding it");
            shard.accounts.retain(|_, usage| usage.pending != 0 || now < usage.ends);
            shard.is_full = false;
            if shard.accounts.values().any(Usage::is_due) {
                self.work.notify_one();
            }
        }
        flushed
    }

    /// Deletes rows of periods that were over at `now`; how many it were.
    pub(crate) async fn sweep(store: &dyn Store, now: u64) -> Result<u64, StoreError> {
        store.sweep(&tables::USAGE, "until", &stored(now).into(), SWEPT).await
    }

    /// What is not written down yet.
    fn due(&self) -> Vec<Due> {
        let mut due = Vec::new();
        for shard in &self.shards {
            let shard = shard.lock().expect("no one panics holding it");
            let open = shard.accounts.iter().filter(|(_, usage)| usage.is_due());
            due.extend(open.map(|(&key, usage)| Due {
                key,
                account: usage.account.clone(),
                by: usage.pending,
                ends: (!usage.is_known).then_some(usage.ends),
            }));
        }
        due
    }

    fn shard(&self, key: Key) -> MutexGuard<'_, Shard> {
        #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash will do")]
        let index = key.0 as usize % SHARDS;
        self.shards[index].lock().expect("no one panics holding it")
    }

    #[cfg(test)]
    fn accounts(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().accounts.len()).sum()
    }
}

impl Shard {
    /// The account, which is made where there is room.
    fn open(
        &mut self,
        key: Key,
        terms: Terms,
        account: impl FnOnce() -> Account,
        news: &Notify,
    ) -> Option<&mut Usage> {
        if !self.accounts.contains_key(&key) {
            if ACCOUNTS <= self.accounts.len() {
                self.make_room();
            }
            if self.is_full {
                return None;
            }
            let usage = Usage {
                account: account(),
                limit: terms.limit,
                ends: terms.ends,
                written: 0,
                pending: 0,
                is_known: false,
            };
            self.accounts.insert(key, usage);
            news.notify_one();
        }
        let usage = self.accounts.get_mut(&key)?;
        // A reload may have changed it.
        usage.limit = terms.limit;
        Some(usage)
    }

    fn make_room(&mut self) {
        if !self.is_full {
            self.accounts.retain(|_, usage| usage.is_due() || usage.remaining() == 0);
            self.is_full = ACCOUNTS <= self.accounts.len();
        }
    }

    fn settle(&mut self, key: Key, by: i64, total: i64) {
        if let Some(usage) = self.accounts.get_mut(&key) {
            usage.pending -= by;
            usage.written = total;
            usage.is_known = true;
        }
    }
}

/// Adds to the row, and says until when it is of use where that may not stand there yet.
async fn write(
    store: &dyn Store,
    Account { tenant, row }: &Account,
    by: i64,
    ends: Option<u64>,
) -> Result<i64, StoreError> {
    if let Some(ends) = ends {
        // First: what is added must not be added again because this failed.
        let until = Row::new(&**row).with("until", stored(ends));
        store.write(&tables::USAGE, tenant, vec![Change::Merge(until)]).await?;
    }
    store.add(&tables::USAGE, tenant, row, "used", by).await
}

#[cfg(test)]
mod tests;
