//! Callers on this machine without any key, where the configuration lets them in.

use switchboard_core::{Admitted, Denied, Principal};

use crate::credential::Credential;
use crate::way::{Asked, Way};

/// Whoever connects from this machine and presents nothing.
///
/// A proxy on this machine connects from here as well, for people everywhere; one that says so
/// (`Forwarded`, RFC 7239, or `X-Forwarded-For`) is not let in. One that does not say so cannot be
/// told apart, which is why this is off unless somebody asks for it.
pub(crate) struct Loopback {
    principal: Principal,
}

impl Loopback {
    pub(crate) fn new(principal: Principal) -> Self {
        Self { principal }
    }
}

impl Way for Loopback {
    fn admit(&self, asked: &Asked<'_>) -> Option<Result<Admitted, Denied>> {
        let is_here = asked.from.is_some_and(|from| from.to_canonical().is_loopback());
        let fits = is_here && *asked.credential == Credential::Missing;
        fits.then(|| Ok(Admitted::for_good(self.principal.clone())))
    }
}
