//! Groups of endpoints as lists of steps, and what holds for every group.

use std::time::Duration;

use super::super::Verdict;
use super::{OutlierConfig, Outliers};
use crate::pool::mix::seeded::Seeded;

use Step::{Calls, Ejected, Join, Leave, Wait};
use Verdict::{Failure, Neutral, Slow, Success};

/// One step; times are seconds, endpoints are numbers.
enum Step {
    Join(u64),
    Leave(u64),
    Calls(u64, u32, Verdict),
    Wait(u64),
    /// All that are ejected now, and until when.
    Ejected(&'static [(u64, u64)]),
}

#[track_caller]
fn check(steps: &[Step]) {
    check_with(OutlierConfig::default(), 4, steps);
}

/// Starts with the endpoints `0..count`.
#[track_caller]
fn check_with(config: OutlierConfig, count: u64, steps: &[Step]) {
    let outliers = Outliers::new(config);
    (0..count).for_each(|key| outliers.join(key));
    let mut now = Duration::ZERO;
    for (at, step) in steps.iter().enumerate() {
        match *step {
            Join(key) => outliers.join(key),
            Leave(key) => outliers.leave(key, now),
            Calls(key, count, verdict) => {
                for _ in 0..count {
                    outliers.record(key, verdict, now);
                }
            }
            Wait(seconds) => now += Duration::from_secs(seconds),
            Ejected(expected) => {
                let until = |key| outliers.ejected(key, now).map(|until| (key, until.as_secs()));
                let ejected: Vec<_> = (0..20).filter_map(until).collect();
                assert_eq!(ejected, expected, "step {at}");
            }
        }
    }
}

#[test]
fn whoever_fails_far_more_than_the_others_is_ejected() {
    let well = || Calls(1, 20, Success);
    check(&[well(), Calls(0, 9, Failure), Ejected(&[]), Calls(0, 1, Failure), Ejected(&[(0, 30)])]);
    // Three of ten more than elsewhere is the border.
    let mixed = |good, bad| [well(), Calls(0, good, Success), Calls(0, bad, Failure)];
    let after = |steps: [Step; 3], expected| {
        check(&steps.into_iter().chain([Ejected(expected)]).collect::<Vec<_>>());
    };
    after(mixed(71, 29), &[]);
    after(mixed(70, 30), &[(0, 30)]);
    // Slow is not failed, and what says nothing does not count.
    check(&[well(), Calls(0, 50, Slow), Calls(0, 50, Neutral), Calls(0, 9, Failure), Ejected(&[])]);
    // What was long ago does not count either.
    check(&[well(), Calls(0, 9, Failure), Wait(30), well(), Calls(0, 9, Failure), Ejected(&[])]);
    check(&[well(), Calls(7, 50, Failure), Ejected(&[])]);
}

#[test]
fn where_all_fail_alike_nobody_is_ejected() {
    check(&[Calls(1, 20, Failure), Calls(0, 20, Failure), Ejected(&[])]);
    // Nor where there is nothing to compare with.
    check(&[Calls(1, 9, Success), Calls(0, 50, Failure), Ejected(&[])]);
    check(&[
        Calls(1, 5, Success),
        Calls(2, 5, Success),
        Calls(0, 10, Failure),
        Ejected(&[(0, 30)]),
    ]);
}

#[test]
fn each_time_it_is_ejected_for_longer() {
    let again = |seconds| [Wait(seconds), Calls(1, 20, Success), Calls(0, 10, Failure)];
    let mut steps: Vec<_> = again(0).into();
    steps.push(Ejected(&[(0, 30)]));
    // What ends while it is out does not count, and it comes back without its past.
    steps.extend([Wait(29), Calls(0, 50, Failure), Wait(1), Ejected(&[])]);
    steps.extend([Calls(1, 20, Success), Calls(0, 9, Failure), Ejected(&[])]);
    steps.extend([Calls(0, 1, Failure), Ejected(&[(0, 90)])]);
    steps.extend(again(60));
    steps.push(Ejected(&[(0, 210)]));
    // Back for as long as the limit, it begins again.
    steps.extend(again(120 + 300));
    steps.push(Ejected(&[(0, 540)]));
    check(&steps);
    let limited = OutlierConfig { ejection: Duration::from_secs(500), ..OutlierConfig::default() };
    check_with(limited, 2, &again(0).into_iter().chain([Ejected(&[(0, 300)])]).collect::<Vec<_>>());
}

#[test]
fn no_more_than_a_share_is_ejected() {
    let bad = |key| [Calls(9, 500, Success), Calls(key, 10, Failure)];
    let all_bad = || [Join(9)].into_iter().chain((0..3).flat_map(bad));
    let then = |percent, count, rest: &mut dyn Iterator<Item = Step>| {
        let config = OutlierConfig { ejected_percent: percent, ..OutlierConfig::default() };
        check_with(config, count, &all_bad().chain(rest).collect::<Vec<_>>());
    };
    // With endpoint 9 they are four.
    then(0, 3, &mut [Ejected(&[])].into_iter());
    then(49, 3, &mut [Ejected(&[(0, 30)])].into_iter());
    then(50, 3, &mut [Ejected(&[(0, 30), (1, 30)])].into_iter());
    then(100, 3, &mut [Ejected(&[(0, 30), (1, 30), (2, 30)])].into_iter());
    // When the others leave, those who are out come back.
    then(50, 3, &mut [Leave(9), Ejected(&[(1, 30)])].into_iter());
    then(
        100,
        3,
        &mut [Leave(9), Leave(1), Ejected(&[(2, 30)]), Leave(0), Ejected(&[])].into_iter(),
    );
    // Joining twice changes nothing.
    then(50, 3, &mut [Join(0), Ejected(&[(0, 30), (1, 30)])].into_iter());
}

/// Random groups that come, go and fail: one at least is in at any time, and no more than the
/// share is out.
#[test]
fn the_last_endpoint_is_never_ejected() {
    let mut ejections = 0;
    for seed in 0..200 {
        let mut random = Seeded(seed << 32);
        let ejected_percent = random.below(101) as u32;
        let config =
            OutlierConfig { ejected_percent, minimum_calls: 3, ..OutlierConfig::default() };
        let outliers = Outliers::new(config);
        let (mut now, mut present) = (Duration::ZERO, Vec::new());
        for _ in 0..600 {
            now += Duration::from_millis(random.below(500));
            let key = random.below(6);
            match random.below(40) {
                0 | 1 if !present.contains(&key) => {
                    outliers.join(key);
                    present.push(key);
                }
                2 => {
                    outliers.leave(key, now);
                    present.retain(|other| *other != key);
                }
                _ => {
                    // The higher its number, the more often an endpoint fails.
                    let verdict = if random.below(6) < key { Failure } else { Success };
                    ejections += u32::from(outliers.record(key, verdict, now).is_some());
                }
            }
            let out = present.iter().filter(|key| outliers.ejected(**key, now).is_some()).count();
            assert!(out == 0 || out < present.len(), "seed {seed}");
            assert!(out * 100 <= present.len() * ejected_percent as usize, "seed {seed}");
        }
    }
    assert!(ejections > 100, "only {ejections} ejections: the test shows nothing");
}
