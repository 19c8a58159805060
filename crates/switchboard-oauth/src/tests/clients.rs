//! Who we are to an authorization server.

use serde_json::json;
use switchboard_config::Secret;

use super::world::{self};
use super::{ANNA, login, refusal};
use crate::{ClientAuth, Grant, Next, OauthSettings};

#[tokio::test]
async fn who_we_are_in_order_of_preference() {
    let configured = OauthSettings {
        client_id: Some("mine".to_owned()),
        client_secret: Some(Secret::new("canary-secret")),
        client_metadata_url: Some("https://me.example/client.json".to_owned()),
        ..OauthSettings::default()
    };
    let document = OauthSettings { client_id: None, client_secret: None, ..configured.clone() };
    let public = OauthSettings { client_secret: None, ..configured.clone() };
    for (settings, takes_documents, id, registrations) in [
        (configured, true, "mine", 0),
        (public, true, "mine", 0),
        (document.clone(), true, "https://me.example/client.json", 0),
        (document, false, "registered", 1),
        (OauthSettings::default(), true, "registered", 1),
    ] {
        let (world, outcome) = login(settings, |script| {
            script.metadata["client_id_metadata_document_supported"] = json!(takes_documents);
        })
        .await;
        assert_eq!(outcome, "logged in");
        assert_eq!(world.last("as", "/authorize").field("client_id"), id);
        assert_eq!(world.count("as", "/register"), registrations, "{id}");
        // Never where it is kept by browsers and logs.
        assert!(!world.last("as", "/authorize").query.contains("canary"));
    }
}

#[tokio::test]
async fn how_a_client_proves_itself() {
    let basic = "Basic bXklM0FpZDpjYW5hcnklMkZzZWNyZXQ=";
    for (auth, methods, header, in_form) in [
        (None, json!(null), basic, false),
        (None, json!(["client_secret_post", "client_secret_basic"]), basic, false),
        (None, json!(["client_secret_post"]), "", true),
        (Some(ClientAuth::Post), json!(["client_secret_basic"]), "", true),
        (Some(ClientAuth::Basic), json!(["client_secret_post"]), basic, false),
    ] {
        let settings = OauthSettings {
            client_id: Some("my:id".to_owned()),
            client_secret: Some(Secret::new("canary/secret")),
            client_auth: auth,
            ..OauthSettings::default()
        };
        let (world, outcome) = login(settings, |script| {
            script.metadata["token_endpoint_auth_methods_supported"] = methods.clone();
        })
        .await;
        assert_eq!(outcome, "logged in");
        let asked = world.last("as", "/token");
        assert_eq!(asked.authorization, header, "{auth:?} {methods}");
        assert_eq!(asked.body.contains("client_secret=canary%2Fsecret"), in_form);
    }
}

#[tokio::test]
async fn what_a_registration_says_is_used() {
    for (answer, header, in_form, expected) in [
        (json!({ "client_secret": "s" }), true, false, "logged in"),
        (
            json!({ "client_secret": "s", "token_endpoint_auth_method": "client_secret_post" }),
            false,
            true,
            "logged in",
        ),
        (json!({ "token_endpoint_auth_method": "none" }), false, false, "logged in"),
        (
            json!({ "client_secret": "s", "token_endpoint_auth_method": "private_key_jwt" }),
            false,
            false,
            "a way of authentication",
        ),
        (json!({ "client_id": null }), false, false, "not as it should be"),
    ] {
        let (world, outcome) = login(OauthSettings::default(), |script| {
            script.metadata["token_endpoint_auth_methods_supported"] =
                json!(["client_secret_basic"]);
            world::merge(&mut script.register, answer.clone());
        })
        .await;
        assert!(outcome.contains(expected), "{answer}: {outcome}");
        if expected == "logged in" {
            let asked = world.last("as", "/token");
            assert_eq!(!asked.authorization.is_empty(), header, "{answer}");
            assert_eq!(asked.body.contains("client_secret="), in_form, "{answer}");
        }
    }
}

