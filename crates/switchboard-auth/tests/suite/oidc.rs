//! Tokens of an identity provider: a table of attempts that must be refused.

use std::sync::LazyLock;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use switchboard_testkit::issuer::{Provider, Signer};

use crate::house::{House, START};

/// Making an RSA key takes half a second without optimisation, so all tests have the same.
static RSA: LazyLock<Signer> = LazyLock::new(|| Signer::rsa("rsa-1"));
static EC: LazyLock<Signer> = LazyLock::new(|| Signer::ec("ec-1"));

const RESOURCE: &str = "https://gate.example/mcp";

fn house(provider: &Provider, more: Value) -> House {
    let mut oidc =
        json!({ "issuer": provider.issuer, "audience": ["switchboard"], "tenant": "acme" });
    let Value::Object(more) = more else { panic!("settings are an object") };
    oidc.as_object_mut().unwrap().extend(more);
    House::new(json!({ "oidc": { "corp": oidc }, "resource": { "addresses": [RESOURCE] } }))
}

fn claims(provider: &Provider, patch: Value) -> Value {
    let mut claims = json!({
        "iss": provider.issuer, "aud": RESOURCE, "sub": "u1", "exp": START + 600, "iat": START,
        "preferred_username": "ann", "roles": ["admin", "owner"], "scope": "openid effect:read",
        "tenant": "acme",
    });
    let Value::Object(patch) = patch else { panic!("a patch is an object") };
    for (name, value) in patch {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(&name)),
            value => claims[name] = value,
        }
    }
    claims
}

fn in_acme(provider: &Provider) -> String {
    format!("acme/oidc:{}|u1 by oidc", provider.issuer)
}

#[tokio::test]
async fn a_token_says_who_it_is() {
    let provider = Provider::start(&[&RSA, &EC]);
    let house = house(&provider, json!({}));
    for signer in [&*RSA, &*EC] {
        let token = signer.sign(&claims(&provider, json!({})));
        assert_eq!(house.bearer("acme", &token).await, in_acme(&provider));
        let header = format!("authorization: Bearer {token}");
        let principal = house.present("acme", &[&header]).await.unwrap().principal;
        assert_eq!(
            switchboard_auth::me(&principal),
            json!({
                "username": "ann", "sub": format!("oidc:{}|u1", provider.issuer),
                "tenant": "acme", "roles": ["admin"], "method": "oidc",
                "scope": "openid effect:read", "exp": START + 600,
            }),
        );
    }
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test]
async fn claims_that_are_not_good_are_refused() {
    let provider = Provider::start(&[&EC]);
    let house = house(&provider, json!({}));
    let check = async |patch: Value, expected: &str| {
        let token = EC.sign(&claims(&provider, patch.clone()));
        assert_eq!(house.bearer("acme", &token).await, expected, "{patch}");
    };
    let fine = in_acme(&provider);
    check(json!({}), &fine).await;
    check(json!({ "aud": "switchboard" }), &fine).await;
    check(json!({ "aud": ["other", RESOURCE] }), &fine).await;
    for audience in [
        json!(null),
        json!("https://gate.example"),
        json!("https://gate.example/mcp/"),
        json!("https://other.example/mcp"),
        json!([]),
        json!(7),
    ] {
        check(json!({ "aud": audience }), "Invalid").await;
    }
    check(json!({ "exp": START - 30 }), "Expired").await;
    check(json!({ "exp": null }), "Invalid").await;
    check(json!({ "nbf": START + 31 }), "Invalid").await;
    for issuer in [
        json!(null),
        json!("https://evil.example"),
        json!(format!("{}/", provider.issuer)),
        json!([provider.issuer]),
        json!("switchboard"),
    ] {
        check(json!({ "iss": issuer }), "Invalid").await;
    }
    for subject in [json!(null), json!(""), json!(7), json!("x".repeat(300))] {
        check(json!({ "sub": subject }), "Invalid").await;
    }
    let token = EC.sign(&claims(&provider, json!({})));
    for tenant in ["default", "beta", "acme#eu"] {
        assert_eq!(house.bearer(tenant, &token).await, "Invalid", "{tenant}");
    }
}

