//! Times as clients and stores write them.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_core::rfc3339_micros;

/// A time as RFC 3339 text in UTC with microseconds, as stores keep it: the order of the texts is
/// that of the times.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("format" = "date-time"))]
pub struct Moment(String);

impl Moment {
    pub fn at(time: SystemTime) -> Self {
        Self(rfc3339_micros(time))
    }

    /// Reads RFC 3339 and, as the older engine did, ISO 8601 without an offset, which is UTC then.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self::at(read(text)?))
    }

    /// The first one after it: stores can ask for `from` and not for `after`.
    pub(crate) fn next(&self) -> Self {
        let later = read(&self.0).and_then(|time| time.checked_add(Duration::from_micros(1)));
        later.map_or_else(|| self.clone(), Self::at)
    }

    /// `None` where it is beyond what the clock can say.
    pub fn time(&self) -> Option<SystemTime> {
        read(&self.0)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn read(text: &str) -> Option<SystemTime> {
    let number = |range: Range<usize>| -> Option<i64> {
        let digits = text.get(range)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let sign = |at: usize, signs: &str| -> Option<()> {
        signs.as_bytes().contains(text.as_bytes().get(at)?).then_some(())
    };
    sign(4, "-").and(sign(7, "-")).and(sign(10, "Tt "))?;
    sign(13, ":").and(sign(16, ":"))?;
    let day = days(number(0..4)?, number(5..7)?, number(8..10)?)?;
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    // A leap second is the last one of its minute: stores count none.
    if 23 < hour || 59 < minute || 60 < second {
        return None;
    }
    let (micros, rest) = fraction(text.get(19..)?)?;
    let seconds = day * 86_400 + hour * 3600 + minute * 60 + second.min(59) - offset(rest)?;
    let since = Duration::new(u64::try_from(seconds).ok()?, micros * 1000);
    SystemTime::UNIX_EPOCH.checked_add(since)
}

/// The microseconds since 1970.
pub(crate) fn micros(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros()
}

/// The microseconds of what stands behind the seconds, and what stands behind those.
fn fraction(text: &str) -> Option<(u32, &str)> {
    let Some(text) = text.strip_prefix('.') else { return Some((0, text)) };
    let end = text.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return None;
    }
    let micros = format!("{digits:0<6}")[..6].parse().ok()?;
    Some((micros, rest))
}

/// The seconds that the local time of an offset is ahead of UTC.
fn offset(text: &str) -> Option<i64> {
    if matches!(text, "" | "Z" | "z") {
        return Some(0);
    }
    let ahead = match text.as_bytes()[0] {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let (hours, minutes): (u8, u8) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60)
        .then(|| ahead * (i64::from(hours) * 3600 + i64::from(minutes) * 60))
}

/// Days since 1970-01-01, by the days-from-civil algorithm of Howard Hinnant
/// (<https://howardhinnant.github.io/date_algorithms.html>).
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=length).contains(&day) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

impl TryFrom<String> for Moment {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a time of RFC 3339")
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.0
    }
}

#[Scalar(name = "DateTime")]
impl ScalarType for Moment {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = value else { return Err(InputValueError::expected_type(value)) };
        Self::try_from(text).map_err(InputValueError::custom)
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::Moment;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(Moment::parse(text).as_ref().map(Moment::as_str), expected, "{text}");
    }

    #[test]
    fn times_are_read_in_every_offset_and_kept_in_utc() {
        check("2026-11-21T03:04:05Z", Some("2026-11-21T03:04:05.000000Z"));
        check("2026-11-21T03:04:05.123456789Z", Some("2026-11-21T03:04:05.123456Z"));
        check("2026-11-21T03:04:05.5+02:00", Some("2026-11-21T01:04:05.500000Z"));
        check("2026-01-01T00:30:00-01:00", Some("2026-01-01T01:30:00.000000Z"));
        check("2024-02-29 23:59:60", Some("2024-02-29T23:59:59.000000Z"));
        check("2026-03-01T00:00:00+00:01", Some("2026-02-28T23:59:00.000000Z"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "2026-11-21",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-21T24:00:00Z",
            "2026-11-21T03:04:05.Z",
            "2026-11-21T03:04:05+2",
            "1969-12-31T23:59:59Z",
            "2026-11-21T03:04:05Ω",
            "+026-11-21T03:04:05Z",
        ] {
            check(text, None);
        }
    }
}
