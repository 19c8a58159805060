//! Whether policies look at single things, or at servers and what things do.
//!
//! Where no policy does, all tools of a server with the same effect are decided alike, and one
//! decision stands for a list of any length. What is not known to be harmless counts as looking.

use serde_json::Value;

/// The types of what has a name.
const NAMED: [&str; 3] = ["Tool", "Prompt", "Resource"];

/// Whether the policy, in Cedar's JSON, can decide differently of two things that differ in nothing
/// but their names.
pub(crate) fn are_looked_at(part: &Value) -> bool {
    match part {
        Value::Array(parts) => parts.iter().any(are_looked_at),
        Value::Object(members) => {
            // A literal, in the head or in a condition.
            if members.contains_key("id")
                && members.get("type").and_then(Value::as_str).is_some_and(|it| NAMED.contains(&it))
            {
                return true;
            }
            if is_resource(part) {
                return true;
            }
            members.iter().any(|(operator, operands)| match without_resource(operator, operands) {
                Some(rest) => rest.into_iter().any(are_looked_at),
                None => are_looked_at(operands),
            })
        }
        _ => false,
    }
}

/// The other operands, where this asks of the resource only what it is in or what kind it is.
fn without_resource<'a>(operator: &str, operands: &'a Value) -> Option<Vec<&'a Value>> {
    if !operands.get("left").is_some_and(is_resource) {
        return None;
    }
    match operator {
        "in" => Some(vec![&operands["right"]]),
        "is" => Some(operands.get("in").into_iter().collect()),
        "." | "has" if operands["attr"] == "server" => Some(Vec::new()),
        _ => None,
    }
}

fn is_resource(expression: &Value) -> bool {
    expression.get("Var").and_then(Value::as_str) == Some("resource")
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::are_looked_at;

    #[track_caller]
    fn check(head: &str, condition: &str, expected: bool) {
        let text = format!("permit (principal, action, resource{head}) when {{ {condition} }};");
        let policy = Policy::parse(None, &text).unwrap().to_json().unwrap();
        assert_eq!(are_looked_at(&policy), expected, "{text}");
    }

    #[test]
    fn a_name_is_looked_at_by_whoever_could_see_it() {
        check("", "true", false);
        check(" in Server::\"git\"", "true", false);
        check(" is Tool", "true", false);
        check(" is Tool in Server::\"git\"", "true", false);
        check(" == Tool::\"git/push\"", "true", true);
        check(" in Prompt::\"git/p\"", "true", true);
        check("", "principal.name == \"x\" && principal.tenant == Tenant::\"a\"", false);
        check("", "resource in principal.tenant || resource in Server::\"git\"", false);
        check("", "resource is Tool && resource.server == \"git\"", false);
        check("", "resource is Tool in Server::\"git\"", false);
        check("", "resource has server", false);
        check("", "resource is Tool && resource.name like \"get*\"", true);
        check("", "resource is Resource && resource.uri == \"x\"", true);
        check("", "resource == Tool::\"git/push\"", true);
        check("", "resource in [Tool::\"git/push\"]", true);
        check("", "[Server::\"git\", resource].contains(resource)", true);
        check("", "(if principal has name then resource else resource) in Server::\"git\"", true);
        check("", "resource has name", true);
        check("", "{server: resource}.server in Server::\"git\"", true);
        check("", "context.arguments.a == {\"in\": {left: resource, right: 1}}", true);
    }
}
