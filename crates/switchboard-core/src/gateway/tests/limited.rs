use std::sync::Arc;
use std::time::UNIX_EPOCH;

use serde_json::json;
use switchboard_mcp::{Method, ProtocolVersion};

use super::{gateway, member};
use crate::catalog::Catalog;
use crate::gateway::{Gateway, Snapshot};
use crate::limit::{LimitConfig, Limits, Rules};
use crate::peer::{Context, Peer as _, Request};
use crate::principal::{Principal, Standing};
use crate::seal::bare::Bare;
use crate::tenant::Tenant;

fn limited(gateway: Gateway, rules: &serde_json::Value) -> Gateway {
    let config: LimitConfig = serde_json::from_value(json!({ "rule": rules })).unwrap();
    let limits = Limits::new(Rules::new(&config).unwrap(), UNIX_EPOCH);
    gateway.with_limits(Arc::new(limits))
}

/// What each of the requests, `METHOD NAME`, comes to: `ok`, or the first words of the error.
async fn check(gateway: &Gateway, requests: &[(Method, &str)], expected: &[&str]) {
    let principal = Principal::of(Tenant::default(), "user:ann", Standing::default());
    let context = Context::new(principal, ProtocolVersion::NEWEST_LEGACY);
    for ((method, name), expected) in requests.iter().zip(expected) {
        let (method, name) = (method.clone(), Some((*name).to_owned()));
        let request = Request { method: method.clone(), params: None, name };
        let outcome = match gateway.request(&context, request).await {
            Ok(_) => "ok".to_owned(),
            Err(error) => error.to_string(),
        };
        assert!(outcome.starts_with(expected), "{method}: {outcome}, not {expected}");
    }
}

#[tokio::test]
async fn what_goes_to_a_server_is_counted_and_what_does_not_is_free() {
    let gateway = gateway(&[("git", false), ("fs", false)]);
    let gateway = limited(gateway, &json!({ "a": { "rate": "3/day" } }));
    check(
        &gateway,
        &[
            (Method::ToolsList, ""),
            (Method::ToolsCall, "git__none"),
            (Method::ToolsCall, "git__echo"),
            // Both servers are asked, and it is one request.
            (Method::ResourcesRead, "fs://x"),
            (Method::Complete, "git://x"),
            (Method::ToolsCall, "fs__echo"),
            (Method::ResourcesRead, "fs://x"),
            (Method::Complete, "git://x"),
            (Method::Subscribe, "git://x"),
            (Method::Unsubscribe, "git://x"),
            (Method::ToolsList, ""),
        ],
        &[
            "ok",
            "no tool named",
            "ok",
            "ok",
            "ok",
            "too many calls: the limit `a` is 3 calls",
            "too many calls",
            "too many calls",
            "too many calls",
            "ok",
            "ok",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_rule_knows_a_tool_by_the_name_of_its_server() {
    let gateway = gateway(&[("git", false), ("fs", false)]);
    let rule = json!({ "a": { "server": "git", "tool": "echo", "rate": "1/day" } });
    let gateway = limited(gateway, &rule);
    let calls = ["git__echo", "git__echo", "fs__echo", "fs__echo"];
    let calls = calls.map(|name| (Method::ToolsCall, name));
    check(&gateway, &calls, &["ok", "too many calls", "ok", "ok"]).await;
}

#[tokio::test]
async fn a_method_we_do_not_know_is_counted_as_well() {
    let catalog = Catalog::build(vec![member("git", false)]);
    let gateway = Gateway::new(Snapshot { catalog, ..Snapshot::default() }, Arc::new(Bare));
    let gateway = limited(gateway, &json!({ "a": { "rate": "1/day" } }));
    let other = || (Method::Other("x/y".into()), "");
    check(&gateway, &[other(), other()], &["ok", "too many calls"]).await;
}
