//! Places that all clients share, of which nobody gets all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use switchboard_core::Principal;

/// A bounded number of places, with a share for each principal.
///
/// A principal gets another place as long as it has fewer than [`OTHERS`] times what is free. One
/// who is alone comes to three quarters of all, the next to three quarters of what is left, and so
/// on: what some have taken and do not give back, because a server hangs, does not shut out whoever
/// comes next. Nothing of it depends on how many principals there are.
pub(crate) struct Shares {
    limit: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    taken: usize,
    /// Of those that have any.
    of: HashMap<Principal, usize>,
}

/// A place that was taken; free when it is dropped.
#[must_use = "dropping it gives back the place"]
pub(crate) struct Share {
    shares: Arc<Shares>,
    principal: Principal,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum NoShare {
    /// All are taken.
    All,
    /// The principal has its share, which is this much now.
    Own(usize),
}

/// How many times what is free a principal may have. With three it comes to 3/4 of all when it is
/// alone, which is nearly what it could use before, and one of four is left for others. Of three
/// places or fewer one principal may have all.
const OTHERS: usize = 3;

impl Shares {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, table: Mutex::default() })
    }

    /// Takes a place for `principal`.
    ///
    /// # Errors
    ///
    /// There is none for it now; nothing was taken.
    pub(crate) fn take(self: &Arc<Self>, principal: &Principal) -> Result<Share, NoShare> {
        let mut table = self.table();
        let free = self.limit.saturating_sub(table.taken);
        if free == 0 {
            return Err(NoShare::All);
        }
        let own = table.of.get(principal).copied().unwrap_or(0);
        if OTHERS * free <= own {
            return Err(NoShare::Own(own));
        }
        table.taken += 1;
        table.of.insert(principal.clone(), own + 1);
        Ok(Share { shares: Arc::clone(self), principal: principal.clone() })
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("no one panics holding it")
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut table = self.shares.table();
        table.taken -= 1;
        let own = table.of.get_mut(&self.principal).expect("it has this one");
        *own -= 1;
        if *own == 0 {
            table.of.remove(&self.principal);
        }
    }
}

#[cfg(test)]
mod tests {
    use switchboard_core::Principal;

    use super::{NoShare, Share, Shares};

    /// Takes all that each of a number of principals gets, one after the other.
    #[track_caller]
    fn check(limit: usize, expected: &[usize]) {
        let shares = Shares::new(limit);
        let all = |number: usize| {
            let principal = Principal::new(&number.to_string());
            let taken: Vec<Share> = std::iter::from_fn(|| shares.take(&principal).ok()).collect();
            taken
        };
        let taken: Vec<_> = (0..expected.len()).map(all).collect();
        let counts: Vec<_> = taken.iter().map(Vec::len).collect();
        assert_eq!(counts, expected, "of {limit}");
        drop(taken);
        let table = shares.table();
        assert_eq!((table.taken, table.of.len()), (0, 0), "all are free again");
    }

    #[test]
    fn nobody_gets_all_that_there_is_unless_it_is_next_to_nothing() {
        check(4000, &[3000, 750, 188, 47, 12, 3, 0]);
        check(512, &[384, 96, 24, 6, 2, 0]);
        check(4, &[3, 1, 0]);
        check(2, &[2, 0]);
        check(1, &[1, 0]);
    }

    #[test]
    fn a_refusal_says_whose_places_they_are() {
        let shares = Shares::new(4);
        let (ann, bob) = (Principal::new("ann"), Principal::new("bob"));
        let mut taken: Vec<_> = (0..3).map(|_| shares.take(&ann).ok().unwrap()).collect();
        assert_eq!(shares.take(&ann).err(), Some(NoShare::Own(3)));
        let last = shares.take(&bob).ok().unwrap();
        assert_eq!(shares.take(&ann).err(), Some(NoShare::All));
        drop(last);
        taken.pop();
        assert!(shares.take(&ann).is_ok());
    }
}
