//! What clients of the older engine ask.

use serde_json::{Value, json};
use switchboard_core::store::{Row, tables};
use switchboard_core::{Area, OWNER, Principal, Standing, Tenant};

use crate::house::{House, admin};

const PUT: &str = "mutation($name: String!, $data: JSONCamelCase, $text: String) {
    insertUpdateMcpFunction(name: $name, mcpType: \"tool\", description: $text, data: $data,
        updatedBy: \"me\") {
        mcpFunction { partitionKey name mcpType description data status updatedBy createdAt updatedAt }
    }
}";

#[tokio::test]
async fn ping_says_the_time() {
    let house = House::new();
    let data = house.data(&admin("acme"), "{ ping }", json!({})).await;
    let ping = data["ping"].as_str().unwrap();
    assert!(ping.starts_with("Hello at ") && ping.ends_with("!!"), "{ping}");
}

#[tokio::test]
async fn keys_of_users_are_left_untouched() {
    let house = House::new();
    let data = json!({"inputSchema": {
        "properties": {"firstName": {}, "last_name": {}, "X-Y": {"default": "007"}},
        "required": ["firstName", "last_name"],
    }});
    let made = house.data(&admin("acme"), PUT, json!({"name": "f", "data": data})).await;
    assert_eq!(made["insertUpdateMcpFunction"]["mcpFunction"]["data"], data);
    assert_eq!(house.store.row(&tables::FUNCTIONS, "acme", "f").unwrap().get("data"), Some(&data));
    let literal = "mutation { insertUpdateMcpFunction(name: \"g\", mcpType: \"tool\",
        data: {aB: {c_d: [1, 2.5, null, true, \"x\"]}}, updatedBy: \"me\") { mcpFunction { data } } }";
    let made = house.data(&admin("acme"), literal, json!({})).await;
    let expected = json!({"aB": {"c_d": [1, 2.5, null, true, "x"]}});
    assert_eq!(made["insertUpdateMcpFunction"]["mcpFunction"]["data"], expected);
}

#[tokio::test]
async fn an_upsert_keeps_what_it_does_not_name() {
    let house = House::new();
    let acme = admin("acme");
    let first = house.data(&acme, PUT, json!({"name": "f", "text": "one", "data": {"a": 1}})).await;
    let first = &first["insertUpdateMcpFunction"]["mcpFunction"];
    assert_eq!(first["partitionKey"], "acme");
    assert_eq!(first["updatedBy"], "me");
    assert_eq!(first["status"], 1);
    let second = house.data(&acme, PUT, json!({"name": "f", "text": "two"})).await;
    let second = &second["insertUpdateMcpFunction"]["mcpFunction"];
    assert_eq!(second["data"], json!({"a": 1}));
    assert_eq!(second["description"], "two");
    assert_eq!(second["createdAt"], first["createdAt"]);
    assert!(first["updatedAt"].as_str() < second["updatedAt"].as_str());
    let changed = house.daemon.changed.lock().unwrap().clone();
    assert_eq!(changed, vec![("acme".to_owned(), Area::Functions); 2]);
}

#[tokio::test]
async fn lists_have_pages_and_a_total() {
    let house = House::new();
    let acme = admin("acme");
    for number in 0..250 {
        let row = Row::new(format!("f{number:03}"))
            .with("mcp_type", if number % 2 == 0 { "tool" } else { "prompt" })
            .with("description", format!("does {number} Things"));
        house.store.put(&tables::FUNCTIONS, "acme", row);
    }
    let list = "query($page: Int, $limit: Int, $kind: String, $text: String) {
        mcpFunctionList(pageNumber: $page, limit: $limit, mcpType: $kind, description: $text) {
            pageSize pageNumber total mcpFunctionList { name }
        } }";
    let check = async |variables: Value, expected: (usize, u64, &str)| {
        let data = house.data(&acme, list, variables).await;
        let list = &data["mcpFunctionList"];
        let names = list["mcpFunctionList"].as_array().unwrap();
        let actual =
            (names.len(), list["total"].as_u64().unwrap(), names[0]["name"].as_str().unwrap());
        assert_eq!(actual, expected);
    };
    check(json!({}), (100, 250, "f000")).await;
    check(json!({"page": 3}), (50, 250, "f200")).await;
    check(json!({"limit": 1000}), (250, 250, "f000")).await;
    check(json!({"kind": "prompt", "limit": 10, "page": 2}), (10, 125, "f021")).await;
    check(json!({"text": "does 24"}), (11, 11, "f024")).await;
    for variables in [json!({"page": 0}), json!({"limit": 1001}), json!({"limit": -1})] {
        assert_eq!(house.error(&acme, list, variables).await.0, "INVALID");
    }
}

#[tokio::test]
async fn what_is_missing_is_said_at_once() {
    let house = House::new();
    let acme = admin("acme");
    for (query, code) in [
        ("mutation { deleteMcpFunction(name: \"no\") { ok } }", "NOT_FOUND"),
        ("mutation { deleteMcpFunctionCall(mcpFunctionCallUuid: \"no\") { ok } }", "NOT_FOUND"),
        ("mutation { deleteMcpModule(moduleName: \"no\") { ok } }", "NOT_FOUND"),
        ("mutation { deleteMcpSetting(settingId: \"\") { ok } }", "NOT_FOUND"),
        (
            "mutation { insertUpdateMcpSetting(settingId: \"1\", setting: {}, updatedBy: \"me\") {
                mcpSetting { settingId } } }",
            "NOT_FOUND",
        ),
        (
            "mutation { insertUpdateMcpFunctionCall(mcpFunctionCallUuid: \"1\", updatedBy: \"me\") {
                mcpFunctionCall { status } } }",
            "NOT_FOUND",
        ),
        (
            "mutation { insertUpdateMcpFunctionCall(name: \"f\", updatedBy: \"me\") {
                mcpFunctionCall { status } } }",
            "INVALID",
        ),
        (
            "mutation { insertUpdateMcpFunction(name: \"f\", mcpType: \"gadget\", updatedBy: \"me\") {
                mcpFunction { name } } }",
            "INVALID",
        ),
    ] {
        assert_eq!(house.error(&acme, query, json!({})).await.0, code, "{query}");
    }
    let data = house.data(&acme, "{ mcpFunction(name: \"no\") { name } }", json!({})).await;
    assert_eq!(data["mcpFunction"], Value::Null);
}

