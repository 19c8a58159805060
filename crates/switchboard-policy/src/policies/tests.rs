mod agreement;
mod speed;

use serde_json::{Value, json};
use switchboard_core::{
    Action, Area, Effect, Kind, Policy as _, Principal, Standing, Tenant, Wish,
};

use super::Policies;
use crate::base::Base;
use crate::question::Question;
use crate::text::Text;

/// Policies with `base` beside the default, and `own` of the tenant `acme`.
fn policies(base: &str, own: &str) -> Policies {
    let texts = |name: &str, content: &str| match content {
        "" => Vec::new(),
        content => vec![Text::new(name, content)],
    };
    let policies = Policies::new(Base::new(&texts("base", base), true).unwrap());
    policies.with_tenant(&tenant("acme"), &texts("own", own)).unwrap();
    policies
}

fn tenant(name: &str) -> Tenant {
    Tenant::parse(name).unwrap()
}

/// `TENANT/SUBJECT [ROLE …] [SCOPE:… …]`
fn principal(text: &str) -> Principal {
    let mut words = text.split(' ');
    let (tenant_name, subject) = words.next().unwrap().split_once('/').unwrap();
    let (scopes, roles): (Vec<_>, Vec<_>) = words.partition(|word| word.contains(':'));
    let standing = Standing {
        name: Some(subject.into()),
        roles: roles.into_iter().map(Into::into).collect(),
        scopes: (!scopes.is_empty()).then(|| scopes.into_iter().map(Into::into).collect()),
        ..Standing::default()
    };
    Principal::of(tenant(tenant_name), subject, standing)
}

/// What a tool of that name does here.
fn effect(name: &str) -> Effect {
    match name {
        name if name.starts_with("get") => Effect::Reads,
        name if name.starts_with("set") => Effect::Writes,
        _ => Effect::Destroys,
    }
}

/// Whether `who` may do in `place` what `text` asks: a [`Question`], where a tool, prompt or
/// resource is `SERVER/NAME`.
fn is_allowed(policies: &Policies, who: &Principal, place: &str, text: &str) -> bool {
    let place = tenant(place);
    let question: Question = text.parse().unwrap();
    let split = |name: &'_ str| {
        let (server, name) = name.split_once('/').unwrap();
        (server.to_owned(), name.to_owned())
    };
    let (kind, (server, name), arguments) = match &question {
        Question::Call { name, arguments } => (Kind::Tools, split(name), arguments.as_ref()),
        Question::Get(name) => (Kind::Prompts, split(name), None),
        Question::Read(uri) => (Kind::Resources, split(uri), None),
        _ => (Kind::Tools, (String::new(), String::new()), None),
    };
    let action = match &question {
        Question::Inspect(area) => Action::Inspect(*area),
        Question::Manage(area) => Action::Manage(*area),
        Question::Spawn => Action::Spawn,
        _ => {
            let effect = if kind == Kind::Tools { effect(&name) } else { Effect::Reads };
            Action::Use { kind, server: &server, name: &name, effect, arguments }
        }
    };
    let wish = Wish { tenant: &place, action };
    let decision = policies.decide(who, &wish);
    assert_eq!(policies.decide(who, &wish), decision, "kept as it was: {who:?} {text}");
    let explained = policies.explain(who, &wish, None);
    let is_of_use = matches!(wish.action, Action::Use { .. });
    if !is_of_use || who.standing.scopes.is_none() {
        assert_eq!(explained.is_allowed, decision.is_allowed, "{who:?} {text}: {explained}");
    }
    decision.is_allowed
}

#[track_caller]
fn check(policies: &Policies, who: &str, place: &str, text: &str, expected: bool) {
    let actual = is_allowed(policies, &principal(who), place, text);
    assert_eq!(actual, expected, "{who} in {place}: {text}");
}

/// Rows `WHO in PLACE: QUESTION, QUESTION …`, beginning with `+` where it is allowed and `-` where
/// it is not.
#[track_caller]
fn check_all(policies: &Policies, rows: &str) {
    for row in rows.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let (sign, row) = row.split_at(1);
        let (who, rest) = row.trim().split_once(" in ").unwrap();
        let (place, questions) = rest.split_once(": ").unwrap();
        for question in questions.split(", ") {
            check(policies, who, place, question, sign == "+");
        }
    }
}

