use super::*;

#[test]
fn durations_are_spoken_in_the_unit_that_fits() {
    for (millis, expected) in [
        (0, "0.0 s"),
        (449, "0.4 s"),
        (59_940, "59.9 s"),
        (59_960, "1 min 00 s"),
        (125_400, "2 min 05 s"),
        (3_600_000, "60 min 00 s"),
    ] {
        assert_eq!(spoken(Duration::from_millis(millis)), expected, "{millis} ms");
    }
}
