//! What is left of a policy when nobody has called yet: the rule by which lists are made.
//!
//! A tool is listed where some arguments would be allowed. So in a `permit` every part of a
//! condition that depends on arguments counts as met, and in a `forbid` as not met, below each `!`
//! the other way round. What is denied then is denied with any arguments, which is also how most
//! calls are refused without a look at theirs.

use serde_json::{Value, json};

use crate::arguments::is_mentioned;

/// The policy, in Cedar's JSON, for when the arguments are not known.
pub(crate) fn seen(policy: &Value) -> Value {
    let mut seen = policy.clone();
    let permits = policy["effect"] == "permit";
    for condition in seen["conditions"].as_array_mut().into_iter().flatten() {
        let is_unless = condition["kind"] == "unless";
        let body = &condition["body"];
        // A condition of a `permit` has to be one that may be met; one of a `forbid`, one that
        // cannot but be met. `unless` turns that round.
        condition["body"] = match permits {
            true if is_unless => not(&may_be(body, false)),
            true => may_be(body, true),
            false if is_unless => may_be(body, true),
            false => not(&may_be(body, false)),
        };
    }
    seen
}

/// An expression without arguments that is true wherever `expression` can have this value.
fn may_be(expression: &Value, value: bool) -> Value {
    if !is_mentioned(expression) {
        return if value { expression.clone() } else { not(expression) };
    }
    let Some((operator, operands)) = expression.as_object().and_then(|it| it.iter().next()) else {
        return literal(true);
    };
    let pair = |name: &str| {
        let [left, right] = ["left", "right"].map(|side| may_be(&operands[side], value));
        json!({ name: { "left": left, "right": right } })
    };
    match (operator.as_str(), value) {
        ("!", _) => may_be(&operands["arg"], !value),
        ("&&", true) | ("||", false) => pair("&&"),
        ("||", true) | ("&&", false) => pair("||"),
        ("if-then-else", _) => {
            let [then, or] = ["then", "else"].map(|branch| may_be(&operands[branch], value));
            match is_mentioned(&operands["if"]) {
                true => json!({ "||": { "left": then, "right": or } }),
                false => {
                    json!({ "if-then-else": { "if": operands["if"], "then": then, "else": or } })
                }
            }
        }
        _ => literal(true),
    }
}

fn not(expression: &Value) -> Value {
    json!({ "!": { "arg": expression } })
}

fn literal(value: bool) -> Value {
    json!({ "Value": value })
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::seen;

    #[track_caller]
    fn check(rule: &str, expected: &str) {
        let policy = |rule: &str| {
            let (effect, conditions) = rule.split_once(' ').unwrap();
            let text = format!("{effect} (principal, action, resource) {conditions};");
            Policy::parse(None, &text).unwrap().to_json().unwrap()
        };
        let seen = seen(&policy(rule));
        assert_eq!(seen, policy(expected), "{}", Policy::from_json(None, seen.clone()).unwrap());
    }

    #[test]
    fn a_permit_is_seen_where_some_arguments_meet_it() {
        check(
            "permit when { context.arguments.a == 1 && principal.subject == \"x\" }",
            "permit when { true && principal.subject == \"x\" }",
        );
        check(
            "permit when { !(context.arguments.a == 1 && principal.subject == \"x\") }",
            "permit when { true || !(principal.subject == \"x\") }",
        );
        check("permit unless { context.arguments.a }", "permit unless { !true }");
        check(
            "permit when { if principal has name then context.arguments.a else false }",
            "permit when { if principal has name then true else false }",
        );
        check(
            "permit when { if context.arguments.a then principal has name else false }",
            "permit when { principal has name || false }",
        );
    }

    #[test]
    fn a_forbid_hides_where_all_arguments_meet_it() {
        check("forbid when { context.arguments has a }", "forbid when { !true }");
        check(
            "forbid when { principal has name || context.arguments.a }",
            "forbid when { !(!(principal has name) && true) }",
        );
        check(
            "forbid unless { principal has name && context.arguments.a }",
            "forbid unless { principal has name && true }",
        );
    }
}
