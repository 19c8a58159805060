//! Days and months of the calendar, in UTC, so that daemons in different places mean the same.

use std::time::{Duration, UNIX_EPOCH};

use crate::time::{DAY, civil, rfc3339};

/// For how long a quota is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Period {
    Day,
    Month,
}

impl Period {
    /// The one that `now` is in, as `2026-11-21` or `2026-11`.
    pub(crate) fn name(self, now: u64) -> String {
        let (year, month, day) = civil(now / DAY);
        match self {
            Self::Day => format!("{year:04}-{month:02}-{day:02}"),
            Self::Month => format!("{year:04}-{month:02}"),
        }
    }

    /// When the one that `now` is in is over. Both are seconds since 1970.
    pub(crate) fn end(self, now: u64) -> u64 {
        let (first, days) = self.days(now);
        (first + days) * DAY
    }

    /// How long the one that `now` is in is.
    pub(crate) fn length(self, now: u64) -> Duration {
        Duration::from_secs(self.days(now).1 * DAY)
    }

    /// The first day of the one that `now` is in, and how many it has.
    fn days(self, now: u64) -> (u64, u64) {
        let today = now / DAY;
        match self {
            Self::Day => (today, 1),
            Self::Month => {
                let (_, month, day) = civil(today);
                let first = today + 1 - day;
                let days = (28..=31).find(|days| civil(first + days).1 != month);
                (first, days.expect("no month has more than 31 days"))
            }
        }
    }
}

/// A second as stores have times: RFC 3339 with microseconds.
pub(crate) fn stored(second: u64) -> String {
    let text = rfc3339(UNIX_EPOCH + Duration::from_secs(second));
    text.replace(".000Z", ".000000Z")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Period, stored};

    /// Takes the second before the end as well, which is still the same period, and the end itself,
    /// which is the next.
    #[track_caller]
    fn check(now: u64, period: Period, name: &str, end: &str, days: u64) {
        assert_eq!(period.name(now), name);
        let over = period.end(now);
        assert_eq!(stored(over), end);
        assert_eq!((period.name(over - 1), period.end(over - 1)), (name.to_owned(), over));
        assert_ne!(period.name(over), name);
        assert_eq!(period.length(now), Duration::from_secs(days * 86_400));
    }

    #[test]
    fn periods_are_those_of_the_calendar() {
        // 2026-11-21T03:04:05Z
        let now = 1_795_230_245;
        check(now, Period::Day, "2026-11-21", "2026-11-22T00:00:00.000000Z", 1);
        check(now, Period::Month, "2026-11", "2026-12-01T00:00:00.000000Z", 30);
        // 2026-12-31T23:59:59Z
        let now = 1_798_761_599;
        check(now, Period::Day, "2026-12-31", "2027-01-01T00:00:00.000000Z", 1);
        check(now, Period::Month, "2026-12", "2027-01-01T00:00:00.000000Z", 31);
        // 2028-02-01T00:00:00Z, of a leap year
        let now = 1_832_976_000;
        check(now, Period::Month, "2028-02", "2028-03-01T00:00:00.000000Z", 29);
        check(0, Period::Month, "1970-01", "1970-02-01T00:00:00.000000Z", 31);
    }
}
