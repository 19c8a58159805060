//! What somebody may present who must not come in.

use serde_json::{Value, json};
use switchboard_testkit::issuer::{Signer, read, sign_with_secret};

use super::{Good, SECRET, Site};
use crate::asked::{bearer, form, me, now, patched, token};
use crate::common::wait;

pub(super) struct Attempt {
    pub name: String,
    pub headers: String,
    /// The credential itself, where it can stand in an address as well.
    pub text: Option<String>,
}

impl Attempt {
    fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { name: name.into(), headers: bearer(&text), text: Some(text) }
    }

    fn headers(name: &str, headers: impl Into<String>) -> Self {
        Self { name: name.to_owned(), headers: headers.into(), text: None }
    }
}

pub(super) fn attempts(site: &Site, good: &Good) -> Vec<Attempt> {
    let mut attempts = own_tokens(site, good);
    attempts.extend(tokens_of_providers(site));
    attempts.extend(keys(site, good));
    attempts.extend(headers(good));
    attempts
}

/// Tokens that say that this daemon issued them.
fn own_tokens(site: &Site, good: &Good) -> Vec<Attempt> {
    let (header, claims) = read(&good.password);
    let signed =
        |patch: Value| sign_with_secret(&header, &patched(&claims, &patch), SECRET.as_bytes());
    let forged = |header: &Value, claims: &Value, secret: &str| {
        sign_with_secret(header, claims, secret.as_bytes())
    };
    let headed = |patch: Value| patched(&header, &patch);
    let revoked = token(&site.at, "root", "correct horse");
    assert_eq!(form(&site.at, "/auth/revoke", &[("token", &revoked)]).status, 200);
    let (unsigned, signature) = good.password.rsplit_once('.').unwrap();
    let (_, other) = signed(json!({ "username": "eve" })).rsplit_once('.').map(owned).unwrap();
    // What the engine before us gave its administrator, with the secret that is in its source.
    let endless = json!({ "username": "admin", "role": "admin", "perm": true });
    vec![
        Attempt::new("own: expired", signed(json!({ "exp": now() - 3_600 }))),
        Attempt::new("own: without an end", signed(json!({ "exp": null }))),
        Attempt::new("own: not yet valid", signed(json!({ "nbf": now() + 3_600 }))),
        Attempt::new("own: issued in the future", signed(json!({ "iat": now() + 3_600 }))),
        Attempt::new("own: for another audience", signed(json!({ "aud": "other" }))),
        Attempt::new("own: for nobody", signed(json!({ "aud": null }))),
        Attempt::new("own: of another issuer", signed(json!({ "iss": "https://evil.example" }))),
        Attempt::new("own: of a provider's issuer", signed(json!({ "iss": site.corp.issuer }))),
        Attempt::new("own: of another subject", signed(json!({ "sub": "user:eve" }))),
        Attempt::new("own: without an id", signed(json!({ "jti": null }))),
        Attempt::new("own: of the tenant `beta`", signed(json!({ "tenant": "beta" }))),
        Attempt::new("own: algorithm none", forged(&headed(json!({ "alg": "none" })), &claims, "")),
        Attempt::new("own: algorithm nOnE", forged(&headed(json!({ "alg": "nOnE" })), &claims, "")),
        Attempt::new("own: signature taken away", format!("{unsigned}.")),
        Attempt::new("own: half a signature", format!("{unsigned}.{}", &signature[..20])),
        Attempt::new("own: signature of another token", format!("{unsigned}.{other}")),
        Attempt::new("own: secret CHANGEME", forged(&header, &claims, "CHANGEME")),
        Attempt::new("own: no secret", forged(&header, &claims, "")),
        Attempt::new(
            "own: secret CHANGEME, no key named",
            forged(&headed(json!({ "kid": null })), &claims, "CHANGEME"),
        ),
        Attempt::new(
            "own: unknown key",
            forged(
                &headed(json!({ "kid": "other" })),
                &claims,
                "another secret of thirty-two bytes",
            ),
        ),
        Attempt::new(
            "own: an extension that must be understood",
            forged(&headed(json!({ "crit": ["b64"], "b64": false })), &claims, SECRET),
        ),
        Attempt::new(
            "older engine: endless token",
            forged(&json!({ "alg": "HS256", "typ": "JWT" }), &endless, "CHANGEME"),
        ),
        Attempt::new("own: taken back", revoked),
        Attempt::new("own: refresh token as access token", good.refresh.clone()),
    ]
}

fn owned((head, tail): (&str, &str)) -> (String, String) {
    (head.to_owned(), tail.to_owned())
}

