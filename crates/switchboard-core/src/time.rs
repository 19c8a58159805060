//! Times as text.
//!
//! The conversion is the civil-from-days algorithm of Howard Hinnant
//! (<https://howardhinnant.github.io/date_algorithms.html>): shorter than a date library is to read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) const DAY: u64 = 86_400;

/// `2026-11-21T03:04:05.678Z`. What is before 1970 is shown as its first moment: only a broken
/// clock says so.
pub fn rfc3339(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (seconds, milliseconds) = (since.as_secs(), since.subsec_millis());
    let (year, month, day) = civil(seconds / DAY);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

/// `2026-11-21T03:04:05.678901Z`: the same with microseconds, whose order as text is that of the
/// times.
pub fn rfc3339_micros(time: SystemTime) -> String {
    let micros = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).subsec_micros();
    let text = rfc3339(time);
    format!("{}.{micros:06}Z", &text[..text.len() - ".000Z".len()])
}

/// Year, month and day of a day since 1970-01-01.
pub(crate) fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}
