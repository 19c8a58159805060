//! The modern surface.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use switchboard_core::store::{Row, tables};

use crate::house::{House, admin, caller};

fn filled(functions: usize) -> House {
    let house = House::new();
    for number in 0..functions {
        let module = format!("m{}", number % 20);
        let function = Row::new(format!("f{number:03}"))
            .with("mcp_type", "tool")
            .with("module_name", module.clone())
            .with("class_name", "C");
        house.store.put(&tables::FUNCTIONS, "acme", function);
        let class = json!([{"class_name": "C", "setting_id": format!("s{module}")}]);
        let row = Row::new(module.clone()).with("package_name", "p").with("classes", class);
        house.store.put(&tables::MODULES, "acme", row);
        let setting = Row::new(format!("s{module}")).with("setting", json!({"of": module}));
        house.store.put(&tables::SETTINGS, "acme", setting);
        for call in 0..3 {
            let row = Row::new(format!("{number:03}{call}"))
                .with("name", format!("f{number:03}"))
                .with("status", format!("status {call}"))
                .with("updated_at", format!("2026-11-20T00:00:0{call}.000000Z"));
            // Records of the older engine have none.
            let row = if number % 2 == 0 { row.with("method", "tools/call") } else { row };
            house.store.put(&tables::CALLS, "acme", row);
        }
    }
    house
}

#[tokio::test]
async fn a_list_with_all_that_belongs_to_it_is_one_query_for_each_table() {
    let house = filled(100);
    let children = "name module { packageName settings { setting } } settings { setting }
        lastCall { status }";
    for list in [
        format!("{{ mcpFunctionList {{ mcpFunctionList {{ {children} }} }} }}"),
        format!("{{ functions(first: 100) {{ edges {{ node {{ {children} }} }} }} }}"),
    ] {
        house.store.asked();
        let data = house.data(&admin("acme"), &list, json!({})).await;
        let asked = house.store.asked();
        let expected = ["mcp_function_calls", "mcp_functions", "mcp_modules", "mcp_settings"];
        assert_eq!(asked, BTreeMap::from(expected.map(|table| (table, 1))), "{list}");
        let last = data.pointer("/mcpFunctionList/mcpFunctionList/99");
        let last = last.or(data.pointer("/functions/edges/99/node")).unwrap();
        let expected = json!({
            "name": "f099",
            "module": {"packageName": "p", "settings": [{"setting": {"of": "m19"}}]},
            "settings": [{"setting": {"of": "m19"}}],
            "lastCall": {"status": "status 2"},
        });
        assert_eq!(*last, expected);
    }
}

#[tokio::test]
async fn connections_are_walked_by_cursors() {
    let house = filled(25);
    let acme = admin("acme");
    let list = "query($after: String) { calls(first: 20, after: $after) { totalCount
        pageInfo { hasNextPage hasPreviousPage endCursor }
        edges { cursor node { mcpFunctionCallUuid } } } }";
    let mut ids: Vec<String> = Vec::new();
    let mut after = Value::Null;
    loop {
        let data = house.data(&acme, list, json!({ "after": after })).await;
        let calls = &data["calls"];
        assert_eq!(calls["totalCount"], 75);
        assert_eq!(calls["pageInfo"]["hasPreviousPage"], !after.is_null());
        let edges = calls["edges"].as_array().unwrap();
        ids.extend(
            edges
                .iter()
                .map(|edge| edge["node"]["mcpFunctionCallUuid"].as_str().unwrap().to_owned()),
        );
        after = calls["pageInfo"]["endCursor"].clone();
        if calls["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(ids.len(), 75);
    assert!(ids.is_sorted_by(|one, other| one > other), "the latest first, none twice");
    let (code, _) = house.error(&acme, list, json!({"after": "???"})).await;
    assert_eq!(code, "INVALID");
}

#[tokio::test]
async fn what_the_daemon_has_in_memory_is_paged_too() {
    let house = House::new();
    let acme = admin("acme");
    let list = "query($after: String) { servers(first: 1, after: $after) { totalCount
        pageInfo { hasNextPage endCursor } edges { node { name state definition { version } } } }
        tools(server: \"git\") { edges { node { name ownName effect inputSchema } } } }";
    let first = house.data(&acme, list, json!({})).await;
    let servers = &first["servers"];
    assert_eq!(servers["totalCount"], 2);
    let expected = json!({"name": "git", "state": "OPEN", "definition": null});
    assert_eq!(servers["edges"][0]["node"], expected);
    let tool = &first["tools"]["edges"][0]["node"];
    assert_eq!(tool["name"], "git__hidden_push");
    assert!(tool["inputSchema"]["properties"].get("firstName").is_some());
    let after = json!({"after": servers["pageInfo"]["endCursor"]});
    let second = house.data(&acme, list, after).await;
    assert_eq!(second["servers"]["edges"][0]["node"]["name"], "mail");
    assert_eq!(second["servers"]["pageInfo"]["hasNextPage"], false);
}

const PUT_SERVER: &str = "mutation($name: String!, $definition: JSONCamelCase!, $version: Int) {
    putServer(name: $name, input: {definition: $definition}, version: $version) {
        definition version updatedBy } }";

