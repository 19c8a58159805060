use super::{OPERATOR_LIMIT, load};
use crate::base::Base;
use crate::text::Text;

/// What is said of the policies in `text`, each mistake on a line.
fn mistakes(text: &str) -> String {
    match load(&[Text::new("x.cedar", text)]) {
        Ok(rules) => {
            let names: Vec<_> =
                rules.iter().map(|rule| format!("{} at {}", rule.name, rule.place)).collect();
            format!("fine: {}", names.join(", "))
        }
        Err(mistakes) => {
            let lines: Vec<_> = mistakes.0.iter().map(ToString::to_string).collect();
            lines.join("\n")
        }
    }
}

#[track_caller]
fn check(text: &str, expected: &str) {
    assert_eq!(mistakes(text), expected, "{text}");
}

#[test]
fn what_comes_with_the_program_is_fine() {
    let base = Base::plain();
    assert!(base.is_plain && !base.rules.look_at_arguments());
}

#[test]
fn policies_have_names_and_places() {
    check("", "fine: ");
    check("// nothing", "fine: ");
    check(
        "permit (principal, action, resource);\n\n  @id(\"no-push\")\n  forbid (principal, action, \
         resource == Tool::\"git/push\");",
        "fine: x.cedar#1 at x.cedar:1:1, no-push at x.cedar:3:3",
    );
    check(
        "@id(\"a\") permit (principal, action, resource); @id(\"a\") permit (principal, action, \
         resource);",
        "x.cedar:1:48: policy `a`: another policy has the same name (give it an `@id` of its own)",
    );
}

#[test]
fn what_is_fine_is_accepted() {
    let fine = |policy: &str| {
        let said = mistakes(policy);
        assert!(said.starts_with("fine"), "{policy}: {said}");
    };
    fine(
        "permit (principal in Role::\"x\", action in Action::\"use\", resource in Server::\"git\");",
    );
    fine(
        "permit (principal == Principal::\"acme/user:ann\", action == Action::\"spawn\", resource);",
    );
    fine(
        "forbid (principal, action in Action::\"use\", resource) when { context.method == \"oidc\" };",
    );
    fine(
        "forbid (principal, action in Action::\"use\", resource == Tool::\"git/push\") \
         unless { context.arguments has branch && context.arguments.branch == \"main\" };",
    );
    fine(
        "forbid (principal, action in Action::\"use\", resource) \
         when { resource is Resource && resource.uri like \"file:///secret/*\" };",
    );
    fine(
        "permit (principal, action in [Action::\"inspect:history\", Action::\"manage:keys\"], resource) \
         when { principal has name && principal.name like \"ops-*\" };",
    );
    fine(
        "permit (principal, action in Action::\"use\", resource) \
         when { context.arguments[\"x\\\"y\\u{e9}\"].contains(3) };",
    );
}

#[test]
fn mistakes_say_where_they_are_and_what_to_do() {
    let said = |text: &str, parts: &[&str]| {
        let said = mistakes(text);
        for part in parts {
            assert!(said.contains(part), "{text}\n{said}\nlacks: {part}");
        }
    };
    said("permit (principal, action);", &["x.cedar:1:"]);
    said("permit (principal, action, resource)\nwhen { 1 + };", &["x.cedar:2:"]);
    said(
        "@id(\"a\")\npermit (principal, action in Action::\"uses\", resource);",
        &["x.cedar:2:", "policy `a`", "uses"],
    );
    said(
        "@id(\"a\")\npermit (principal, action == Action::\"use\", resource);",
        &["x.cedar:1:1: policy `a`: it can never apply", "action in Action::\"use\""],
    );
    said(
        "permit (principal == User::\"ann\", action, resource);",
        &["x.cedar:1:", "policy `x.cedar#1`", "User"],
    );
    said(
        "permit (principal, action in Action::\"use\", resource)\n  when { principal.naem == \"x\" };",
        &["x.cedar:2:10", "naem", "name"],
    );
    said(
        "permit (principal, action in Action::\"use\", resource)\n  when { principal.name == \"x\" };",
        &["x.cedar:2:10", "ask first"],
    );
    said(
        "permit (principal, action, resource)\n  when { context.arguments.a == 1 };",
        &["x.cedar:2:10", "begin with `action in Action::\"use\"`"],
    );
    said(
        "permit (principal, action in Action::\"use\", resource) \
         when { context.arguments.a == 1 && context.arguments.a like \"x\" };",
        &["x.cedar:1:1", "the argument `a` is taken for a number and for a text"],
    );
    said(
        "permit (principal == ?principal, action, resource);",
        &["x.cedar:1:1", "templates", "write the policy out"],
    );
    said(
        "permit (principal, action, resource) when { principal.subject == \"a\u{202e}b\" };",
        &["x.cedar:1:", "policy `x.cedar#1`"],
    );
    said("permit (principal, action, resource) when { principal.subject == 1 };", &["x.cedar:1:"]);
}

#[test]
fn too_much_is_refused_before_anything_looks_at_it() {
    let chain = |operator: &str, count: usize| {
        let parts = vec!["principal.subject==\"x\""; count];
        format!(
            "permit (principal, action, resource);\npermit (principal, action, resource) when {{ {} }};",
            parts.join(operator)
        )
    };
    for operator in ["&&", "||"] {
        assert!(mistakes(&chain(operator, 60)).starts_with("fine"));
        check(
            &chain(operator, 10_000),
            "x.cedar:2:1: a policy with more than 256 operators (divide it into several)",
        );
    }
    for deep in ["!", "(", "[", "-", "if true then true else "] {
        let text = format!(
            "permit (principal, action, resource) when {{ {}true }};",
            deep.repeat(OPERATOR_LIMIT)
        );
        assert!(mistakes(&text).contains("more than 256 operators"), "{deep}");
    }
    // As deep as it may be, on the stack that a test has.
    let text = format!(
        "permit (principal, action in Action::\"use\", resource) when {{ context.arguments.a || {}true{} }};",
        "(principal has name || ".repeat(80),
        ")".repeat(80)
    );
    assert!(mistakes(&text).starts_with("fine"), "{}", mistakes(&text));
    check(
        &"x".repeat(300 * 1024),
        "x.cedar:1:1: a text of more than 256 KiB (divide it into several)",
    );
    let text = format!("// {}\npermit (principal, action, resource);", "&& || !".repeat(1_000));
    check(&text, "fine: x.cedar#1 at x.cedar:2:1");
    let many = "permit (principal, action, resource);".repeat(1_001);
    assert!(mistakes(&many).contains("more than 1000 policies"));
}
