//! Times, as people type them.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::time::{span, written};

/// `15m` before `now`, or the time that is written out.
pub(super) fn since(text: &str, now: SystemTime) -> Option<SystemTime> {
    if let Some(span) = span(text) {
        return now.checked_sub(span);
    }
    written(text)
}

/// Microseconds since 1970, as commands have it.
pub(super) fn time_of(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{since, time_of};

    #[track_caller]
    fn check(text: &str, expected: Option<u64>) {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000);
        assert_eq!(since(text, now).map(time_of), expected, "{text}");
    }

    #[test]
    fn a_time_is_a_span_or_written_out() {
        check("90s", Some(999_910_000_000));
        check("2h", Some(992_800_000_000));
        check("1d", Some(913_600_000_000));
        check("1970-01-02", Some(86_400_000_000));
        check("2026-11-21T08:00:00Z", Some(1_795_248_000_000_000));
        check("2024-02-29T23:59:59.5Z", Some(1_709_251_199_500_000));
        for wrong in [
            "",
            "soon",
            "5",
            "5y",
            "2026-13-01",
            "2026-02-29",
            "2026-11-21T25:00:00Z",
            "-1h",
            "99999999999999999999d",
        ] {
            check(wrong, None);
        }
        // Not in UTC: which hour is meant cannot be told from here.
        check("2026-11-21T08:00:00", None);
    }
}