#[tokio::test]
async fn a_token_for_the_address_of_one_tenant_is_refused_at_another() {
    let provider = Provider::start(&[&EC]);
    let house = House::new(json!({
        "oidc": { "corp": { "issuer": provider.issuer, "tenant": "*" } },
        "resource": { "addresses": ["https://gate.example/{endpoint_id}/mcp"] },
    }));
    let token = |aud: &str| EC.sign(&claims(&provider, json!({ "aud": aud })));
    let acme = token("https://gate.example/acme/mcp");
    assert_eq!(house.bearer("acme", &acme).await, in_acme(&provider));
    assert_eq!(house.bearer("beta", &acme).await, "Invalid");
    assert_eq!(house.bearer("default", &acme).await, "Invalid");
    let literal = token("https://gate.example/{endpoint_id}/mcp");
    assert_eq!(house.bearer("acme", &literal).await, "Invalid");
}

#[tokio::test]
async fn keys_are_not_taken_for_what_they_are_not() {
    let provider = Provider::start(&[&RSA, &EC]);
    let house = house(&provider, json!({}));
    let good = claims(&provider, json!({}));
    let check = async |token: &str, what: &str| {
        assert_eq!(house.bearer("acme", token).await, "Invalid", "{what}");
    };
    assert_eq!(house.bearer("acme", &RSA.sign(&good)).await, in_acme(&provider));
    // A public key as the shared secret (CVE-2015-9235), in every form somebody might take it.
    let modulus = RSA.jwk["n"].as_str().unwrap();
    for secret in [&*RSA.public_pem, RSA.public_pem.trim(), modulus, &RSA.jwk.to_string(), ""] {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let mut header = Header::new(algorithm);
            header.kid = Some("rsa-1".to_owned());
            let key = EncodingKey::from_secret(secret.as_bytes());
            check(&encode(&header, &good, &key).unwrap(), "a public key as a secret").await;
        }
    }
    let stranger = Signer::ec("ec-1");
    check(&stranger.sign(&good), "a key of somebody else under a known id").await;
    check(&EC.sign_as(Some("rsa-1"), Algorithm::ES256, &good), "an id that is another key's").await;
    check(&RSA.sign_as(Some("rsa-1"), Algorithm::RS384, &good), "an algorithm that is off").await;
    check(&stranger.sign_as(Some("../keys"), Algorithm::ES256, &good), "an id that is a path")
        .await;
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("ec-9".to_owned());
    header.jku = Some(format!("{}/evil", provider.issuer));
    header.jwk = Some(serde_json::from_value(stranger.jwk.clone()).unwrap());
    check(&encode(&header, &good, &stranger.key).unwrap(), "a key that comes along").await;
    assert!(!provider.shared.asked.lock().unwrap().contains_key("/evil"));
    let token = EC.sign(&good);
    let (rest, signature) = token.rsplit_once('.').unwrap();
    check(&format!("{rest}."), "no signature").await;
    check(&format!("{rest}.{}", &signature[..20]), "half a signature").await;
    check(&format!("{rest}.{}", "A".repeat(86)), "a signature of zeros").await;
    check(&EC.sign(&claims(&provider, json!({ "x": "x".repeat(20_000) }))), "oversized").await;
}

