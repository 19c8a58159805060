use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{FutureExt as _, LocalBoxFuture};
use tokio::task::JoinSet;
use tokio::time::{Instant, advance};

use super::{FairQueue, Permit, QueueCounts, Shed};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3_600);

type Queue = FairQueue<&'static str>;
type Entering<'a> = LocalBoxFuture<'a, Result<Permit, Shed>>;

fn late() -> Instant {
    Instant::now() + LONG
}

/// A call of `key` that is under way to its permit, and waits already.
fn waiting<'a>(queue: &'a Queue, key: &'a &'static str) -> Entering<'a> {
    let mut entering = queue.enter(key, late()).boxed_local();
    assert!((&mut entering).now_or_never().is_none(), "{key} does not wait");
    entering
}

/// The outcome, if there is one.
fn outcome(entering: &mut Entering<'_>) -> Option<Result<Permit, Shed>> {
    entering.now_or_never()
}

/// Lets in one after another of `calls` and says in which order they came.
async fn served(queue: &Queue, first: Permit, calls: &[&'static str]) -> String {
    let mut entering: Vec<_> = calls.iter().map(|key| (key, waiting(queue, key))).collect();
    let mut order = String::new();
    let mut held = Some(first);
    while !entering.is_empty() {
        held.take();
        let entered = entering.iter_mut().position(|(_, entering)| {
            held = outcome(entering).map(Result::unwrap);
            held.is_some()
        });
        order += entering.remove(entered.expect("nobody was let in")).0;
    }
    order
}

async fn check_order(calls: &[&'static str], expected: &str) {
    let queue = Queue::new(1, 100);
    let first = queue.enter(&"z", late()).await.unwrap();
    assert_eq!(served(&queue, first, calls).await, expected, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn principals_take_turns_and_each_is_served_in_its_order() {
    check_order(&["a"], "a").await;
    check_order(&["a", "a", "a", "b"], "abaa").await;
    check_order(&["a", "a", "a", "b", "b", "c"], "abcaba").await;
    check_order(&["a", "b", "b", "b", "a", "c", "a"], "abcabab").await;
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_again_and_again_gets_every_second_place_beside_a_flood() {
    let queue = Queue::new(1, 100);
    let mut held = queue.enter(&"flood", late()).await.unwrap();
    let mut flood: Vec<_> = (0..20).map(|_| waiting(&queue, &"flood")).collect();
    for _ in 0..10 {
        let mut one = waiting(&queue, &"one");
        drop(held);
        // The flood's turn came first: it has waited since the last place was given.
        held = outcome(&mut flood.remove(0)).unwrap().unwrap();
        assert!(outcome(&mut one).is_none());
        drop(held);
        held = outcome(&mut one).unwrap().unwrap();
    }
    assert_eq!(queue.counts().waiting, 10);
}

#[tokio::test(start_paused = true)]
async fn nobody_passes_by_those_who_wait() {
    let queue = Queue::new(1, 10);
    let held = queue.enter(&"a", late()).await.unwrap();
    let mut first = waiting(&queue, &"b");
    drop(held);
    // Handed over, though `b` has not woken up yet.
    let mut second = waiting(&queue, &"c");
    drop(outcome(&mut first).unwrap().unwrap());
    assert!(outcome(&mut second).unwrap().is_ok());
}

/// Waiters of `calls`, in a queue with four places, and what becomes of the last of them and of
/// those before, in their order: `.` waits on, `F` full, `D` displaced.
fn check_full(calls: &[&'static str], expected: &str) {
    let queue = Queue::new(0, 4);
    let mut entering: Vec<Entering<'_>> =
        calls.iter().map(|key| queue.enter(key, late()).boxed_local()).collect();
    let mut ended = vec!['.'; calls.len()];
    for _ in 0..2 {
        for (entering, ended) in entering.iter_mut().zip(&mut ended) {
            if *ended == '.' {
                *ended = match outcome(entering) {
                    None => '.',
                    Some(Err(Shed::Full)) => 'F',
                    Some(Err(Shed::Displaced)) => 'D',
                    Some(other) => panic!("{other:?}"),
                };
            }
        }
    }
    assert_eq!(ended.into_iter().collect::<String>(), expected, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn in_a_full_queue_whoever_has_most_loses_the_newest() {
    check_full(&["a", "a", "a", "a"], "....");
    check_full(&["a", "a", "a", "a", "a"], "....F");
    check_full(&["a", "a", "a", "a", "b"], "...D.");
    check_full(&["a", "a", "a", "a", "b", "b"], "..DD..");
    check_full(&["a", "a", "a", "a", "b", "b", "b"], "..DD..F");
    check_full(&["a", "a", "a", "a", "b", "c", "d"], ".DDD...");
    check_full(&["a", "b", "c", "d", "e"], "....F");
    check_full(&["a", "a", "b", "b", "c"], "...D.");
    check_full(&["a", "a", "b", "b", "a"], "....F");
}

#[tokio::test(start_paused = true)]
async fn without_places_to_wait_nobody_waits() {
    let queue = Queue::new(1, 0);
    let held = queue.enter(&"a", late()).await.unwrap();
    assert_eq!(queue.enter(&"b", late()).await.unwrap_err(), Shed::Full);
    drop(held);
    assert!(queue.enter(&"b", late()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_at_the_deadline_and_leaves_nothing() {
    let queue = Queue::new(1, 10);
    let held = queue.enter(&"a", late()).await.unwrap();
    let begun = Instant::now();
    let deadline = begun + Duration::from_millis(300);
    assert_eq!(queue.enter(&"b", deadline).await.unwrap_err(), Shed::Late);
    // A timer of tokio is exact to a millisecond.
    assert!((deadline..=deadline + Duration::from_millis(1)).contains(&Instant::now()));
    drop(held);
    let expected =
        QueueCounts { limit: 1, entered: 1, queued: 1, late: 1, ..QueueCounts::default() };
    assert_eq!(queue.counts(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_gets_a_free_permit_but_pushes_nobody_out() {
    let queue = Queue::new(1, 2);
    let held = queue.enter(&"a", Instant::now()).await.unwrap();
    let mut before = [waiting(&queue, &"a"), waiting(&queue, &"a")];
    assert_eq!(queue.enter(&"b", Instant::now()).await.unwrap_err(), Shed::Late);
    assert!(before.iter_mut().all(|entering| outcome(entering).is_none()));
    drop(held);
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_comes_at_the_deadline_is_taken() {
    let queue = Queue::new(1, 2);
    let held = queue.enter(&"a", late()).await.unwrap();
    let mut entering = waiting(&queue, &"b");
    drop(held);
    advance(LONG * 2).await;
    assert!(outcome(&mut entering).unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_permit_handed_to_one_that_is_gone_goes_to_the_next() {
    let queue = Queue::new(1, 10);
    let held = queue.enter(&"a", late()).await.unwrap();
    let gone = waiting(&queue, &"b");
    let mut next = waiting(&queue, &"c");
    drop(held);
    drop(gone);
    drop(outcome(&mut next).unwrap().unwrap());
    let expected =
        QueueCounts { limit: 1, entered: 2, queued: 2, cancelled: 1, ..Default::default() };
    assert_eq!(queue.counts(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_limit_changes_under_way() {
    let queue = Queue::new(1, 10);
    let held = queue.enter(&"a", late()).await.unwrap();
    let mut entering: Vec<_> = (0..4).map(|_| waiting(&queue, &"b")).collect();
    let mut entered = |queue: &Queue| {
        let came: Vec<_> = entering
            .iter_mut()
            .filter_map(|entering| {
                // One that was let in is done; polling it again would be a mistake.
                outcome(entering)
            })
            .collect();
        entering.drain(..came.len());
        assert_eq!(entering.len(), queue.counts().waiting);
        came
    };
    queue.set_limit(3);
    let mut out = entered(&queue);
    assert_eq!(out.len(), 2);
    queue.set_limit(1);
    drop(held);
    out.pop();
    assert_eq!((entered(&queue).len(), queue.counts().out), (0, 1));
    out.clear();
    out = entered(&queue);
    assert_eq!(out.len(), 1);
    queue.set_limit(0);
    out.clear();
    assert_eq!((entered(&queue).len(), queue.counts().out), (0, 0));
    queue.set_limit(1);
    assert_eq!(entered(&queue).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn closing_sends_away_all_that_wait_and_come_and_leaves_permits_good() {
    let queue = Queue::new(1, 10);
    let held = queue.enter(&"a", late()).await.unwrap();
    let mut entering = [waiting(&queue, &"a"), waiting(&queue, &"b")];
    queue.close();
    queue.close();
    for entering in &mut entering {
        assert_eq!(outcome(entering).unwrap().unwrap_err(), Shed::Closed);
    }
    assert_eq!(queue.counts().out, 1);
    drop(held);
    assert_eq!(queue.enter(&"c", late()).await.unwrap_err(), Shed::Closed);
    let expected =
        QueueCounts { limit: 1, entered: 1, queued: 2, closed: 3, ..QueueCounts::default() };
    assert_eq!(queue.counts(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_permit_outlives_its_queue_and_moves_between_threads() {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    let (queue, key) = (FairQueue::new(1, 1), String::from("a"));
    let permit = sent(queue.enter(&key, late())).await.unwrap();
    drop(sent(queue));
    let task = async move { drop(permit) };
    JoinSet::new().spawn(task);
}

/// Tasks on several threads, some of which give up at a random moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nothing_is_lost_between_threads() {
    const LIMIT: usize = 3;
    let queue = Arc::new(FairQueue::new(LIMIT, 16));
    let mut tasks = JoinSet::new();
    for task in 0..32_usize {
        let queue = queue.clone();
        tasks.spawn(async move {
            for call in 0..200_usize {
                let key = task % 5;
                let entering = queue.enter(&key, late());
                // Polled once and dropped, or waited for.
                let entered = match (task + call) % 3 {
                    0 => entering.now_or_never(),
                    _ => Some(entering.await),
                };
                assert!(queue.counts().out <= LIMIT);
                tokio::task::yield_now().await;
                drop(entered);
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }
    let counts = queue.counts();
    assert_eq!((counts.out, counts.waiting), (0, 0));
    let ended = counts.entered + counts.full + counts.displaced + counts.cancelled;
    assert_eq!(ended, 32 * 200, "{counts:?}");
    let state = queue.shared.lock();
    assert!(state.lines.is_empty() && state.decided.is_empty());
}
