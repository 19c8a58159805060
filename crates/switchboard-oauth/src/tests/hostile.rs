//! Servers and authorization servers that lie, and addresses that point inside.

use serde_json::{Value, json};

use super::world::{self, Person, World};
use super::{ANNA, login};
use crate::{Bearer, LoginState, OauthError, OauthSettings, Way};

/// Many changes, each with what the outcome contains; and the AS that lies is never sent anything.
async fn check_refused(cases: &[(&str, Value, &str)]) {
    for (place, patch, expected) in cases {
        let (world, outcome) = login(OauthSettings::default(), |script| {
            world::merge(script.document(place), patch.clone());
        })
        .await;
        assert!(outcome.contains(expected), "{place} {patch}: {outcome}");
        assert!(!outcome.contains("canary"), "{outcome}");
        assert_eq!(world.sent_to("evil"), 0, "{place} {patch}: {:?}", world.log());
        assert_eq!(world.count("as", "/token"), 0, "{place} {patch}: {outcome}");
    }
}

/// Addresses of the metadata are opened in a browser and fetched: what is no plain `https:` address
/// is neither, because a shell or a handler of the system could make a command of it (mcp-remote,
/// CVE-2025-6514).
#[tokio::test]
async fn command_injection_through_oauth_metadata() {
    let mut cases = Vec::new();
    for address in [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "https://as.example/$(touch /tmp/x)",
        "https://as.example/`id`",
        "https://as.example/;reboot",
        "https://as.example/|id",
        "https://as.example/'x'",
        "https://as.example/\"x\"",
        "https://as.example/a b",
        "https://as.example/a\nb",
        "https://as.example/\u{1b}[2J",
        "https://user:pass@as.example/",
        "https://as.example/#x",
        "http://as.example/authorize",
        "calc.exe",
        "",
    ] {
        cases.push(("metadata", json!({ "authorization_endpoint": address }), "not used"));
        cases.push(("metadata", json!({ "token_endpoint": address }), "not used"));
        cases.push(("metadata", json!({ "registration_endpoint": address }), "not used"));
        cases.push(("prm", json!({ "authorization_servers": [address] }), "not used"));
    }
    check_refused(&cases).await;
}

/// Metadata that speaks of another resource or issuer would have tokens made for somebody else's
/// server, or sent to one (RFC 9728, section 3.3; RFC 8414, section 3.3).
#[tokio::test]
async fn oauth_metadata_of_another_resource_or_issuer() {
    let mut cases = Vec::new();
    for resource in ["https://evil.example/mcp", "{evil}/mcp", "{server}/other", "{server}/mcp/x"] {
        cases.push(("prm", json!({ "resource": resource }), "another resource"));
    }
    for issuer in ["{evil}", "{as}/", "{as}/tenant", "https://as.example"] {
        cases.push(("metadata", json!({ "issuer": issuer }), "another issuer"));
    }
    cases.push(("metadata", json!({ "code_challenge_methods_supported": null }), "S256"));
    cases.push(("metadata", json!({ "code_challenge_methods_supported": ["plain"] }), "S256"));
    cases.push((
        "metadata",
        json!({ "code_challenge_methods_supported": "S256" }),
        "not as it should",
    ));
    cases.push((
        "metadata",
        json!({ "authorization_endpoint": null }),
        "no authorization endpoint",
    ));
    cases.push(("metadata", json!({ "token_endpoint": null }), "no token endpoint"));
    cases.push(("metadata", json!({ "registration_endpoint": null }), "set `client_id`"));
    cases.push(("prm", json!({ "resource": 7 }), "not as it should be"));
    check_refused(&cases).await;
}

/// A server on the internet names addresses on the inside for us to fetch (Azure MCP,
/// CVE-2026-26118; MCP Registry, CVE-2026-44430, by way of IPv6).
#[tokio::test]
async fn ssrf_by_oauth_discovery_and_registration() {
    for address in [
        "https://169.254.169.254/latest",
        "https://10.0.0.1/",
        "https://[::ffff:169.254.169.254]/",
        "https://[fd00:ec2::254]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[2002:a9fe:a9fe::1]/",
        "https://0.0.0.0/",
        "https://2852039166/",
    ] {
        let (_, outcome) = login(OauthSettings::default(), |script| {
            script.prm["authorization_servers"] = json!([address]);
        })
        .await;
        assert!(outcome.contains("is refused"), "{address}: {outcome}");
        let (_, outcome) = login(OauthSettings::default(), |script| {
            script.metadata["registration_endpoint"] = json!(address);
        })
        .await;
        assert!(outcome.contains("is refused"), "{address}: {outcome}");
        let (_, outcome) = login(OauthSettings::default(), |script| {
            script.challenge = format!("Bearer resource_metadata=\"{address}\"");
        })
        .await;
        assert!(outcome.contains("is refused"), "{address}: {outcome}");
    }
    let (_, outcome) = login(OauthSettings::default(), |script| {
        script.redirect_metadata = Some("http://169.254.169.254/latest/meta-data/".to_owned());
    })
    .await;
    assert!(outcome.contains("the metadata service of a cloud"), "{outcome}");
}