#[tokio::test]
async fn ids_that_are_made_have_twenty_digits() {
    let house = House::new();
    let acme = admin("acme");
    let call = "mutation { insertUpdateMcpFunctionCall(name: \"f\", mcpType: \"tool\",
        arguments: {aB: 1}, timeSpent: 7, contentInS3: true, updatedBy: \"me\") {
        mcpFunctionCall { mcpFunctionCallUuid status arguments timeSpent } } }";
    let data = house.data(&acme, call, json!({})).await;
    let call = &data["insertUpdateMcpFunctionCall"]["mcpFunctionCall"];
    let id = call["mcpFunctionCallUuid"].as_str().unwrap().to_owned();
    assert!(id.len() == 20 && id.bytes().all(|byte| byte.is_ascii_digit()), "{id}");
    assert_eq!(call["status"], "initial");
    assert_eq!(call["arguments"], json!({"aB": 1}));
    let setting = "mutation { insertUpdateMcpSetting(setting: {a_b: 1}, updatedBy: \"me\") {
        mcpSetting { settingId setting } } }";
    let data = house.data(&acme, setting, json!({})).await;
    let later = data["insertUpdateMcpSetting"]["mcpSetting"]["settingId"].as_str().unwrap();
    assert_eq!(later.len(), 20);
    assert!(*id < *later, "the order of ids is that of their making");
    let change = "mutation($id: String) { insertUpdateMcpFunctionCall(mcpFunctionCallUuid: $id,
        status: \"completed\", updatedBy: \"me\") { mcpFunctionCall { name status timeSpent } } }";
    let data = house.data(&acme, change, json!({ "id": id })).await;
    let call = &data["insertUpdateMcpFunctionCall"]["mcpFunctionCall"];
    assert_eq!(*call, json!({"name": "f", "status": "completed", "timeSpent": 7}));
}