#[tokio::test]
async fn only_keys_that_are_fit_are_used() {
    let provider = Provider::start(&[]);
    let good = claims(&provider, json!({}));
    let check = async |patch: Value, expected: &str| {
        let mut jwk = EC.jwk.clone();
        for (name, value) in patch.as_object().unwrap() {
            jwk[name] = value.clone();
        }
        provider.publish([json!("no key"), json!({ "kty": "future" }), jwk]);
        let house = house(&provider, json!({}));
        assert_eq!(house.bearer("acme", &EC.sign(&good)).await, expected, "{patch}");
    };
    check(json!({}), &in_acme(&provider)).await;
    check(json!({ "key_ops": ["verify"] }), &in_acme(&provider)).await;
    check(json!({ "use": "enc" }), "Invalid").await;
    check(json!({ "key_ops": ["encrypt"] }), "Invalid").await;
    check(json!({ "alg": "ES384" }), "Invalid").await;
    check(json!({ "alg": "HS256" }), "Invalid").await;
    check(json!({ "crv": "P-384" }), "Invalid").await;
    check(json!({ "kty": "oct", "k": "AAAA" }), "Invalid").await;
    // A shared secret that a provider publishes by mistake is none.
    provider.publish([json!({ "kty": "oct", "kid": "s", "k": "c2VjcmV0", "alg": "HS256" })]);
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("s".to_owned());
    let forged = encode(&header, &good, &EncodingKey::from_secret(b"secret")).unwrap();
    assert_eq!(house(&provider, json!({})).bearer("acme", &forged).await, "Invalid");
}

#[tokio::test]
async fn keys_rotate_and_are_looked_for_once() {
    let provider = Provider::start(&[&EC]);
    let house = house(&provider, json!({}));
    let good = claims(&provider, json!({ "exp": START + 100_000 }));
    let (fine, new) = (in_acme(&provider), Signer::ec("ec-2"));
    assert_eq!(house.bearer("acme", &EC.sign(&good)).await, fine);
    assert_eq!(provider.fetches(), 1);

    provider.publish([EC.jwk.clone(), new.jwk.clone()]);
    // Not before a while after the last time, whoever asks and however often.
    assert_eq!(house.bearer("acme", &new.sign(&good)).await, "Invalid");
    assert_eq!(provider.fetches(), 1);
    house.pass(30);
    let token = new.sign(&good);
    let (a, b, c) = tokio::join!(
        house.bearer("acme", &token),
        house.bearer("acme", &token),
        house.bearer("acme", &token),
    );
    assert_eq!([&a, &b, &c], [&fine; 3]);
    assert_eq!(provider.fetches(), 2, "three that wait for the same are one question");

    house.pass(30);
    for at in 0..100 {
        let token = new.sign_as(Some(&format!("made-up-{at}")), Algorithm::ES256, &good);
        assert_eq!(house.bearer("acme", &token).await, "Invalid");
    }
    assert_eq!(provider.fetches(), 3);

    // A key that is withdrawn is good until the keys are looked at again.
    provider.publish([new.jwk.clone()]);
    assert_eq!(house.bearer("acme", &EC.sign(&good)).await, fine);
    house.pass(3600);
    assert_eq!(house.bearer("acme", &EC.sign(&good)).await, "Invalid");
    assert_eq!(house.bearer("acme", &new.sign(&good)).await, fine);
    assert_eq!(provider.fetches(), 4);
}

#[tokio::test]
async fn a_provider_that_is_down_is_no_reason_to_refuse_or_to_trust_for_long() {
    let provider = Provider::start(&[&EC]);
    let house = house(&provider, json!({}));
    let token = EC.sign(&claims(&provider, json!({ "exp": START + 100_000 })));
    provider.fail(Some(500));
    assert_eq!(house.bearer("acme", &token).await, "Unlearned");
    provider.fail(None);
    house.pass(5);
    assert_eq!(house.bearer("acme", &token).await, in_acme(&provider));
    for failure in [500, 302, 404] {
        provider.fail(Some(failure));
        house.pass(1000);
        assert_eq!(house.bearer("acme", &token).await, in_acme(&provider), "{failure}");
    }
    house.pass(2000);
    assert_eq!(house.bearer("acme", &token).await, in_acme(&provider));
    house.pass(3000);
    assert_eq!(house.bearer("acme", &token).await, "Unlearned");
}

