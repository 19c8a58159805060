//! The one key of the instance.

use std::sync::Arc;

use switchboard_core::{Admitted, Denied, Login};

use crate::credential::Credential;
use crate::way::{Asked, Way};

/// Whoever has the key of the instance.
///
/// A key that a person chose looks like anything, so what is not the key is left to the other ways;
/// a key of a tenant cannot be mistaken for it, since it is as long as both.
pub(crate) struct InstanceKey(Arc<dyn Login>);

impl InstanceKey {
    /// Asks `login`, which follows the rotations of the key.
    pub(crate) fn new(login: Arc<dyn Login>) -> Self {
        Self(login)
    }
}

impl Way for InstanceKey {
    fn admit(&self, asked: &Asked<'_>) -> Option<Result<Admitted, Denied>> {
        match asked.credential {
            Credential::Presented(_) => self.0.admit(asked.credentials).ok().map(Ok),
            Credential::Missing | Credential::Invalid => None,
        }
    }
}
