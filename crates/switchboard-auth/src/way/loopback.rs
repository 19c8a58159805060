//! Callers on this machine without any key, where the configuration lets them in.

use std::sync::Arc;

use switchboard_core::{Admitted, Denied, Principal};

use crate::credential::Credential;
use crate::leases::Leases;
use crate::way::{Asked, Way};

/// Whoever connects from this machine and presents nothing.
///
/// A proxy on this machine connects from here as well, for people everywhere; one that says so
/// (`Forwarded`, RFC 7239, or `X-Forwarded-For`) is not let in. One that does not say so cannot be
/// told apart, which is why this is off unless somebody asks for it.
pub(crate) struct Loopback {
    principal: Principal,
    /// Ends what was opened here where the configuration lets nobody in any more.
    leases: Arc<Leases>,
}

impl Loopback {
    pub(crate) fn new(principal: Principal, leases: Arc<Leases>) -> Self {
        Self { principal, leases }
    }
}

impl Way for Loopback {
    fn admit(&self, asked: &Asked<'_>) -> Option<Result<Admitted, Denied>> {
        let is_here = asked.from.is_some_and(|from| from.to_canonical().is_loopback());
        let fits = is_here && *asked.credential == Credential::Missing;
        fits.then(|| {
            let revoked = self.leases.of("loopback", None, asked.now);
            Ok(Admitted { principal: self.principal.clone(), revoked })
        })
    }
}