#[test]
fn by_default_members_use_admins_manage_and_owners_do_everything() {
    let plain = policies("", "");
    check_all(
        &plain,
        "
        + acme/ann in acme: call git/get, call git/set, call git/push, read git/x://y, get git/p
        - acme/ann in acme: inspect history, inspect operations, manage keys, manage policies, spawn
        + acme/eve admin in acme: call git/push, inspect history, manage keys, manage tenants
        - acme/eve admin in acme: spawn
        - acme/ann in other: call git/get, read git/x://y, get git/p, inspect history, manage keys
        - acme/eve admin in other: call git/get, inspect history, manage keys, spawn
        - acme/ann in acme#part: call git/get
        - acme#part/ann admin in acme: call git/get, manage keys
        + default/me owner in default: call git/push, manage keys, spawn
        + default/me owner in acme: call git/push, manage policies, manage tenants, spawn
        - acme/x Owner in acme: spawn, manage keys
        - acme/x owner2 administrator in acme: spawn, manage keys
        ",
    );
    for area in Area::ALL {
        check(&plain, "acme/ann", "acme", &format!("manage {}", area.as_str()), false);
        check(&plain, "acme/ann", "acme", &format!("inspect {}", area.as_str()), false);
        check(&plain, "acme/eve admin", "acme", &format!("manage {}", area.as_str()), true);
        check(&plain, "acme/eve admin", "other", &format!("inspect {}", area.as_str()), false);
    }
}

#[test]
fn the_operator_adds_and_takes_away() {
    let policies = policies(
        r#"
        @id("no-push") forbid (principal, action, resource == Tool::"git/push");
        @id("builders") permit (principal in Role::"builder", action == Action::"spawn", resource);
        @id("auditors") permit (principal in Role::"auditor", action in Action::"inspect", resource);
        @id("readers-read") forbid (principal in Role::"reader", action in Action::"use", resource)
            unless { action == Action::"read" };
        @id("no-secrets") forbid (principal, action, resource is Resource)
            when { resource.uri like "file:///secret/*" };
        @id("acme-only") forbid (principal, action in Action::"use", resource in Server::"db")
            unless { resource in Tenant::"acme" };
        @id("across") permit (principal in Role::"auditor", action, resource);
        "#,
        "",
    );
    check_all(
        &policies,
        "
        - acme/ann in acme: call git/push, read fs/file:///secret/x
        - default/me owner in acme: call git/push
        + default/me owner in acme: call git/get, spawn
        + acme/ann in acme: call git/pull, call fs/push, read fs/file:///open/x, call db/get
        - other/ann in other: call db/get
        + acme/bob builder in acme: spawn
        - acme/bob builder in other: spawn
        - acme/bob builder in acme: manage servers
        + acme/cy auditor in acme: inspect history, inspect keys, manage keys, spawn
        - acme/cy auditor in other: inspect history, manage keys, call git/get, spawn
        + acme/dan reader in acme: call git/get, read git/x, get git/x
        - acme/dan reader in acme: call git/set, call git/pull
        ",
    );
}

#[test]
fn a_tenant_narrows_and_allows_within_itself_only() {
    let policies = policies(
        "",
        r#"
        @id("mine") permit (principal, action, resource);
        @id("no-push") forbid (principal, action, resource == Tool::"git/push");
        @id("no-owner") forbid (principal in Role::"owner", action, resource);
        @id("no-admin-keys") forbid (principal, action == Action::"manage:keys", resource);
        "#,
    );
    check_all(
        &policies,
        "
        + acme/ann in acme: call git/get, inspect history, manage users, manage policies
        - acme/ann in acme: call git/push, spawn, manage tenants, manage keys
        - acme/eve admin in acme: call git/push, spawn, manage keys
        + acme/eve admin in acme: manage tenants
        - acme/ann in other: call git/get, inspect history, manage users, spawn
        - acme/eve admin in other: call git/get, manage users
        - other/ann in acme: call git/get, inspect history, manage users
        - other/eve admin in acme: call git/get, manage users
        + other/ann in other: call git/push
        - other/ann in other: inspect history
        + default/me owner in acme: call git/push, spawn, manage keys
        ",
    );
}

