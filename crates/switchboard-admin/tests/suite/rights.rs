//! Who may do what, and in whose tenant.

use std::time::{Duration, UNIX_EPOCH};

use http::StatusCode;
use serde_json::{Value, json};
use switchboard_core::store::{Row, StoreError, tables};
use switchboard_core::{LoginMethod, Principal, Standing, Tenant};

use crate::house::{Caller, House, admin, caller};

/// Every field that somebody may ask for, and the rights that it needs.
const FIELDS: &[(&str, &[&str])] = &[
    ("{ mcpFunction(name: \"f\") { name } }", &["inspect functions"]),
    ("{ mcpFunctionList { total } }", &["inspect functions"]),
    ("{ mcpFunctionCall(mcpFunctionCallUuid: \"1\") { name } }", &["inspect history"]),
    ("{ mcpFunctionCallList { total } }", &["inspect history"]),
    ("{ mcpModule(moduleName: \"m\") { source } }", &["inspect functions"]),
    ("{ mcpModuleList { total } }", &["inspect functions"]),
    ("{ mcpSetting(settingId: \"s\") { setting } }", &["inspect settings"]),
    ("{ mcpSettingList { total } }", &["inspect settings"]),
    ("{ mcpFunction(name: \"f\") { module { source } } }", &["inspect functions"]),
    (
        "{ mcpFunction(name: \"f\") { settings { setting } } }",
        &["inspect functions", "inspect settings"],
    ),
    (
        "{ mcpFunction(name: \"f\") { lastCall { status } } }",
        &["inspect functions", "inspect history"],
    ),
    (
        "{ mcpModule(moduleName: \"m\") { settings { setting } } }",
        &["inspect functions", "inspect settings"],
    ),
    ("{ functions { totalCount } }", &["inspect functions"]),
    ("{ modules { totalCount } }", &["inspect functions"]),
    ("{ settings { totalCount } }", &["inspect settings"]),
    ("{ calls { totalCount } }", &["inspect history"]),
    ("{ servers { totalCount } }", &["inspect servers"]),
    ("{ servers { edges { node { definition { version } } } } }", &["inspect servers"]),
    ("{ tools { totalCount } }", &["inspect servers"]),
    ("{ principals { edges { cursor } } }", &["inspect keys", "inspect users"]),
    ("{ users { totalCount } }", &["inspect users"]),
    ("{ keys { totalCount } }", &["inspect keys"]),
    ("{ policies { totalCount } }", &["inspect policies"]),
    ("{ limits { totalCount } }", &["inspect limits"]),
    ("{ checkPolicy(text: \"permit\") { ok } }", &["inspect policies"]),
    ("{ explain(input: {question: \"list\"}) { allowed } }", &["inspect policies"]),
    (
        "{ explain(input: {question: \"list\", principal: \"user:ann\"}) { allowed } }",
        &["inspect policies", "inspect keys", "inspect users"],
    ),
    ("{ tenants }", &["inspect tenants"]),
    ("{ daemon { version } }", &["inspect operations"]),
    ("{ __schema { queryType { name } } }", &["inspect operations"]),
    ("{ __type(name: \"Query\") { name } }", &["inspect operations"]),
    (
        "mutation { insertUpdateMcpFunction(name: \"x\", mcpType: \"tool\", updatedBy: \"\") {
            mcpFunction { name } } }",
        &["manage functions"],
    ),
    ("mutation { deleteMcpFunction(name: \"f\") { ok } }", &["manage functions"]),
    (
        "mutation { insertUpdateMcpFunctionCall(name: \"x\", mcpType: \"tool\", updatedBy: \"\") {
            mcpFunctionCall { name } } }",
        &["manage history"],
    ),
    ("mutation { deleteMcpFunctionCall(mcpFunctionCallUuid: \"1\") { ok } }", &["manage history"]),
    (
        "mutation { insertUpdateMcpModule(moduleName: \"x\", packageName: \"x\", updatedBy: \"\") {
            mcpModule { source } } }",
        &["manage functions"],
    ),
    ("mutation { deleteMcpModule(moduleName: \"m\") { ok } }", &["manage functions"]),
    (
        "mutation { insertUpdateMcpSetting(setting: {}, updatedBy: \"\") {
            mcpSetting { settingId } } }",
        &["manage settings"],
    ),
    ("mutation { deleteMcpSetting(settingId: \"s\") { ok } }", &["manage settings"]),
    (
        "mutation { loadMcpConfiguration(mcpConfiguration: {tools: [{name: \"t\"}]}) { ok } }",
        &["manage functions", "manage settings"],
    ),
    ("mutation { generateMcpPackageUploadUrl(packageName: \"p\") { ok } }", &["manage functions"]),
    (
        "mutation { processMcpPackage(s3Key: \"k\", moduleName: \"m\", packageName: \"p\") { ok } }",
        &["manage functions", "manage settings"],
    ),
    (
        "mutation { syncExternalMcpServer(serverName: \"s\", baseUrl: \"https://a\") { ok } }",
        &["manage servers", "manage functions"],
    ),
    (
        "mutation { putServer(name: \"s\", input: {definition: {}}) { version } }",
        &["manage servers"],
    ),
    ("mutation { deleteServer(name: \"a\") }", &["manage servers"]),
    ("{ bundles { totalCount } }", &["inspect functions"]),
    ("{ bundleVersions(name: \"b\") { digest } }", &["inspect functions"]),
    (
        "mutation { putBundle(name: \"n\", input: {package: \"YQ==\"}) { version } }",
        &["manage functions"],
    ),
    ("mutation { rollBackBundle(name: \"b\") { version } }", &["manage functions"]),
    ("mutation { createBundleUpload(name: \"b\") { key } }", &["manage functions"]),
    ("mutation { deleteBundle(name: \"b\") }", &["manage functions"]),
    ("mutation { refreshServers { tools } }", &["manage servers"]),
    ("mutation { purgeCache }", &["manage cache"]),
    ("mutation { createKey(input: {name: \"k\"}) { text } }", &["manage keys"]),
    ("mutation { rotateKey(id: \"a\") { text } }", &["manage keys"]),
    ("mutation { revokeKey(id: \"k\") }", &["manage keys"]),
    ("mutation { putUser(name: \"u\", input: {roles: []}) { name } }", &["manage users"]),
    ("mutation { deleteUser(name: \"a\") }", &["manage users"]),
    ("mutation { putPolicy(id: \"p\", input: {text: \"permit\"}) { id } }", &["manage policies"]),
    ("mutation { deletePolicy(id: \"a\") }", &["manage policies"]),
    ("mutation { putLimit(id: \"l\", input: {definition: {}}) { id } }", &["manage limits"]),
    ("mutation { deleteLimit(id: \"a\") }", &["manage limits"]),
    ("mutation { createTenant(input: {name: \"acme\"}) { name } }", &["manage tenants"]),
    ("mutation { deleteTenant(name: \"acme\") }", &["manage tenants"]),
];