#[tokio::test]
async fn calls_are_found_by_when_they_changed() {
    let house = House::new();
    let acme = admin("acme");
    for (id, at) in [("1", "01.000000"), ("2", "02.000000"), ("3", "03.000000")] {
        let row = Row::new(id)
            .with("name", "f")
            .with("status", "completed")
            .with("updated_at", format!("2026-11-21T03:04:{at}Z"));
        house.store.put(&tables::CALLS, "acme", row);
    }
    let list = "query($gt: DateTime, $lt: DateTime) {
        mcpFunctionCallList(updatedAtGt: $gt, updatedAtLt: $lt) {
            mcpFunctionCallList { mcpFunctionCallUuid } } }";
    for (variables, expected) in [
        (json!({"gt": "2026-11-21T03:04:01Z"}), vec!["3", "2"]),
        (json!({"gt": "2026-11-21T05:04:00.999999+02:00"}), vec!["3", "2", "1"]),
        (json!({"gt": "2026-11-21T03:04:01", "lt": "2026-11-21T03:04:03Z"}), vec!["2"]),
    ] {
        let data = house.data(&acme, list, variables).await;
        let calls = data["mcpFunctionCallList"]["mcpFunctionCallList"].as_array().unwrap();
        let ids: Vec<_> =
            calls.iter().map(|c| c["mcpFunctionCallUuid"].as_str().unwrap()).collect();
        assert_eq!(ids, expected);
    }
    assert_eq!(house.error(&acme, list, json!({"gt": "yesterday"})).await.0, "INVALID");
}

#[tokio::test]
async fn calls_that_changed_last_come_first() {
    let house = House::new();
    // Ids of the older engine are no times.
    for (id, name, second) in [("9", "f", 1), ("1", "f", 3), ("5", "g", 2)] {
        let row = Row::new(id)
            .with("name", name)
            .with("mcp_type", "tool")
            .with("content", "x")
            .with("updated_at", format!("2026-11-21T03:04:0{second}.000000Z"));
        house.store.put(&tables::CALLS, "acme", row);
    }
    let check = async |arguments: &str, expected: &[&str]| {
        let list = format!(
            "{{ mcpFunctionCallList{arguments} {{ mcpFunctionCallList {{ mcpFunctionCallUuid }} }} }}"
        );
        let data = house.data(&admin("acme"), &list, json!({})).await;
        let calls = data["mcpFunctionCallList"]["mcpFunctionCallList"].as_array().unwrap();
        let ids: Vec<_> =
            calls.iter().map(|c| c["mcpFunctionCallUuid"].as_str().unwrap()).collect();
        assert_eq!(ids, expected, "{arguments}");
    };
    check("", &["1", "5", "9"]).await;
    check("(name: \"f\", updatedAtGt: \"2026-11-21T00:00:00Z\")", &["1", "9"]).await;
    check("(name: \"f\")", &["1", "9"]).await;
    // What is large is fetched for who asks for it.
    assert!(house.store.last_query().omits_large);
    let list = "{ mcpFunctionCallList { mcpFunctionCallList { content } } }";
    house.data(&admin("acme"), list, json!({})).await;
    assert!(!house.store.last_query().omits_large);
    let last = "{ mcpFunction(name: \"f\") { lastCall { mcpFunctionCallUuid } } }";
    house.store.put(&tables::FUNCTIONS, "acme", Row::new("f"));
    let data = house.data(&admin("acme"), last, json!({})).await;
    assert_eq!(data["mcpFunction"]["lastCall"]["mcpFunctionCallUuid"], "1");
}

