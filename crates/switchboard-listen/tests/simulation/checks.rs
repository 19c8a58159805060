//! The invariants that can be seen from the middle.

use switchboard_upstream::Upstream;

use crate::world::World;

/// After every step.
pub(crate) fn bounds(world: &World) {
    for upstream in world.fleet.all() {
        let (settings, counts) = (upstream.settings(), upstream.counts().queue);
        let name = upstream.name();
        if counts.waiting > settings.queue.size {
            let (waiting, size) = (counts.waiting, settings.queue.size);
            world.book.wrong(format!("{name}: {waiting} calls wait where {size} may"));
        }
        // A limit that was lowered takes nothing back.
        if counts.out > settings.in_flight {
            let (out, limit) = (counts.out, settings.in_flight);
            world.book.wrong(format!("{name}: {out} calls are let in where {limit} may"));
        }
        // What was sent a second time, beside what still runs.
        let at_once = 2 * settings.in_flight;
        if upstream.in_flight() > at_once {
            let calls = upstream.in_flight();
            world.book.wrong(format!("{name}: {calls} calls are under way, at most {at_once}"));
        }
    }
}

/// When nobody wants anything any more.
pub(crate) fn rest(world: &World) {
    for upstream in world.fleet.all() {
        if let Some(left) = left(&upstream) {
            world.book.wrong(format!("{}: {left} at rest", upstream.name()));
        }
    }
}

fn left(upstream: &Upstream) -> Option<String> {
    let queue = upstream.counts().queue;
    let endpoints: usize = upstream.endpoints().iter().map(|endpoint| endpoint.in_flight).sum();
    let left = [
        ("permits are out", queue.out),
        ("calls wait", queue.waiting),
        ("calls are under way", upstream.in_flight()),
        ("calls are counted at endpoints", endpoints),
    ];
    let left = left.into_iter().filter(|(_, count)| *count > 0);
    let left: Vec<_> = left.map(|(what, count)| format!("{count} {what}")).collect();
    (!left.is_empty()).then(|| left.join(", "))
}