fn filled() -> House {
    let house = House::new();
    let function = Row::new("f").with("module_name", "m").with("class_name", "C");
    house.store.put(&tables::FUNCTIONS, "acme", function);
    let classes = json!([{"class_name": "C", "setting_id": "s"}]);
    house.store.put(&tables::MODULES, "acme", Row::new("m").with("classes", classes));
    house.store.put(
        &tables::SETTINGS,
        "acme",
        Row::new("s").with("setting", json!({"a": "secret"})),
    );
    house.store.put(&tables::CALLS, "acme", Row::new("1").with("name", "f"));
    for table in
        [&tables::SERVERS, &tables::KEYS, &tables::USERS, &tables::POLICIES, &tables::LIMITS]
    {
        let row = Row::new("a").with("body", json!({"text": "secret"})).with("version", 1);
        house.store.put(table, "acme", row);
    }
    let body = json!({"current": "b2", "definition": {"settings": {"a": "secret"}}});
    let bundle = Row::new("b").with("body", body).with("version", 1);
    house.store.put(&tables::BUNDLES, "acme", bundle);
    for digest in ["b1", "b2"] {
        let row = Row::new(format!("b.{digest}")).with("bundle", "b").with("digest", digest);
        let row = row.with("content", "YQ==").with("updated_at", digest);
        house.store.put(&tables::BUNDLE_VERSIONS, "acme", row);
    }
    house
}

