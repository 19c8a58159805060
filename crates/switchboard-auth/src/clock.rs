//! What time it is.
//!
//! Tokens and keys end at dates, so this is the clock on the wall and not the timer of the runtime.
//! It is handed in, because a test has to be able to set it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use switchboard_core::rfc3339;

/// Tells the time. Cheap to clone.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    pub fn new(tell: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// The clock of the machine.
    #[expect(clippy::disallowed_methods, reason = "this is where the time comes in")]
    pub fn system() -> Self {
        Self::new(SystemTime::now)
    }

    pub fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Clock")
    }
}

/// Seconds since 1970, as tokens count (RFC 7519, section 2).
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The time of so many seconds since 1970; `None` where no clock says that.
pub(crate) fn time(seconds: u64) -> Option<SystemTime> {
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// How long ago `then` is. A clock that was set back makes nothing older than it is.
pub(crate) fn age(then: SystemTime, now: SystemTime) -> Duration {
    now.duration_since(then).unwrap_or_default()
}

/// The time as the columns of stores have it: with microseconds, so that the order of texts is that
/// of times.
pub(crate) fn column(time: SystemTime) -> String {
    let micros = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_micros());
    let text = rfc3339(time);
    format!("{}{:03}Z", text.trim_end_matches('Z'), micros % 1000)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn a_column_has_microseconds() {
        let check = |micros, expected| {
            assert_eq!(super::column(UNIX_EPOCH + Duration::from_micros(micros)), expected);
        };
        check(0, "1970-01-01T00:00:00.000000Z");
        check(1_234_567, "1970-01-01T00:00:01.234567Z");
        check(86_400_000_005, "1970-01-02T00:00:00.000005Z");
    }
}
