//! Times, as people type them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

fn span(text: &str) -> Option<Duration> {
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
fn written(text: &str) -> Option<SystemTime> {
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
