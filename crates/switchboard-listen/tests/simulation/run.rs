//! One run: some time in which anything may happen, then calm, in which all must come right.

use std::sync::Arc;
use std::time::Duration;

use switchboard_testkit::simulation::Client;
use tokio::time::{Instant, timeout};

use crate::checks;
use crate::fleet::NAMES;
use crate::world::{Ground, World};

/// Things that happen in a run.
const STEPS: u64 = 40;

/// Clients at once.
const CLIENTS: usize = 5;

/// How long after the last fault every request is answered: the time that a client has for a
/// question (10 min), and what a call may take (30 s), at three endpoints, after 5 s in the queue and
/// 8 s for a start, twice.
const ANSWERED: Duration = Duration::from_mins(15);

/// How long after that every upstream serves again: the longest pause between two starts (30 s), a
/// start (8 s), the pause after lists that could not be read (60 s + 30 s), and a breaker's (8 s).
const HEALED: Duration = Duration::from_mins(3);

/// How long the end may take.
const STOPPED: Duration = Duration::from_mins(1);

/// What was wrong in the run of `seed`, and what happened if `is_kept`.
pub(crate) fn run(seed: u64, ground: &Ground, is_kept: bool) -> (Vec<String>, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let world = World::new(seed, ground, is_kept);
        let (fleet, book) = (Arc::clone(&world.fleet), Arc::clone(&world.book));
        tokio::select! {
            () = live(world) => {}
            () = fleet.follow() => {}
        }
        book.close()
    })
}

async fn live(mut world: World) {
    for name in &NAMES[..2] {
        world.fleet.put(name, &mut world.dice);
    }
    for _ in 0..STEPS {
        step(&mut world);
        let time = match world.dice.below(20) {
            0 => world.dice.milliseconds(5_000, 40_000),
            1..4 => world.dice.milliseconds(100, 3_000),
            4..12 => world.dice.milliseconds(0, 50),
            _ => continue,
        };
        world.wait(time).await;
        checks::bounds(&world);
        if world.book.is_wrong() {
            return;
        }
    }
    world.book.calm();
    settle(&world).await;
    heal(&mut world).await;
    checks::rest(&world);
    end(world).await;
}

/// Something happens.
fn step(world: &mut World) {
    if world.clients.iter().filter(|client| !client.is_over()).count() < 2 {
        return world.connect();
    }
    let name = world.dice.pick(&NAMES);
    match world.dice.below(100) {
        0..6 => {
            world.clients.retain(|client| !client.is_over());
            if world.clients.len() < CLIENTS {
                world.connect();
            }
        }
        6..8 => world.fleet.put(name, &mut world.dice),
        8..9 => world.fleet.remove(name),
        9..12 => world.fleet.change(name, &mut world.dice),
        _ => {
            let running = world.fleet.running();
            let which = world.dice.below(running.len() as u64);
            let known = running.get(usize::try_from(which).unwrap());
            let name = known.map_or(name.to_owned(), |upstream| upstream.name().to_string());
            say(world, &name);
        }
    }
}

/// A client does something.
fn say(world: &mut World, upstream: &str) {
    let which = world.dice.below(world.clients.len() as u64);
    let client = &world.clients[usize::try_from(which).unwrap()];
    let tool = format!("{upstream}__{}", world.dice.pick(&["echo", "echo", "echo", "extra0"]));
    match world.dice.below(100) {
        0..50 => client.call(&tool),
        50..60 => (0..world.dice.below(8)).for_each(|_| client.call(&tool)),
        60..67 => client.read(upstream),
        67..72 => client.list(world.dice.pick(&["tools/list", "resources/list", "ping"])),
        72..77 => client.watch(upstream, world.dice.chance(700)),
        77..90 => client.cancel(),
        90..93 => client.repeat(&tool),
        93..94 => client.mumble(),
        94..97 => client.pause(world.dice.milliseconds(1_000, 20_000)),
        97..98 => client.close(),
        _ => client.leave(),
    }
}

/// Waits until every client has what it asked for.
async fn settle(world: &World) {
    let end = Instant::now() + ANSWERED;
    let mut pause = Duration::from_millis(100);
    loop {
        let waiting: Vec<_> = world.clients.iter().flat_map(Client::unanswered).collect();
        if waiting.is_empty() {
            return;
        }
        if end < Instant::now() {
            return world.book.wrong(format!("not answered: {}", waiting.join(", ")));
        }
        world.wait(pause).await;
        pause = (pause * 2).min(Duration::from_secs(20));
    }
}

/// Waits until every upstream serves.
async fn heal(world: &mut World) {
    let witness = world.witness();
    let end = Instant::now() + HEALED;
    for upstream in world.fleet.running() {
        let served = witness.served();
        while witness.served() == served {
            if witness.is_over() || end < Instant::now() {
                let state = upstream.status();
                let (state, problem) = (state.state, state.problem);
                let name = upstream.name();
                world.book.wrong(format!("{name} does not heal: {state:?} {problem:?}"));
                break;
            }
            witness.call(&format!("{}__echo", upstream.name()));
            world.wait(Duration::from_secs(1)).await;
        }
    }
    // Its calls end.
    world.wait(Duration::from_secs(40)).await;
    world.clients.push(witness);
    settle(world).await;
}

/// Ends everything, in the order of the daemon.
async fn end(world: World) {
    let World { book, fleet, clients, front, .. } = world;
    front.draining.cancel();
    clients.iter().for_each(Client::leave);
    front.tasks.close();
    if timeout(STOPPED, front.tasks.wait()).await.is_err() {
        book.wrong(format!("{} tasks of conversations are left", front.tasks.len()));
    }
    if timeout(STOPPED, fleet.stop()).await.is_err() {
        book.wrong(format!("{} tasks of upstreams are left", fleet.tasks()));
    }
    book.tasks.close();
    if timeout(STOPPED, book.tasks.wait()).await.is_err() {
        book.wrong(format!("{} servers and clients are left", book.tasks.len()));
    }
}
