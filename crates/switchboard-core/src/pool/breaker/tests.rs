//! A breaker's life as a list of steps, and what holds in every life.

use std::num::NonZeroU32;
use std::time::Duration;

use super::{Admission, Breaker, BreakerConfig, BreakerState, Verdict};
use crate::pool::mix::seeded::Seeded;

use Step::{Calls, Closed, End, Found, HalfOpen, Open, Refused, Send, Wait};
use Verdict::{Failure, Neutral, Slow, Success};

/// One step; times are seconds, and calls are kept in the order in which they were sent.
enum Step {
    /// So many calls, each ended before the next.
    Calls(u32, Verdict),
    /// A call that is let through and stays under way.
    Send,
    /// The call under way that was sent `n`-th.
    End(usize, Verdict),
    /// A call that is not let through, and when to come again.
    Refused(u64),
    Wait(u64),
    Found,
    Closed,
    Open(u64),
    HalfOpen(u32),
}

/// Opens after 3 in a row, or half of 10 in 30 s, for 10 s to 40 s; 2 probes, both have to be good.
fn small() -> BreakerConfig {
    BreakerConfig {
        consecutive_failures: NonZeroU32::new(3),
        window: Duration::from_secs(30),
        minimum_calls: 10,
        failure_percent: Some(50),
        slow_percent: Some(50),
        open: Duration::from_secs(10),
        open_limit: Duration::from_secs(40),
        probes: NonZeroU32::new(2).unwrap(),
        probe_successes: NonZeroU32::new(2).unwrap(),
        probe_wait: Duration::from_secs(60),
    }
}

#[track_caller]
fn check(steps: &[Step]) {
    check_with(small(), steps);
}

#[track_caller]
fn check_with(config: BreakerConfig, steps: &[Step]) {
    let breaker = Breaker::new(config);
    let mut now = Duration::ZERO;
    let mut under_way = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        match *step {
            Calls(count, verdict) => {
                for _ in 0..count {
                    let admission = breaker.admit(now);
                    assert!(!matches!(admission, Admission::Refused { .. }), "step {at}");
                    breaker.record(admission, verdict, now, 0);
                }
            }
            Send => {
                let admission = breaker.admit(now);
                assert!(!matches!(admission, Admission::Refused { .. }), "step {at}");
                under_way.push(Some(admission));
            }
            End(which, verdict) => {
                let admission = under_way[which].take().expect("ends once");
                breaker.record(admission, verdict, now, 0);
            }
            Refused(until) => {
                let until = Duration::from_secs(until);
                assert_eq!(breaker.admit(now), Admission::Refused { until }, "step {at}");
            }
            Wait(seconds) => now += Duration::from_secs(seconds),
            Found => breaker.found(now),
            Closed => assert_eq!(breaker.state(now), BreakerState::Closed, "step {at}"),
            Open(until) => {
                let until = Duration::from_secs(until);
                assert_eq!(breaker.state(now), BreakerState::Open { until }, "step {at}");
            }
            HalfOpen(places) => {
                assert_eq!(breaker.state(now), BreakerState::HalfOpen { places }, "step {at}");
            }
        }
    }
}

#[test]
fn failures_in_a_row_open_it() {
    check(&[Calls(2, Failure), Closed, Calls(1, Failure), Open(10), Refused(10)]);
    check(&[Calls(2, Failure), Calls(1, Success), Calls(2, Failure), Closed]);
    check(&[Calls(2, Failure), Calls(1, Slow), Calls(2, Failure), Closed]);
    // A call that says nothing does not break the row either.
    check(&[Calls(2, Failure), Calls(9, Neutral), Closed, Calls(1, Failure), Open(10)]);
    let never = BreakerConfig { consecutive_failures: None, minimum_calls: 50, ..small() };
    check_with(never, &[Calls(49, Failure), Closed, Calls(1, Failure), Open(10)]);
}

#[test]
fn a_share_of_failures_or_slow_answers_opens_it() {
    let pair = || [Calls(1, Success), Calls(1, Failure)];
    let pairs = |count| std::iter::repeat_with(pair).take(count).flatten();
    let after = |count, rest: [Step; 2]| pairs(count).chain(rest).collect::<Vec<_>>();
    check(&after(4, [Closed, Closed]));
    check(&after(5, [Open(10), Refused(10)]));
    // Not by a good answer that makes the minimum full.
    check(&[Calls(2, Failure), Calls(1, Success), Calls(2, Failure), Calls(5, Success), Closed]);
    check(&[Calls(5, Success), Calls(4, Slow), Closed, Calls(1, Slow), Open(10)]);
    let quick = BreakerConfig { slow_percent: None, ..small() };
    check_with(quick, &[Calls(500, Slow), Closed]);
    // What was 30 s ago is forgotten.
    check(&[Calls(9, Slow), Wait(30), Calls(1, Slow), Closed, Calls(9, Slow), Open(40)]);
    check(&[Calls(100, Neutral), Calls(2, Failure), Closed]);
}

