//! Facts about a tenant and its cache.

use http::StatusCode;
use serde_json::{Value, json};
use switchboard_core::{Principal, Tenant};

use crate::house::{Caller, House, admin, caller};

async fn ask(house: &House, who: &Caller, line: &str) -> (StatusCode, Value) {
    let answered = house.ask(who, line, None).await;
    (answered.status, serde_json::from_str(&answered.body).unwrap())
}

#[tokio::test]
async fn a_tenant_has_facts_of_what_the_caller_would_see() {
    let house = House::new();
    let (status, facts) = ask(&house, &caller("acme", "user:bob", &[]), "GET /acme").await;
    assert_eq!(status, StatusCode::OK);
    let item = |name: &str| {
        json!({
            "name": format!("git__{name}"),
            "description": format!("does {name}"),
            "inputSchema": {"type": "object", "properties": {"firstName": {}, "last_name": {}}},
        })
    };
    let expected = json!({
        "server": "switchboard",
        "version": "0.1.0",
        "partition_key": "acme",
        "sse_stats": {"total_clients": 0, "message_history_size": 0},
        "tools": [item("log")],
        "resources": [],
        "prompts": [item("review")],
    });
    assert_eq!(facts, expected);
}

#[tokio::test]
async fn the_cache_has_the_fields_that_it_had() {
    let house = House::new();
    let acme = admin("acme");
    let (_, status) = ask(&house, &acme, "GET /acme/admin/cache/status").await;
    assert_eq!(status["is_cached"], true);
    let info = json!({"partition_key": "acme", "tools_count": 2, "resources_count": 0,
        "prompts_count": 1, "modules_count": 0, "module_links_count": 3});
    assert_eq!(status["cache_info"], info);
    let (_, status) = ask(&house, &admin("beta"), "GET /beta/admin/cache/status").await;
    assert_eq!((&status["is_cached"], &status["cache_info"]), (&json!(false), &Value::Null));
    let (_, refresh) = ask(&house, &acme, "POST /acme/admin/cache/refresh").await;
    assert_eq!(refresh["status"], "success");
    assert_eq!(refresh["cache_stats"]["tools_count"], 2);
    let (_, purge) = ask(&house, &acme, "DELETE /acme/admin/cache").await;
    assert_eq!(purge["partition_key"], "acme");
    let owner = Caller { principal: Principal::new("owner"), tenant: Tenant::default() };
    let (_, purge) = ask(&house, &owner, "DELETE /admin/cache").await;
    assert_eq!(purge["cleared_partitions"], json!(["default", "acme"]));
}

#[tokio::test]
async fn the_cache_is_not_everybodys() {
    let house = House::new();
    for (line, right) in [
        ("GET /acme/admin/cache/status", "inspect cache"),
        ("POST /acme/admin/cache/refresh", "manage cache"),
        ("DELETE /acme/admin/cache", "manage cache"),
    ] {
        let (status, answer) = ask(&house, &caller("acme", "user:bob", &[]), line).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{line}");
        assert!(answer["detail"].as_str().unwrap().contains(right), "{answer}");
        let (status, _) = ask(&house, &caller("acme", "user:bob", &[right]), line).await;
        assert_eq!(status, StatusCode::OK, "{line}");
    }
    let (status, _) = ask(&house, &admin("default"), "DELETE /admin/cache").await;
    assert_eq!(status, StatusCode::FORBIDDEN, "an administrator of one tenant");
}
