use switchboard_core::store::tables::FUNCTIONS;
use switchboard_core::store::{Change, Row};

use super::{changes, possible};

#[track_caller]
fn check(time: &str, fits: bool) {
    let row = Row::new("a").with("created_at", time);
    assert_eq!(changes(&FUNCTIONS, &[Change::Put(row)]).is_ok(), fits, "{time}");
}

#[test]
fn a_time_has_its_shape_digit_for_digit() {
    check("2026-11-21T03:04:05.678901Z", true);
    check("2026-11-21T03:04:05.678Z", false);
    check("2026-11-21T03:04:05.678901+00:00", false);
    check("2026-11-21 03:04:05.678901Z", false);
    check("2026-11-21T03:04:05.67890aZ", false);
    check("", false);
}

#[test]
fn a_key_is_a_text_of_at_most_a_kibibyte() {
    assert!(possible("a") && possible(&"a".repeat(1024)));
    assert!(!possible("") && !possible("a\0") && !possible(&"a".repeat(1025)));
}
