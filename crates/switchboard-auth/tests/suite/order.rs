//! Several ways at once: which one decides.

use serde_json::json;

use crate::house::{House, INSTANCE_KEY, shown};

const ADMIN_TOKEN: &str = "the-token-of-the-administrator";

#[tokio::test]
async fn the_first_way_that_recognises_it_decides() {
    let house = House::new(json!({ "admin_token": ADMIN_TOKEN }));
    let check = async |headers: &[&str], expected: &str| {
        assert_eq!(shown(house.present("acme", headers).await), expected, "{headers:?}");
    };
    let bearer = |token: &str| format!("authorization: Bearer {token}");
    check(&[], "Missing").await;
    check(&["authorization: Basic YTpi"], "Missing").await;
    check(&[&bearer("")], "Missing").await;
    check(&[&bearer("nobody-has-this-token")], "Invalid").await;
    check(&[&bearer(INSTANCE_KEY)], "default/owner by same_user").await;
    check(&[&bearer(ADMIN_TOKEN)], "acme/admin by admin_token").await;
    check(&[&format!("x-api-key: {ADMIN_TOKEN}")], "acme/admin by admin_token").await;
    check(&[&bearer(&ADMIN_TOKEN[1..])], "Invalid").await;
    check(&[&bearer(&format!("{ADMIN_TOKEN}x"))], "Invalid").await;
    check(&[&bearer(&ADMIN_TOKEN.to_uppercase())], "Invalid").await;
    check(&[&bearer(&"x".repeat(100_000))], "Invalid").await;
    // Twice is not chosen from, though both would do.
    check(&[&bearer(ADMIN_TOKEN), &bearer(ADMIN_TOKEN)], "Invalid").await;
    check(&[&format!("x-api-key: {ADMIN_TOKEN}"), "x-api-key: x"], "Invalid").await;
    // A wrong one in the first place is not forgiven for a right one in the next.
    check(&["x-api-key: sbk_wrong", &bearer(ADMIN_TOKEN)], "Invalid").await;
    check(&["x-api-key: nobody-has-this", &bearer(INSTANCE_KEY)], "Invalid").await;
}

#[tokio::test]
async fn what_was_opened_ends_where_other_settings_take_their_place() {
    let house = House::new(json!({ "admin_token": ADMIN_TOKEN }));
    let header = format!("authorization: Bearer {ADMIN_TOKEN}");
    let open = house.present("acme", &[&header]).await.unwrap().revoked;
    house.auth.tend().await;
    assert!(!open.is_cancelled());
    house.auth.close();
    assert!(open.is_cancelled());
    assert!(!house.present("acme", &[&header]).await.unwrap().revoked.is_cancelled());
}

#[tokio::test]
async fn a_way_that_is_left_out_lets_nobody_in() {
    let house = House::new(json!({ "admin_token": ADMIN_TOKEN, "order": ["instance_key"] }));
    assert_eq!(house.bearer("acme", ADMIN_TOKEN).await, "Invalid");
    assert_eq!(house.bearer("acme", INSTANCE_KEY).await, "default/owner by same_user");
}

#[tokio::test]
async fn this_machine_is_let_in_without_a_key_only_where_that_is_configured() {
    let closed = House::new(json!({}));
    let open = House::new(json!({ "loopback": true }));
    let check = async |house: &House, headers: &[&str], from: Option<&str>, expected: &str| {
        let answer = house.present_from("default", headers, from).await;
        assert_eq!(shown(answer), expected, "{headers:?} from {from:?}");
    };
    check(&closed, &[], Some("127.0.0.1"), "Missing").await;
    for here in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.8.8.8"] {
        check(&open, &[], Some(here), "default/owner by same_user").await;
    }
    for elsewhere in ["192.0.2.1", "10.0.0.1", "::", "0.0.0.0", "fe80::1"] {
        check(&open, &[], Some(elsewhere), "Missing").await;
    }
    check(&open, &[], None, "Missing").await;
    for header in ["forwarded: for=192.0.2.1", "x-forwarded-for: 127.0.0.1", "via: 1.1 proxy"] {
        check(&open, &[header], Some("127.0.0.1"), "Missing").await;
    }
    // Who presents something is judged by it.
    check(&open, &["x-api-key: wrong"], Some("127.0.0.1"), "Invalid").await;
}

