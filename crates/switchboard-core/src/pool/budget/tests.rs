use std::time::Duration;

use super::{BudgetConfig, BudgetCounts, RetryBudget};

const START: Duration = Duration::from_secs(1_000);

/// How many of many retries, asked for together at `now`, are given.
fn given(budget: &RetryBudget, now: Duration) -> usize {
    (0..10_000).filter(|_| budget.retry(now)).count()
}

/// After what was saved at the start is spent, `calls` calls and `passed` later.
fn check(config: BudgetConfig, calls: usize, passed: Duration, expected: usize) {
    let budget = RetryBudget::new(config, START);
    given(&budget, START);
    for _ in 0..calls {
        budget.call();
    }
    assert_eq!(given(&budget, START + passed), expected, "{config:?}, {calls}, {passed:?}");
}

#[test]
fn retries_are_a_share_of_calls_and_a_few_each_second_up_to_a_burst() {
    let config = BudgetConfig { share_percent: 20, per_second: 3, burst: 30 };
    let second = Duration::from_secs(1);
    check(config, 0, Duration::ZERO, 0);
    check(config, 4, Duration::ZERO, 0);
    check(config, 5, Duration::ZERO, 1);
    check(config, 100, Duration::ZERO, 20);
    check(config, 0, second, 3);
    check(config, 0, second / 3, 0);
    check(config, 0, second / 3 + Duration::from_nanos(1), 1);
    check(config, 5, second, 4);
    check(config, 1_000_000, Duration::ZERO, 30);
    check(config, 1_000_000, Duration::MAX - START, 30);
    check(BudgetConfig { per_second: 0, ..config }, 0, second * 1_000, 0);
    check(BudgetConfig { share_percent: 0, ..config }, 1_000, Duration::ZERO, 0);
    check(BudgetConfig { burst: 0, ..config }, 1_000, second * 1_000, 0);
    check(
        BudgetConfig { burst: u32::MAX, share_percent: u32::MAX, per_second: u32::MAX },
        9,
        second,
        10_000,
    );
}

#[test]
fn the_first_failure_may_be_retried() {
    let budget = RetryBudget::new(BudgetConfig::default(), START);
    assert_eq!(given(&budget, START), 3);
}

#[test]
fn a_server_that_fails_every_call_sees_a_fifth_more_than_it_is_asked() {
    let config = BudgetConfig { per_second: 0, ..BudgetConfig::default() };
    let budget = RetryBudget::new(config, START);
    let mut sent = 0;
    for _ in 0..1_000 {
        budget.call();
        sent += 1;
        // The retry fails too and asks again.
        while budget.retry(START) {
            sent += 1;
        }
    }
    assert_eq!(sent, 1_200);
    assert_eq!(budget.counts(), BudgetCounts { calls: 1_000, given: 200, denied: 1_000 });
}

#[test]
fn a_clock_read_too_early_pays_nothing_twice() {
    let config = BudgetConfig { share_percent: 0, per_second: 1, burst: 10 };
    let budget = RetryBudget::new(config, START);
    assert_eq!(given(&budget, START + Duration::from_secs(2)), 3);
    assert_eq!(given(&budget, START), 0);
    assert_eq!(given(&budget, START + Duration::from_secs(2)), 0);
    assert_eq!(given(&budget, START + Duration::from_secs(3)), 1);
}
