//! Choices as data, and what holds for every choice.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{Balance, BalanceConfig, Candidate, Eligibility, Pick};
use crate::pool::breaker::BreakerState;
use crate::pool::mix::seeded::Seeded;
use crate::pool::stable_hash;

use Balance::{ConsistentHash, LeastInFlight, PowerOfTwo, RoundRobin, WeightedResponseTime};

const NOW: Duration = Duration::from_secs(1000);
const LATER: Duration = Duration::from_secs(1012);
const STRATEGIES: [Balance; 5] =
    [RoundRobin, LeastInFlight, WeightedResponseTime, ConsistentHash, PowerOfTwo];
const REFUSED: [Eligibility; 3] =
    [Eligibility::Open { until: LATER }, Eligibility::Probing, Eligibility::Draining];
const EJECTED: Eligibility = Eligibility::Ejected { until: LATER };

fn balance(strategy: Balance) -> BalanceConfig {
    BalanceConfig { strategy, ..BalanceConfig::default() }
}

/// Warm, idle, of weight 1.
fn endpoint(name: u64) -> Candidate {
    Candidate {
        key: stable_hash(format!("endpoint {name}").as_bytes()),
        weight: NonZeroU32::MIN,
        in_flight: 0,
        response_time: None,
        started: Duration::ZERO,
        eligibility: Eligibility::Eligible,
    }
}

fn weighing(weights: &[u32]) -> Vec<Candidate> {
    let weighing =
        |(name, &weight)| Candidate { weight: NonZeroU32::new(weight).unwrap(), ..endpoint(name) };
    (0..).zip(weights).map(weighing).collect()
}

fn pick(number: u64) -> Pick {
    let hash = Some(stable_hash(format!("key {number}").as_bytes()));
    Pick { now: NOW, turn: number, random: Seeded(number).next(), hash }
}

fn first(strategy: Balance, candidates: &[Candidate], number: u64) -> usize {
    balance(strategy).order(candidates, &pick(number)).first().expect("one is eligible")
}

/// How many of `calls` calls each candidate gets.
fn shares(strategy: Balance, candidates: &[Candidate], calls: u64) -> Vec<u32> {
    let mut shares = vec![0; candidates.len()];
    for number in 0..calls {
        shares[first(strategy, candidates, number)] += 1;
    }
    shares
}

/// The order for every call, whatever is drawn.
#[track_caller]
fn check(strategy: Balance, candidates: &[Candidate], expected: &[usize]) {
    for number in 0..50 {
        let order: Vec<_> = balance(strategy).order(candidates, &pick(number)).iter().collect();
        assert_eq!(order, expected, "call {number}");
    }
}

#[test]
fn the_least_busy_comes_first() {
    let busy = |name, in_flight, weight| Candidate {
        in_flight,
        weight: NonZeroU32::new(weight).unwrap(),
        ..endpoint(name)
    };
    check(LeastInFlight, &[busy(0, 5, 1), busy(1, 2, 1), busy(2, 9, 1)], &[1, 0, 2]);
    check(LeastInFlight, &[busy(0, 5, 1), busy(1, 2, 1), busy(2, 9, 9)], &[2, 1, 0]);
    check(LeastInFlight, &[], &[]);
    // Of two both are drawn.
    check(PowerOfTwo, &[busy(0, 3, 1), busy(1, 2, 1)], &[1, 0]);
    check(PowerOfTwo, &[busy(0, 3, 4), busy(1, 2, 1)], &[0, 1]);
    check(PowerOfTwo, &[busy(0, 3, 1)], &[0]);
    check(PowerOfTwo, &[], &[]);
}

