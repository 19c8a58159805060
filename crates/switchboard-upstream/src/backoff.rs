//! How long to wait before a server that failed is started again.

use std::time::Duration;

/// The first wait after a failure.
const BASE: Duration = Duration::from_millis(250);
/// The longest: a person who repaired the server should not have to wait for us.
const CAP: Duration = Duration::from_secs(30);

/// The wait before try number `failures + 1`; `random` is uniform over `0..=u32::MAX`.
///
/// Doubles from a quarter of a second to half a minute, and is shortened by up to a half at
/// random, so that servers that failed together do not start together.
pub(crate) fn delay(failures: u32, random: u32) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else {
        return Duration::ZERO;
    };
    let full = BASE.saturating_mul(1 << doublings.min(16)).min(CAP);
    full - full.mul_f64(f64::from(random) / f64::from(u32::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::delay;

    #[test]
    fn waits_double_up_to_a_cap_and_are_shortened_by_at_most_half() {
        let longest: Vec<_> = (0..10).map(|n| delay(n, 0).as_millis()).collect();
        assert_eq!(longest, [0, 250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
        let shortest: Vec<_> = (0..4).map(|n| delay(n, u32::MAX).as_millis()).collect();
        assert_eq!(shortest, [0, 125, 250, 500]);
        assert_eq!(delay(u32::MAX, 0).as_secs(), 30);
    }
}
