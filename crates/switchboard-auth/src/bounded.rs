//! A map that strangers can fill and that does not grow.
//!
//! What is in it ends at a time, and where it is full, what went in first goes first. That needs no
//! bookkeeping on reading, which happens under a lock on the way of each request.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::time::SystemTime;

pub(crate) struct Bounded<K, V> {
    limit: usize,
    entries: HashMap<K, Entry<V>>,
    /// The order of going in; entries that went in again leave a stale place behind.
    order: VecDeque<(K, u64)>,
    turn: u64,
}

struct Entry<V> {
    value: V,
    until: SystemTime,
    turn: u64,
}

impl<K: Clone + Eq + Hash, V> Bounded<K, V> {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, entries: HashMap::new(), order: VecDeque::new(), turn: 0 }
    }

    /// What has not ended yet.
    pub(crate) fn find<Q>(&self, key: &Q, now: SystemTime) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.entries.get(key).filter(|entry| now < entry.until).map(|entry| &entry.value)
    }

    pub(crate) fn find_mut<Q>(&mut self, key: &Q, now: SystemTime) -> Option<&mut V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        let entry = self.entries.get_mut(key).filter(|entry| now < entry.until);
        entry.map(|entry| &mut entry.value)
    }

    /// Puts it in; what had to make room comes back.
    pub(crate) fn insert(&mut self, key: K, value: V, until: SystemTime) -> Option<V> {
        self.turn += 1;
        let turn = self.turn;
        self.entries.insert(key.clone(), Entry { value, until, turn });
        self.order.push_back((key, turn));
        let gone = if self.limit < self.entries.len() { self.pop() } else { None };
        if 2 * self.limit < self.order.len() {
            let entries = &self.entries;
            self.order.retain(|(key, turn)| entries.get(key).is_some_and(|it| it.turn == *turn));
        }
        gone
    }

    pub(crate) fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.entries.remove(key).map(|entry| entry.value)
    }

    /// Has it end at `until`, where it would have ended later.
    pub(crate) fn shorten<Q>(&mut self, key: &Q, until: SystemTime)
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        if let Some(entry) = self.entries.get_mut(key) {
            entry.until = entry.until.min(until);
        }
    }

    /// Takes out what has ended.
    pub(crate) fn take_ended(&mut self, now: SystemTime) -> Vec<V> {
        let ended = self.entries.extract_if(|_, entry| entry.until <= now);
        ended.map(|(_, entry)| entry.value).collect()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// All that is in it, ended or not.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.entries.iter_mut().map(|(key, entry)| (key, &mut entry.value))
    }

    fn pop(&mut self) -> Option<V> {
        while let Some((key, turn)) = self.order.pop_front() {
            if self.entries.get(&key).is_some_and(|entry| entry.turn == turn) {
                return self.remove(&key);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::Bounded;

    #[test]
    fn it_does_not_grow_whatever_goes_in() {
        let mut map = Bounded::new(10);
        let later = UNIX_EPOCH + Duration::from_secs(10);
        for round in 0..10_000_u32 {
            map.insert(round % 37, round, later);
            assert!(map.len() <= 10 && map.order.len() <= 21, "{round}");
        }
        assert_eq!(map.find(&(9_999 % 37), UNIX_EPOCH), Some(&9_999));
    }

    #[test]
    fn what_went_in_first_makes_room_and_what_has_ended_is_not_found() {
        let mut map = Bounded::new(2);
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        map.insert("a", 1, at(10));
        map.insert("b", 2, at(20));
        map.insert("a", 3, at(10));
        assert_eq!(map.insert("c", 4, at(20)), Some(2));
        assert_eq!(map.find("a", at(9)), Some(&3));
        assert_eq!(map.find("a", at(10)), None);
        assert_eq!(map.take_ended(at(10)), [3]);
        assert_eq!((map.len(), map.find("c", at(10))), (1, Some(&4)));
    }
}
