//! How many streams may be open: of one principal, of one tenant, and in all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use switchboard_core::Principal;

use crate::fault::Fault;

/// A browser opens six connections to a host, a person has a few windows.
const EACH: usize = 16;

/// A quarter of all: the users of one tenant do not take the streams of the others.
const OF_TENANT: usize = ALL / 4;

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
        let of_tenant = taken.iter().filter(|(other, _)| other.tenant == principal.tenant);
        if OF_TENANT <= of_tenant.map(|(_, own)| own).sum() {
            return Err(Fault::TooMuch(format!("{OF_TENANT} streams of one tenant are the most")));
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

#[cfg(test)]
mod tests {
    use switchboard_core::{Principal, Standing, Tenant};

    use super::{EACH, OF_TENANT, Seats};
    use crate::fault::Fault;

    #[test]
    fn one_tenant_leaves_streams_to_the_others() {
        let seats = Seats::default();
        let who = |tenant: &str, number: usize| {
            let tenant = Tenant::parse(tenant).unwrap();
            Principal::of(tenant, &format!("user:{number}"), Standing::default())
        };
        let users = (0..).map(|number| who("acme", number / EACH));
        let taken: Vec<_> = users.map_while(|user| seats.take(&user).ok()).collect();
        assert_eq!(taken.len(), OF_TENANT);
        let refused = seats.take(&who("acme", OF_TENANT)).err();
        assert!(matches!(refused, Some(Fault::TooMuch(_))));
        let _other = seats.take(&who("beta", 0)).ok().unwrap();
        drop(taken);
        assert!(seats.take(&who("acme", 0)).is_ok());
    }
}