#[test]
fn the_shortest_wait_comes_first() {
    let fast = |name, milliseconds, in_flight| Candidate {
        response_time: Some(Duration::from_millis(milliseconds)),
        in_flight,
        ..endpoint(name)
    };
    let new = |name, in_flight| Candidate { in_flight, ..endpoint(name) };
    check(WeightedResponseTime, &[fast(0, 300, 0), fast(1, 100, 0), fast(2, 20, 9)], &[1, 2, 0]);
    // A new one is asked once, and then known ones until it has answered.
    check(WeightedResponseTime, &[fast(0, 300, 0), new(1, 0)], &[1, 0]);
    check(WeightedResponseTime, &[fast(0, 300, 0), new(1, 1)], &[0, 1]);
    let heavy = Candidate { weight: NonZeroU32::new(4).unwrap(), ..fast(0, 300, 0) };
    check(WeightedResponseTime, &[heavy, fast(1, 100, 0)], &[0, 1]);
}

#[test]
fn the_ejected_come_last_and_the_refused_not_at_all() {
    for strategy in STRATEGIES {
        for refused in REFUSED {
            let is = |name, eligibility| Candidate { eligibility, ..endpoint(name) };
            check(strategy, &[is(0, EJECTED), endpoint(1), is(2, refused)], &[1, 0]);
            check(strategy, &[is(0, EJECTED), is(1, refused)], &[0]);
            check(strategy, &[is(0, refused), is(1, refused)], &[]);
        }
    }
}

#[test]
fn what_a_breaker_and_an_ejection_leave_of_an_endpoint() {
    let check =
        |breaker, ejected, expected| assert_eq!(Eligibility::new(breaker, ejected), expected);
    let open = BreakerState::Open { until: LATER };
    check(BreakerState::Closed, None, Eligibility::Eligible);
    check(BreakerState::Closed, Some(LATER), EJECTED);
    check(open, None, Eligibility::Open { until: LATER });
    check(open, Some(NOW), Eligibility::Open { until: LATER });
    check(BreakerState::HalfOpen { places: 1 }, None, Eligibility::Eligible);
    check(BreakerState::HalfOpen { places: 1 }, Some(LATER), EJECTED);
    check(BreakerState::HalfOpen { places: 0 }, None, Eligibility::Probing);
}

#[test]
fn turns_go_round() {
    let turns = |candidates: &[Candidate]| -> Vec<usize> {
        (0..9).map(|turn| first(RoundRobin, candidates, turn)).collect()
    };
    let mut group = weighing(&[7, 7, 7]);
    assert_eq!(turns(&group), [0, 1, 2, 0, 1, 2, 0, 1, 2]);
    // The one after it is the next in the round.
    let order: Vec<_> = balance(RoundRobin).order(&group, &pick(4)).iter().collect();
    assert_eq!(order, [1, 2, 0]);
    // One that is out leaves no gap.
    group[1].eligibility = EJECTED;
    assert_eq!(turns(&group), [0, 2, 0, 2, 0, 2, 0, 2, 0]);
    // Neither rounding nor a great number of turns disturbs the round.
    for count in 1..9 {
        let group = weighing(&vec![3; count]);
        for turn in (0..2000).chain(u64::MAX / 16 * 15 - 50..u64::MAX / 16 * 15) {
            assert_eq!(first(RoundRobin, &group, turn) as u64, turn % count as u64);
        }
    }
}

/// Whoever draws, hashes or counts: at rest each gets its share by weight.
#[test]
fn shares_follow_weights() {
    for (weights, allowed) in [([1, 1, 1, 1], 0.08), ([4, 3, 2, 1], 0.08), ([17, 1, 1, 1], 0.2)] {
        let group = weighing(&weights);
        let total: u32 = weights.iter().sum();
        for strategy in STRATEGIES {
            let shares = shares(strategy, &group, 20_000);
            for (share, weight) in shares.iter().zip(weights) {
                let expected = 20_000.0 * f64::from(weight) / f64::from(total);
                let error = (f64::from(*share) / expected - 1.0).abs();
                assert!(error < allowed, "{strategy:?} {weights:?}: {shares:?}");
            }
        }
    }
}

