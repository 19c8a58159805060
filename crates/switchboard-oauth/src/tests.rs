//! Logins against authorization servers on this machine, honest and not.

mod clients;
mod hostile;
mod tokens;
mod world;

use serde_json::json;

use crate::tests::world::{Person, World};
use crate::{Bearer, Challenge, LoginState, OauthSettings, Refusal, Way};

const ANNA: &str = "anna";

/// Logs in after changing what the sites say, with the given settings; the outcome as text.
async fn login(
    settings: OauthSettings,
    change: impl FnOnce(&mut world::Script),
) -> (World, String) {
    let world = World::new().await;
    change(&mut world.script());
    let outcome = world.login(settings).await;
    (world, outcome)
}

/// What the server says to a request with this token.
fn refusal(status: u16, challenge: &str, used: Option<&Bearer>) -> Refusal {
    Refusal {
        status: http::StatusCode::from_u16(status).unwrap(),
        challenge: Challenge::read([challenge]),
        used: used.cloned(),
    }
}

#[tokio::test]
async fn the_whole_way() {
    let (world, outcome) = login(OauthSettings::default(), |_| {}).await;
    assert_eq!(outcome, "logged in");
    let authorizer = world.authorizer(OauthSettings::default());
    let token = authorizer.bearer(ANNA).await.unwrap().unwrap();
    assert_eq!(token.header(), "Bearer canary-access-1");
    assert!(token.header().is_sensitive());
    let registered = world.last("as", "/register");
    assert_eq!(registered.json["application_type"], "native");
    assert_eq!(registered.json["token_endpoint_auth_method"], "none");
    let asked = world.last("as", "/authorize");
    assert_eq!(asked.field("code_challenge_method"), "S256");
    assert_eq!(asked.field("resource"), world.url("server", "/mcp"));
    assert_eq!(asked.field("scope"), "read");
    assert!(asked.field("redirect_uri").starts_with("http://127.0.0.1:"));
    let token = world.last("as", "/token");
    assert_eq!(token.field("resource"), world.url("server", "/mcp"));
    assert_eq!(token.field("redirect_uri"), asked.field("redirect_uri"));
    assert_eq!(token.field("client_id"), "registered");
    assert!(token.field("code_verifier").len() >= 43);
}

#[tokio::test]
async fn metadata_is_found_where_the_specification_says() {
    for (prm_path, challenge) in [
        ("/.well-known/oauth-protected-resource/mcp", "Bearer"),
        ("/.well-known/oauth-protected-resource", "Bearer"),
        ("/elsewhere", "Bearer resource_metadata=\"{server}/elsewhere\""),
    ] {
        for (issuer, metadata_path) in [
            ("", "/.well-known/oauth-authorization-server"),
            ("", "/.well-known/openid-configuration"),
            ("/tenant", "/.well-known/oauth-authorization-server/tenant"),
            ("/tenant", "/.well-known/openid-configuration/tenant"),
            ("/tenant", "/tenant/.well-known/openid-configuration"),
        ] {
            let (_, outcome) = login(OauthSettings::default(), |script| {
                script.prm_path = prm_path;
                script.challenge = challenge.to_owned();
                script.metadata_path = metadata_path;
                script.prm["authorization_servers"] = json!([format!("{{as}}{issuer}")]);
                script.metadata["issuer"] = json!(format!("{{as}}{issuer}"));
            })
            .await;
            assert_eq!(outcome, "logged in", "{prm_path} {metadata_path}");
        }
    }
}

#[tokio::test]
async fn servers_of_2025_03_26_are_their_own_issuers() {
    for with_metadata in [true, false] {
        let (world, outcome) = login(OauthSettings::default(), |script| {
            script.prm_path = "/nowhere";
            script.server_is_issuer = true;
            script.metadata_path =
                if with_metadata { "/.well-known/oauth-authorization-server" } else { "/nowhere" };
        })
        .await;
        assert_eq!(outcome, "logged in", "{with_metadata}");
        assert_eq!(world.count("server", "/token"), 1);
        assert_eq!(world.sent_to("as"), 0);
    }
}

