use std::time::{Duration, UNIX_EPOCH};

use super::{find, rfc3339};

#[test]
fn times_are_written_and_found_again() {
    // Seconds from `date -u -d … +%s`.
    for (seconds, expected) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399, "2000-02-28T23:59:59.000Z"),
        (951_782_400, "2000-02-29T00:00:00.000Z"),
        (951_868_800, "2000-03-01T00:00:00.000Z"),
        (1_795_230_245, "2026-11-21T03:04:05.000Z"),
        (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        (253_402_300_799, "9999-12-31T23:59:59.000Z"),
    ] {
        let time = UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(rfc3339(time), expected);
        assert_eq!(find(format!("{{\"ts\":\"{expected}\"").as_bytes()), Some(time));
    }
}

#[test]
fn milliseconds_are_cut_not_rounded() {
    let time = UNIX_EPOCH + Duration::from_micros(1_678_999);
    assert_eq!(rfc3339(time), "1970-01-01T00:00:01.678Z");
}

#[test]
fn a_clock_before_1970_is_shown_as_its_start() {
    assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000Z");
}

#[test]
fn what_is_no_time_is_not_found() {
    for text in
        ["", "2026-11-21", "2026-13-21T03:04:05", "1969-11-21T03:04:05", "2026-1x-21T03:04:05"]
    {
        assert_eq!(find(text.as_bytes()), None, "{text}");
    }
}