/// The reason for drawing: one that is idle is not asked by everybody at the same moment.
#[test]
fn two_are_drawn_and_the_less_busy_is_taken() {
    let mut group: Vec<_> = (0..5).map(endpoint).collect();
    for (in_flight, candidate) in group.iter_mut().enumerate() {
        candidate.in_flight = in_flight;
    }
    // Of the ten pairs the idle one is in four, the next wins three, and the busiest never.
    let shares = shares(PowerOfTwo, &group, 10_000);
    for (share, expected) in shares.iter().zip([4000, 3000, 2000, 1000, 0]) {
        assert!(share.abs_diff(expected) < 200, "{shares:?}");
    }
}

#[test]
fn a_call_without_a_key_goes_anywhere() {
    let group = weighing(&[1, 1]);
    let seen = |hash| {
        let order = |number| balance(ConsistentHash).order(&group, &Pick { hash, ..pick(number) });
        let mut firsts: Vec<_> = (0..50).filter_map(|number| order(number).first()).collect();
        firsts.sort_unstable();
        firsts.dedup();
        firsts.len()
    };
    assert_eq!((seen(Some(7)), seen(None)), (1, 2));
}

/// For random groups and weights: when an endpoint leaves, only its keys move, and to the endpoint
/// that was next in their order; when it is back, so is everything.
#[test]
fn only_the_keys_of_the_endpoint_that_left_move() {
    for seed in 0..40 {
        let mut random = Seeded(seed << 32);
        let count = 2 + random.below(8);
        let weights: Vec<_> = (0..count).map(|_| 1 + random.below(5) as u32).collect();
        let group = weighing(&weights);
        let left = random.below(count) as usize;
        let mut rest = group.clone();
        rest.remove(left);
        let mut refused = group.clone();
        refused[left].eligibility = REFUSED[random.below(3) as usize];
        let mut moved = 0_u32;
        for number in 0..500 {
            let order: Vec<_> =
                balance(ConsistentHash).order(&group, &pick(number)).iter().collect();
            let expected = if order[0] == left { order[1] } else { order[0] };
            moved += u32::from(order[0] == left);
            assert_eq!(first(ConsistentHash, &refused, number), expected, "seed {seed}");
            let among_rest = first(ConsistentHash, &rest, number);
            assert_eq!(among_rest + usize::from(among_rest >= left), expected, "seed {seed}");
        }
        let share = f64::from(weights[left]) / f64::from(weights.iter().sum::<u32>());
        assert!((f64::from(moved) / 500.0 - share).abs() < 0.1, "seed {seed}: {moved} {share}");
    }
}

/// For random groups and all strategies: each one that may be asked is in the order once, the
/// eligible before the ejected, and no other.
#[test]
fn a_refused_one_is_never_picked() {
    for seed in 0..5000 {
        let mut random = Seeded(seed << 32);
        let mut group: Vec<_> = (0..random.below(9)).map(endpoint).collect();
        for candidate in &mut group {
            candidate.weight = NonZeroU32::new(1 + random.below(9) as u32).unwrap();
            candidate.in_flight = random.below(5) as usize;
            candidate.started = Duration::from_secs(random.below(2000));
            let known = random.below(2) == 0;
            candidate.response_time = known.then(|| Duration::from_millis(random.below(5000)));
            let states = [Eligibility::Eligible, EJECTED, REFUSED[0], REFUSED[1], REFUSED[2]];
            candidate.eligibility = states[random.below(5) as usize];
        }
        for strategy in STRATEGIES {
            let order = balance(strategy).order(&group, &pick(seed));
            let picked: Vec<_> = order.iter().map(|index| group[index].eligibility).collect();
            let count = |state| group.iter().filter(|one| one.eligibility == state).count();
            let mut expected = vec![Eligibility::Eligible; count(Eligibility::Eligible)];
            expected.extend(vec![EJECTED; count(EJECTED)]);
            assert_eq!(picked, expected, "{strategy:?}, seed {seed}");
            let mut indices: Vec<_> = order.iter().collect();
            indices.sort_unstable();
            indices.dedup();
            assert_eq!(indices.len(), picked.len(), "{strategy:?}, seed {seed}");
        }
    }
}

