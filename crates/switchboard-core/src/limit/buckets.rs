//! Token buckets for any number of keys, in a fixed amount of memory.
//!
//! A bucket is one moment: the one at which it will be full again (the generic cell rate algorithm;
//! ITU-T I.371, annex A). A bucket that is full is one that is not kept, so only keys that asked a
//! moment ago take up room.
//!
//! The table is a cache with sets, as processors have them: a key belongs to one set of [`WAYS`]
//! places, has a lock together with the others of it, and takes the place of the bucket that is
//! nearest to full. However many keys there are, nothing is allocated, none is looked for beyond
//! its set, and nobody is refused for lack of room: what is forgotten early is forgiven. A key
//! that spends its tokens is far from full and stays.
//!
//! Keys are kept as 64 bits of a hash that is keyed by chance (SipHash): two that share a bucket
//! cannot be found from outside, and among as many keys as the table holds they do not happen.

use std::hash::{BuildHasher as _, Hash, RandomState};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use crate::limit::rate::Rate;

/// How much a bucket allows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Allowance {
    /// Nanoseconds in which one token comes.
    interval: u64,
    burst: u32,
}

/// How full a bucket is after it was asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Level {
    pub is_allowed: bool,
    /// Whole tokens.
    pub remaining: u32,
    /// Until there is a token; nothing where there is one.
    pub next: Duration,
    /// Until it is full.
    pub full: Duration,
}

/// The buckets of many keys.
#[derive(Debug)]
pub struct Buckets {
    sets: Box<[Mutex<Set>]>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Set {
    places: [Place; WAYS],
    /// The latest time that anybody came with. Threads read the clock before they get here, and one
    /// that comes a little late must not find less than there is.
    latest: u64,
}

/// A bucket; full, and so nobody's, where `full_at` has passed.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    key: u64,
    /// Nanoseconds since the start.
    full_at: u64,
}

/// Two lines of a processor's cache, beside the lock.
const WAYS: usize = 8;

impl Allowance {
    /// `rate` over time; `burst` at once, or else as many as the number in the rate.
    pub fn new(rate: Rate, burst: Option<NonZeroU32>) -> Self {
        Self { interval: nanos(rate.interval()), burst: burst.unwrap_or(rate.count()).get() }
    }

    pub fn burst(self) -> u32 {
        self.burst
    }

    /// In which a bucket that is empty becomes full.
    pub fn window(self) -> Duration {
        Duration::from_nanos(self.capacity())
    }

    /// In which `tokens` come.
    pub fn time_for(self, tokens: u32) -> Duration {
        Duration::from_nanos(self.interval * u64::from(tokens))
    }

    fn capacity(self) -> u64 {
        // At most a million days: far below the five centuries that 64 bits hold.
        self.interval * u64::from(self.burst)
    }

    /// Of a bucket that lacks so many nanoseconds to be full.
    fn level(self, lacks: u64, is_allowed: bool) -> Level {
        let saved = self.capacity().saturating_sub(lacks);
        let remaining = saved / self.interval.max(1);
        Level {
            is_allowed,
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
            next: Duration::from_nanos(self.interval.saturating_sub(saved)),
            full: Duration::from_nanos(lacks),
        }
    }
}

impl Buckets {
    /// Room for about `keys` that are not full at the same time, 18 bytes each.
    pub fn new(keys: usize) -> Self {
        let sets = keys.div_ceil(WAYS).next_power_of_two();
        Self { sets: (0..sets).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }

    /// Takes a token of `key` at `now`, where there is one.
    pub fn take(&self, key: &impl Hash, allowance: Allowance, now: Duration) -> Level {
        let (key, mut set) = self.set(key);
        let now = set.time(now);
        let place = set.place(key);
        let lacks = (place.full_at - now) + allowance.interval;
        if lacks > allowance.capacity() {
            return allowance.level(place.full_at - now, false);
        }
        place.full_at = now + lacks;
        allowance.level(lacks, true)
    }

    /// Looks at the bucket of `key` and takes nothing.
    pub fn look(&self, key: &impl Hash, allowance: Allowance, now: Duration) -> Level {
        let (key, mut set) = self.set(key);
        let now = set.time(now);
        let place = set.places.iter().find(|place| place.key == key);
        let lacks = place.map_or(0, |place| place.full_at.saturating_sub(now));
        allowance.level(lacks, lacks + allowance.interval <= allowance.capacity())
    }

    /// Takes a token of `key` whether there is one or not: for what is counted only when it is
    /// known how it ended, and was looked at before.
    pub fn charge(&self, key: &impl Hash, allowance: Allowance, now: Duration) {
        let (key, mut set) = self.set(key);
        set.time(now);
        set.place(key).full_at += allowance.interval;
    }

    /// Gives back a token that was taken for nothing.
    pub fn give_back(&self, key: &impl Hash, allowance: Allowance) {
        let (key, mut set) = self.set(key);
        if let Some(place) = set.places.iter_mut().find(|place| place.key == key) {
            place.full_at = place.full_at.saturating_sub(allowance.interval);
        }
    }

    fn set(&self, key: &impl Hash) -> (u64, MutexGuard<'_, Set>) {
        let hash = self.hasher.hash_one(key);
        // The length is a power of two, so this is in range whatever the width of an address.
        #[expect(clippy::cast_possible_truncation, reason = "any bits of a hash will do")]
        let index = hash as usize & (self.sets.len() - 1);
        (hash, self.sets[index].lock().expect("no one panics holding it"))
    }
}

impl Set {
    /// The time that it is here, where the caller says that it is `now`.
    fn time(&mut self, now: Duration) -> u64 {
        self.latest = self.latest.max(nanos(now));
        self.latest
    }

    /// The place of `key`, which is full by now if it was before; where it has none, that of the
    /// bucket nearest to full.
    fn place(&mut self, key: u64) -> &mut Place {
        let Self { places, latest } = self;
        let at = places.iter().position(|place| place.key == key);
        let at = at.unwrap_or_else(|| {
            let nearest = (0..WAYS).min_by_key(|&at| places[at].full_at);
            let nearest = nearest.expect("a set has places");
            places[nearest] = Place { key, full_at: *latest };
            nearest
        });
        places[at].full_at = places[at].full_at.max(*latest);
        &mut places[at]
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests;
