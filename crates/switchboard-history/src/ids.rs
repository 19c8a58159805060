//! The ids of records: twenty digits, whose order is that of the beginnings of the calls.
//!
//! Sixteen digits are microseconds since 1970, which last until the year 2286, and four are chance.
//! So a page of the newest calls, and all calls of an hour, are a walk along the key, in every kind
//! of store. Twenty digits is what clients of the older engine expect under the name of a UUID.
//!
//! Its own ids are twenty digits as well, and no times (`uuid1().int % 10**20`): they lie anywhere
//! among those of the year 0 and 5138. So an id is believed only where its row is ours ([`is_ours`]),
//! and what is looked for by keys is looked for in the narrow strip where ours can be.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use switchboard_core::store::{Condition, Row, Test, tables};

/// Makes ids, none twice.
#[derive(Debug)]
pub(crate) struct Ids {
    last: u128,
    /// What is added to the microseconds; of several daemons on one store each has its own walk.
    next: u16,
}

/// How many ids one microsecond has.
const WITHIN: u16 = 10_000;

impl Ids {
    pub(crate) fn new(random: u16) -> Self {
        Self { last: 0, next: random % WITHIN }
    }

    /// The id of a call that began at `started`.
    pub(crate) fn next(&mut self, started: SystemTime) -> String {
        self.next = (self.next + 1) % WITHIN;
        let mut id = first(started) + u128::from(self.next);
        // After a round of all that one microsecond has, in that same microsecond.
        if id == self.last {
            id += 1;
        }
        self.last = id;
        format!("{id:020}")
    }
}

/// What the ids of calls that began at `time` or later are not less than.
pub fn bound(time: SystemTime) -> String {
    format!("{:020}", first(time))
}

/// Before any record of ours, in seconds since 1970: the beginning of 2025.
const OLDEST: u64 = 1_735_689_600;

/// How far ahead the clock may have been that gave an id: what a wrong one writes is seen all the
/// same. A year of ids is 0.3 % of those that the older engine draws from.
const AHEAD: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What every id of ours is not less than, and what all are below at `now`.
pub(crate) fn strip(now: SystemTime) -> (String, String) {
    let oldest = UNIX_EPOCH + Duration::from_secs(OLDEST);
    (bound(oldest), bound(now.checked_add(AHEAD).unwrap_or(now)))
}

/// The conditions for keys from `from` on that are below `below`.
pub(crate) fn within(from: &str, below: &str) -> [Condition; 2] {
    let key = tables::CALLS.key;
    let condition = |test| Condition { column: key, test };
    [condition(Test::From(from.into())), condition(Test::Below(below.into()))]
}

/// The column that only our records have, and all of them.
pub(crate) const OURS: &str = "method";

/// Whether a record is ours: of others the id says nothing.
pub(crate) fn is_ours(row: &Row) -> bool {
    row.get(OURS).is_some()
}

/// When the call of an id began; `None` for what is no id.
pub fn started(id: &str) -> Option<SystemTime> {
    let is_id = id.len() == 20 && id.bytes().all(|byte| byte.is_ascii_digit());
    let microseconds = id.get(..16).filter(|_| is_id)?.parse().ok()?;
    UNIX_EPOCH.checked_add(Duration::from_micros(microseconds))
}

fn first(time: SystemTime) -> u128 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_micros() * u128::from(WITHIN)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{Ids, bound, started};

    #[test]
    fn ids_are_in_the_order_of_the_calls() {
        let at = |microseconds| UNIX_EPOCH + Duration::from_micros(microseconds);
        let mut ids = Ids::new(9_998);
        let mut made = Vec::new();
        for microsecond in [1_795_000_000_000_000, 1_795_000_000_000_001, 9_000_000_000_000_000] {
            let id = ids.next(at(microsecond));
            assert_eq!((id.len(), started(&id)), (20, Some(at(microsecond))));
            assert!(bound(at(microsecond)) <= id && id < bound(at(microsecond + 1)), "{id}");
            made.push(id);
        }
        assert!(made.is_sorted());
        assert_eq!(started("1795"), None);
        assert_eq!(started("1795000000000000000x"), None);
    }

    #[test]
    fn no_id_is_made_twice() {
        let now = UNIX_EPOCH + Duration::from_secs(1_795_000_000);
        let mut ids = Ids::new(3);
        let made: std::collections::HashSet<_> = (0..9_999).map(|_| ids.next(now)).collect();
        assert_eq!(made.len(), 9_999);
    }
}
