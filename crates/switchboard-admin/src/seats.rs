//! How many streams may be open: of one principal, and in all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use switchboard_core::Principal;

use crate::fault::Fault;

/// A browser opens six connections to a host, a person has a few windows.
const EACH: usize = 16;

/// Each stream has a queue; together they stay within tens of megabytes.
const ALL: usize = 2048;

#[derive(Clone, Default)]
pub(crate) struct Seats(Arc<Mutex<HashMap<Principal, usize>>>);

/// The place of an open stream, until it is dropped.
pub(crate) struct Seat {
    principal: Principal,
    seats: Seats,
}

impl Seats {
    pub(crate) fn take(&self, principal: &Principal) -> Result<Seat, Fault> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ALL <= taken.values().sum() {
            return Err(Fault::Unavailable("another stream"));
        }
        let own = taken.entry(principal.clone()).or_default();
        if EACH <= *own {
            return Err(Fault::TooMuch(format!("{EACH} streams of one principal are the most")));
        }
        *own += 1;
        drop(taken);
        Ok(Seat { principal: principal.clone(), seats: self.clone() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.principal) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.principal);
            }
        }
    }
}
