//! Times as they are stored, and as they are.
//!
//! The older engine writes `2026-11-21T03:04:05.678901+0000`, always in UTC and with six digits, and
//! reads nothing else, so we write the same. Others write `Z` or `+00:00`, and fewer digits. All of
//! them sort by time as texts, but for those with fewer digits, which may be in a wrong place within
//! their second.

/// How many characters of a time say which moment it is: all but `Z` or `+0000`.
pub(in crate::dynamodb) const MOMENT: usize = "2026-11-21T03:04:05.678901".len();

/// How the older engine writes UTC.
const UTC: &str = "+0000";

/// A time of ours as it is stored. The beginning of one stays what it is.
pub(in crate::dynamodb) fn stored(text: &str) -> String {
    match text.strip_suffix('Z') {
        Some(moment) if moment.len() == MOMENT => format!("{moment}{UTC}"),
        _ => text.to_owned(),
    }
}

/// A stored time as one of ours; `None` where it is no time.
pub(super) fn canonical(text: &str) -> Option<String> {
    // `2026-11-21T03:04:05`, and what follows.
    let (second, rest) = text.split_at_checked("2026-11-21T03:04:05".len())?;
    let second = Second::parse(second)?;
    let (digits, offset) = match rest.strip_prefix('.') {
        Some(rest) => {
            rest.split_at(rest.find(|sign: char| !sign.is_ascii_digit()).unwrap_or(rest.len()))
        }
        None => ("", rest),
    };
    // More digits than six are cut off, fewer are filled up.
    let digits = format!("{digits:0<6.6}");
    Some(format!("{}.{digits}Z", second.before(minutes(offset)?)?))
}

/// How far a time is ahead of UTC, in minutes: `Z`, `+0000`, `-05:30`, or nothing.
fn minutes(offset: &str) -> Option<i64> {
    if offset.is_empty() || offset == "Z" {
        return Some(0);
    }
    let (sign, rest) = offset.split_at_checked(1)?;
    let digits = rest.replace(':', "");
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let (hours, minutes) = digits.split_at(2);
    let total = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
    match sign {
        "+" => Some(total),
        "-" => Some(-total),
        _ => None,
    }
}

/// A second, as `YYYY-MM-DDTHH:MM:SS`.
struct Second<'a>(&'a str);

impl<'a> Second<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        const SHAPE: &[u8] = b"0000-00-00T00:00:00";
        let fits = text.bytes().zip(SHAPE).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            // Databases write a space there.
            b'T' => byte == b'T' || byte == b' ',
            sign => byte == *sign,
        });
        fits.then_some(Self(text))
    }

    /// The second so many minutes earlier.
    fn before(&self, minutes: i64) -> Option<String> {
        let text = self.0.replace(' ', "T");
        if minutes == 0 {
            return Some(text);
        }
        let part = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
        let minute = part(11, 13)? * 60 + part(14, 16)? - minutes;
        let (days, minute) = (minute.div_euclid(24 * 60), minute.rem_euclid(24 * 60));
        let (year, month, day) = date(days_since(part(0, 4)?, part(5, 7)?, part(8, 10)?) + days);
        let (hour, minute) = (minute / 60, minute % 60);
        Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{}", &text[17..]))
    }
}

/// Days since 1970-01-01, by <https://howardhinnant.github.io/date_algorithms.html>.
fn days_since(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The other way round.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}