#[tokio::test]
async fn secrets_of_servers_are_kept_and_not_shown() {
    let house = House::new();
    let acme = admin("acme");
    let definition =
        json!({"http": {"url": "https://a", "headers": {"Authorization": "Bearer x"}}});
    let variables = json!({"name": "a", "definition": definition});
    let made = house.data(&acme, PUT_SERVER, variables).await;
    let shown = &made["putServer"]["definition"];
    assert_eq!(shown["http"]["headers"]["Authorization"], "…");
    assert_eq!(made["putServer"]["version"], 1);
    assert_eq!(made["putServer"]["updatedBy"], "user:ann");
    let mut sent = shown.clone();
    sent["http"]["url"] = json!("https://b/mcp");
    let elsewhere = json!({"name": "a", "definition": sent, "version": 1});
    let (code, message) = house.error(&acme, PUT_SERVER, elsewhere).await;
    assert_eq!(code, "INVALID");
    assert!(
        message.contains("`http.headers.Authorization`") && message.contains("`https://b`"),
        "{message}"
    );
    sent["http"]["url"] = json!("https://a/mcp");
    let variables = json!({"name": "a", "definition": sent, "version": 1});
    house.data(&acme, PUT_SERVER, variables.clone()).await;
    let kept = house.store.row(&tables::SERVERS, "acme", "a").unwrap();
    let expected =
        json!({"http": {"url": "https://a/mcp", "headers": {"Authorization": "Bearer x"}}});
    assert_eq!(kept.get("body"), Some(&expected));
    assert_eq!(house.error(&acme, PUT_SERVER, variables).await.0, "CONFLICT");
    let variables = json!({"name": "b", "definition": {"http": {"token": "…"}}});
    assert_eq!(house.error(&acme, PUT_SERVER, variables).await.0, "INVALID");
}

#[tokio::test]
async fn a_server_that_is_a_program_needs_a_right_of_its_own() {
    let house = House::new();
    let variables = json!({"name": "a", "definition": {"stdio": {"command": "sh"}}});
    let manager = caller("acme", "user:bob", &["manage servers"]);
    let (code, message) = house.error(&manager, PUT_SERVER, variables.clone()).await;
    assert_eq!((code.as_str(), message.contains("start programs")), ("FORBIDDEN", true));
    assert_eq!(house.store.row(&tables::SERVERS, "acme", "a"), None);
    let starter = caller("acme", "user:bob", &["manage servers", "start programs"]);
    house.data(&starter, PUT_SERVER, variables).await;
}