#[tokio::test]
async fn a_discovery_document_that_lies_is_not_believed() {
    let provider = Provider::start(&[&EC]);
    let token = EC.sign(&claims(&provider, json!({})));
    let check = async |document: Value, expected: &str| {
        *provider.shared.discovery.lock().unwrap() = document.clone();
        let house = house(&provider, json!({}));
        assert_eq!(house.bearer("acme", &token).await, expected, "{document}");
    };
    let (issuer, keys) = (provider.issuer.clone(), format!("{}/keys", provider.issuer));
    check(json!({ "issuer": issuer, "jwks_uri": keys }), &in_acme(&provider)).await;
    check(json!({ "issuer": "https://evil.example", "jwks_uri": keys }), "Unlearned").await;
    check(json!({ "issuer": format!("{issuer}/"), "jwks_uri": keys }), "Unlearned").await;
    // Inside, where a provider has no business: private networks and the metadata of a cloud.
    for inside in ["http://10.0.0.1/keys", "http://169.254.169.254/latest/", "file:///etc/passwd"] {
        check(json!({ "issuer": issuer, "jwks_uri": inside }), "Unlearned").await;
    }
    check(json!({ "issuer": issuer }), "Unlearned").await;
    check(json!([]), "Unlearned").await;
}

#[tokio::test]
async fn the_claims_of_roles_scopes_and_tenant_are_configured() {
    let provider = Provider::start(&[&EC]);
    let house = house(
        &provider,
        json!({
            "tenant_claim": "org.tenant", "roles_claim": "realm_access.roles",
            "scopes_claim": "scp", "name_claim": "email", "jwks_url": format!("{}/keys", provider.issuer),
        }),
    );
    let token = |tenant: Value| {
        EC.sign(&claims(
            &provider,
            json!({
                "org": { "tenant": tenant }, "realm_access": { "roles": ["dev"] },
                "scp": ["tool:x__*"], "email": "ann@example.com",
            }),
        ))
    };
    let header = format!("authorization: Bearer {}", token(json!("beta#eu")));
    let principal = house.present("beta#eu", &[&header]).await.unwrap().principal;
    assert_eq!(principal.standing.roles, ["dev".into()]);
    assert_eq!(principal.standing.scopes, Some(vec!["tool:x__*".into()]));
    assert_eq!(principal.standing.name.as_deref(), Some("ann@example.com"));
    for (addressed, said) in [
        ("beta", json!("beta#eu")),
        ("beta", json!("*")),
        ("beta", json!("acme")),
        ("beta", json!(null)),
        ("beta", json!(["beta"])),
        ("default", json!("")),
    ] {
        let token = token(said.clone());
        assert_eq!(house.bearer(addressed, &token).await, "Invalid", "{addressed} {said}");
    }
    assert_eq!(provider.shared.asked.lock().unwrap().keys().collect::<Vec<_>>(), ["/keys"]);
}

#[tokio::test]
async fn what_was_opened_with_a_token_ends_with_it() {
    let provider = Provider::start(&[&EC]);
    let house = house(&provider, json!({}));
    let header = format!("authorization: Bearer {}", EC.sign(&claims(&provider, json!({}))));
    let open = house.present("acme", &[&header]).await.unwrap().revoked;
    house.pass(629);
    house.auth.tend().await;
    assert!(!open.is_cancelled());
    house.pass(1);
    house.auth.tend().await;
    assert!(open.is_cancelled());
}

#[test]
fn two_providers_of_one_issuer_are_refused() {
    let provider = |issuer: &str| json!({ "issuer": issuer, "audience": ["switchboard"] });
    let check = |others: &str, expected: &str| {
        let oidc = json!({ "corp": provider("https://id.example"), "partner": provider(others) });
        let said = House::refuses(json!({ "oidc": oidc }));
        assert!(said.contains(expected), "{said}");
    };
    check("https://login.example", "it is fine");
    check("https://id.example", "the same issuer");
    check("https://id.example", "auth.oidc.partner.issuer");
}