fn codes(answer: &Value) -> Vec<&str> {
    let errors = answer["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    errors.iter().filter_map(|error| error["extensions"]["code"].as_str()).collect()
}

#[tokio::test]
async fn every_field_needs_its_rights_and_no_others() {
    for (query, rights) in FIELDS {
        // All but one of the rights do not do.
        for missing in 0..rights.len() {
            let mut roles = rights.to_vec();
            roles.remove(missing);
            let house = filled();
            let answer = house.graphql(&caller("acme", "user:bob", &roles), query, json!({})).await;
            assert!(codes(&answer).contains(&"FORBIDDEN"), "{query} without {}", rights[missing]);
            assert!(!answer.to_string().contains("secret"), "{query}: {answer}");
        }
        let house = filled();
        let answer = house.graphql(&caller("acme", "user:bob", rights), query, json!({})).await;
        assert!(!codes(&answer).contains(&"FORBIDDEN"), "{query} with {rights:?}: {answer}");
    }
}

#[tokio::test]
async fn what_is_permitted_is_answered_beside_what_is_not() {
    let house = filled();
    let query =
        "{ mcpFunction(name: \"f\") { name settings { setting } } mcpSettingList { total } }";
    let bob = caller("acme", "user:bob", &["inspect functions"]);
    let answer = house.graphql(&bob, query, json!({})).await;
    let expected = json!({"mcpFunction": {"name": "f", "settings": null}, "mcpSettingList": null});
    assert_eq!(answer["data"], expected);
    assert_eq!(codes(&answer), ["FORBIDDEN", "FORBIDDEN"]);
}

#[tokio::test]
async fn nobody_enters_the_tenant_of_another() {
    let house = filled();
    let acme = Tenant::parse("acme").unwrap();
    let strangers = ["beta", "acme#eu", "default"];
    for stranger in strangers {
        let stranger = Caller { tenant: acme.clone(), ..admin(stranger) };
        for line in [
            "POST /acme/mcp_core_graphql",
            "GET /acme",
            "GET /acme/sse",
            "GET /acme/admin/cache/status",
            "DELETE /acme/admin/cache",
            "GET /acme/api/v1/functions",
            "DELETE /acme/api/v1/functions/f",
        ] {
            let body = json!({"query": "{ functions { totalCount } }"});
            let answered = house.ask(&stranger, line, Some(body)).await;
            assert_eq!(answered.status, StatusCode::FORBIDDEN, "{line} {:?}", stranger.principal);
        }
    }
    let owner = Caller { principal: Principal::new("owner"), tenant: acme };
    let data = house.data(&owner, "{ functions { totalCount } }", json!({})).await;
    assert_eq!(data["functions"]["totalCount"], 1);
}

#[tokio::test]
async fn a_tenant_sees_and_changes_nothing_of_another() {
    let house = filled();
    let beta = admin("beta");
    let lists = "{ functions { totalCount } modules { totalCount } settings { totalCount }
        calls { totalCount } users { totalCount } keys { totalCount } policies { totalCount }
        limits { totalCount } }";
    let data = house.data(&beta, lists, json!({})).await;
    assert!(data.as_object().unwrap().values().all(|list| list["totalCount"] == 0), "{data}");
    let read = "{ mcpFunction(name: \"f\") { name } mcpSetting(settingId: \"s\") { setting } }";
    let data = house.data(&beta, read, json!({})).await;
    assert_eq!(data, json!({"mcpFunction": null, "mcpSetting": null}));
    for delete in [
        "mutation { deleteMcpFunction(name: \"f\") { ok } }",
        "mutation { deleteMcpSetting(settingId: \"s\") { ok } }",
        "mutation { deleteServer(name: \"a\") }",
        "mutation { revokeKey(id: \"a\") }",
        "mutation { insertUpdateMcpSetting(settingId: \"s\", setting: {}, updatedBy: \"\") {
            mcpSetting { settingId } } }",
    ] {
        assert_eq!(house.error(&beta, delete, json!({})).await.0, "NOT_FOUND", "{delete}");
    }
    // A function that refers to a module of the other tenant refers to nothing.
    let function = Row::new("g").with("module_name", "m").with("class_name", "C");
    house.store.put(&tables::FUNCTIONS, "beta", function);
    let read = "{ mcpFunction(name: \"g\") { module { source } settings { setting } } }";
    let data = house.data(&beta, read, json!({})).await;
    assert_eq!(data["mcpFunction"], json!({"module": null, "settings": null}));
}

