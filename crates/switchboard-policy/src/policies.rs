//! The policies of everybody, and decisions by them.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use switchboard_core::{Action, Area, Decision, Effect, Policy, Principal, Tenant, Wish, scopes};

use crate::base::Base;
use crate::kept::Kept;
use crate::load::load;
use crate::mistake::Mistakes;
use crate::rules::{Rule, Rules, Verdict};
use crate::text::Text;

/// Decides by the policies of the operator, and in a tenant by those of the tenant as well.
///
/// Those of a tenant are for principals of that tenant who do not run the daemon: they cannot shut
/// the owner out, nor let anybody in from elsewhere. They may forbid anything, and permit anything
/// in their tenant except to start programs and to manage tenants.
///
/// Replaced whole while requests go on; a decision is by the policies before or after, never by
/// some of each.
pub struct Policies {
    state: ArcSwap<State>,
    kept: Kept,
}

struct State {
    generation: u64,
    base: Arc<Base>,
    tenants: HashMap<Tenant, Own>,
}

/// What a tenant has of its own.
#[derive(Clone)]
enum Own {
    /// By themselves, and put together with the base.
    Rules { own: Arc<[Arc<Rule>]>, rules: Arc<Rules> },
    /// Something that cannot be read, and may have forbidden anything.
    Broken,
}

/// How a wish is decided.
enum Way<'a> {
    /// It is the owner's, and only the policies hold that Switchboard comes with.
    Owner,
    By(&'a Rules),
    /// The tenant is shut until its policies are mended.
    Shut,
}

/// The name under which it is said that the owner was let through.
const OWNER_RULE: &str = "owner";

/// The name under which it is said that a tenant's policies cannot be read.
const BROKEN_RULE: &str = "policies-cannot-be-read";

/// The name under which it is said that the credential is not for managing.
const SCOPE_RULE: &str = "scopes";

impl Policies {
    pub fn new(base: Base) -> Self {
        let state = State { generation: 1, base: Arc::new(base), tenants: HashMap::new() };
        Self { state: ArcSwap::from_pointee(state), kept: Kept::default() }
    }

    /// Decides by another base from now on, with what the tenants have.
    pub fn replace_base(&self, base: Base) {
        let base = Arc::new(base);
        self.change(|state| {
            let with_base = |own: &Own| match own {
                Own::Rules { own, .. } => Own::of(&base, own),
                Own::Broken => Own::Broken,
            };
            let tenants =
                state.tenants.iter().map(|(tenant, own)| (tenant.clone(), with_base(own)));
            (Arc::clone(&base), tenants.collect())
        });
    }

    /// Decides in `tenant` by these policies as well from now on, and no more by those it had.
    ///
    /// # Errors
    ///
    /// [`Mistakes`], all that are found; the tenant is then as it was. Where it was never read
    /// before, [`Self::shut`] it.
    pub fn with_tenant(&self, tenant: &Tenant, texts: &[Text]) -> Result<(), Mistakes> {
        let of_tenant = |rule: Rule| Arc::new(Rule { is_of_tenant: true, ..rule });
        let own: Arc<[_]> = load(texts)?.into_iter().map(of_tenant).collect();
        self.change(|state| {
            let mut tenants = state.tenants.clone();
            if own.is_empty() {
                tenants.remove(tenant);
            } else {
                tenants.insert(tenant.clone(), Own::of(&state.base, &own));
            }
            (Arc::clone(&state.base), tenants)
        });
        Ok(())
    }

    /// Shuts `tenant`, because its policies cannot be read: what they forbade is not known, so
    /// nothing is allowed but to mend them, for those to whom the base allows that. Until
    /// [`Self::with_tenant`] finds them good.
    pub fn shut(&self, tenant: &Tenant) {
        self.change(|state| {
            let mut tenants = state.tenants.clone();
            tenants.insert(tenant.clone(), Own::Broken);
            (Arc::clone(&state.base), tenants)
        });
    }

    /// Forgets what `tenant` has of its own, because there is no such tenant any more.
    pub fn without_tenant(&self, tenant: &Tenant) {
        self.change(|state| {
            let mut tenants = state.tenants.clone();
            tenants.remove(tenant);
            (Arc::clone(&state.base), tenants)
        });
    }

    fn change(&self, new: impl Fn(&State) -> (Arc<Base>, HashMap<Tenant, Own>)) {
        self.state.rcu(|state| {
            let (base, tenants) = new(state);
            State { generation: state.generation + 1, base, tenants }
        });
    }