/// Clients are registered with one authorization server each, so that none can use what belongs to
/// another (the specification's "Security Best Practices", "Confused Deputy Problem").
#[tokio::test]
async fn confused_deputy_across_authorization_servers() {
    let (world, _) = login(OauthSettings::default(), |script| {
        world::merge(&mut script.register, json!({ "client_secret": "canary-as1" }));
    })
    .await;
    let authorizer = world.authorizer(OauthSettings::default());
    let used = authorizer.bearer(ANNA).await.unwrap().unwrap();
    world.script().prm["authorization_servers"] = json!(["{evil}"]);
    let next = authorizer.refused(ANNA, refusal(401, "Bearer", Some(&used))).await.unwrap();
    let Next::LoginNeeded { message } = next else { panic!("{next:?}") };
    assert!(message.contains("another authorization server"), "{message}");
    assert_eq!(world.sent_to("evil"), 0);
    world.script().register = json!({ "client_id": "second" });
    assert_eq!(world.login(OauthSettings::default()).await, "logged in");
    assert_eq!(world.last("evil", "/authorize").field("client_id"), "second");
    assert!(!format!("{:?}", world.log_of("evil")).contains("canary-as1"));
    assert!(!format!("{:?}", world.log_of("evil")).contains("registered"));
}

/// Our metadata document is named to an authorization server that says it takes one, and to no
/// other. It is public, so it proves nothing: no secret goes with it, and we do not read it (the
/// specification's "Security Best Practices", on client id metadata documents).
#[tokio::test]
async fn client_id_metadata_document_trust() {
    let settings = OauthSettings {
        client_metadata_url: Some("https://me.example/client.json".to_owned()),
        ..OauthSettings::default()
    };
    for takes_documents in [true, false] {
        let (world, outcome) = login(settings.clone(), |script| {
            script.metadata["client_id_metadata_document_supported"] = json!(takes_documents);
            script.metadata["token_endpoint_auth_methods_supported"] =
                json!(["client_secret_basic"]);
        })
        .await;
        assert_eq!(outcome, "logged in");
        let named = |seen: &world::Seen| format!("{seen:?}").contains("me.example");
        assert_eq!(world.log().iter().any(named), takes_documents);
        let asked = world.last("as", "/token");
        let secret = asked.body.contains("client_secret");
        assert!(asked.authorization.is_empty() && !secret, "{asked:?}");
    }
}

#[tokio::test]
async fn a_configured_client_stays_with_its_issuer() {
    let settings = OauthSettings {
        client_id: Some("mine".to_owned()),
        client_secret: Some(Secret::new("canary-secret")),
        ..OauthSettings::default()
    };
    let (world, outcome) = login(settings.clone(), |_| {}).await;
    assert_eq!(outcome, "logged in");
    world.script().prm["authorization_servers"] = json!(["{evil}"]);
    let outcome = world.login(settings.clone()).await;
    assert!(outcome.contains("`client_id` belongs to"), "{outcome}");
    assert_eq!(world.count("evil", "/token"), 0);
    // Held to one from the start.
    let only = OauthSettings { issuer: Some(world.url("as", "")), ..settings };
    let outcome = world.login(only).await;
    assert!(outcome.contains("the server does not name it"), "{outcome}");
    assert_eq!(world.count("evil", "/token"), 0);
}

#[test]
fn settings_that_cannot_be() {
    let secret = Some(Secret::new("x"));
    let id = Some("x".to_owned());
    for (settings, key) in [
        (OauthSettings { client_secret: secret.clone(), ..Default::default() }, "client_secret"),
        (
            OauthSettings { client_auth: Some(ClientAuth::Post), ..Default::default() },
            "client_auth",
        ),
        (
            OauthSettings { client_metadata_url: Some("http://x/y".into()), ..Default::default() },
            "client_metadata_url",
        ),
        (
            OauthSettings {
                client_id: id,
                client_secret: secret,
                grant: Grant::ClientCredentials,
                ..Default::default()
            },
            "grant",
        ),
    ] {
        assert_eq!(settings.mistakes().first().map(|mistake| mistake.0), Some(key));
    }
    assert!(OauthSettings::default().mistakes().is_empty());
}
