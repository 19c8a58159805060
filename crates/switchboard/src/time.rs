//! Spans of time, as people type and read them.

use std::time::{Duration, SystemTime};

/// Reads a limit in seconds from the command line: `5`, `0.5`.
pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "it must be a number of seconds".to_owned())?;
    if !(0.001..=86_400.0).contains(&seconds) {
        return Err("it must be between 0.001 and 86400 seconds".to_owned());
    }
    Ok(Duration::from_secs_f64(seconds))
}

#[expect(clippy::disallowed_methods, reason = "a command looks at the clock once, at its edge")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// A span in its two largest units, such as `3 h 5 min`.
pub(crate) fn age(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (size, name) in units {
        // The second unit is the one right below the first, or none: `1 d 3 s` is a strange precision.
        if parts.len() == 1 && rest < size {
            break;
        }
        if rest >= size && parts.len() < 2 {
            parts.push(format!("{} {name}", rest / size));
            rest %= size;
        }
    }
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::{age, seconds};

    #[test]
    fn a_span_has_two_units_at_most() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (61, "1 min 1 s"),
            (3_605, "1 h"),
            (11_100, "3 h 5 min"),
            (86_400 * 2 + 3_600 * 4 + 9, "2 d 4 h"),
        ] {
            assert_eq!(age(seconds), expected);
        }
    }

    #[test]
    fn a_limit_is_a_sensible_number_of_seconds() {
        assert_eq!(seconds("0.5").unwrap().as_millis(), 500);
        for wrong in ["", "soon", "0", "-1", "NaN", "1e9"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
