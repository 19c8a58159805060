//! REST, and that it is what its description says.

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use switchboard_core::store::{Row, tables};
use switchboard_core::{Principal, Tenant};

use crate::house::{Caller, House, admin, caller};

fn filled() -> House {
    let house = House::new();
    house.store.put(&tables::FUNCTIONS, "acme", Row::new("a").with("mcp_type", "tool"));
    house.store.put(&tables::MODULES, "acme", Row::new("a").with("package_name", "p"));
    house.store.put(&tables::SETTINGS, "acme", Row::new("a").with("setting", json!({"x": 1})));
    house.store.put(&tables::CALLS, "acme", Row::new("a").with("name", "f"));
    for table in
        [&tables::SERVERS, &tables::KEYS, &tables::USERS, &tables::POLICIES, &tables::LIMITS]
    {
        let row = Row::new("a").with("body", json!({"text": "permit"})).with("version", 1);
        house.store.put(table, "acme", row);
    }
    let body = json!({"current": "b2", "definition": {}});
    let bundle = Row::new("b").with("body", body).with("version", 1);
    house.store.put(&tables::BUNDLES, "acme", bundle);
    for digest in ["b1", "b2"] {
        let row = Row::new(format!("b.{digest}")).with("bundle", "b").with("digest", digest);
        let row = row.with("content", "YQ==").with("updated_at", digest);
        house.store.put(&tables::BUNDLE_VERSIONS, "acme", row);
    }
    house
}

/// What is sent where a route takes a body.
fn body(path: &str) -> Value {
    match path {
        path if path.contains("/functions") => json!({"mcpType": "tool", "data": {"aB": 1}}),
        path if path.contains("/modules") => json!({"packageName": "p"}),
        path if path.contains("/settings") => json!({"setting": {"a_b": 1}}),
        path if path.contains("/calls") => json!({"name": "f", "mcpType": "tool"}),
        path if path.contains("/refresh") || path.contains("/upload") => json!({}),
        path if path.contains("/rollback") => json!({"digest": null}),
        path if path.contains("/bundles") => json!({"package": "YQ==", "definition": {}}),
        path if path.contains("/servers") => json!({"definition": {"http": {"url": "https://a"}}}),
        path if path.contains("/rotate") => json!({"graceSeconds": 60}),
        path if path.contains("/keys") => json!({"name": "ci"}),
        path if path.contains("/users") => json!({"roles": []}),
        path if path.contains("/explain") => json!({"question": "list", "roles": ["guest"]}),
        path if path.contains("/tenants") => json!({"name": "acme"}),
        path if path.contains("/policies") => json!({"text": "permit(a, b, c);"}),
        path if path.contains("/limits") => json!({"definition": {"perMinute": 1}}),
        path => panic!("what is sent to {path}?"),
    }
}

#[tokio::test]
async fn every_route_does_what_is_described_and_needs_its_right() {
    let description = House::new().admin.openapi();
    let mut walked = 0;
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let name = match path {
                path if path.contains("/refresh") || path.contains("/state") => "git",
                path if path.contains("/tenants") => "acme",
                path if path.contains("/bundles") => "b",
                _ => "a",
            };
            let place = path.replace("{name}", name).replace("{id}", "a");
            let line = format!("{} /acme{place}", method.to_uppercase());
            let body = operation.get("requestBody").map(|_| body(path));
            let right = operation["x-switchboard-right"].as_str().unwrap();

            let bob = caller("acme", "user:bob", &[]);
            let answered = filled().ask(&bob, &line, body.clone()).await;
            assert_eq!(answered.status, StatusCode::FORBIDDEN, "{line}");
            assert_eq!(answered.headers["content-type"], "application/problem+json");

            let bob = caller("acme", "user:bob", &[right]);
            let answered = filled().ask(&bob, &line, body).await;
            let status = answered.status.as_str();
            let expected = &operation["responses"][status];
            assert!(expected.is_object(), "{line}: {status} {}", answered.body);
            let schema = &expected["content"]["application/json"]["schema"];
            assert_eq!(schema.is_null(), answered.body.is_empty(), "{line}");
            if !schema.is_null() {
                let value = serde_json::from_str(&answered.body).unwrap();
                fits(&description, schema, &value, &line);
            }
            walked += 1;
        }
    }
    assert!(30 < walked, "{walked}");
}