#[test]
fn even_a_tenant_without_the_default_reaches_nobody_else() {
    let base = Text::new("base", "permit (principal, action, resource);");
    let policies = Policies::new(Base::new(&[base], false).unwrap());
    check_all(
        &policies,
        "
        + acme/ann in acme: call git/get, manage keys, spawn
        - acme/ann in other: call git/get, manage keys, spawn
        + default/me owner in other: spawn
        ",
    );
    let nothing = Policies::new(Base::new(&[], false).unwrap());
    check_all(
        &nothing,
        "
        - acme/ann in acme: call git/get, manage keys
        - default/me owner in default: call git/get, spawn
        ",
    );
}

#[test]
fn rules_about_arguments_fail_closed() {
    let policies = policies(
        r#"
        @id("main-only") forbid (principal, action in Action::"use", resource == Tool::"git/push")
            when { context.arguments.branch != "main" };
        @id("few") forbid (principal, action in Action::"use", resource == Tool::"db/drop")
            unless { context.arguments has count && context.arguments.count < 10 };
        @id("no-other-tools") forbid (principal, action in Action::"use", resource in Server::"mail")
            unless { resource == Tool::"mail/send" };
        @id("known") forbid (principal, action in Action::"use", resource == Tool::"mail/send")
            unless { ["ann", "bob"].containsAll(context.arguments.to) };
        @id("shut") forbid (principal, action in Action::"use", resource in Server::"shut");
        @id("open-one") permit (principal in Role::"guest", action == Action::"inspect:cache", resource);
        "#,
        "",
    );
    check_all(
        &policies,
        r#"
        + acme/ann in acme: call git/push, call git/push {"branch":"main"}
        - acme/ann in acme: call git/push {"branch":"x"}, call git/push {}, call git/push {"branch":1}
        - acme/ann in acme: call git/push {"branch":null}, call git/push {"branch":1.5}
        + acme/ann in acme: call db/drop, call db/drop {"count":9}, call git/pull {"branch":"x"}
        - acme/ann in acme: call db/drop {"count":10}, call db/drop {}, call db/drop {"count":"9"}
        - acme/ann in acme: call db/drop {"count":1.5}, call db/drop {"count":99999999999999999999}
        + acme/ann in acme: call mail/send, call mail/send {"to":[]}
        - acme/ann in acme: call mail/send {}, call mail/send {"to":["x"]}, call mail/send {"to":"ann"}
        - acme/ann in acme: call mail/send {"to":[1.5]}, call mail/send {"to":[null]}, call mail/get
        - acme/ann in acme: call shut/get, call shut/get {}
        "#,
    );
    let several = principal("acme/ann");
    for (to, expected) in [(json!(["ann", "bob"]), true), (json!(["ann", 1.5]), false)] {
        let call = format!("call mail/send {}", json!({ "to": to }));
        assert_eq!(is_allowed(&policies, &several, "acme", &call), expected, "{call}");
    }
    assert!(policies.looks_at_arguments(&tenant("acme")));
    assert!(!self::policies("", "").looks_at_arguments(&tenant("acme")));
}

#[test]
fn a_permit_about_arguments_shows_the_tool_and_allows_some_calls() {
    let base = Text::new(
        "base",
        r#"permit (principal in Role::"dev", action in Action::"use", resource in Server::"git")
               when { context.arguments.repo like "acme/*" };"#,
    );
    let policies = Policies::new(Base::new(&[base], false).unwrap());
    check_all(
        &policies,
        r#"
        + acme/ann dev in acme: call git/get, call git/get {"repo":"acme/x"}
        - acme/ann dev in acme: call git/get {"repo":"other/x"}, call git/get {}, call fs/get
        - acme/ann in acme: call git/get, call git/get {"repo":"acme/x"}
        - other/ann dev in acme: call git/get, call git/get {"repo":"acme/x"}
        "#,
    );
}

#[test]
fn scopes_limit_managing_whatever_policies_say() {
    check_all(
        &policies("permit (principal, action, resource);", ""),
        "
        + acme/eve admin openid:x in acme: manage keys, inspect keys, spawn
        - acme/eve admin server:* in acme: manage keys, inspect keys, spawn
        - acme/eve admin tool:git__* in acme: manage keys, inspect keys, spawn
        + acme/eve admin effect:read in acme: inspect keys
        - acme/eve admin effect:read in acme: manage keys, spawn
        + acme/eve admin effect:write in acme: manage keys
        - default/me owner server:git in default: spawn, manage keys
        ",
    );
}

