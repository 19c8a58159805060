//! Arguments as values of Cedar.

use cedar_policy::RestrictedExpression;
use serde_json::Value;

/// The record of the arguments of a call, as far as Cedar has values for them: truth values, whole
/// numbers of 64 bits, texts, sets and records.
///
/// Fractions, greater numbers and null are left out. A set that has one of them in it is left out
/// whole: one that was said to be smaller than it is could pass for harmless.
pub(crate) fn record(arguments: &Value) -> RestrictedExpression {
    let empty = || RestrictedExpression::new_record([]).expect("no name is there twice");
    match arguments {
        Value::Object(_) => value(arguments).unwrap_or_else(empty),
        // Arguments are an object; anything else a server would refuse.
        _ => empty(),
    }
}

fn value(json: &Value) -> Option<RestrictedExpression> {
    match json {
        Value::Null => None,
        Value::Bool(value) => Some(RestrictedExpression::new_bool(*value)),
        Value::Number(number) => number.as_i64().map(RestrictedExpression::new_long),
        Value::String(text) => Some(RestrictedExpression::new_string(text.clone())),
        Value::Array(items) => {
            if !items.iter().all(is_whole) {
                return None;
            }
            Some(RestrictedExpression::new_set(items.iter().filter_map(value)))
        }
        Value::Object(members) => {
            let members = members.iter().filter_map(|(name, it)| Some((name.clone(), value(it)?)));
            RestrictedExpression::new_record(members).ok()
        }
    }
}

/// Whether nothing of it is left out.
fn is_whole(json: &Value) -> bool {
    match json {
        Value::Null => false,
        Value::Bool(_) | Value::String(_) => true,
        Value::Number(number) => number.as_i64().is_some(),
        Value::Array(items) => items.iter().all(is_whole),
        Value::Object(members) => members.values().all(is_whole),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::record;

    #[track_caller]
    fn check(arguments: &serde_json::Value, expected: &str) {
        assert_eq!(record(arguments).as_ref().to_string(), expected, "{arguments}");
    }

    #[test]
    fn what_cedar_has_no_value_for_is_left_out() {
        check(&json!({ "a": true }), "{a: true}");
        check(&json!({ "a": 1 }), "{a: 1}");
        check(&json!({ "a": "x\"y" }), "{a: \"x\\\"y\"}");
        check(&json!({ "a": [1, 2] }), "{a: [1, 2]}");
        check(&json!({ "a": { "b": [] } }), "{a: {b: []}}");
        check(&json!({ "a": 1.5 }), "{}");
        check(&json!({ "a": null }), "{}");
        check(&json!({ "a": 9_223_372_036_854_775_808_u64 }), "{}");
        check(&json!({ "a": ["x", 1.5] }), "{}");
        check(&json!({ "a": [{ "b": null }] }), "{}");
        check(&json!({ "a": { "b": null } }), "{a: {}}");
        check(&json!([1]), "{}");
    }
}
