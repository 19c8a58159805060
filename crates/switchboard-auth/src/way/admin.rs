//! The static token of the administrator: an opaque text that is good until the configuration says
//! otherwise.

use std::sync::Arc;

use switchboard_config::Secret;
use switchboard_core::{ADMIN, Admitted, Denied, LoginMethod, Principal, Standing};

use crate::credential::Credential;
use crate::error::KeyError;
use crate::key::{Digest, Key, MAX_BYTES};
use crate::leases::Leases;
use crate::way::{Asked, Way};

/// Whoever has the token is administrator of the tenant that is addressed.
pub(crate) struct AdminToken {
    digest: Digest,
    standing: Arc<Standing>,
    leases: Arc<Leases>,
}

impl AdminToken {
    /// # Errors
    ///
    /// [`KeyError::Unusable`] where it is too short to keep anybody out, or cannot be sent.
    pub(crate) fn new(token: &Secret, leases: Arc<Leases>) -> Result<Self, KeyError> {
        let standing = Standing {
            method: LoginMethod::AdminToken,
            roles: vec![ADMIN.into()],
            ..Standing::default()
        };
        let digest = Key::configured(token.expose())?.digest();
        Ok(Self { digest, standing: standing.into(), leases })
    }
}

impl Way for AdminToken {
    /// What is not the token may be of any other way: it has no shape of its own.
    fn admit(&self, asked: &Asked<'_>) -> Option<Result<Admitted, Denied>> {
        let Credential::Presented(presented) = asked.credential else { return None };
        let fits =
            presented.len() <= MAX_BYTES && bool::from(Digest::of(presented).same(&self.digest));
        fits.then(|| {
            let principal = Principal {
                tenant: asked.tenant.clone(),
                subject: "admin".into(),
                standing: Arc::clone(&self.standing),
            };
            Ok(Admitted { principal, revoked: self.leases.of("admin", None, asked.now) })
        })
    }
}
