//! The limits that a schema states, in words and enforced.
//!
//! serde checks what a type can hold. Limits within that, `#[schemars(range(min = 1))]`, stand in the
//! schema alone; checking them here is what keeps the reference from promising what nothing does.

use std::str::FromStr as _;

use serde_json::Value as Json;

use crate::de::list;
use crate::key::{Key, Segment};
use crate::schema::View;
use crate::size::{self, ByteSize};
use crate::syntax;
use crate::time::{self, TimeSpan};

/// A value outside the limits of its key.
pub(crate) struct Violation {
    pub(crate) key: Key,
    pub(crate) found: String,
    /// `an integer from 1 to 64`.
    pub(crate) wanted: String,
}

/// Finds every value that is outside its limits.
pub(crate) fn check(view: View<'_>, value: &Json, key: &Key, violations: &mut Vec<Violation>) {
    match value {
        Json::Object(members) => {
            for (name, member) in members {
                let segment = Segment::Name(name.clone());
                if let Some(child) = view.child(&segment) {
                    check(child, member, &key.then(segment), violations);
                }
            }
        }
        Json::Array(items) => {
            let Some(child) = view.items() else { return };
            for (index, item) in items.iter().enumerate() {
                check(child, item, &key.then(Segment::Index(index)), violations);
            }
        }
        Json::Number(_) | Json::String(_) if !within(view, value) => violations.push(Violation {
            key: key.clone(),
            found: value.as_str().map_or_else(|| syntax::value(value), str::to_owned),
            wanted: wanted(view),
        }),
        _ => {}
    }
}

/// What a value of this key has to be: `an integer from 0 to 65535`, `a boolean`, `` `low` or `high` ``.
pub(crate) fn wanted(view: View<'_>) -> String {
    let choices = view.choices();
    if !choices.is_empty() {
        let or_table = if view.is_scalar() { "" } else { ", or a table" };
        return format!("{}{or_table}", list(&choices));
    }
    let range = range(view);
    match (view.type_name().as_str(), range.as_str()) {
        ("size", "") => "a size such as `64 KiB`".to_owned(),
        ("duration", "") => "a duration such as `30s` or `1h30m`".to_owned(),
        ("secret", _) => "a string".to_owned(),
        (name, range) => {
            let article = if name.starts_with(['a', 'i']) { "an" } else { "a" };
            format!("{article} {name} {range}").trim_end().to_owned()
        }
    }
}

/// `from 1 to 64`, `of at least 1s`; empty without limits.
pub(crate) fn range(view: View<'_>) -> String {
    let text = |name| {
        let limit = view.limit(name)?;
        Some(limit.as_str().map_or_else(|| limit.to_string(), str::to_owned))
    };
    match (text("minimum"), text("maximum")) {
        (Some(minimum), Some(maximum)) => format!("from {minimum} to {maximum}"),
        (Some(minimum), None) => format!("of at least {minimum}"),
        (None, Some(maximum)) => format!("of at most {maximum}"),
        (None, None) => String::new(),
    }
}

fn within(view: View<'_>, value: &Json) -> bool {
    let limit = |name| measure(view, view.limit(name)?);
    let Some(value) = measure(view, value) else { return true };
    limit("minimum").is_none_or(|minimum| value >= minimum)
        && limit("maximum").is_none_or(|maximum| value <= maximum)
}

/// The value as a number to compare. Exact up to 2^53, which no limit comes near.
#[expect(clippy::cast_precision_loss, reason = "limits are small round numbers")]
fn measure(view: View<'_>, value: &Json) -> Option<f64> {
    match (value, view.format()) {
        (Json::String(text), size::FORMAT) => {
            ByteSize::from_str(text).ok().map(|size| size.bytes() as f64)
        }
        (Json::String(text), time::FORMAT) => {
            TimeSpan::from_str(text).ok().map(|span| span.as_duration().as_secs_f64())
        }
        _ => value.as_f64(),
    }
}