const LOAD: &str =
    "mutation($module: String, $manifest: JSONCamelCase, $variables: JSONCamelCase) {
    loadMcpConfiguration(moduleName: $module, mcpConfiguration: $manifest, variables: $variables,
        updatedBy: \"me\") {
        ok message stats { tools resources prompts modules settings } } }";

#[tokio::test]
async fn a_configuration_is_loaded_and_loaded_again() {
    let house = House::new();
    let acme = admin("acme");
    let manifest = json!({
        "tools": [{"name": "hello", "description": "greets", "inputSchema": {"properties": {"toWhom": {}}}}],
        "prompts": [{"name": "ask", "arguments": [{"name": "what"}]}],
        "module_links": [
            {"type": "tool", "name": "hello", "module_name": "demo", "class_name": "Demo",
             "function_name": "hello", "return_type": "text"},
            {"type": "prompt", "name": "ask", "module_name": "demo", "class_name": "Other",
             "function_name": "ask", "is_async": true},
        ],
        "modules": [
            {"module_name": "demo", "package_name": "demo_pkg", "class_name": "Demo",
             "setting": {"apiUrl": "a", "deep_er": 1}},
            {"module_name": "demo", "package_name": "demo_pkg", "class_name": "Other"},
        ],
    });
    let variables = json!({"manifest": manifest, "variables": {"apiUrl": "b", "unknown": 1}});
    let data = house.data(&acme, LOAD, variables.clone()).await;
    let stats = json!({"tools": 1, "resources": 0, "prompts": 1, "modules": 1, "settings": 1});
    assert_eq!(data["loadMcpConfiguration"]["ok"], true);
    assert_eq!(data["loadMcpConfiguration"]["stats"], stats);
    let look =
        "{ mcpModule(moduleName: \"demo\") { packageName classes settings { settingId setting } }
        mcpFunction(name: \"ask\") { isAsync className functionName data } }";
    let first = house.data(&acme, look, json!({})).await;
    let module = &first["mcpModule"];
    assert_eq!(module["settings"][0]["setting"], json!({"apiUrl": "b", "deep_er": 1}));
    assert_eq!(module["classes"][1], json!({"className": "Other", "settingId": null}));
    let ask = json!({"isAsync": true, "className": "Other", "functionName": "ask",
        "data": {"arguments": [{"name": "what"}]}});
    assert_eq!(first["mcpFunction"], ask);
    house.data(&acme, LOAD, variables).await;
    assert_eq!(house.data(&acme, look, json!({})).await, first, "no setting more than before");
}

#[tokio::test]
async fn packages_that_are_not_there_are_refused_plainly() {
    let house = House::new();
    let acme = admin("acme");
    // As the older engine says it: no error, and not done.
    let refused = async |query: &str, variables: Value, field: &str| {
        let data = house.data(&acme, query, variables).await;
        assert_eq!((&data[field]["ok"], &data[field]["stats"]), (&json!(false), &Value::Null));
        data[field]["message"].as_str().unwrap().to_owned()
    };
    let message = refused(LOAD, json!({"module": "demo"}), "loadMcpConfiguration").await;
    assert!(message.contains("mcpConfiguration"), "{message}");
    let message = refused(LOAD, json!({"manifest": [1]}), "loadMcpConfiguration").await;
    assert!(!message.is_empty());
    let process =
        "mutation { processMcpPackage(s3Key: \"a\", moduleName: \"a\", packageName: \"a\",
        updatedBy: \"me\") { ok message stats { tools } } }";
    let message = refused(process, json!({}), "processMcpPackage").await;
    assert!(message.contains("there is no upload `a`"), "{message}");
    let upload = "mutation($name: String!) { generateMcpPackageUploadUrl(packageName: $name) {
        ok uploadUrl s3Key expiresAt } }";
    for name in ["../x", "1a", "", "a-b"] {
        assert_eq!(
            house.error(&acme, upload, json!({ "name": name })).await.0,
            "INVALID",
            "{name}"
        );
    }
    let data = house.data(&admin("acme#eu"), upload, json!({"name": "demo_1"})).await;
    let answer = &data["generateMcpPackageUploadUrl"];
    assert_eq!(answer["s3Key"], "packages/acme.eu/demo_1.zip");
    assert_eq!(answer["uploadUrl"], "https://blobs.example/packages/acme.eu/demo_1.zip?for=900");
}

