//! What the endpoints of an upstream say, put together as if there were one.

use std::collections::HashSet;
use std::sync::{Arc, Weak};

use switchboard_core::{Kind, Lists};

use crate::environment::Events;
use crate::keeps::KeepsState;
use crate::status::{State, Status, View};
use crate::upstream::{Upstream, rank};

/// Who hears of the endpoints of `upstream`, and tells it on as news of the upstream.
pub(crate) fn of(upstream: Weak<Upstream>) -> Arc<dyn Events> {
    Arc::new(Gathering(upstream))
}

/// Weak, because the upstream has the endpoints that have this.
struct Gathering(Weak<Upstream>);

impl Events for Gathering {
    fn lists_changed(&self, _: &str) {
        let Some(upstream) = self.0.upgrade() else { return };
        upstream.relearn();
        if !upstream.is_retired() {
            upstream.events().lists_changed(upstream.name());
        }
    }

    fn state_changed(&self, endpoint: &str, status: &Status) {
        let Some(upstream) = self.0.upgrade() else { return };
        if let Some(seat) = upstream.roster.find(endpoint) {
            seat.enters(status.state, upstream.now());
        }
        if status.state == State::Dormant {
            upstream.drop_spare();
        }
        if !upstream.is_retired() {
            upstream.events().state_changed(upstream.name(), &upstream.status());
        }
    }

    fn resource_updated(&self, _: &str, uri: &str) {
        let Some(upstream) = self.0.upgrade() else { return };
        upstream.events().resource_updated(upstream.name(), uri);
    }

    fn keeps_state(&self, _: &str, how: KeepsState) {
        if let Some(upstream) = self.0.upgrade() {
            upstream.note_state(how);
        }
    }
}

/// What several endpoints offer: everything that one of them does. What the first says of itself
/// stands for all of them.
pub(crate) fn view(views: impl Iterator<Item = View>) -> View {
    views.reduce(both).unwrap_or_default()
}

fn both(one: View, other: View) -> View {
    let learning = one.learning || other.learning;
    let lists = match (one.lists, other.lists) {
        (Some(one), Some(other)) => Some(union(one, &other)),
        (one, other) => one.or(other),
    };
    View { lists, learning }
}

fn union(one: Arc<Lists>, other: &Lists) -> Arc<Lists> {
    let mut all = None;
    for kind in Kind::ALL {
        let known: HashSet<_> = one.of(kind).iter().map(|item| &item.key).collect();
        for item in other.of(kind).iter().filter(|item| !known.contains(&item.key)) {
            let lists: &mut Lists = all.get_or_insert_with(|| Lists::clone(&one));
            lists.of_mut(kind).push(item.clone());
        }
    }
    all.map_or(one, Arc::new)
}

/// The state of the one that does best, the restarts of all, and what is wrong with any.
pub(crate) fn status(all: impl Iterator<Item = Status>) -> Status {
    all.reduce(|one, other| {
        let restarts = one.restarts + other.restarts;
        let (best, rest) =
            if rank(other.state) < rank(one.state) { (other, one) } else { (one, other) };
        Status { restarts, problem: best.problem.or(rest.problem), ..best }
    })
    .expect("an upstream has an endpoint")
}
