//! Who may use what is served here: first what the credential is limited to, then the policies.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use crate::lists::Kind;
use crate::policy::{Action, Effect, Policy, Wish};
use crate::principal::Principal;
use crate::scopes;
use crate::tenant::Tenant;

/// Whose the things are that a catalog shows, and who decides about them.
#[derive(Clone, Default)]
pub struct Access {
    pub tenant: Tenant,
    /// `None` where there are no policies: what a tenant is served is then for its own principals,
    /// and for the owner.
    pub policy: Option<Arc<dyn Policy>>,
}

/// Something that is served, as a decision sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Thing<'a> {
    pub kind: Kind,
    pub server: &'a str,
    /// As its server calls it.
    pub own_name: &'a str,
    /// As clients know it.
    pub shown_name: &'a str,
    pub effect: Effect,
}

impl Access {
    /// Whether `principal` may use `thing`, with these arguments where it is to be used now.
    pub(crate) fn allows(
        &self,
        principal: &Principal,
        thing: &Thing<'_>,
        arguments: Option<&Value>,
    ) -> bool {
        let scopes = principal.standing.scopes.as_deref();
        if !scopes::allows(scopes, thing.server, thing.shown_name, thing.effect) {
            return false;
        }
        let Some(policy) = &self.policy else { return self.admits(principal) };
        let Thing { kind, server, own_name: name, effect, .. } = *thing;
        let action = Action::Use { kind, server, name, effect, arguments };
        policy.decide(principal, &Wish { tenant: &self.tenant, action }).is_allowed
    }

    /// Whether `principal` may use what `server` has beyond its lists.
    pub(crate) fn reaches(&self, principal: &Principal, server: &str) -> bool {
        let unlisted = Thing {
            kind: Kind::Tools,
            server,
            own_name: "",
            shown_name: "",
            effect: Effect::Destroys,
        };
        self.allows(principal, &unlisted, None)
    }

    /// Whether `principal` is of the tenant at all, or runs the daemon.
    pub(crate) fn admits(&self, principal: &Principal) -> bool {
        principal.tenant == self.tenant || principal.is_owner()
    }

    /// Whether the arguments of a call have to be decoded for the decision.
    pub(crate) fn looks_at_arguments(&self) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.looks_at_arguments(&self.tenant))
    }

    /// Whether nothing here is hidden from `principal`, which can be told without looking.
    pub(crate) fn is_open_to(&self, principal: &Principal) -> bool {
        self.policy.is_none() && principal.standing.scopes.is_none() && self.admits(principal)
    }

    /// What changes when decisions do.
    pub(crate) fn generation(&self) -> u64 {
        self.policy.as_ref().map_or(0, |policy| policy.generation())
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, policy } = self;
        write!(
            formatter,
            "access to {tenant} {} policies",
            if policy.is_some() { "by" } else { "without" }
        )
    }
}