    /// What the policies say to the last of them, whatever could be told without evaluating, and
    /// without the scopes of the credential; `None` where the tenant is shut.
    pub(crate) fn verdict(&self, principal: &Principal, wish: &Wish<'_>) -> Option<Verdict> {
        let state = self.state.load();
        match state.way(principal, wish) {
            Way::Owner => Some(state.base.rules.judge(principal, wish)),
            Way::By(rules) => Some(rules.judge(principal, wish)),
            Way::Shut => None,
        }
    }
}

impl Policy for Policies {
    /// Of what is served, the scopes of the credential have to be looked at before: they speak of
    /// names as clients know them.
    fn decide(&self, principal: &Principal, wish: &Wish<'_>) -> Decision {
        if !may_manage(principal, wish) {
            return Decision { is_allowed: false, rules: vec![SCOPE_RULE.to_owned()] };
        }
        let state = self.state.load();
        let rules = match state.way(principal, wish) {
            Way::Owner => return Decision { is_allowed: true, rules: vec![OWNER_RULE.to_owned()] },
            Way::Shut => {
                return Decision { is_allowed: false, rules: vec![BROKEN_RULE.to_owned()] };
            }
            Way::By(rules) => rules,
        };
        let is_call = matches!(wish.action, Action::Use { arguments: Some(_), .. });
        let judge = |wish: &Wish<'_>| {
            let verdict = rules.judge(principal, wish);
            let rules = verdict.rules.iter().map(|rule| rule.name.clone()).collect();
            Decision { is_allowed: verdict.is_allowed, rules }
        };
        if is_call && rules.look_at_arguments() {
            return judge(wish);
        }
        let kept_as = if rules.look_at_names() { wish.clone() } else { nameless(wish) };
        let slot = self.kept.slot(principal, &kept_as);
        if let Some(decision) = self.kept.find(slot, state.generation, principal, &kept_as) {
            return decision;
        }
        let decision = judge(wish);
        self.kept.keep(slot, state.generation, (principal, &kept_as), &decision);
        decision
    }

    fn generation(&self) -> u64 {
        self.state.load().generation
    }

    fn looks_at_arguments(&self, tenant: &Tenant) -> bool {
        let state = self.state.load();
        match state.tenants.get(tenant) {
            Some(Own::Rules { rules, .. }) => rules.look_at_arguments(),
            Some(Own::Broken) | None => state.base.rules.look_at_arguments(),
        }
    }
}

impl State {
    fn way(&self, principal: &Principal, wish: &Wish<'_>) -> Way<'_> {
        let is_owner = principal.is_owner();
        if is_owner && self.base.is_plain {
            return Way::Owner;
        }
        let base = Way::By(&self.base.rules);
        if is_owner || principal.tenant != *wish.tenant {
            return base;
        }
        match self.tenants.get(wish.tenant) {
            None => base,
            Some(Own::Rules { rules, .. }) => Way::By(rules),
            Some(Own::Broken) => match wish.action {
                Action::Inspect(Area::Policies) | Action::Manage(Area::Policies) => base,
                _ => Way::Shut,
            },
        }
    }
}

impl Own {
    fn of(base: &Base, own: &Arc<[Arc<Rule>]>) -> Self {
        Self::Rules { own: Arc::clone(own), rules: Arc::new(base.rules.with(own)) }
    }
}

/// The wish that stands for all that differ from it in names alone.
fn nameless<'a>(wish: &Wish<'a>) -> Wish<'a> {
    match wish.action {
        Action::Use { kind, server, effect, arguments, .. } => {
            let action = Action::Use { kind, server, name: "", effect, arguments };
            Wish { tenant: wish.tenant, action }
        }
        _ => wish.clone(),
    }
}

/// Whether the credential is for what is wished, where that is to manage something.
fn may_manage(principal: &Principal, wish: &Wish<'_>) -> bool {
    let scopes = principal.standing.scopes.as_deref();
    match wish.action {
        Action::Use { .. } => true,
        Action::Inspect(_) => scopes::allows_managing(scopes, Effect::Reads),
        Action::Manage(_) => scopes::allows_managing(scopes, Effect::Writes),
        Action::Spawn => scopes::allows_managing(scopes, Effect::Destroys),
    }
}

#[cfg(test)]
mod tests;
