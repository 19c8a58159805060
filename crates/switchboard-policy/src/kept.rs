//! Decisions that were made already.
//!
//! A table of slots: what a question hashes to is where its answer is, and a later question with
//! the same slot takes it over. So it is bounded by what it is, and nothing has to be looked for
//! that is oldest.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _, RandomState};
use std::sync::Mutex;

use switchboard_core::{Action, Area, Decision, Effect, Entitled, Kind, Principal, Tenant, Wish};

/// A thousand tools for sixteen principals, at about 300 bytes each.
const SLOTS: usize = 16_384;

pub(crate) struct Kept {
    slots: Box<[Mutex<Option<Box<Entry>>>]>,
    /// Keyed, so that nobody can choose names that take each other's slots.
    state: RandomState,
}

/// The place of an answer.
#[derive(Clone, Copy)]
pub(crate) struct Slot(usize);

struct Entry {
    generation: u64,
    principal: Entitled,
    tenant: Tenant,
    action: Owned,
    decision: Decision,
}

/// An [`Action`] without its arguments.
#[derive(Eq, Hash, PartialEq)]
enum Owned {
    Use { kind: Kind, server: String, name: String, effect: Effect },
    Inspect(Area),
    Manage(Area),
    Spawn,
}

impl Default for Kept {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| Mutex::default()).collect(), state: RandomState::new() }
    }
}

impl Kept {
    pub(crate) fn slot(&self, principal: &Principal, wish: &Wish<'_>) -> Slot {
        let mut state = self.state.build_hasher();
        Entitled::hash_of(principal, &mut state);
        wish.tenant.hash(&mut state);
        match &wish.action {
            Action::Use { kind, server, name, effect, arguments: _ } => {
                (0, kind, server, name, effect).hash(&mut state);
            }
            Action::Inspect(area) => (1, area).hash(&mut state),
            Action::Manage(area) => (2, area).hash(&mut state),
            Action::Spawn => 3.hash(&mut state),
        }
        Slot(usize::try_from(state.finish() % SLOTS as u64).expect("less than the slots"))
    }

    /// What was decided of this wish in this generation.
    pub(crate) fn find(
        &self,
        slot: Slot,
        generation: u64,
        principal: &Principal,
        wish: &Wish<'_>,
    ) -> Option<Decision> {
        let kept = self.slots[slot.0].lock().expect("no one panics holding it");
        let entry = kept.as_deref().filter(|entry| {
            entry.generation == generation
                && entry.tenant == *wish.tenant
                && entry.action.is(&wish.action)
                && entry.principal.is(principal)
        })?;
        Some(entry.decision.clone())
    }

    pub(crate) fn keep(
        &self,
        slot: Slot,
        generation: u64,
        (principal, wish): (&Principal, &Wish<'_>),
        decision: &Decision,
    ) {
        let entry = Entry {
            generation,
            principal: Entitled(principal.clone()),
            tenant: wish.tenant.clone(),
            action: Owned::of(&wish.action),
            decision: decision.clone(),
        };
        *self.slots[slot.0].lock().expect("no one panics holding it") = Some(Box::new(entry));
    }
}

impl Owned {
    fn of(action: &Action<'_>) -> Self {
        match *action {
            Action::Use { kind, server, name, effect, arguments: _ } => {
                Self::Use { kind, server: server.to_owned(), name: name.to_owned(), effect }
            }
            Action::Inspect(area) => Self::Inspect(area),
            Action::Manage(area) => Self::Manage(area),
            Action::Spawn => Self::Spawn,
        }
    }

    fn is(&self, action: &Action<'_>) -> bool {
        match (self, action) {
            (
                Self::Use { kind, server, name, effect },
                Action::Use { kind: k, server: s, name: n, effect: e, arguments: _ },
            ) => kind == k && effect == e && name == n && server == s,
            (Self::Inspect(own), Action::Inspect(area))
            | (Self::Manage(own), Action::Manage(area)) => own == area,
            (Self::Spawn, Action::Spawn) => true,
            _ => false,
        }
    }
}
