//! Random calls, answers, cancellations, changes of the limit and time, step by step against a
//! model that is as plain as can be. Each seed is one run; one that fails is named.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::time::{Instant, advance};

use super::{FairQueue, Permit, QueueCounts, Shed};

const SEEDS: u64 = 3_000;
const STEPS: usize = 150;
const KEYS: [u32; 5] = [0, 1, 2, 3, 4];

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

/// Says whether it was called: no decision may be there without that, so a lost wake-up shows.
#[derive(Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A call in the queue under test.
struct Call<'a> {
    id: usize,
    key: u32,
    deadline: Instant,
    bell: Arc<Bell>,
    entering: Pin<Box<dyn Future<Output = Result<Permit, Shed>> + 'a>>,
}

impl Call<'_> {
    fn poll(&mut self) -> Poll<Result<Permit, Shed>> {
        // As when a future moves to another task: only the newest waker counts.
        self.bell = Arc::default();
        let waker = Waker::from(self.bell.clone());
        self.entering.as_mut().poll(&mut Context::from_waker(&waker))
    }
}

/// What should be so: principals in the order of their turns, each with its waiters.
#[derive(Default)]
struct Model {
    capacity: usize,
    ring: Vec<(u32, Vec<usize>)>,
    decided: HashMap<usize, Result<(), Shed>>,
    /// For each principal that waits: who was served since its last turn.
    since: HashMap<u32, Vec<u32>>,
    closed: bool,
    counts: QueueCounts,
    begun: u64,
}

impl Model {
    /// What a call that comes gets at once.
    fn come(&mut self, id: usize, key: u32) -> Option<Result<(), Shed>> {
        self.begun += 1;
        if self.closed {
            return Some(Err(self.shed(Shed::Closed)));
        }
        if self.counts.out < self.counts.limit {
            self.counts.out += 1;
            self.counts.entered += 1;
            return Some(Ok(()));
        }
        if self.counts.waiting == self.capacity && !self.make_room(key) {
            return Some(Err(self.shed(Shed::Full)));
        }
        self.counts.queued += 1;
        self.counts.waiting += 1;
        match self.ring.iter_mut().find(|(other, _)| *other == key) {
            Some((_, line)) => line.push(id),
            None => self.ring.push((key, vec![id])),
        }
        self.since.entry(key).or_default();
        None
    }

    fn make_room(&mut self, key: u32) -> bool {
        let own =
            self.ring.iter().find(|(other, _)| *other == key).map_or(0, |(_, line)| line.len());
        let Some((_, longest)) = self.ring.iter_mut().max_by_key(|(_, line)| line.len()) else {
            return false;
        };
        if longest.len() <= own + 1 {
            return false;
        }
        let displaced = longest.pop().unwrap();
        self.counts.waiting -= 1;
        self.decided.insert(displaced, Err(Shed::Displaced));
        self.shed(Shed::Displaced);
        true
    }

    fn hand_on(&mut self) {
        while self.counts.out < self.counts.limit && !self.ring.is_empty() {
            let (key, mut line) = self.ring.remove(0);
            let id = line.remove(0);
            self.fair(key);
            if line.is_empty() {
                self.since.remove(&key);
            } else {
                self.ring.push((key, line));
            }
            self.counts.waiting -= 1;
            self.counts.out += 1;
            self.decided.insert(id, Ok(()));
        }
    }

    /// While one waits, each other is served at most once before it is its turn.
    fn fair(&mut self, served: u32) {
        for (waiting, since) in &mut self.since {
            if *waiting == served {
                since.clear();
            } else {
                assert!(!since.contains(&served), "{served} was served twice before {waiting}");
                since.push(served);
            }
        }
    }

    fn leave(&mut self, id: usize) -> bool {
        let Some(at) = self.ring.iter().position(|(_, line)| line.contains(&id)) else {
            return false;
        };
        let (key, line) = &mut self.ring[at];
        line.retain(|other| *other != id);
        if line.is_empty() {
            self.since.remove(key);
            self.ring.remove(at);
        }
        self.counts.waiting -= 1;
        true
    }

    fn cancel(&mut self, id: usize) {
        let granted = self.decided.remove(&id) == Some(Ok(()));
        if granted || self.leave(id) {
            self.counts.cancelled += 1;
        }
        if granted {
            self.give_back();
        }
    }

    fn give_back(&mut self) {
        self.counts.out -= 1;
        self.hand_on();
    }

    fn close(&mut self) {
        self.closed = true;
        self.since.clear();
        for (_, line) in std::mem::take(&mut self.ring) {
            for id in line {
                self.counts.waiting -= 1;
                self.decided.insert(id, Err(Shed::Closed));
                self.shed(Shed::Closed);
            }
        }
    }

    fn shed(&mut self, why: Shed) -> Shed {
        match why {
            Shed::Full => self.counts.full += 1,
            Shed::Displaced => self.counts.displaced += 1,
            Shed::Late => self.counts.late += 1,
            Shed::Closed => self.counts.closed += 1,
        }
        why
    }
}

/// One run: the queue, the model of it, and the calls that go through both.
struct Run<'a> {
    queue: &'a FairQueue<u32>,
    model: Model,
    random: Random,
    waiting: Vec<Call<'a>>,
    permits: Vec<Permit>,
    next: usize,
}

impl<'a> Run<'a> {
    async fn step(&mut self) {
        match self.random.below(20) {
            0..7 => self.come(),
            7..11 => self.give_back(),
            11 | 12 => self.cancel(),
            13 => self.set_limit(),
            14 => advance(Duration::from_millis(self.random.below(20) as u64)).await,
            // Those that were woken wait now and then, so that permits lie with sleepers.
            _ => self.listen(),
        }
        self.check();
    }