/// Whether a value has the members that its schema describes, and no others.
fn fits(description: &Value, schema: &Value, value: &Value, line: &str) {
    if let Some(place) = schema["$ref"].as_str() {
        let schema = description.pointer(place.trim_start_matches('#')).unwrap();
        return fits(description, schema, value, line);
    }
    if let Some(properties) = schema["properties"].as_object() {
        let members = value.as_object().unwrap_or_else(|| panic!("{line}: {value}"));
        for (name, member) in members {
            let schema = properties.get(name).unwrap_or_else(|| panic!("{line}: {name}"));
            fits(description, schema, member, line);
        }
        for name in schema["required"].as_array().into_iter().flatten() {
            assert!(members.contains_key(name.as_str().unwrap()), "{line}: {name}");
        }
    }
    if let (Some(items), Some(values)) = (schema.get("items"), value.as_array()) {
        values.iter().for_each(|value| fits(description, items, value, line));
    }
}

#[tokio::test]
async fn versions_are_named_by_tags() {
    let house = House::new();
    let acme = admin("acme");
    let send = async |method: &str, headers: &[(&str, &str)], text: &str| {
        let mut request = Request::builder().method(method).uri("/acme/api/v1/policies/p");
        request = request.header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = json!({ "text": format!("permit {text}") }).to_string();
        house.send(&acme, request.body(Bytes::from(body)).unwrap()).await
    };
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let steps: &[(&str, Headers<'_>, u16, Option<&str>)] = &[
        ("GET", &[], 404, None),
        ("PUT", &[("if-match", "\"1\"")], 412, None),
        ("PUT", &[("if-none-match", "*")], 200, Some("\"1\"")),
        ("PUT", &[("if-none-match", "*")], 412, None),
        ("PUT", &[("if-match", "\"1\"")], 200, Some("\"2\"")),
        ("PUT", &[("if-match", "\"1\"")], 412, None),
        ("PUT", &[("if-match", "W/\"2\"")], 412, None),
        ("PUT", &[], 200, Some("\"3\"")),
        ("GET", &[("if-none-match", "\"3\"")], 304, Some("\"3\"")),
        ("GET", &[("if-none-match", "\"2\"")], 200, Some("\"3\"")),
        ("DELETE", &[("if-match", "\"2\"")], 412, None),
        ("DELETE", &[("if-match", "\"3\"")], 204, None),
        ("DELETE", &[], 404, None),
    ];
    for (at, (method, headers, status, tag)) in steps.iter().enumerate() {
        let answered = send(method, headers, &at.to_string()).await;
        assert_eq!(answered.status.as_u16(), *status, "step {at}: {}", answered.body);
        let actual = answered.headers.get("etag").map(|tag| tag.to_str().unwrap());
        assert_eq!(actual, *tag, "step {at}");
    }
}

#[tokio::test]
async fn rows_are_replaced_and_changed() {
    let house = House::new();
    let acme = admin("acme");
    let line = |method: &str| format!("{method} /acme/api/v1/functions/a%2Fb%20c");
    let whole = json!({"mcpType": "tool", "description": "x", "data": {"aB": 1}});
    let answered = house.ask(&acme, &line("PUT"), Some(whole)).await;
    let made: Value = serde_json::from_str(&answered.body).unwrap();
    assert_eq!((&made["name"], &made["data"]), (&json!("a/b c"), &json!({"aB": 1})));
    let answered = house.ask(&acme, &line("PATCH"), Some(json!({"description": "y"}))).await;
    let changed: Value = serde_json::from_str(&answered.body).unwrap();
    assert_eq!((&changed["description"], &changed["data"]), (&json!("y"), &json!({"aB": 1})));
    let answered = house.ask(&acme, &line("PUT"), Some(json!({"mcpType": "prompt"}))).await;
    let replaced: Value = serde_json::from_str(&answered.body).unwrap();
    assert_eq!((&replaced["description"], &replaced["data"]), (&Value::Null, &Value::Null));
    assert_eq!(replaced["createdAt"], made["createdAt"]);
    let answered = house.ask(&acme, &line("PUT"), Some(json!({"description": "z"}))).await;
    assert_eq!(answered.status, StatusCode::BAD_REQUEST, "a whole function has a type");
}

#[tokio::test]
async fn what_is_made_has_a_place() {
    let house = House::new();
    let acme = admin("acme");
    let body = json!({"setting": {"a": 1}});
    let answered = house.ask(&acme, "POST /acme/api/v1/settings", Some(body)).await;
    assert_eq!(answered.status, StatusCode::CREATED);
    let place = answered.headers["location"].to_str().unwrap();
    let answered = house.ask(&acme, &format!("GET {place}"), None).await;
    assert_eq!(answered.status, StatusCode::OK, "{place}");
    assert!(answered.body.contains("\"setting\":{\"a\":1}"), "{}", answered.body);
}

#[tokio::test]
async fn lists_are_walked() {
    let house = House::new();
    for number in 0..250 {
        let row = Row::new(format!("{number:03}")).with("name", "f");
        house.store.put(&tables::CALLS, "acme", row);
    }
    let mut count = 0;
    let mut line = "GET /acme/api/v1/calls?name=f".to_owned();
    loop {
        let answered = house.ask(&admin("acme"), &line, None).await;
        let page: Value = serde_json::from_str(&answered.body).unwrap();
        count += page["items"].as_array().unwrap().len();
        let Some(next) = page["next"].as_str() else { break };
        line = format!("GET /acme/api/v1/calls?name=f&after={next}");
    }
    assert_eq!(count, 250);
}

#[tokio::test]
async fn what_is_wrong_is_a_problem() {
    let house = filled();
    let acme = admin("acme");
    let put = "PUT /acme/api/v1/functions/a";
    for (line, body, status, code) in [
        ("GET /acme/api/v1/nothing", None, 404, "NOT_FOUND"),
        ("GET /acme/api/v1/functions/no", None, 404, "NOT_FOUND"),
        ("POST /acme/api/v1/functions", Some(json!({})), 405, "METHOD_NOT_ALLOWED"),
        ("GET /acme/api/v1/functions?nam=a", None, 400, "INVALID"),
        ("GET /acme/api/v1/functions?limit=0", None, 400, "INVALID"),
        ("GET /acme/api/v1/functions?limit=x", None, 400, "INVALID"),
        ("GET /acme/api/v1/functions?after=*", None, 400, "INVALID"),
        ("GET /acme/api/v1/calls?updatedAfter=now", None, 400, "INVALID"),
        (put, Some(json!({"mcp_type": "tool"})), 400, "INVALID"),
        (put, Some(json!({"mcpType": 1})), 400, "INVALID"),
        ("PUT /acme/api/v1/settings/no", Some(json!({"setting": {}})), 404, "NOT_FOUND"),
        ("POST /acme/api/v1/servers/no/refresh", Some(json!({})), 404, "NOT_FOUND"),
    ] {
        let answered = house.ask(&acme, line, body).await;
        assert_eq!(answered.status.as_u16(), status, "{line}: {}", answered.body);
        assert_eq!(answered.headers["content-type"], "application/problem+json", "{line}");
        let problem: Value = serde_json::from_str(&answered.body).unwrap();
        assert_eq!(
            (&problem["code"], &problem["status"]),
            (&json!(code), &json!(status)),
            "{line}"
        );
    }
    let form = Request::put("/acme/api/v1/functions/a").header("content-type", "text/plain");
    let answered = house.send(&acme, form.body(Bytes::from_static(b"{}")).unwrap()).await;
    assert_eq!(answered.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn tenants_are_known_to_whoever_runs_the_daemon() {
    let house = filled();
    let answered = house.ask(&admin("beta"), "GET /beta/api/v1/tenants", None).await;
    assert_eq!(answered.body, "[\"beta\"]");
    let owner = Caller { principal: Principal::new("owner"), tenant: Tenant::default() };
    let answered = house.ask(&owner, "GET /api/v1/tenants", None).await;
    assert_eq!(answered.body, "[\"acme\",\"default\"]");
}