#[tokio::test]
async fn what_fails_inside_is_not_told() {
    let house = filled();
    for (error, code) in [
        (StoreError::Broken("no such column: secret".to_owned()), "INTERNAL"),
        (StoreError::Unavailable("10.0.0.7 refused".to_owned()), "UNAVAILABLE"),
    ] {
        house.store.fail(error);
        let answer = house.graphql(&admin("acme"), "{ functions { totalCount } }", json!({})).await;
        assert_eq!(codes(&answer), [code]);
        let text = answer.to_string();
        assert!(!text.contains("secret") && !text.contains("10.0.0.7"), "{text}");
        let answered = house.ask(&admin("acme"), "GET /acme/api/v1/functions", None).await;
        assert!(answered.body.contains(code), "{}", answered.body);
        assert!(!answered.body.contains("secret") && !answered.body.contains("10.0.0.7"));
    }
}

#[tokio::test]
async fn nobody_gives_what_they_do_not_have() {
    let house = filled();
    let root = Row::new("root").with("body", json!({"roles": ["admin"]}));
    house.store.put(&tables::USERS, "acme", root);
    let boss = Row::new("boss").with("body", json!({"roles": ["admin"]}));
    house.store.put(&tables::KEYS, "acme", boss);
    let anns = Row::new("anns").with("body", json!({"roles": [], "subject": "user:ann"}));
    house.store.put(&tables::KEYS, "acme", anns);
    let bob = caller("acme", "user:bob", &["manage keys", "manage users", "staff"]);
    let ann = admin("acme");
    let key = |input: &str| format!("mutation {{ createKey(input: {{{input}}}) {{ text }} }}");
    let user = |name: &str, input: &str| {
        format!("mutation {{ putUser(name: \"{name}\", input: {{{input}}}) {{ name }} }}")
    };
    for (who, query, is_allowed) in [
        (&bob, key("name: \"k\""), true),
        (&bob, key("name: \"k\", roles: [\"staff\"]"), true),
        (&bob, key("name: \"k\", roles: [\"staff\", \"admin\"]"), false),
        (&bob, key("name: \"k\", subject: \"user:ann\""), false),
        (&ann, key("name: \"k\", roles: [\"admin\"], subject: \"service:ci\""), true),
        (&ann, key("name: \"k\", roles: [\"owner\"]"), false),
        (&bob, user("new", "password: \"p\", roles: [\"staff\"]"), true),
        (&bob, user("new", "password: \"p\", roles: [\"admin\"]"), false),
        (&bob, user("root", "password: \"p\""), false),
        (&bob, "mutation { deleteUser(name: \"root\") }".to_owned(), false),
        (&bob, "mutation { revokeKey(id: \"boss\") }".to_owned(), false),
        (&bob, "mutation { rotateKey(id: \"boss\") { text } }".to_owned(), false),
        (&bob, "mutation { rotateKey(id: \"anns\") { text } }".to_owned(), false),
        (&bob, "mutation { rotateKey(id: \"a\") { text } }".to_owned(), true),
        (&ann, "mutation { rotateKey(id: \"anns\") { text } }".to_owned(), true),
        (&bob, "mutation { deleteUser(name: \"new\") }".to_owned(), true),
        (&bob, "mutation { revokeKey(id: \"a\") }".to_owned(), true),
        (&ann, user("root", "password: \"p\""), true),
        (&ann, "mutation { deleteUser(name: \"root\") }".to_owned(), true),
        (&ann, "mutation { revokeKey(id: \"boss\") }".to_owned(), true),
    ] {
        let answer = house.graphql(who, &query, json!({})).await;
        assert_eq!(codes(&answer).is_empty(), is_allowed, "{query}: {answer}");
        assert!(is_allowed || codes(&answer) == ["FORBIDDEN"], "{query}: {answer}");
    }
}