#[tokio::test]
async fn an_external_server_is_registered_and_its_tools_follow_it() {
    let house = House::new();
    let acme = admin("acme");
    let sync = "mutation($prefix: String) { syncExternalMcpServer(serverName: \"remote\",
        baseUrl: \"https://remote.example/mcp\", bearerToken: \"t0ken\", headers: {A: \"b\"},
        namePrefix: $prefix, updatedBy: \"me\") { ok message stats { tools modules } } }";
    let data = house.data(&acme, sync, json!({})).await;
    let told = &data["syncExternalMcpServer"];
    assert_eq!((&told["ok"], &told["stats"]), (&json!(false), &Value::Null));
    let message = told["message"].as_str().unwrap();
    assert!(message.contains("unavailable") && !message.contains("10.0.0.7"), "{message}");
    assert_eq!(house.store.row(&tables::SERVERS, "acme", "remote"), None);

    *house.daemon.previewed.lock().unwrap() = vec!["one".to_owned(), "two".to_owned()];
    let data = house.data(&acme, sync, json!({"prefix": "r_"})).await;
    assert_eq!(data["syncExternalMcpServer"]["stats"], json!({"tools": 2, "modules": 1}));
    let server = house.store.row(&tables::SERVERS, "acme", "remote").unwrap();
    assert_eq!(server.get("body").unwrap()["http"]["headers"]["Authorization"], "Bearer t0ken");
    let function = house.store.row(&tables::FUNCTIONS, "acme", "r_two").unwrap();
    assert_eq!(function.text("class_name"), Some("ExternalMCPProxy"));
    assert_eq!(function.text("updated_by"), Some("me"));
    assert_eq!(function.get("data").unwrap()["external_name"], "two");
    let module = house.store.row(&tables::MODULES, "acme", "remote").unwrap();
    assert_eq!(module.text("source"), Some("external"));

    house.store.put(&tables::FUNCTIONS, "acme", Row::new("other").with("module_name", "mine"));
    *house.daemon.previewed.lock().unwrap() = vec!["one".to_owned()];
    house.data(&acme, sync, json!({"prefix": "r_"})).await;
    assert_eq!(house.store.row(&tables::FUNCTIONS, "acme", "r_two"), None);
    assert!(house.store.row(&tables::FUNCTIONS, "acme", "r_one").is_some());
    assert!(house.store.row(&tables::FUNCTIONS, "acme", "other").is_some());

    // On a schedule, what is the same is left alone, and what cannot be asked stays.
    let stamp = || {
        let row = house.store.row(&tables::FUNCTIONS, "acme", "r_one").unwrap();
        row.text("updated_at").unwrap().to_owned()
    };
    let before = stamp();
    *house.daemon.previewed.lock().unwrap() = vec!["one".to_owned(), "three".to_owned()];
    let standing = Standing { roles: vec![OWNER.into()], ..Standing::default() };
    let owner = Principal::of(Tenant::default(), "owner", standing);
    house.admin.sync_again(&owner, &acme.tenant).await.unwrap();
    assert!(house.store.row(&tables::FUNCTIONS, "acme", "r_three").is_some());
    assert_eq!(stamp(), before);
    house.daemon.previewed.lock().unwrap().clear();
    house.admin.sync_again(&owner, &acme.tenant).await.unwrap();
    assert!(house.store.row(&tables::FUNCTIONS, "acme", "r_three").is_some());

    *house.daemon.previewed.lock().unwrap() = vec!["other".to_owned()];
    let data = house.data(&acme, sync, json!({})).await;
    let told = &data["syncExternalMcpServer"];
    assert_eq!(told["ok"], false);
    assert!(told["message"].as_str().unwrap().contains("namePrefix"), "{told}");
}
