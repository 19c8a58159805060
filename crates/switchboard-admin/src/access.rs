//! What the principal of a request may do in the tenant that it addresses.

use std::sync::Arc;

use switchboard_core::{Action, Area, Policy, Principal, Tenant, Wish};

use crate::fault::Fault;
use crate::operations::Offer;

/// A right that a management action needs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Right {
    Inspect(Area),
    Manage(Area),
    /// To have a program started.
    Spawn,
}

#[derive(Clone)]
pub(crate) struct Access {
    pub principal: Principal,
    pub tenant: Tenant,
    policy: Arc<dyn Policy>,
}

impl Access {
    /// # Errors
    ///
    /// Where the principal belongs to another tenant and does not run the daemon. No policy is asked
    /// for that: one that was written carelessly must not open a tenant to the others.
    pub(crate) fn new(
        principal: &Principal,
        tenant: &Tenant,
        policy: Arc<dyn Policy>,
    ) -> Result<Self, Fault> {
        if principal.tenant != *tenant && !principal.is_owner() {
            return Err(Fault::Forbidden("enter this tenant".to_owned()));
        }
        Ok(Self { principal: principal.clone(), tenant: tenant.clone(), policy })
    }

    /// # Errors
    ///
    /// [`Fault::Forbidden`], which names the right.
    pub(crate) fn require(&self, right: Right) -> Result<(), Fault> {
        if self.has(right) { Ok(()) } else { Err(Fault::Forbidden(right.to_string())) }
    }

    pub(crate) fn has(&self, right: Right) -> bool {
        let action = match right {
            Right::Inspect(area) => Action::Inspect(area),
            Right::Manage(area) => Action::Manage(area),
            Right::Spawn => Action::Spawn,
        };
        self.policy.decide(&self.principal, &Wish { tenant: &self.tenant, action }).is_allowed
    }

    /// Whether the principal would see this in a list.
    pub(crate) fn sees(&self, offer: &Offer) -> bool {
        let action = Action::Use {
            kind: offer.kind,
            server: &offer.server,
            name: &offer.name,
            effect: offer.effect,
            arguments: None,
        };
        self.policy.decide(&self.principal, &Wish { tenant: &self.tenant, action }).is_allowed
    }
}

impl std::fmt::Display for Right {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inspect(area) => write!(formatter, "inspect {}", area.as_str()),
            Self::Manage(area) => write!(formatter, "manage {}", area.as_str()),
            Self::Spawn => formatter.write_str("start programs"),
        }
    }
}
