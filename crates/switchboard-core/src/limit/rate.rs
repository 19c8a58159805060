//! Rates as people write them: `100/min`.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::{Serialize, Serializer};

/// So many in a second, a minute, an hour or a day.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    count: NonZeroU32,
    unit: RateUnit,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RateUnit {
    Second,
    Minute,
    Hour,
    Day,
}

/// Why a text is no rate.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoRate {
    #[error("`{0}` is not a rate such as `100/min`")]
    Form(String),
    #[error("`{0}` is no count; a rate begins with a number from 1 to {MOST}")]
    Count(String),
    #[error("`{0}` is no unit of a rate; use `s`, `min`, `h` or `day`")]
    Unit(String),
}

/// No daemon answers more in a second, and one billionth of a second is still well below what is
/// between two of them.
const MOST: u32 = 1_000_000;

impl Rate {
    /// `count` for each `unit`; of more than a million, a million.
    pub fn new(count: NonZeroU32, unit: RateUnit) -> Self {
        Self { count: count.min(NonZeroU32::new(MOST).expect("not zero")), unit }
    }

    pub fn count(self) -> NonZeroU32 {
        self.count
    }

    /// Between two at the full rate.
    pub fn interval(self) -> Duration {
        self.unit.length() / self.count.get()
    }
}

impl RateUnit {
    const ALL: [Self; 4] = [Self::Second, Self::Minute, Self::Hour, Self::Day];

    fn as_str(self) -> &'static str {
        match self {
            Self::Second => "s",
            Self::Minute => "min",
            Self::Hour => "h",
            Self::Day => "day",
        }
    }

    fn length(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        })
    }
}

impl FromStr for Rate {
    type Err = NoRate;

    fn from_str(text: &str) -> Result<Self, NoRate> {
        let (count, unit) = text.split_once('/').ok_or_else(|| NoRate::Form(text.to_owned()))?;
        let (count, unit) = (count.trim(), unit.trim());
        let number = count.parse().ok().filter(|number: &NonZeroU32| number.get() <= MOST);
        let number = number.ok_or_else(|| NoRate::Count(count.to_owned()))?;
        let known = RateUnit::ALL.into_iter().find(|known| known.as_str() == unit);
        let unit = known.ok_or_else(|| NoRate::Unit(unit.to_owned()))?;
        Ok(Self { count: number, unit })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.count, self.unit.as_str())
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl JsonSchema for Rate {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^ *[0-9]+ */ *(s|min|h|day) *$" })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Rate;

    #[track_caller]
    fn check(text: &str, expected: Result<(&str, Duration), &str>) {
        match (text.parse::<Rate>(), expected) {
            (Ok(rate), Ok((written, interval))) => {
                assert_eq!((&*rate.to_string(), rate.interval()), (written, interval));
            }
            (Err(error), Err(part)) => {
                assert!(error.to_string().contains(part), "{error}");
            }
            (actual, _) => panic!("{text}: {actual:?}"),
        }
    }

    #[test]
    fn a_rate_is_a_count_and_a_unit() {
        check("100/min", Ok(("100/min", Duration::from_millis(600))));
        check("5/s", Ok(("5/s", Duration::from_millis(200))));
        check(" 60 / h ", Ok(("60/h", Duration::from_secs(60))));
        check("1/day", Ok(("1/day", Duration::from_secs(86_400))));
        check("1000000/s", Ok(("1000000/s", Duration::from_micros(1))));
        check("", Err("not a rate such as `100/min`"));
        check("100", Err("`100` is not a rate"));
        check("0/s", Err("`0` is no count"));
        check("-1/s", Err("`-1` is no count"));
        check("1.5/s", Err("from 1 to 1000000"));
        check("1000001/s", Err("`1000001` is no count"));
        check("many/s", Err("`many` is no count"));
        check("1/m", Err("`m` is no unit of a rate; use `s`, `min`, `h` or `day`"));
        check("1/month", Err("`month` is no unit"));
        check("1/s/s", Err("`s/s` is no unit"));
    }
}
