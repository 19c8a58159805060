//! Spans and points of time, as people type and read them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::failure::Failure;

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

/// What `option` says of when something ends: a span from now on, or a time that is written out.
pub(crate) fn ahead(option: &str, text: &str) -> Result<SystemTime, Failure> {
    let time = match span(text) {
        Some(span) => now().checked_add(span),
        None => written(text),
    };
    time.ok_or_else(|| {
        Failure::usage(format!("`{text}` is no time (`{option}`)"))
            .with_hint("a span such as `12h` or `90d`, or `2027-01-31T00:00:00Z`")
    })
}

/// In UTC, as REST has it.
pub(crate) fn rfc3339(time: SystemTime) -> String {
    switchboard_core::rfc3339_micros(time)
}

/// `90s`, `15m`, `2h`, `7d`.
pub(crate) fn span(text: &str) -> Option<Duration> {
    let digits = text.find(|character: char| !character.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let seconds = match unit {
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    Some(Duration::from_secs(number.parse::<u64>().ok()?.checked_mul(seconds)?))
}

/// A time of RFC 3339 in UTC, down to the second or finer, or a day.
pub(crate) fn written(text: &str) -> Option<SystemTime> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, time.strip_suffix(['Z', 'z'])?),
        None => (text, "00:00:00"),
    };
    let mut date = date.splitn(3, '-').map(str::parse::<u64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':').map(str::parse::<u64>);
    let (hour, minute, second) = (time.next()?.ok()?, time.next()?.ok()?, time.next()?.ok()?);
    let is_time = hour < 24 && minute < 60 && second < 61;
    if !is_time || fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let micros: u64 = format!("{fraction:0<6}").get(..6)?.parse().ok()?;
    let seconds = days(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds) + Duration::from_micros(micros))
}

/// Days since 1970 of a day of the Gregorian calendar, by the algorithm of Howard Hinnant
/// (<https://howardhinnant.github.io/date_algorithms.html>).
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let leaps = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let length = match month {
        2 => 28 + u64::from(leaps),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1970..10_000).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).checked_sub(719_468)
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
