//! Why something is allowed or not, for people.

use std::fmt;

use serde::Serialize;
use switchboard_core::{Action, Effect, Principal, Wish, scopes};

use crate::policies::Policies;
use crate::rules::Rule;
use crate::text::Place;

/// What is decided of a wish, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    pub is_allowed: bool,
    /// The scopes of the credential that are in the way, whatever policies say.
    pub scopes: Vec<String>,
    /// The policies that decided: what forbids, or else what permits. None where nothing permits.
    pub policies: Vec<Ruling>,
    /// The policies that could not be evaluated. One that forbids is among those that decided.
    pub troubles: Vec<Trouble>,
    /// Whether the tenant is shut, because policies of its own cannot be read.
    pub is_shut: bool,
}

/// A policy that decided.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ruling {
    pub name: String,
    pub permits: bool,
    /// Whether it is the tenant's own.
    pub is_of_tenant: bool,
    pub place: Place,
}

/// A policy that could not be evaluated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trouble {
    pub name: String,
    pub place: Place,
    pub message: String,
}

impl Policies {
    /// Decides as for a request and says why. `shown_name` is how clients know what is to be used,
    /// which is what scopes speak of.
    pub fn explain(
        &self,
        principal: &Principal,
        wish: &Wish<'_>,
        shown_name: Option<&str>,
    ) -> Explanation {
        let own = principal.standing.scopes.as_deref();
        let in_the_way = match wish.action {
            Action::Use { server, name, effect, .. } => {
                scopes::in_the_way(own, server, shown_name.unwrap_or(name), effect)
            }
            Action::Inspect(_) => scopes::in_the_way_of_managing(own, Effect::Reads),
            Action::Manage(_) => scopes::in_the_way_of_managing(own, Effect::Writes),
            Action::Spawn => scopes::in_the_way_of_managing(own, Effect::Destroys),
        };
        let verdict = self.verdict(principal, wish);
        let is_shut = verdict.is_none();
        let verdict = verdict.unwrap_or_default();
        let trouble = |(rule, message): (std::sync::Arc<Rule>, String)| Trouble {
            name: rule.name.clone(),
            place: rule.place.clone(),
            message,
        };
        Explanation {
            is_allowed: verdict.is_allowed && in_the_way.is_empty(),
            scopes: in_the_way.into_iter().map(str::to_owned).collect(),
            policies: verdict.rules.iter().map(|rule| Ruling::of(rule)).collect(),
            troubles: verdict.errors.into_iter().map(trouble).collect(),
            is_shut,
        }
    }
}

impl Ruling {
    fn of(rule: &Rule) -> Self {
        Self {
            name: rule.name.clone(),
            permits: rule.permits,
            is_of_tenant: rule.is_of_tenant,
            place: rule.place.clone(),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.is_allowed { "allowed" } else { "denied" })?;
        for scope in &self.scopes {
            write!(formatter, "\n  the credential is limited to `{scope}`")?;
        }
        if self.is_shut {
            formatter.write_str("\n  the policies of the tenant cannot be read, so it is shut")?;
        }
        for Ruling { name, permits, is_of_tenant, place } in &self.policies {
            let does = if *permits { "permitted" } else { "forbidden" };
            let whose = if *is_of_tenant { "the tenant's policy" } else { "policy" };
            write!(formatter, "\n  {does} by {whose} `{name}` ({place})")?;
        }
        if self.policies.is_empty() && !self.is_shut {
            formatter.write_str("\n  no policy permits it")?;
        }
        for Trouble { name, place, message } in &self.troubles {
            write!(formatter, "\n  policy `{name}` ({place}) cannot be evaluated: {message}")?;
        }
        Ok(())
    }
}