/// Tokens that say that an identity provider issued them.
fn tokens_of_providers(site: &Site) -> Vec<Attempt> {
    let claims = site.claims();
    let signed = |patch: Value| site.ec.sign(&patched(&claims, &patch));
    let stranger = Signer::ec("ec-1");
    let hs = json!({ "alg": "HS256", "typ": "JWT", "kid": "rsa-1" });
    let modulus = site.rsa.jwk["n"].as_str().unwrap().to_owned();
    let confused = |name: &str, secret: &str| {
        Attempt::new(
            format!("oidc: HS256 with {name}"),
            sign_with_secret(&hs, &claims, secret.as_bytes()),
        )
    };
    let none = json!({ "alg": "none", "kid": "ec-1" });
    vec![
        Attempt::new("oidc: expired", signed(json!({ "exp": now() - 3_600 }))),
        Attempt::new("oidc: without an end", signed(json!({ "exp": null }))),
        Attempt::new("oidc: not yet valid", signed(json!({ "nbf": now() + 3_600 }))),
        Attempt::new("oidc: for another audience", signed(json!({ "aud": "other" }))),
        Attempt::new("oidc: for nobody", signed(json!({ "aud": null }))),
        Attempt::new("oidc: of another issuer", signed(json!({ "iss": "https://evil.example" }))),
        Attempt::new("oidc: of our own issuer", signed(json!({ "iss": "switchboard" }))),
        Attempt::new(
            "oidc: of the provider of another tenant",
            signed(json!({ "iss": site.beta.issuer })),
        ),
        Attempt::new("oidc: without a subject", signed(json!({ "sub": null }))),
        Attempt::new(
            "oidc: unknown key",
            site.ec.sign_as(Some("made-up"), site.ec.algorithm, &claims),
        ),
        Attempt::new("oidc: a stranger's key under a known name", stranger.sign(&claims)),
        Attempt::new(
            "oidc: the name of another key",
            site.ec.sign_as(Some("rsa-1"), site.ec.algorithm, &claims),
        ),
        Attempt::new("oidc: algorithm none", sign_with_secret(&none, &claims, b"")),
        confused("the public key", &site.rsa.public_pem),
        confused("the modulus", &modulus),
        confused("no secret", ""),
        confused("the secret of our own tokens", SECRET),
    ]
}

fn keys(site: &Site, good: &Good) -> Vec<Attempt> {
    let wish = json!({ "name": "gone", "roles": ["admin"] });
    let (owner, request) = (bearer(&site.home.key()), "POST /acme/api/v1/keys");
    let made = crate::asked::ask(&site.at, request, &owner, &wish.to_string()).body;
    let id = made["key"]["id"].as_str().unwrap();
    let gone = crate::asked::ask(&site.at, &format!("DELETE /acme/api/v1/keys/{id}"), &owner, "");
    assert!(gone.status < 300, "{gone:?}");
    let old = site.home.run(&["key", "create", "old", "--tenant", "acme", "--expires", "1s"]);
    let old = old.trim();
    wait("the key to expire", || me(&site.at, "acme", old) == Err(401));
    let last = if good.acme.ends_with('A') { "B" } else { "A" };
    let mistyped = format!("{}{last}", &good.acme[..good.acme.len() - 1]);
    let instance = site.home.key();
    vec![
        Attempt::new("key: of another tenant", good.beta.clone()),
        Attempt::new("key: taken back", made["text"].as_str().unwrap()),
        Attempt::new("key: expired", old),
        Attempt::new("key: mistyped", mistyped),
        Attempt::new("key: cut short", &good.acme[..good.acme.len() / 2]),
        Attempt::new("key: of the instance, cut short", &instance[..instance.len() - 1]),
        Attempt::new("key: of the instance, in capitals", instance.to_ascii_uppercase()),
        Attempt::new("admin token: cut short", &super::ADMIN_TOKEN[..20]),
    ]
}

/// What is no credential, or two.
fn headers(good: &Good) -> Vec<Attempt> {
    let admin = super::ADMIN_TOKEN;
    vec![
        Attempt::headers("nothing", ""),
        Attempt::headers("an empty token", bearer("")),
        Attempt::headers("another scheme", format!("Authorization: Basic {}\r\n", good.password)),
        Attempt::headers("no scheme", format!("Authorization: {}\r\n", good.password)),
        Attempt::headers(
            "two of them, one good",
            format!("{}{}", bearer(&good.password), bearer("another")),
        ),
        Attempt::headers(
            "two keys, one good",
            format!("X-API-Key: {admin}\r\nX-API-Key: wrong wrong wrong\r\n"),
        ),
        Attempt::headers("a cookie", format!("Cookie: access_token={}\r\n", good.password)),
        Attempt::headers("said by a proxy", "X-Forwarded-User: root\r\nX-Remote-User: root\r\n"),
        Attempt::headers("from this machine, it says", "X-Forwarded-For: 127.0.0.1\r\n"),
    ]
}
