//! Sizes and durations: what can be written, and how it prints.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::{ByteSize, TimeSpan};

/// Parses each line's left side and compares with its right side; `no` is a refusal.
#[track_caller]
fn check<T: FromStr + Display>(cases: &str) {
    for case in cases.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (text, expected) = case.split_once("->").unwrap();
        let actual = text.trim().parse().map_or("no".to_owned(), |value: T| value.to_string());
        assert_eq!(actual, expected.trim(), "{text}");
    }
}

#[test]
fn sizes() {
    check::<ByteSize>(
        "0          -> 0 B
         100        -> 100 B
         100 B      -> 100 B
         1024       -> 1 KiB
         64 KiB     -> 64 KiB
         64kib      -> 64 KiB
         1536 KiB   -> 1536 KiB
         4 MiB      -> 4 MiB
         3 GiB      -> 3 GiB
         2 TiB      -> 2 TiB
         1 kB       -> 1000 B
         1 MB       -> 1000000 B
         1.5 MiB    -> no
         4 M        -> no
         4 K        -> no
         -1         -> no
         KiB        -> no
         18446744073709551615 -> 18446744073709551615 B
         18446744073709551616 -> no
         16777216 TiB         -> no",
    );
}

#[test]
fn durations() {
    check::<TimeSpan>(
        "0          -> 0s
         0s         -> 0s
         30         -> 30s
         250ms      -> 250ms
         90s        -> 1m30s
         1h30m      -> 1h30m
         1h 30m     -> 1h30m
         7d         -> 7d
         1500ms     -> 1s500ms
         5s5s       -> no
         30m1h      -> no
         1.5h       -> no
         30 sec     -> no
         s          -> no
         1h30       -> no
         -5s        -> no
         213503982335d -> no
         18446744073709551615 -> no",
    );
}

#[test]
fn both_are_plain_numbers_too() {
    assert_eq!(serde_json::from_str::<ByteSize>("4096").unwrap(), ByteSize::from_kib(4));
    assert_eq!(serde_json::from_str::<TimeSpan>("90").unwrap(), TimeSpan::from_secs(90));
    assert!(serde_json::from_str::<ByteSize>("-1").is_err());
    assert!(serde_json::from_str::<TimeSpan>("-1").is_err());
}

#[test]
fn span_is_a_duration() {
    assert_eq!(Duration::from(TimeSpan::from_millis(1500)), Duration::from_millis(1500));
    assert_eq!(TimeSpan::from_mins(2).as_duration(), Duration::from_secs(120));
}