#[tokio::test]
async fn a_refusal_says_where_tokens_come_from() {
    let house = House::new(json!({
        "oidc": { "corp": { "issuer": "https://login.example", "audience": ["us"] } },
        "resource": { "scopes": ["effect:read"] },
    }));
    let denied = house.present("default", &[]).await.unwrap_err();
    let metadata = switchboard_auth::metadata_address("https://gate.example/mcp").unwrap();
    assert_eq!(
        denied.www_authenticate(Some(&metadata)).unwrap(),
        "Bearer realm=\"switchboard\", scope=\"effect:read\", \
         resource_metadata=\"https://gate.example/.well-known/oauth-protected-resource/mcp\"",
    );
    let plain = House::new(json!({})).present("default", &[]).await.unwrap_err();
    assert_eq!(plain.www_authenticate(Some(&metadata)).unwrap(), "Bearer realm=\"switchboard\"");
}

#[test]
fn a_configuration_that_protects_nothing_is_refused() {
    let check = |config, expected: &str| {
        let why = House::refuses(config);
        assert!(why.contains(expected), "{why}");
    };
    check(json!({}), "it is fine");
    check(json!({ "admin_token": "short" }), "auth.admin_token");
    check(json!({ "tokens": { "secret": "CHANGEME" } }), "in examples");
    check(json!({ "tokens": { "secret": "0123456789" } }), "has 10 bytes, fewer than 32");
    check(json!({ "tokens": { "issuer": "" } }), "auth.tokens.issuer");
    check(json!({ "tokens": { "audience": [] } }), "auth.tokens.audience");
    check(json!({ "oidc": { "a": { "issuer": "https://a.example" } } }), "auth.oidc.a.audience");
    check(json!({ "oidc": { "a": { "issuer": "a", "audience": ["x"] } } }), "auth.oidc.a.issuer");
    check(json!({ "passwords": "cognito" }), "no `auth.cognito`");
    check(json!({ "users": { "admin_name": "root" } }), "needs `auth.users.admin_password`");
    let known = json!({ "users": { "admin_name": "admin", "admin_password": "admin123" } });
    check(known, "auth.users.admin_password");
    check(json!({ "users": { "tenant": "a b" } }), "auth.users.tenant");
    check(json!({ "users": { "file": "/nowhere/users.json" } }), "cannot read the users file");
}

#[test]
fn a_users_file_that_is_wrong_is_refused_with_the_place() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.json");
    let check = |content: &str, expected: &str| {
        std::fs::write(&path, content).unwrap();
        let why = House::refuses(json!({ "users": { "file": path } }));
        assert!(why.contains(expected), "{why}");
    };
    let hash = bcrypt::hash("x", 4).unwrap();
    check("{}", "is not a JSON array");
    check("[{}]", "missing field `username`");
    check(r#"[{"username": "a", "password_hash": "plain"}]"#, "user 1 ");
    check(
        &format!(r#"[{{"username":"a","password_hash":"{hash}","hashed_password":"{hash}"}}]"#),
        "duplicate field",
    );
    let user = |more: &str| format!(r#"{{"username":"a","password_hash":"{hash}"{more}}}"#);
    check(&format!("[{},{}]", user(""), user("")), "user 2 ");
    check(&format!("[{}]", user(r#","tenant":"a b""#)), "characters other than");
    check(&format!("[{}]", user(r#","scopes":["openid"]"#)), "is no scope");
    check(&format!("[{}]", user(r#","tenant":"*","extra":1"#)), "it is fine");
}
