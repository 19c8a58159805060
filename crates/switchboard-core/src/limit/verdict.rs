//! What the limits said, and how it is told.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};

/// What came out for one call: what the tightest of the rules says that apply to it, or the one
/// that refused it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    pub is_allowed: bool,
    /// The name of the rule.
    pub rule: Arc<str>,
    pub unit: Unit,
    /// How much there is in a window.
    pub limit: u64,
    /// `None` where time has nothing to do with it.
    pub window: Option<Duration>,
    /// How much of it is left.
    pub remaining: u64,
    /// Of a call that is refused: when another makes sense. Of one that is allowed: in what time
    /// no more than `remaining` should be used.
    pub after: Duration,
    /// When all of it is there again, in seconds since 1970.
    pub reset: u64,
}

/// What a rule counts.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Unit {
    Calls,
    /// Calls under way at once.
    Concurrent,
    Tokens,
}

/// Where a request hears what the limits said of it, for whoever writes the head of the answer.
#[derive(Debug, Default)]
pub struct Notice(OnceLock<Arc<Verdict>>);

impl Notice {
    /// The first word counts: a request is let in once.
    pub fn tell(&self, verdict: Arc<Verdict>) {
        let _ = self.0.set(verdict);
    }

    /// `None` where no rule applies, or none was asked yet.
    pub fn read(&self) -> Option<&Verdict> {
        self.0.get().map(|verdict| &**verdict)
    }
}

impl Verdict {
    /// The fields of an HTTP response, with their names in lower case.
    ///
    /// `RateLimit` and `RateLimit-Policy` are those of draft-ietf-httpapi-ratelimit-headers-11
    /// (sections 3 and 4; May 2026); tokens have no unit in its registry, so their policy is not
    /// told. Beside them the older names, which most clients read; their reset is a time since
    /// 1970, as of the daemons that this one stands in for. `Retry-After` (RFC 9110, section
    /// 10.2.3) is only for a call that was refused, and never before the end of the window.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let Self { rule, limit, remaining, reset, .. } = self;
        let after = seconds(self.after);
        let mut headers = vec![
            ("ratelimit", format!("\"{rule}\";r={remaining};t={after}")),
            ("x-ratelimit-limit", limit.to_string()),
            ("x-ratelimit-remaining", remaining.to_string()),
            ("x-ratelimit-reset", reset.to_string()),
        ];
        let unit = match self.unit {
            Unit::Calls => Some(""),
            Unit::Concurrent => Some(";qu=\"concurrent-requests\""),
            Unit::Tokens => None,
        };
        if let Some(unit) = unit {
            let window = self.window.map(|window| format!(";w={}", seconds(window)));
            let window = window.unwrap_or_default();
            headers.push(("ratelimit-policy", format!("\"{rule}\";q={limit}{unit}{window}")));
        }
        if !self.is_allowed {
            headers.push(("retry-after", after.to_string()));
        }
        headers
    }

    /// The data of the JSON-RPC error of a call that was refused.
    pub fn data(&self) -> Value {
        let wait = u64::try_from(self.after.as_millis()).unwrap_or(u64::MAX);
        json!({
            "reason": "rate_limited",
            "retry": true,
            // Never 0, which asks for another call at once.
            "retry_after_ms": wait.max(1),
            "rule": &*self.rule,
        })
    }
}

/// Why a call was refused.
impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, limit, .. } = self;
        let unit = match self.unit {
            Unit::Calls => "calls",
            Unit::Concurrent => "calls at once",
            Unit::Tokens => "tokens",
        };
        write!(formatter, "the limit `{rule}` is {limit} {unit}")?;
        if let Some(window) = self.window {
            write!(formatter, " in {} s", seconds(window))?;
        }
        write!(formatter, "; try again in {} s", seconds(self.after))
    }
}

/// Whole seconds, rounded up and at least one: a window of none is not allowed, and whoever comes a
/// moment too early is refused again.
pub(crate) fn seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Unit, Verdict};

    fn verdict(is_allowed: bool, unit: Unit) -> Verdict {
        Verdict {
            is_allowed,
            rule: "guests".into(),
            unit,
            limit: 100,
            window: (unit != Unit::Concurrent).then_some(Duration::from_secs(60)),
            remaining: if is_allowed { 42 } else { 0 },
            after: Duration::from_millis(2_500),
            reset: 1_795_230_245,
        }
    }

    #[track_caller]
    fn check(is_allowed: bool, unit: Unit, expected: &[&str]) {
        let headers = verdict(is_allowed, unit).headers();
        let mut headers: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        headers.sort();
        assert_eq!(headers, expected);
    }

    #[test]
    fn headers_are_those_of_the_draft_and_those_that_clients_read() {
        check(
            true,
            Unit::Calls,
            &[
                "ratelimit-policy: \"guests\";q=100;w=60",
                "ratelimit: \"guests\";r=42;t=3",
                "x-ratelimit-limit: 100",
                "x-ratelimit-remaining: 42",
                "x-ratelimit-reset: 1795230245",
            ],
        );
        check(
            false,
            Unit::Concurrent,
            &[
                "ratelimit-policy: \"guests\";q=100;qu=\"concurrent-requests\"",
                "ratelimit: \"guests\";r=0;t=3",
                "retry-after: 3",
                "x-ratelimit-limit: 100",
                "x-ratelimit-remaining: 0",
                "x-ratelimit-reset: 1795230245",
            ],
        );
        check(
            false,
            Unit::Tokens,
            &[
                "ratelimit: \"guests\";r=0;t=3",
                "retry-after: 3",
                "x-ratelimit-limit: 100",
                "x-ratelimit-remaining: 0",
                "x-ratelimit-reset: 1795230245",
            ],
        );
    }

    #[test]
    fn a_refusal_says_which_rule_and_when_to_come_again() {
        let refused = verdict(false, Unit::Calls);
        assert_eq!(
            refused.to_string(),
            "the limit `guests` is 100 calls in 60 s; try again in 3 s"
        );
        assert_eq!(
            refused.data().to_string(),
            r#"{"reason":"rate_limited","retry":true,"retry_after_ms":2500,"rule":"guests"}"#
        );
    }
}