#[tokio::test]
async fn what_a_limited_credential_makes_reaches_no_further() {
    let house = filled();
    let narrow = Row::new("narrow").with("body", json!({"roles": [], "scopes": ["effect:write"]}));
    house.store.put(&tables::USERS, "acme", narrow);
    let key = |input: &str| format!("mutation {{ createKey(input: {{{input}}}) {{ text }} }}");
    let user = |name: &str, input: &str| {
        format!("mutation {{ putUser(name: \"{name}\", input: {{{input}}}) {{ name }} }}")
    };
    let limited = |scopes: Option<&[&str]>, expires: Option<u64>| {
        let mut ann = admin("acme");
        let scopes = scopes.map(|all| all.iter().map(|scope| (*scope).into()).collect());
        let expires = expires.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        let (method, roles) = (LoginMethod::ApiKey, vec!["admin".into()]);
        let standing = Standing { method, roles, scopes, expires, ..Standing::default() };
        ann.principal = Principal::of(ann.tenant.clone(), "user:ann", standing);
        ann
    };
    let write = limited(Some(&["effect:write"]), None);
    // Both of them at once, so that a change of what there is may be looked at.
    let both = limited(Some(&["effect:write", "effect:read"]), None);
    let until = limited(None, Some(1_900_000_000));
    for (who, query, is_allowed) in [
        (&write, key("name: \"k\""), false),
        (&write, key("name: \"k\", scopes: [\"effect:destructive\"]"), false),
        (&write, key("name: \"k\", scopes: [\"effect:write\", \"effect:read\"]"), false),
        (&write, key("name: \"k\", scopes: [\"tool:git__log\"]"), false),
        (&write, key("name: \"k\", scopes: [\"effect:write\"]"), true),
        (&both, key("name: \"k\", scopes: [\"effect:read\", \"tool:git__log\"]"), true),
        (&write, user("new", "password: \"p\""), false),
        (&write, user("new", "password: \"p\", scopes: [\"effect:destructive\"]"), false),
        (&write, user("new", "password: \"p\", scopes: [\"effect:write\"]"), true),
        // A user who is there and reaches further, with a password of one's own.
        (&write, user("a", "password: \"p\""), false),
        (&write, user("narrow", "password: \"p\""), true),
        (&until, key("name: \"k\""), false),
        (&until, key("name: \"k\", expiresAt: \"2030-03-17T17:46:41Z\""), false),
        (&until, key("name: \"k\", expiresAt: \"2030-03-17T17:46:40Z\""), true),
        (&until, user("new", "password: \"p\""), false),
        (&until, user("new", "roles: []"), true),
    ] {
        let answer = house.graphql(who, &query, json!({})).await;
        assert_eq!(codes(&answer).is_empty(), is_allowed, "{query}: {answer}");
        assert!(is_allowed || codes(&answer) == ["FORBIDDEN"], "{query}: {answer}");
    }
}

#[tokio::test]
async fn only_the_owner_reaches_beyond_the_own_tenant() {
    let house = filled();
    let bob = caller("acme", "user:bob", &["manage tenants", "inspect tenants"]);
    let make =
        |name: &str| format!("mutation {{ createTenant(input: {{name: \"{name}\"}}) {{ name }} }}");
    let remove = |name: &str| format!("mutation {{ deleteTenant(name: \"{name}\") }}");
    for query in [make("beta"), remove("beta"), remove("acme#eu")] {
        assert_eq!(house.error(&bob, &query, json!({})).await.0, "FORBIDDEN", "{query}");
    }
    assert_eq!(house.data(&bob, "{ tenants }", json!({})).await, json!({"tenants": ["acme"]}));
    let owner = Caller { principal: Principal::new("owner"), tenant: Tenant::default() };
    for query in [make("default"), remove("default"), make("a b"), make("mcp")] {
        assert_eq!(house.error(&owner, &query, json!({})).await.0, "INVALID", "{query}");
    }
    house.data(&owner, &make("beta"), json!({})).await;
    assert_eq!(house.error(&owner, &make("beta"), json!({})).await.0, "CONFLICT");
    let data = house.data(&owner, "{ tenants }", json!({})).await;
    assert_eq!(data, json!({"tenants": ["acme", "beta", "default"]}));
    house.data(&owner, &remove("beta"), json!({})).await;
    assert_eq!(*house.daemon.removed.lock().unwrap(), ["beta"]);
}

#[tokio::test]
async fn who_is_named_is_not_described_as_well() {
    let house = filled();
    let query =
        "{ explain(input: {question: \"list\", principal: \"a\", roles: [\"x\"]}) { allowed } }";
    assert_eq!(house.error(&admin("acme"), query, json!({})).await.0, "INVALID");
    // Whoever says nothing of it means themselves.
    let query = "{ explain(input: {question: \"list\"}) { principal { subject } } }";
    let data = house.data(&admin("acme"), query, json!({})).await;
    assert_eq!(data["explain"]["principal"]["subject"], "user:ann");
}
