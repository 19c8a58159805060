use std::time::Duration;

use super::{AdaptiveConfig, Completed, Completion, ConcurrencyLimit, LimitConfig};

const SLOW: Duration = Duration::from_secs(5);
const QUICK: Duration = Duration::from_millis(10);
const CONFIG: AdaptiveConfig = AdaptiveConfig { min: 2, max: 40, initial: 20, slow: SLOW };

fn adaptive() -> ConcurrencyLimit {
    ConcurrencyLimit::new(LimitConfig::Adaptive(CONFIG))
}

/// A call under a full load, ended at `now`.
fn ended(
    limit: &ConcurrencyLimit,
    completion: Completion,
    took: Duration,
    now: u64,
) -> Option<usize> {
    let call = Completed { completion, took, in_flight: limit.limit() };
    limit.record(call, Duration::from_secs(now))
}

#[test]
fn a_fixed_limit_stays() {
    let limit = ConcurrencyLimit::new(LimitConfig::Fixed(7));
    for now in 0..1_000 {
        assert_eq!(ended(&limit, Completion::Overloaded, SLOW * 2, now), None);
        assert_eq!(ended(&limit, Completion::Answered, QUICK, now), None);
    }
    assert_eq!(limit.limit(), 7);
}

#[test]
fn a_full_round_of_good_calls_adds_one() {
    let limit = adaptive();
    for _ in 0..19 {
        assert_eq!(ended(&limit, Completion::Answered, QUICK, 100), None);
    }
    assert_eq!(ended(&limit, Completion::Answered, SLOW, 100), Some(21));
    let changes = (0..10_000).filter_map(|_| ended(&limit, Completion::Answered, QUICK, 100));
    assert_eq!(changes.collect::<Vec<_>>(), (22..=40).collect::<Vec<_>>());
}

#[test]
fn good_calls_far_below_the_limit_prove_nothing() {
    let limit = adaptive();
    let call = |in_flight| Completed { completion: Completion::Answered, took: QUICK, in_flight };
    for _ in 0..1_000 {
        assert_eq!(limit.record(call(9), Duration::from_secs(100)), None);
    }
    for _ in 0..20 {
        limit.record(call(10), Duration::from_secs(100));
    }
    assert_eq!(limit.limit(), 21);
}

#[test]
fn a_slow_call_takes_a_tenth_and_never_less_than_one_down_to_the_minimum() {
    for (completion, took) in
        [(Completion::Answered, SLOW + QUICK), (Completion::Overloaded, QUICK)]
    {
        let limit = adaptive();
        let changes = (1..100).filter_map(|round| ended(&limit, completion, took, round * 100));
        let expected = [18, 16, 14, 12, 10, 9, 8, 7, 6, 5, 4, 3, 2];
        assert_eq!(changes.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn calls_that_began_before_a_cut_cut_no_further_but_stop_the_growth() {
    let limit = adaptive();
    assert_eq!(ended(&limit, Completion::Overloaded, SLOW, 100), Some(18));
    for _ in 0..17 {
        ended(&limit, Completion::Answered, QUICK, 101);
    }
    assert_eq!(ended(&limit, Completion::Overloaded, SLOW, 104), None);
    assert_eq!(ended(&limit, Completion::Answered, QUICK, 104), None);
    assert_eq!(ended(&limit, Completion::Overloaded, SLOW, 105), Some(16));
}

#[test]
fn what_says_nothing_about_load_changes_nothing() {
    let limit = adaptive();
    for now in 0..1_000 {
        assert_eq!(ended(&limit, Completion::Neutral, SLOW * 2, now), None);
    }
}

#[test]
fn bounds_that_contradict_each_other_leave_a_limit_to_work_with() {
    let limit = |min, max, initial| {
        let config = AdaptiveConfig { min, max, initial, slow: SLOW };
        ConcurrencyLimit::new(LimitConfig::Adaptive(config)).limit()
    };
    assert_eq!(limit(0, 0, 0), 1);
    assert_eq!(limit(5, 3, 9), 5);
    assert_eq!(limit(2, 8, 100), 8);
}

#[test]
fn the_limit_settles_around_what_the_server_can_do() {
    // A server that answers quickly up to twelve calls at once, and too slowly beyond.
    let limit = adaptive();
    let mut seen = Vec::new();
    for round in 0..200_u64 {
        let together = limit.limit();
        let took = if together > 12 { SLOW * 2 } else { QUICK };
        for _ in 0..together {
            ended(&limit, Completion::Answered, took, round * 100);
        }
        seen.push(together);
    }
    assert!(seen[20..].iter().all(|limit| (10..=13).contains(limit)), "{seen:?}");
}