#[tokio::test]
async fn the_text_of_a_key_is_shown_once_and_its_hash_never() {
    let house = House::new();
    let acme = admin("acme");
    let make = "mutation { createKey(input: {name: \"ci\", scopes: [\"tool:a\"]}) {
        text key { id name scopes } } }";
    let data = house.data(&acme, make, json!({})).await;
    assert_eq!(data["createKey"]["text"], "sb-text");
    let list = "{ keys { edges { node { id name scopes roles } } }
        principals { edges { node { subject name } } } }";
    let answer = house.graphql(&acme, list, json!({})).await.to_string();
    assert!(answer.contains("\"k1\"") && answer.contains("key:k1"), "{answer}");
    assert!(!answer.contains("sb-text") && !answer.contains("0xsecret"), "{answer}");
    let rotate =
        "mutation { rotateKey(id: \"k1\", input: {graceSeconds: 60}) { text key { id } } }";
    let data = house.data(&acme, rotate, json!({})).await;
    assert_eq!(data["rotateKey"], json!({"text": "sb-next", "key": {"id": "k1"}}));
    assert_eq!(house.error(&acme, &rotate.replace("k1", "k2"), json!({})).await.0, "NOT_FOUND");
    house.data(&acme, "mutation { revokeKey(id: \"k1\") }", json!({})).await;
    let (code, _) = house.error(&acme, "mutation { revokeKey(id: \"k1\") }", json!({})).await;
    assert_eq!(code, "NOT_FOUND");
}

#[tokio::test]
async fn principals_are_keys_and_then_users() {
    let house = House::new();
    for id in ["a", "b"] {
        house.store.put(&tables::KEYS, "acme", Row::new(id).with("body", json!({})));
        house.store.put(&tables::USERS, "acme", Row::new(id).with("body", json!({"roles": ["x"]})));
    }
    for size in 1..=5 {
        let mut subjects = Vec::new();
        let mut after = Value::Null;
        loop {
            let list =
                "query($first: Int, $after: String) { principals(first: $first, after: $after) {
                pageInfo { hasNextPage endCursor } edges { node { subject } } } }";
            let variables = json!({"first": size, "after": after});
            let data = house.data(&admin("acme"), list, variables).await;
            let page = &data["principals"];
            let edges = page["edges"].as_array().unwrap();
            subjects.extend(edges.iter().map(|edge| edge["node"]["subject"].clone()));
            after = page["pageInfo"]["endCursor"].clone();
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
        }
        assert_eq!(subjects, ["key:a", "key:b", "user:a", "user:b"], "{size}");
    }
}

#[tokio::test]
async fn users_policies_and_limits_are_managed() {
    let house = House::new();
    let acme = admin("acme");
    let user =
        "mutation { putUser(name: \"bob\", input: {password: \"p4ss\", roles: [\"admin\"]}) {
        name roles } }";
    assert_eq!(house.data(&acme, user, json!({})).await["putUser"]["roles"], json!(["admin"]));
    let users = house.graphql(&acme, "{ users { edges { node { name } } } }", json!({})).await;
    assert!(!users.to_string().contains("p4ss"));
    let policy =
        "mutation($text: String!) { putPolicy(id: \"p\", input: {text: $text}) { text version } }";
    let data = house.data(&acme, policy, json!({"text": "permit(a, b, c);"})).await;
    assert_eq!(data["putPolicy"], json!({"text": "permit(a, b, c);", "version": 1}));
    let (code, message) = house.error(&acme, policy, json!({"text": "permt"})).await;
    assert_eq!((code.as_str(), message.as_str()), ("INVALID", "line 1: expected `permit`"));
    let check = "{ checkPolicy(text: \"permt\") { ok message } }";
    let data = house.data(&acme, check, json!({})).await;
    assert_eq!(data["checkPolicy"]["ok"], false);
    let limit =
        "mutation { putLimit(id: \"l\", input: {definition: {perMinute: 5}}) { definition } }";
    let data = house.data(&acme, limit, json!({})).await;
    assert_eq!(data["putLimit"]["definition"], json!({"perMinute": 5}));
    house.data(&acme, "mutation { deleteLimit(id: \"l\", version: 1) }", json!({})).await;
    let me = house.data(&acme, "{ me { tenant subject roles method } }", json!({})).await;
    assert_eq!(me["me"]["subject"], "user:ann");
    assert_eq!(me["me"]["tenant"], "acme");
}