#[test]
fn half_open_it_lets_a_few_through_and_learns_from_them() {
    let opened = || [Calls(3, Failure), Wait(9), Refused(10), Wait(1), HalfOpen(2)].into_iter();
    let check =
        |rest: &mut dyn Iterator<Item = Step>| check(&opened().chain(rest).collect::<Vec<_>>());
    // Two at once, and the third waits until a place or the time of the probes is there.
    check(&mut [Send, HalfOpen(1), Send, HalfOpen(0), Refused(70)].into_iter());
    check(&mut [Send, Send, End(0, Success), HalfOpen(1), End(1, Success), Closed].into_iter());
    check(&mut [Calls(1, Success), HalfOpen(2), Calls(1, Success), Closed].into_iter());
    check(&mut [Send, Send, End(1, Failure), Open(30), End(0, Success), Open(30)].into_iter());
    check(&mut [Send, End(0, Slow), Open(30)].into_iter());
    // Cancelled, or stopped for being idle: the place is free again, and nothing is known.
    check(&mut [Send, Send, End(0, Neutral), HalfOpen(1), Send, HalfOpen(0)].into_iter());
    check(&mut [Calls(50, Neutral), HalfOpen(2), Calls(2, Success), Closed].into_iter());
    // While a place is free, a probe that takes long may take its time.
    check(
        &mut [Send, Wait(60), HalfOpen(1), Calls(1, Success), End(0, Success), Closed].into_iter(),
    );
    // Probes that hang are given up, and what they say later is of no interest.
    check(&mut [Send, Send, Wait(60), HalfOpen(2), Send, End(0, Failure), HalfOpen(1)].into_iter());
}

#[test]
fn each_reopening_doubles_the_time_up_to_the_limit() {
    let mut steps = vec![Calls(3, Failure), Open(10), Wait(10)];
    steps.extend([Calls(1, Failure), Open(30), Wait(20)]);
    steps.extend([Calls(1, Failure), Open(70), Wait(40)]);
    steps.extend([Calls(1, Failure), Open(110), Wait(40)]);
    // Closed for a short time only: it goes on from there.
    steps.extend([Calls(2, Success), Closed, Wait(39), Calls(3, Failure), Open(189), Wait(40)]);
    // Closed for as long as the limit: it begins again.
    steps.extend([Calls(2, Success), Closed, Wait(40), Calls(3, Failure), Open(239)]);
    check(&steps);
}

#[test]
fn what_was_sent_before_a_change_says_nothing_after_it() {
    let opened = [Send, Send, Calls(3, Failure), Wait(10)];
    let rest = [HalfOpen(2), End(0, Failure), HalfOpen(2), Send, End(1, Success), HalfOpen(1)];
    check(&opened.into_iter().chain(rest).collect::<Vec<_>>());
}

#[test]
fn one_that_is_found_again_is_probed_at_once_and_not_forgiven() {
    check(&[Calls(3, Failure), Found, HalfOpen(2), Calls(2, Success), Closed]);
    check(&[Calls(3, Failure), Found, HalfOpen(2), Calls(1, Failure), Open(20)]);
    // What is no obstacle is left as it is.
    check(&[Calls(2, Failure), Found, Closed, Calls(1, Failure), Open(10)]);
    check(&[Calls(3, Failure), Wait(10), Send, Found, HalfOpen(1), End(0, Failure), Open(30)]);
}

/// Wakes no differently than it went to sleep, whatever it was.
#[test]
fn being_dormant_neither_trips_nor_heals() {
    check(&[
        Calls(2, Failure),
        Send,
        End(0, Neutral),
        Wait(3600),
        Closed,
        Calls(1, Failure),
        Open(3610),
    ]);
    check(&[Calls(3, Failure), Wait(3600), HalfOpen(2), Calls(1, Failure), Open(3620)]);
}

#[test]
fn the_time_open_is_shortened_at_random_by_at_most_a_half() {
    let until = |random| {
        let breaker = Breaker::new(small());
        let mut last = None;
        for _ in 0..3 {
            last = breaker.record(breaker.admit(Duration::ZERO), Failure, Duration::ZERO, random);
        }
        match last {
            Some(BreakerState::Open { until }) => until.as_secs(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!([0, u32::MAX / 2 + 1, u32::MAX].map(until), [10, 7, 5]);
}

/// Random lives: there are never more probes of one generation under way than there may be, nothing
/// passes while it is open, and what `state` promises `admit` keeps.
#[test]
fn never_more_probes_than_allowed() {
    for seed in 0..200 {
        let mut random = Seeded(seed << 32);
        let probes = 1 + u32::try_from(random.below(4)).unwrap();
        let config = BreakerConfig { probes: NonZeroU32::new(probes).unwrap(), ..small() };
        let breaker = Breaker::new(config);
        let (mut now, mut under_way) = (Duration::ZERO, Vec::new());
        for _ in 0..500 {
            now += Duration::from_millis(random.below(4000));
            if random.below(2) == 0 {
                let promised = breaker.state(now);
                let admission = breaker.admit(now);
                match (promised, &admission) {
                    (BreakerState::Closed, Admission::Pass(_)) => {}
                    (BreakerState::Open { until }, Admission::Refused { until: said }) => {
                        assert!(until == *said && until > now);
                    }
                    (BreakerState::HalfOpen { places: 0 }, Admission::Refused { until }) => {
                        assert!(*until > now, "it would be asked again at once");
                    }
                    (BreakerState::HalfOpen { places: 1.. }, Admission::Probe(_)) => {}
                    other => panic!("seed {seed}: {other:?}"),
                }
                under_way.push(admission);
                let newest = under_way.last();
                let same = under_way
                    .iter()
                    .filter(|other| matches!(other, Admission::Probe(_)) && Some(*other) == newest);
                assert!(same.count() <= probes as usize, "seed {seed}");
            } else if !under_way.is_empty() {
                let which = random.below(under_way.len() as u64) as usize;
                let verdict = [Success, Failure, Failure, Slow, Neutral][random.below(5) as usize];
                breaker.record(under_way.swap_remove(which), verdict, now, random.next() as u32);
            }
        }
    }
}
