//! Policies put together, and what they say.

use std::sync::Arc;

use cedar_policy::{Authorizer, Policy, PolicyId, PolicySet};

use switchboard_core::{Principal, Wish};

use crate::entities::Asked;
use crate::text::Place;

/// A policy that was checked.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Its `@id`, or where it stands.
    pub name: String,
    pub place: Place,
    pub permits: bool,
    pub full: Policy,
    /// For when the arguments are not known, where it looks at them.
    pub seen: Option<Policy>,
    /// Whether it can tell things of one server apart that do the same.
    pub looks_at_names: bool,
    /// Whether it is a tenant's own.
    pub is_of_tenant: bool,
}

/// What is asked when something is decided.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    rules: Vec<Arc<Rule>>,
    /// For calls.
    full: PolicySet,
    /// For lists, and for whatever has no arguments.
    seen: PolicySet,
    look_at_arguments: bool,
    look_at_names: bool,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Verdict {
    pub is_allowed: bool,
    /// Those that decided: what forbids, or else what permits.
    pub rules: Vec<Arc<Rule>>,
    /// Those that could not be evaluated, and why.
    pub errors: Vec<(Arc<Rule>, String)>,
}

impl Rules {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        Self::of(rules.into_iter().map(Arc::new).collect())
    }

    /// These, and those of a tenant.
    pub(crate) fn with(&self, own: &[Arc<Rule>]) -> Self {
        Self::of(self.rules.iter().chain(own).cloned().collect())
    }

    fn of(rules: Vec<Arc<Rule>>) -> Self {
        let set = |policy: fn(&Rule) -> &Policy| {
            let numbered = rules.iter().enumerate();
            let policies = numbered.map(|(number, rule)| policy(rule).new_id(id(number)));
            PolicySet::from_policies(policies).expect("each has a number of its own")
        };
        let full = set(|rule| &rule.full);
        let seen = set(|rule| rule.seen.as_ref().unwrap_or(&rule.full));
        let look_at_arguments = rules.iter().any(|rule| rule.seen.is_some());
        let look_at_names = rules.iter().any(|rule| rule.looks_at_names);
        Self { rules, full, seen, look_at_arguments, look_at_names }
    }

    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.rules.len()
    }

    /// Whether one of them looks at arguments.
    pub(crate) fn look_at_arguments(&self) -> bool {
        self.look_at_arguments
    }

    /// Whether one of them can tell things of one server apart that do the same.
    pub(crate) fn look_at_names(&self) -> bool {
        self.look_at_names
    }

    /// What they say. A `permit` that cannot be evaluated permits nothing, and a `forbid` that
    /// cannot be evaluated forbids.
    pub(crate) fn judge(&self, principal: &Principal, wish: &Wish<'_>) -> Verdict {
        match Asked::new(principal, wish) {
            Ok(asked) => self.answer(&asked),
            // Arguments that Cedar has no room for: nothing says that they are harmless.
            Err(_) => Verdict::default(),
        }
    }

    fn answer(&self, asked: &Asked) -> Verdict {
        let set = if asked.has_arguments { &self.full } else { &self.seen };
        let response = Authorizer::new().is_authorized(&asked.request, set, &asked.entities);
        let mut permits = Vec::new();
        let mut forbids = Vec::new();
        let mut errors = Vec::new();
        for number in response.diagnostics().reason().filter_map(|id| self.number(id)) {
            if self.rules[number].permits { &mut permits } else { &mut forbids }.push(number);
        }
        for error in response.diagnostics().errors() {
            let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
            let Some(number) = self.number(error.policy_id()) else { continue };
            let rule = &self.rules[number];
            // What was rewritten for lists was checked as it stood: that it fails says nothing.
            let is_rewritten = !asked.has_arguments && rule.seen.is_some();
            if is_rewritten {
                permits.extend(rule.permits.then_some(number));
                continue;
            }
            forbids.extend((!rule.permits).then_some(number));
            errors.push((Arc::clone(rule), error.inner().to_string()));
        }
        if asked.is_operators {
            permits.retain(|number| !self.rules[*number].is_of_tenant);
        }
        let is_allowed = forbids.is_empty() && !permits.is_empty();
        let mut decided = if forbids.is_empty() { permits } else { forbids };
        decided.sort_unstable();
        let rules = decided.into_iter().map(|number| Arc::clone(&self.rules[number])).collect();
        Verdict { is_allowed, rules, errors }
    }

    fn number(&self, id: &PolicyId) -> Option<usize> {
        AsRef::<str>::as_ref(id).parse().ok().filter(|number| *number < self.rules.len())
    }
}

fn id(number: usize) -> PolicyId {
    PolicyId::new(number.to_string())
}
