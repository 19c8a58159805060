use std::time::{Duration, UNIX_EPOCH};

use super::{Keys, Verdict};
use crate::key::Key;
use crate::stored::Stored;

/// Plays a script against a key file's content, by a clock that starts at 0.
///
/// `tick SECONDS` moves the clock, `rotate NAME GRACE` makes NAME the key, `present NAME` presents
/// it and `reload` writes the content and reads it back. `a` is the first key.
#[track_caller]
fn check(script: &str) {
    let key = |name: &str| Key::from_random([name.as_bytes()[0]; 32]);
    let mut now = UNIX_EPOCH;
    let mut stored = Stored::new(key("a"));
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (step, expected) = line.split_once("->").unwrap_or((line, ""));
        let actual = match *step.split_whitespace().collect::<Vec<_>>() {
            ["tick", seconds] => {
                now += Duration::from_secs_f64(seconds.parse().unwrap());
                String::new()
            }
            ["rotate", name, grace] => {
                stored = stored.rotate(key(name), now, Duration::from_secs(grace.parse().unwrap()));
                String::new()
            }
            ["reload"] => {
                stored = Stored::parse(&stored.render()).unwrap();
                String::new()
            }
            ["present", name] => match stored.keys().verify(key(name).expose().as_bytes(), now) {
                Verdict::Accepted => "accepted".to_owned(),
                Verdict::AcceptedPrevious { expires } => {
                    format!("until {}", expires.duration_since(UNIX_EPOCH).unwrap().as_secs())
                }
                Verdict::Refused => "refused".to_owned(),
            },
            _ => panic!("no such step: {step}"),
        };
        assert_eq!(actual, expected.trim(), "after `{}`", step.trim());
    }
}

#[test]
fn the_key_is_accepted_and_another_is_not() {
    check(
        "present a -> accepted
         present b -> refused",
    );
}

#[test]
fn the_old_key_lives_through_its_grace() {
    check(
        "tick 100
         rotate b 60
         present a -> until 160
         present b -> accepted
         tick 59
         present a -> until 160
         tick 1
         present a -> refused
         present b -> accepted",
    );
}

#[test]
fn the_grace_survives_a_restart() {
    check(
        "rotate b 60
         reload
         present a -> until 60
         present b -> accepted
         tick 60
         reload
         present a -> refused
         present b -> accepted",
    );
}

#[test]
fn a_second_rotation_ends_the_first_key() {
    check(
        "rotate b 60
         rotate c 60
         present a -> refused
         present b -> until 60
         present c -> accepted",
    );
}

#[test]
fn no_grace_ends_the_old_key_at_once() {
    check(
        "rotate b 0
         present a -> refused
         reload
         present a -> refused
         present b -> accepted",
    );
}

#[test]
fn part_of_a_second_is_given_not_taken() {
    check(
        "tick 0.5
         rotate b 1
         present a -> until 2
         reload
         present a -> until 2
         tick 1.25
         present a -> until 2",
    );
}

#[test]
fn a_grace_beyond_time_is_no_grace() {
    check(
        "rotate b 18446744073709551615
         present a -> refused
         present b -> accepted",
    );
}

#[test]
fn any_bytes_are_just_refused() {
    let keys = Keys::only(&Key::configured("0123456789abcdef").unwrap());
    let huge = vec![b'0'; 1 << 20];
    let cases: &[(&[u8], Verdict)] = &[
        (b"0123456789abcdef", Verdict::Accepted),
        (b"", Verdict::Refused),
        (b"0", Verdict::Refused),
        (b"0123456789abcde", Verdict::Refused),
        (b"0123456789abcdeF", Verdict::Refused),
        (b"0123456789abcdef0", Verdict::Refused),
        (b"0123456789abcdef\0", Verdict::Refused),
        (b" 0123456789abcdef", Verdict::Refused),
        (b"\xff\xfe\x00\x80", Verdict::Refused),
        ("0123456789abcdéf".as_bytes(), Verdict::Refused),
        (&huge, Verdict::Refused),
    ];
    for (presented, expected) in cases {
        assert_eq!(keys.verify(presented, UNIX_EPOCH), *expected, "{presented:?}");
    }
    assert_eq!(format!("{keys:?}"), "Keys(…)");
}
