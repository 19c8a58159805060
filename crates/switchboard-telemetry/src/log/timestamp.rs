//! RFC 3339 timestamps in UTC, found again in what was written.
//!
//! The conversion is the days-from-civil algorithm of Howard Hinnant
//! (<https://howardhinnant.github.io/date_algorithms.html>): shorter than a date library is to read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use switchboard_core::rfc3339;

const DAY: u64 = 86_400;

/// Finds the first `2026-11-21T03:04:05` in `text`, to the second.
pub(super) fn find(text: &[u8]) -> Option<SystemTime> {
    text.windows("2026-11-21T03:04:05".len()).find_map(parse)
}

fn parse(text: &[u8]) -> Option<SystemTime> {
    let signs = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if signs.iter().any(|(index, sign)| text[*index] != *sign) {
        return None;
    }
    let number = |from: usize, to: usize| {
        text[from..to].iter().try_fold(0, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u64::from(digit - b'0'))
        })
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let sensible = 1970 <= year && (1..=12).contains(&month) && (1..=31).contains(&day);
    let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
    sensible.then(|| UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Days since 1970-01-01; saturates before that.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = year - u64::from(month <= 2 && 0 < year);
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted_month = (month + 9) % 12;
    let day_of_year = (153 * shifted_month + 2) / 5 + day;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).saturating_sub(719_468 + 1)
}

#[cfg(test)]
mod tests;