#[tokio::test]
async fn pasting_will_do() {
    let world = World::new().await;
    let person = Person::with_paste();
    let outcome = world.login_as(OauthSettings::default(), Way::Browser, &person).await;
    assert_eq!(outcome, "logged in");
    assert_eq!(person.heard(), ["again", "again"]);
}

#[tokio::test]
async fn a_code_on_another_device() {
    let world = World::new().await;
    let person = Person::default();
    let outcome = world.login_as(OauthSettings::default(), Way::Device, &person).await;
    assert_eq!(outcome, "logged in");
    assert_eq!(person.heard(), ["code ABCD-EFGH"]);
    assert_eq!(world.count("as", "/token"), 2);
    let registered = world.last("as", "/register");
    assert!(registered.json["grant_types"].to_string().contains("device_code"));
    let asked = world.last("as", "/device");
    assert_eq!(asked.field("resource"), world.url("server", "/mcp"));
}

#[tokio::test]
async fn which_scopes_are_asked_for() {
    for (challenge, listed, of_issuer, expected) in [
        ("Bearer scope=\"a b\"", json!(["x"]), json!([]), "a b"),
        ("Bearer", json!(["x", "y"]), json!([]), "x y"),
        ("Bearer", json!(null), json!([]), ""),
        ("Bearer scope=\"a\"", json!(null), json!(["offline_access"]), "a offline_access"),
        ("Bearer scope=\"a offline_access\"", json!(null), json!(["a"]), "a"),
    ] {
        let (world, outcome) = login(OauthSettings::default(), |script| {
            script.challenge = challenge.to_owned();
            script.prm["scopes_supported"] = listed.clone();
            script.metadata["scopes_supported"] = of_issuer.clone();
        })
        .await;
        assert_eq!(outcome, "logged in", "{challenge}");
        let asked = world.last("as", "/authorize");
        assert_eq!(asked.field("scope"), expected, "{challenge} {listed} {of_issuer}");
        assert_eq!(asked.query.contains("scope="), !expected.is_empty());
    }
}

#[tokio::test]
async fn a_damaged_login_counts_as_none() {
    let (world, _) = login(OauthSettings::default(), |_| {}).await;
    world.damage_logins();
    let authorizer = world.authorizer(OauthSettings::default());
    assert!(authorizer.bearer(ANNA).await.unwrap().is_none());
    assert!(matches!(authorizer.state(ANNA), LoginState::Unreadable { .. }));
    assert_eq!(world.login(OauthSettings::default()).await, "logged in");
    assert!(matches!(authorizer.state(ANNA), LoginState::LoggedIn { .. }));
}

#[tokio::test]
async fn logins_are_everyones_or_each_ones() {
    let bert = "bert";
    for per_principal in [false, true] {
        let settings = OauthSettings { per_principal, ..OauthSettings::default() };
        let (world, _) = login(settings.clone(), |_| {}).await;
        let authorizer = world.authorizer(settings);
        assert!(authorizer.bearer(ANNA).await.unwrap().is_some());
        assert_eq!(authorizer.bearer(bert).await.unwrap().is_some(), !per_principal);
        assert!(authorizer.logout(ANNA).await.unwrap());
        assert!(authorizer.bearer(ANNA).await.unwrap().is_none());
        assert!(!authorizer.logout(ANNA).await.unwrap());
    }
}

#[tokio::test]
async fn a_login_is_for_one_address_and_one_client() {
    let (world, _) = login(OauthSettings::default(), |_| {}).await;
    let elsewhere = world.authorizer_at(&world.url("evil", "/mcp"), OauthSettings::default());
    assert!(elsewhere.bearer(ANNA).await.unwrap().is_none());
    let other = OauthSettings { client_id: Some("x".to_owned()), ..OauthSettings::default() };
    assert!(world.authorizer(other).bearer(ANNA).await.unwrap().is_none());
    assert!(world.authorizer(OauthSettings::default()).bearer(ANNA).await.unwrap().is_some());
}