/// An answer that comes from another authorization server than was asked is refused, and its code
/// goes nowhere (RFC 9207).
#[tokio::test]
async fn oauth_mix_up() {
    for (advertised, iss, expected) in [
        (true, Some("{as}"), "logged in"),
        (false, Some("{as}"), "logged in"),
        (false, None, "logged in"),
        (true, None, "does not name its issuer"),
        (true, Some("{evil}"), "another issuer"),
        (false, Some("{evil}"), "another issuer"),
        (true, Some("{as}/"), "another issuer"),
    ] {
        let (world, outcome) = login(OauthSettings::default(), |script| {
            script.metadata["authorization_response_iss_parameter_supported"] = json!(advertised);
            script.iss = iss.map(str::to_owned);
        })
        .await;
        assert!(outcome.contains(expected), "{advertised} {iss:?}: {outcome}");
        let tokens = usize::from(expected == "logged in");
        assert_eq!(world.count("as", "/token"), tokens, "{advertised} {iss:?}");
    }
}

/// Who knocks at the address that the browser comes back to, with another path, host, method or
/// state, changes nothing, and the right answer counts once (the specification's "Security Best
/// Practices", "Confused Deputy Problem"; RFC 8252, section 8).
#[tokio::test]
async fn confused_deputy_and_localhost_redirect_impersonation() {
    let world = World::new().await;
    let person = Person::with_strays();
    let outcome = world.login_as(OauthSettings::default(), Way::Browser, &person).await;
    assert_eq!(outcome, "logged in");
    let heard = person.heard();
    assert_eq!(heard, ["400", "403", "404", "405", "400", "200", "gone"], "{heard:?}");
    assert_eq!(world.count("as", "/token"), 1);
}

#[tokio::test]
async fn hostile_device_answers() {
    for (patch, expected) in [
        (json!({ "verification_uri": "javascript:alert(1)" }), "not used"),
        (json!({ "verification_uri": "http://as.example/" }), "not used"),
        (json!({ "verification_uri_complete": "file:///x" }), "not used"),
        (json!({ "user_code": 7 }), "not as it should be"),
        (json!({ "expires_in": 0 }), "not used in time"),
    ] {
        let world = World::new().await;
        world::merge(&mut world.script().device, patch.clone());
        let outcome =
            world.login_as(OauthSettings::default(), Way::Device, &Person::default()).await;
        assert!(outcome.contains(expected), "{patch}: {outcome}");
    }
}

#[tokio::test]
async fn tokens_that_cannot_be_used() {
    for patch in [
        json!({ "token_type": "DPoP" }),
        json!({ "token_type": null }),
        json!({ "access_token": "" }),
        json!({ "access_token": "canary\r\nX-Evil: 1" }),
        json!({ "access_token": "canary".repeat(10_000) }),
        json!({ "refresh_token": "canary \u{e9}" }),
        json!({ "access_token": ["canary"] }),
    ] {
        let (world, outcome) = login(OauthSettings::default(), |script| {
            world::merge(&mut script.token, patch.clone());
        })
        .await;
        assert!(!outcome.contains("logged in") && !outcome.contains("canary"), "{outcome}");
        let authorizer = world.authorizer(OauthSettings::default());
        assert_eq!(authorizer.state(ANNA), LoginState::LoggedOut);
    }
}

/// An authorization server that refuses may repeat what it was sent, wherever there is room for it;
/// a message has a code in it and nothing else (mcphub#955, CWE-532).
#[tokio::test]
async fn error_oracles_and_log_leaks_of_refusals() {
    let unusual = "an error without a usual name";
    for (status, answer, expected) in [
        (
            400,
            json!({ "error": "invalid_client", "error_description": "canary-1" }),
            "invalid_client",
        ),
        (
            400,
            json!({ "error": "invalid_grant", "error_uri": "https://x/canary-1" }),
            "invalid_grant",
        ),
        (400, json!({ "error": "canary-code-0" }), unusual),
        (400, json!({ "error": "invalid_grant: canary" }), unusual),
        (400, json!({ "error": "\u{1b}[2Jcanary\n" }), unusual),
        (400, json!({ "error": "" }), unusual),
        (400, json!({ "error": { "message": "canary" } }), "status 400"),
        (400, json!("canary"), "status 400"),
        (500, json!({ "error": "canary" }), "status 500"),
        (200, json!({ "error": "canary" }), "the answer is not as it should be"),
    ] {
        let (_, outcome) = login(OauthSettings::default(), |script| {
            (script.token_status, script.token) = (status, answer.clone());
        })
        .await;
        assert!(outcome.contains(expected), "{answer}: {outcome}");
        assert!(!outcome.contains("canary") && !outcome.contains('\u{1b}'), "{outcome}");
    }
}

#[test]
fn nothing_secret_is_printed() {
    let bearer = Bearer::new("canary");
    let error = OauthError::Refused { doing: "x", error: crate::net::code("canary-1") };
    let text = format!("{bearer:?} {:?} {error:?}", bearer.header());
    assert!(!text.contains("canary"), "{text}");
}

/// Pages and programs that hold connections to the address that the browser comes back to, and say
/// nothing, do not keep it from coming back.
#[tokio::test]
async fn slow_loris_at_the_callback() {
    let world = World::new().await;
    let person = Person::with_silent_neighbours(15);
    let outcome = world.login_as(OauthSettings::default(), Way::Browser, &person).await;
    assert_eq!(outcome, "logged in");
}
