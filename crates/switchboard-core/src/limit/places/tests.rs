use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use super::{Place, Places};
use crate::pool::Shed;
use crate::principal::Principal;

const SEEDS: u64 = 500;
const STEPS: usize = 120;
const NAMES: [&str; 4] = ["ann", "bob", "cat", "dan"];

/// splitmix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap() % bound
    }
}

type Entering = Pin<Box<dyn Future<Output = Result<Place, Shed>>>>;

fn entering(places: &Arc<Places>, holder: u32, name: &str) -> Entering {
    let (places, principal) = (Arc::clone(places), Principal::new(name));
    Box::pin(async move { places.enter(&holder, &principal).await })
}

/// Calls come and go at random; `ann` makes most of them.
#[derive(Default)]
struct Run {
    waiting: Vec<(&'static str, Entering)>,
    inside: Vec<Place>,
    /// For each who waits: how often each other was served since its last turn.
    since: HashMap<&'static str, HashMap<&'static str, usize>>,
}

impl Run {
    fn come(&mut self, places: &Arc<Places>, name: &'static str) {
        let mut call = entering(places, 7, name);
        match (&mut call).now_or_never() {
            Some(entered) => self.inside.push(entered.expect("there is room to wait")),
            None => {
                self.waiting.push((name, call));
                self.since.entry(name).or_default();
            }
        }
    }

    /// One call ends, and whoever's turn it is goes in.
    fn end(&mut self, at: usize, seed: u64) {
        drop(self.inside.swap_remove(at));
        let served = self.waiting.iter_mut().position(|(_, call)| {
            let entered = call.now_or_never();
            let is_served = entered.is_some();
            self.inside.extend(entered.map(Result::unwrap));
            is_served
        });
        let Some(at) = served else {
            return assert!(self.waiting.is_empty(), "seed {seed}: a place is free and some wait");
        };
        let name = self.waiting.remove(at).0;
        self.since.remove(name);
        for (other, served) in &mut self.since {
            let count = served.entry(name).or_default();
            *count += 1;
            // Once it may have been before them in the round that was under way.
            assert!(*count <= 1, "seed {seed}: {name} was served twice while {other} waited");
        }
        if self.waiting.iter().any(|(other, _)| *other == name) {
            self.since.insert(name, HashMap::new());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_served_twice_while_another_waits() {
    for seed in 0..SEEDS {
        let mut random = Random(seed);
        let limit = 1 + random.below(4);
        let places = Places::new(limit, 1_000, Duration::from_secs(3_600));
        let mut run = Run::default();
        for _ in 0..STEPS {
            let comes = random.below(5) < 3;
            if comes || run.inside.is_empty() {
                // Half of all calls are those of one.
                let name = NAMES[random.below(2 * NAMES.len()) % (NAMES.len() + 1) % NAMES.len()];
                run.come(&places, name);
            } else {
                let at = random.below(run.inside.len());
                run.end(at, seed);
            }
            assert!(run.inside.len() <= limit, "seed {seed}");
        }
        while !run.inside.is_empty() {
            run.end(0, seed);
        }
        assert_eq!(places.holders(), 0, "seed {seed}: a line is left");
    }
}

#[tokio::test(start_paused = true)]
async fn holders_have_places_of_their_own_for_as_long_as_they_call() {
    let places = Places::new(1, 1, Duration::from_secs(5));
    let first = entering(&places, 1, "ann").await.unwrap();
    let _other = entering(&places, 2, "ann").await.unwrap();
    assert_eq!(places.holders(), 2);
    let mut waiting = entering(&places, 1, "ann");
    assert!((&mut waiting).now_or_never().is_none());
    let full = entering(&places, 1, "ann").await;
    assert_eq!(full.err(), Some(Shed::Full));
    // Who gives up waiting leaves nothing behind.
    drop(waiting);
    let late = entering(&places, 1, "bob").await;
    assert_eq!(late.err(), Some(Shed::Late));
    drop(first);
    assert_eq!(places.holders(), 1);
}
