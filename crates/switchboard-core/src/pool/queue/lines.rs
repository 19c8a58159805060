//! Who waits, in which order they are served, and who has to go when there are too many.
//!
//! Each principal has a line of its own, and the lines take turns. Nothing here waits or wakes; what
//! stands in a line is a value (the waker of a call) that comes back when it leaves.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::Hash;

/// One that waits; never used twice, and a later one is greater.
pub(super) type Ticket = u64;

/// The lines of all principals that wait; those of others do not exist.
#[derive(Debug)]
pub(super) struct Lines<K, V> {
    capacity: usize,
    waiting: usize,
    /// By turn: the first is served next.
    lines: BTreeMap<u64, Line<K, V>>,
    /// The turn of each principal.
    turns: HashMap<K, u64>,
    /// Length and turn of each line, to find the longest.
    lengths: BTreeSet<(usize, u64)>,
    /// The next ticket or turn.
    next: u64,
}

#[derive(Debug)]
struct Line<K, V> {
    key: K,
    /// Never empty, and in the order of tickets.
    waiters: VecDeque<(Ticket, V)>,
}

/// One that stands in line now.
pub(super) struct Joined<V> {
    pub ticket: Ticket,
    /// Who had to go for it.
    pub displaced: Option<(Ticket, V)>,
}

impl<K: Clone + Eq + Hash, V> Lines<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            waiting: 0,
            lines: BTreeMap::new(),
            turns: HashMap::new(),
            lengths: BTreeSet::new(),
            next: 0,
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Puts `value` at the end of the line of `key`. `None` where all places are taken and no
    /// principal has more of them than this one would have.
    pub(super) fn join(&mut self, key: &K, value: V) -> Option<Joined<V>> {
        let displaced =
            if self.waiting < self.capacity { None } else { Some(self.make_room(key)?) };
        let ticket = self.draw();
        self.waiting += 1;
        if let Some(&turn) = self.turns.get(key)
            && let Some(line) = self.lines.get_mut(&turn)
        {
            self.lengths.remove(&(line.waiters.len(), turn));
            line.waiters.push_back((ticket, value));
            self.lengths.insert((line.waiters.len(), turn));
        } else {
            let line = Line { key: key.clone(), waiters: VecDeque::from([(ticket, value)]) };
            self.put_last(line);
        }
        Some(Joined { ticket, displaced })
    }

    /// Takes whose turn it is: the oldest of the first line, which then goes behind the others.
    pub(super) fn serve(&mut self) -> Option<(Ticket, V)> {
        let (turn, mut line) = self.lines.pop_first()?;
        self.lengths.remove(&(line.waiters.len(), turn));
        let served = line.waiters.pop_front()?;
        self.waiting -= 1;
        if line.waiters.is_empty() {
            self.turns.remove(&line.key);
        } else {
            self.put_last(line);
        }
        Some(served)
    }

    /// Takes out one that waits no more; its line keeps its turn. `None` where it left already.
    pub(super) fn leave(&mut self, key: &K, ticket: Ticket) -> Option<V> {
        let turn = *self.turns.get(key)?;
        let line = self.lines.get_mut(&turn)?;
        let place = line.place(ticket)?;
        self.lengths.remove(&(line.waiters.len(), turn));
        let (_, value) = line.waiters.remove(place)?;
        self.waiting -= 1;
        if line.waiters.is_empty() {
            self.turns.remove(key);
            self.lines.remove(&turn);
        } else {
            self.lengths.insert((line.waiters.len(), turn));
        }
        Some(value)
    }

    /// The value of one that waits.
    pub(super) fn get_mut(&mut self, key: &K, ticket: Ticket) -> Option<&mut V> {
        let line = self.lines.get_mut(self.turns.get(key)?)?;
        let place = line.place(ticket)?;
        line.waiters.get_mut(place).map(|(_, value)| value)
    }

    /// Takes the newest of the longest line, if that stays at least as long as the line of `key`
    /// becomes: otherwise two principals would push each other out in turn and nobody gain.
    fn make_room(&mut self, key: &K) -> Option<(Ticket, V)> {
        let own = self.turns.get(key).and_then(|turn| self.lines.get(turn));
        let own = own.map_or(0, |line| line.waiters.len());
        // Of several, the one whose turn is furthest off.
        let &(longest, turn) = self.lengths.last()?;
        if longest <= own + 1 {
            return None;
        }
        let displaced = self.lines.get_mut(&turn)?.waiters.pop_back()?;
        self.lengths.remove(&(longest, turn));
        self.lengths.insert((longest - 1, turn));
        self.waiting -= 1;
        Some(displaced)
    }

    fn put_last(&mut self, line: Line<K, V>) {
        let turn = self.draw();
        match self.turns.get_mut(&line.key) {
            Some(known) => *known = turn,
            None => drop(self.turns.insert(line.key.clone(), turn)),
        }
        self.lengths.insert((line.waiters.len(), turn));
        self.lines.insert(turn, line);
    }

    fn draw(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.turns.is_empty() && self.lengths.is_empty()
    }
}

impl<K, V> Line<K, V> {
    fn place(&self, ticket: Ticket) -> Option<usize> {
        self.waiters.binary_search_by_key(&ticket, |&(ticket, _)| ticket).ok()
    }
}
