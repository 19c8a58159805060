use std::num::NonZeroU32;
use std::time::Duration;

use super::{Allowance, Buckets, Place, WAYS};

fn allowance(rate: &str, burst: u32) -> Allowance {
    Allowance::new(rate.parse().unwrap(), NonZeroU32::new(burst))
}

/// Takes at these milliseconds, and says what is left each time; of a refusal, the milliseconds
/// until another makes sense, as `-N`.
#[track_caller]
fn check(rate: &str, burst: u32, times: &[u64], expected: &str) {
    let (buckets, allowance) = (Buckets::new(8), allowance(rate, burst));
    let outcome = times.iter().map(|&time| {
        let level = buckets.take(&"key", allowance, Duration::from_millis(time));
        if level.is_allowed {
            level.remaining.to_string()
        } else {
            format!("-{}", level.next.as_millis())
        }
    });
    assert_eq!(outcome.collect::<Vec<_>>().join(" "), expected, "{rate} {burst} {times:?}");
}

#[test]
fn a_bucket_has_its_burst_and_fills_at_its_rate() {
    check("10/s", 3, &[0, 0, 0, 0], "2 1 0 -100");
    check("10/s", 3, &[0, 0, 0, 99, 100, 100], "2 1 0 -1 0 -100");
    check("10/s", 3, &[0, 0, 0, 250, 1_000, 1_000], "2 1 0 1 2 1");
    check("1/s", 1, &[5, 5, 1_004, 1_005], "0 -1000 -1 0");
    // A burst larger than the rate's own number, and one that is not given.
    check("1/min", 2, &[0, 0, 0, 60_000, 60_000], "1 0 -60000 0 -60000");
    check("3/min", 0, &[0, 0, 0, 0], "2 1 0 -20000");
    check("1000000/s", 1, &[0, 0, 1, 1], "0 -0 0 -0");
    // Threads read the clock before they get here: a time that goes back takes nothing away.
    check("10/s", 2, &[1_000, 900, 1_000], "1 0 -100");
}

#[test]
fn what_is_given_back_or_charged_counts() {
    let (buckets, allowance) = (Buckets::new(8), allowance("1/min", 2));
    let now = Duration::from_secs(1);
    assert_eq!(buckets.take(&1, allowance, now).remaining, 1);
    buckets.give_back(&1, allowance);
    assert_eq!(buckets.look(&1, allowance, now).remaining, 2);
    for _ in 0..3 {
        buckets.charge(&1, allowance, now);
    }
    let level = buckets.look(&1, allowance, now);
    assert_eq!((level.is_allowed, level.remaining), (false, 0));
    assert_eq!(level.full, Duration::from_secs(180));
    assert!(buckets.look(&2, allowance, now).is_allowed);
    buckets.give_back(&2, allowance);
}

#[test]
fn a_million_keys_take_no_more_room_and_nobody_pays_for_them() {
    let (buckets, allowance) = (Buckets::new(65_536), allowance("100/min", 100));
    let room = buckets.sets.len() * WAYS;
    assert_eq!(room, 65_536);
    for _ in 0..100 {
        assert!(buckets.take(&"spender", allowance, Duration::ZERO).is_allowed);
    }
    let mut now = Duration::ZERO;
    for stranger in 0..1_000_000_u32 {
        // Half a second in all: no stranger's bucket is full again, so the table is.
        now += Duration::from_nanos(500);
        assert!(buckets.take(&stranger, allowance, now).is_allowed);
        if stranger % 10_000 == 0 {
            let innocent = buckets.take(&"innocent", allowance, now);
            assert!(innocent.is_allowed, "after {stranger} strangers");
            let spender = buckets.take(&"spender", allowance, now);
            assert!(!spender.is_allowed, "forgotten after {stranger} strangers");
        }
    }
    assert_eq!(buckets.sets.len() * WAYS, room);
    assert_eq!(size_of::<Place>(), 16);
}

#[test]
fn threads_together_get_exactly_the_burst() {
    let (buckets, allowance) = (Buckets::new(64), allowance("1/day", 1_000));
    let taken: usize = std::thread::scope(|scope| {
        let take = || {
            let level = |_: &i32| buckets.take(&"key", allowance, Duration::ZERO).is_allowed;
            (0..1_000).filter(level).count()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(take)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(taken, 1_000);
}