#[test]
fn a_tenant_whose_policies_cannot_be_read_is_shut() {
    let policies = policies("", "");
    let acme = tenant("acme");
    let mistakes = policies.with_tenant(&acme, &[Text::new("own", "forbid (")]).unwrap_err();
    assert!(mistakes.to_string().starts_with("own:1:"), "{mistakes}");
    check(&policies, "acme/ann", "acme", "call git/get", true);
    policies.shut(&acme);
    check_all(
        &policies,
        "
        - acme/ann in acme: call git/get, manage policies
        - acme/eve admin in acme: call git/get, manage keys, inspect history
        + acme/eve admin in acme: manage policies, inspect policies
        + default/me owner in acme: call git/get, manage keys
        + other/ann in other: call git/get
        ",
    );
    policies.with_tenant(&acme, &[]).unwrap();
    check(&policies, "acme/ann", "acme", "call git/get", true);
    policies.shut(&acme);
    policies.without_tenant(&acme);
    check(&policies, "acme/ann", "acme", "call git/get", true);
}

#[test]
fn what_changes_holds_from_then_on_and_has_another_number() {
    let policies = policies("", r#"forbid (principal, action, resource == Tool::"git/push");"#);
    check(&policies, "acme/ann", "acme", "call git/push", false);
    let before = policies.generation();
    policies.replace_base(
        Base::new(
            &[Text::new("base", "forbid (principal, action, resource in Server::\"fs\");")],
            true,
        )
        .unwrap(),
    );
    assert_ne!(policies.generation(), before);
    check_all(
        &policies,
        "- acme/ann in acme: call git/push, call fs/get\n+ acme/ann in acme: call git/get",
    );
    policies.with_tenant(&tenant("acme"), &[]).unwrap();
    check_all(&policies, "+ acme/ann in acme: call git/push\n- acme/ann in acme: call fs/get");
}

#[test]
fn explanations_name_what_decided_and_where_it_stands() {
    let policies = policies(
        "@id(\"main-only\")\nforbid (principal, action in Action::\"use\", resource == \
         Tool::\"git/push\")\nwhen { context.arguments.branch != \"main\" };",
        "\n  @id(\"no-fs\")\n  forbid (principal, action, resource in Server::\"fs\");",
    );
    let check =
        |who: &str, (server, name): (&str, &str), arguments: Option<&Value>, expected: &str| {
            let place = tenant("acme");
            let action =
                Action::Use { kind: Kind::Tools, server, name, effect: effect(name), arguments };
            let shown = format!("{server}__{name}");
            let wish = Wish { tenant: &place, action };
            let explained = policies.explain(&principal(who), &wish, Some(&shown)).to_string();
            assert_eq!(explained, expected);
        };
    check(
        "acme/ann",
        ("git", "get"),
        None,
        "allowed\n  permitted by policy `members-use` (built-in/default.cedar:18:1)",
    );
    check(
        "acme/ann",
        ("fs", "get"),
        None,
        "denied\n  forbidden by the tenant's policy `no-fs` (own:2:3)",
    );
    check(
        "acme/ann",
        ("git", "push"),
        Some(&json!({})),
        "denied\n  forbidden by policy `main-only` (base:1:1)\n  policy `main-only` (base:1:1) \
         cannot be evaluated: record does not have the attribute `branch`",
    );
    check(
        "acme/ann server:fs effect:read tool:git__*",
        ("git", "get"),
        None,
        "denied\n  the credential is limited to `server:fs`\n  permitted by policy `members-use` \
         (built-in/default.cedar:18:1)",
    );
    check(
        "other/ann",
        ("git", "get"),
        None,
        "denied\n  forbidden by policy `own-tenant-only` (built-in/guard.cedar:3:1)",
    );
    let place = tenant("acme");
    let spawn = Wish { tenant: &place, action: Action::Spawn };
    let explained = policies.explain(&principal("acme/eve admin"), &spawn, None);
    assert_eq!(explained.to_string(), "denied\n  no policy permits it");
}
