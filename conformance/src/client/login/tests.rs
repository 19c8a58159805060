use serde_json::{Value, json};

use super::*;

#[test]
fn credentials_of_the_context_become_settings() {
    let check = |name: &str, context: Value, wanted: Option<&str>| {
        let scenario =
            Scenario { name: name.to_owned(), version: "2026-07-28".to_owned(), context };
        assert_eq!(settings(&scenario).as_deref(), wanted);
    };
    check("tools_call", Value::Null, None);
    check("auth/metadata-default", json!({ "name": "auth/metadata-default" }), None);
    check(
        "auth/pre-registration",
        json!({ "client_id": "me", "client_secret": "hush" }),
        Some("client_id = \"me\", client_secret = \"hush\""),
    );
    check(
        "auth/client-credentials-basic",
        json!({ "client_id": "me", "issuer": "http://localhost:1" }),
        Some("client_id = \"me\", issuer = \"http://localhost:1\", grant = \"client_credentials\""),
    );
    check(
        "auth/basic-cimd",
        Value::Null,
        Some("client_metadata_url = \"https://conformance-test.local/client-metadata.json\""),
    );
}
