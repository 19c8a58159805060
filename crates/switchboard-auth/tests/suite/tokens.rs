//! Our own tokens: a table of attempts that must be refused.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::house::{House, START, users};

const SECRET: &str = "a secret of more than thirty-two bytes";

/// Whoever logs in as `bob` gets this.
fn good() -> Value {
    json!({
        "username": "bob", "roles": ["viewer"], "exp": START + 900, "iss": "switchboard",
        "aud": "switchboard", "sub": "user:bob", "tenant": "*", "iat": START, "jti": "1",
    })
}

fn house() -> House {
    House::new(json!({ "tokens": { "secret": SECRET } }))
}

fn signed(claims: &Value, secret: &str, algorithm: Algorithm) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

fn base64(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
}

/// The good claims with these members; null takes one away.
fn with(patch: Value) -> Value {
    let mut claims = good();
    let Value::Object(patch) = patch else { panic!("a patch is an object") };
    for (name, value) in patch {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(&name)),
            value => claims[name] = value,
        }
    }
    claims
}

#[tokio::test]
async fn claims_that_are_not_good_are_refused() {
    let house = house();
    let check = async |patch: Value, expected: &str| {
        let token = signed(&with(patch.clone()), SECRET, Algorithm::HS256);
        assert_eq!(house.bearer("acme", &token).await, expected, "{patch}");
    };
    check(json!({}), "acme/user:bob by password").await;
    check(json!({ "aud": ["other", "switchboard"] }), "acme/user:bob by password").await;
    check(json!({ "exp": START - 29 }), "acme/user:bob by password").await;
    check(json!({ "exp": START - 30 }), "Expired").await;
    check(json!({ "exp": 1 }), "Expired").await;
    for never in [json!(null), json!("soon"), json!(-1), json!(true)] {
        check(json!({ "exp": never }), "Invalid").await;
    }
    // What the engine before us let in for ever.
    check(json!({ "exp": null, "role": "admin", "perm": true }), "Invalid").await;
    check(json!({ "nbf": START + 31 }), "Invalid").await;
    check(json!({ "nbf": "x" }), "Invalid").await;
    check(json!({ "iat": START + 31 }), "Invalid").await;
    for issuer in [json!(null), json!("Switchboard"), json!(["switchboard"]), json!("")] {
        check(json!({ "iss": issuer }), "Invalid").await;
    }
    for audience in [json!(null), json!("another"), json!([]), json!({ "a": "switchboard" })] {
        check(json!({ "aud": audience }), "Invalid").await;
    }
    check(json!({ "tenant": "acme" }), "acme/user:bob by password").await;
    for tenant in [json!(null), json!("beta"), json!("acme#eu"), json!("default"), json!("")] {
        check(json!({ "tenant": tenant }), "Invalid").await;
    }
    check(json!({ "sub": "user:ann" }), "Invalid").await;
    check(json!({ "sub": "owner", "username": "owner" }), "Invalid").await;
    check(json!({ "username": null }), "Invalid").await;
    check(json!({ "jti": null }), "Invalid").await;
}

#[tokio::test]
async fn a_signature_of_another_kind_is_refused() {
    let house = house();
    let claims = good();
    let token = signed(&claims, SECRET, Algorithm::HS256);
    let parts: Vec<&str> = token.split('.').collect();
    let [head, body, signature] = parts[..] else { panic!("{token}") };
    let check = async |token: &str, expected: &str| {
        assert_eq!(house.bearer("acme", token).await, expected, "{token}");
    };
    check(&token, "acme/user:bob by password").await;
    check(&signed(&claims, "another secret of thirty-two bytes", Algorithm::HS256), "Invalid")
        .await;
    check(&signed(&claims, SECRET, Algorithm::HS384), "Invalid").await;
    check(&signed(&claims, SECRET, Algorithm::HS512), "Invalid").await;
    check(&signed(&claims, "", Algorithm::HS256), "Invalid").await;
    check(&signed(&claims, "CHANGEME", Algorithm::HS256), "Invalid").await;
    for none in ["none", "None", "NONE", "nOnE", ""] {
        let head = base64(&json!({ "alg": none, "typ": "JWT" }).to_string());
        check(&format!("{head}.{body}."), "Invalid").await;
        check(&format!("{head}.{body}.{signature}"), "Invalid").await;
        check(&format!("{head}.{body}"), "Invalid").await;
    }
    for header in [
        json!({ "alg": "HS256", "kid": "another" }),
        json!({ "alg": "HS256", "kid": "../../dev/null" }),
        json!({ "alg": "HS256", "kid": 7 }),
        json!({ "alg": "HS256", "crit": ["exp"] }),
        json!({ "alg": "RS256" }),
        json!({ "typ": "JWT" }),
    ] {
        let head = base64(&header.to_string());
        check(&format!("{head}.{body}.{signature}"), "Invalid").await;
    }
    let admin = base64(&with(json!({ "roles": ["admin"] })).to_string());
    check(&format!("{head}.{admin}.{signature}"), "Invalid").await;
    check(&format!("{head}.{body}.{}", &signature[..40]), "Invalid").await;
    check(&format!("{head}.{body}.{signature}."), "Invalid").await;
    check(&format!("{head}.{body}.{signature}="), "Invalid").await;
    check(&format!("{head}..{signature}"), "Invalid").await;
    check("eyJ..", "Invalid").await;
    for cut in 0..token.len() {
        assert_eq!(house.bearer("acme", &token[..cut]).await == "Missing", cut == 0, "{cut}");
    }
    let long = signed(&with(json!({ "roles": ["x".repeat(20_000)] })), SECRET, Algorithm::HS256);
    check(&long, "Invalid").await;
}

#[tokio::test]
async fn nobody_becomes_owner_by_a_token() {
    let house = house();
    let claims = with(json!({ "roles": ["owner", "viewer"] }));
    let token = signed(&claims, SECRET, Algorithm::HS256);
    let header = format!("authorization: Bearer {token}");
    let admitted = house.present("acme", &[&header]).await.unwrap();
    assert_eq!(admitted.principal.standing.roles, ["viewer".into()]);
}

#[tokio::test]
async fn a_token_with_a_public_key_is_told_apart_too() {
    let directory = tempfile::tempdir().unwrap();
    let config = json!({ "tokens": { "algorithm": "EdDSA" }, "users": users(&directory) });
    let house = House::new(config.clone());
    let answer = house.log_in("acme", "username=bob&password=bob%27s+secret").await;
    let token = answer.body["access_token"].as_str().unwrap();
    assert_eq!(house.bearer("acme", token).await, "acme/user:bob by password");
    // Another daemon has another secret of its own.
    assert_eq!(House::new(config).bearer("acme", token).await, "Invalid");
    let claims = with(json!({}));
    for secret in ["", SECRET, "switchboard"] {
        let forged = signed(&claims, secret, Algorithm::HS256);
        assert_eq!(house.bearer("acme", &forged).await, "Invalid");
    }
}