    fn come(&mut self) {
        // One principal makes most of the calls.
        let key = &KEYS[if self.random.below(2) == 0 { 0 } else { self.random.below(KEYS.len()) }];
        let deadline = Instant::now() + Duration::from_millis(1 + self.random.below(60) as u64);
        let entering = Box::pin(self.queue.enter(key, deadline));
        let (id, bell) = (self.next, Arc::default());
        self.next += 1;
        let mut call = Call { id, key: *key, deadline, bell, entering };
        match (call.poll(), self.model.come(id, *key)) {
            (Poll::Pending, None) => self.waiting.push(call),
            (Poll::Ready(Ok(permit)), Some(Ok(()))) => self.permits.push(permit),
            (Poll::Ready(Err(why)), Some(Err(expected))) => assert_eq!(why, expected),
            (is, expected) => panic!("call {id} got {is:?}, not {expected:?}"),
        }
    }

    fn give_back(&mut self) {
        if !self.permits.is_empty() {
            drop(self.permits.swap_remove(self.random.below(self.permits.len())));
            self.model.give_back();
        }
    }

    fn cancel(&mut self) {
        if !self.waiting.is_empty() {
            let call = self.waiting.swap_remove(self.random.below(self.waiting.len()));
            self.model.cancel(call.id);
        }
    }

    fn set_limit(&mut self) {
        let limit = self.random.below(6);
        self.queue.set_limit(limit);
        self.model.counts.limit = limit;
        self.model.hand_on();
    }

    /// Polls the calls that were woken, and some that were not.
    fn listen(&mut self) {
        for mut call in std::mem::take(&mut self.waiting) {
            let due = call.deadline <= Instant::now();
            if !call.bell.0.load(Ordering::Relaxed) {
                assert!(!self.model.decided.contains_key(&call.id), "{} sleeps on", call.id);
                if self.random.below(4) > 0 {
                    self.waiting.push(call);
                    continue;
                }
            }
            let is = call.poll();
            match (is, self.model.decided.remove(&call.id)) {
                (Poll::Ready(Ok(permit)), Some(Ok(()))) => {
                    self.model.counts.entered += 1;
                    self.permits.push(permit);
                }
                (Poll::Ready(Err(why)), Some(Err(expected))) => assert_eq!(why, expected),
                (Poll::Ready(Err(Shed::Late)), None) if due => {
                    assert!(self.model.leave(call.id));
                    self.model.shed(Shed::Late);
                }
                (Poll::Pending, None) => self.waiting.push(call),
                (is, expected) => {
                    panic!("{} of {} got {is:?}, not {expected:?}", call.id, call.key)
                }
            }
        }
    }

    fn check(&self) {
        let counts = self.queue.counts();
        assert_eq!(counts, self.model.counts);
        assert!(counts.waiting == 0 || counts.out >= counts.limit, "a permit is free: {counts:?}");
        assert!(counts.waiting <= self.model.capacity);
        let shed = counts.full + counts.displaced + counts.late + counts.closed;
        let ended = counts.entered + counts.cancelled + shed;
        let sleepers = self.model.decided.values().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(counts.out, self.permits.len() + sleepers);
        let under_way = u64::try_from(counts.waiting + sleepers).unwrap();
        assert_eq!(self.model.begun, ended + under_way);
    }

    /// All that wait come to an end, one way or the other, and nothing stays behind.
    fn end(mut self) -> QueueCounts {
        match self.random.below(3) {
            0 => {
                self.queue.close();
                self.model.close();
            }
            1 => {
                while !self.waiting.is_empty() {
                    self.cancel();
                    self.check();
                }
            }
            _ => {
                self.queue.set_limit(1);
                self.model.counts.limit = 1;
                self.model.hand_on();
            }
        }
        while !(self.waiting.is_empty() && self.permits.is_empty()) {
            self.listen();
            self.give_back();
            self.check();
        }
        let counts = self.queue.counts();
        assert_eq!((counts.out, counts.waiting), (0, 0));
        let state = self.queue.shared.lock();
        assert!(state.lines.is_empty() && state.decided.is_empty());
        counts
    }
}

/// Names the seed when a run fails.
struct Seed(u64);

impl Drop for Seed {
    #[expect(clippy::print_stderr, reason = "a panic here would be the second and hide the first")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}", self.0);
        }
    }
}

async fn run(seed: u64) -> QueueCounts {
    let mut random = Random(seed);
    let (limit, capacity) = (random.below(5), random.below(12));
    let queue = FairQueue::new(limit, capacity);
    let counts = QueueCounts { limit, ..QueueCounts::default() };
    let model = Model { capacity, counts, ..Model::default() };
    let mut run =
        Run { queue: &queue, model, random, waiting: Vec::new(), permits: Vec::new(), next: 0 };
    for _ in 0..STEPS {
        run.step().await;
    }
    run.end()
}

#[tokio::test(start_paused = true)]
async fn the_queue_does_what_the_model_does() {
    let mut sums = [0; 6];
    for seed in 0..SEEDS {
        let _named = Seed(seed);
        // The calls are polled by hand, and would use up what one task may do at a time.
        let counts = tokio::task::unconstrained(run(seed)).await;
        let QueueCounts { entered, full, displaced, late, closed, cancelled, .. } = counts;
        let ends = [entered, full, displaced, late, closed, cancelled];
        sums.iter_mut().zip(ends).for_each(|(sum, count)| *sum += count);
    }
    assert!(sums.iter().all(|sum| *sum > SEEDS / 2), "some ends are too rare: {sums:?}");
}