#[test]
fn slow_start_grows_from_a_tenth_to_the_whole() {
    let config = balance(PowerOfTwo);
    let percent = |seconds| (config.warmth(Duration::from_secs(seconds)) * 100.0).round() as u32;
    assert_eq!([0, 10, 15, 20, 30, 31, 9999].map(percent), [10, 40, 55, 70, 100, 100, 100]);
    let never_less = (0..30_000).all(|milliseconds| {
        let warmth = |milliseconds| config.warmth(Duration::from_millis(milliseconds));
        warmth(milliseconds) <= warmth(milliseconds + 1)
    });
    assert!(never_less);
    let off = BalanceConfig { slow_start: Duration::ZERO, ..config };
    assert!((off.warmth(Duration::ZERO) - 1.0).abs() < f64::EPSILON);
    // A start that another task's clock puts a moment ahead.
    let ahead = Candidate { started: NOW + Duration::from_millis(1), ..endpoint(0) };
    assert!((config.weight(&ahead, NOW) - 0.1).abs() < f64::EPSILON);
}

#[test]
fn one_that_has_just_started_gets_a_tenth_of_its_share() {
    for strategy in [RoundRobin, LeastInFlight, WeightedResponseTime, ConsistentHash, PowerOfTwo] {
        let new = |started| vec![endpoint(0), Candidate { started, ..endpoint(1) }];
        let share = |started| shares(strategy, &new(started), 11_000)[1];
        assert!(share(NOW).abs_diff(1000) < 100, "{strategy:?}: {}", share(NOW));
        let warm = NOW - Duration::from_secs(30);
        assert!(share(warm).abs_diff(5500) < 150, "{strategy:?}: {}", share(warm));
    }
}

#[test]
fn a_choice_is_explained() {
    let check = |strategy, candidates: &[Candidate], pick: &Pick, expected: &[(usize, &str)]| {
        let explained = balance(strategy).explain(candidates, pick);
        let said = explained.iter().map(|one| (one.place.unwrap_or(0), one.reason.as_str()));
        assert_eq!(said.collect::<Vec<_>>(), expected, "{strategy:?}");
    };
    let started = NOW - Duration::from_secs(10);
    let cold = Candidate { in_flight: 2, started, ..endpoint(0) };
    let timed = Candidate { response_time: Some(Duration::from_millis(120)), ..endpoint(1) };
    let is = |eligibility| Candidate { eligibility, ..endpoint(2) };
    check(
        PowerOfTwo,
        &[cold, timed, is(EJECTED), is(REFUSED[0]), is(REFUSED[1]), is(REFUSED[2])],
        &pick(0),
        &[
            (2, "drawn, 2 in flight, weight 1, slow start at 40 %"),
            (1, "drawn, 0 in flight, weight 1"),
            (3, "ejected as an outlier for 12.0 s more, so after all others"),
            (0, "circuit breaker open for 12.0 s more"),
            (0, "circuit breaker half-open, all probes under way"),
            (0, "draining"),
        ],
    );
    let pair = [cold, timed];
    check(
        LeastInFlight,
        &pair,
        &pick(0),
        &[(2, "2 in flight, weight 1, slow start at 40 %"), (1, "0 in flight, weight 1")],
    );
    let unknown = "response time not known yet, 2 in flight, weight 1, slow start at 40 %";
    let known = "response time 120 ms, 0 in flight, weight 1";
    check(WeightedResponseTime, &pair, &pick(0), &[(2, unknown), (1, known)]);
    let pair = [endpoint(0), endpoint(1)];
    check(
        RoundRobin,
        &pair,
        &pick(1),
        &[(2, "later in the round, weight 1"), (1, "its turn, weight 1")],
    );
    let home = first(ConsistentHash, &pair, 0);
    let mut expected = [(2, "the key's next home, weight 1"); 2];
    expected[home] = (1, "home of the key, weight 1");
    check(ConsistentHash, &pair, &pick(0), &expected);
    let anywhere = balance(ConsistentHash).explain(&pair, &Pick { hash: None, ..pick(0) });
    assert_eq!(anywhere[0].reason, "no key to hash, so drawn at random, weight 1");
}
