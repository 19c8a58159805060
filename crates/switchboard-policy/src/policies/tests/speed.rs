//! What decisions cost. `cargo test --release -p switchboard-policy -- --ignored --nocapture speed`

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use switchboard_core::{Action, Effect, Kind, Policy as _, Principal, Wish};
use switchboard_mcp::Method;

use super::agreement::{ask, gateway};
use super::{Policies, policies, principal, tenant};

/// The time of one `what`, of many.
#[expect(clippy::disallowed_methods, reason = "this is about time")]
fn each(times: u32, mut what: impl FnMut(u32)) -> Duration {
    let began = std::time::Instant::now();
    for time in 0..times {
        what(time);
    }
    began.elapsed() / times
}

fn call(policies: &Policies, who: &Principal, name: &str, arguments: Option<&serde_json::Value>) {
    let place = tenant("acme");
    let effect = Effect::Destroys;
    let action = Action::Use { kind: Kind::Tools, server: "git", name, effect, arguments };
    let decision = policies.decide(who, &Wish { tenant: &place, action });
    assert!(black_box(decision).is_allowed);
}

#[tokio::test]
#[ignore = "prints figures"]
#[expect(clippy::print_stdout, reason = "for whoever measures")]
async fn decisions() {
    let ann = principal("acme/ann dev tester");
    let names: Vec<_> = (0..1_000).map(|n| format!("tool{n}")).collect();
    let twenty: String = (0..20)
        .map(|n| {
            format!(
                "forbid (principal in Role::\"r{n}\", action in Action::\"use\", resource in \
                 Server::\"s{n}\") when {{ principal.method == \"oidc\" }};"
            )
        })
        .collect();
    let about_names = "forbid (principal, action, resource == Tool::\"fs/drop\");";
    let about_arguments = "forbid (principal, action in Action::\"use\", resource == \
                           Tool::\"git/push\") when { context.arguments.branch != \"main\" };";
    for (what, base) in [
        ("default", ""),
        ("default and 20", &*twenty),
        ("default and a name", about_names),
        ("default and arguments", about_arguments),
    ] {
        let policies = policies(base, "");
        let owner = Principal::new("owner");
        println!("{what}:");
        println!("  owner      {:?}", each(100_000, |_| call(&policies, &owner, "push", None)));
        let first = each(1_000, |n| call(&policies, &ann, &names[n as usize], None));
        println!("  1,000 tools, each {first:?}");
        println!("  kept       {:?}", each(100_000, |_| call(&policies, &ann, "tool1", None)));
        let arguments = json!({ "branch": "main", "paths": ["a", "b"], "n": 1 });
        let with = |_| call(&policies, &ann, "push", Some(&arguments));
        println!("  a call     {:?}", each(10_000, with));
        lists(policies, &names).await;
    }
}

/// 999 tools, listed whole and in part.
#[expect(clippy::print_stdout, reason = "for whoever measures")]
async fn lists(policies: Policies, names: &[String]) {
    let tools: Vec<_> = names[..333].iter().map(|name| (name.as_str(), "{}")).collect();
    let gateway = gateway(Arc::new(policies), &tools);
    for who in ["default/me owner", "acme/ann dev", "acme/ann dev server:git"] {
        let who = principal(who);
        for what in ["first", "next"] {
            #[expect(clippy::disallowed_methods, reason = "this is about time")]
            let began = std::time::Instant::now();
            black_box(ask(&gateway, &who, Method::ToolsList, json!({})).await);
            println!("  {what} list of {who:?} {:?}", began.elapsed());
        }
    }
}
