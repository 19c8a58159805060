//! Tokens after the login: renewed, refused, widened.

use std::sync::Arc;

use serde_json::json;
use switchboard_config::Secret;

use super::world::{self, World};
use super::{ANNA, login, refusal};
use crate::{Grant, LoginState, Next, OauthSettings};

#[tokio::test]
async fn refresh_is_done_once_and_keeps_the_old_refresh_token() {
    let (world, _) = login(OauthSettings::default(), |_| {}).await;
    let authorizer = Arc::new(world.authorizer(OauthSettings::default()));
    let old = authorizer.bearer(ANNA).await.unwrap().unwrap();
    for round in 2..4 {
        world::merge(&mut world.script().token, json!({ "refresh_token": null }));
        let used = authorizer.bearer(ANNA).await.unwrap().unwrap();
        let refused = || async {
            authorizer.refused(ANNA, refusal(401, "Bearer", Some(&used))).await.unwrap()
        };
        let all = futures_util::future::join_all((0..10).map(|_| refused())).await;
        let Next::Retry(new) = all[0].clone() else { panic!("{:?}", all[0]) };
        assert_eq!(new.header(), format!("Bearer canary-access-{round}"));
        assert!(all.iter().all(|next| *next == Next::Retry(new.clone())), "{all:?}");
        assert_eq!(world.count("as", "/token"), round);
        assert_eq!(world.last("as", "/token").field("refresh_token"), "canary-refresh");
        assert_eq!(world.last("as", "/token").field("resource"), world.url("server", "/mcp"));
        // A call that was sent with the first token finds the new one.
        let next = authorizer.refused(ANNA, refusal(401, "Bearer", Some(&old))).await.unwrap();
        assert_eq!(next, Next::Retry(new.clone()));
        // And a token that is refused although it was just made ends it.
        let next = authorizer.refused(ANNA, refusal(401, "Bearer", Some(&new))).await.unwrap();
        assert!(matches!(next, Next::LoginNeeded { .. }), "{next:?}");
        tokio::time::pause();
        tokio::time::advance(std::time::Duration::from_secs(31)).await;
        tokio::time::resume();
    }
}

/// A token is asked for by the name of the one server that it is for (RFC 8707), and is neither
/// used nor renewed for any other address (the specification's "Token Audience Binding and
/// Validation").
#[tokio::test]
async fn wrong_audience_and_token_passthrough() {
    let (world, _) = login(OauthSettings::default(), |_| {}).await;
    let authorizer = world.authorizer(OauthSettings::default());
    let used = authorizer.bearer(ANNA).await.unwrap().unwrap();
    let next = authorizer.refused(ANNA, refusal(401, "Bearer", Some(&used))).await.unwrap();
    assert!(matches!(next, Next::Retry(_)), "{next:?}");
    let asked = world.log_of("as").into_iter();
    let asked: Vec<_> =
        asked.filter(|seen| matches!(seen.path.as_str(), "/authorize" | "/token")).collect();
    assert_eq!(asked.len(), 3);
    for seen in asked {
        assert_eq!(seen.field("resource"), world.url("server", "/mcp"), "{seen:?}");
    }
    // The same name in the configuration, with another address.
    for (site, path) in [("evil", "/mcp"), ("server", "/other"), ("server", "/mcp/deeper")] {
        let elsewhere = world.authorizer_at(&world.url(site, path), OauthSettings::default());
        assert!(elsewhere.bearer(ANNA).await.unwrap().is_none(), "{site}{path}");
        for used in [None, Some(&used)] {
            let next = elsewhere.refused(ANNA, refusal(401, "Bearer", used)).await.unwrap();
            assert!(matches!(next, Next::LoginNeeded { .. }), "{site}{path}: {next:?}");
        }
    }
    assert_eq!(world.count("as", "/token"), 2);
    assert!(!format!("{:?}", world.log_of("evil")).contains("canary"));
}

#[tokio::test]
async fn two_processes_renew_once() {
    let (world, _) = login(OauthSettings::default(), |_| {}).await;
    let settings = OauthSettings::default;
    let (one, two) = (world.authorizer(settings()), world.authorizer(settings()));
    let used = one.bearer(ANNA).await.unwrap().unwrap();
    assert_eq!(two.bearer(ANNA).await.unwrap().unwrap(), used);
    let (principal, refused) = (ANNA, refusal(401, "Bearer", Some(&used)));
    let (first, second) = tokio::join!(
        one.refused(principal, refused.clone()),
        two.refused(principal, refused.clone()),
    );
    let first = first.unwrap();
    assert!(matches!(first, Next::Retry(_)), "{first:?}");
    assert_eq!(first, second.unwrap());
    assert_eq!(world.count("as", "/token"), 2);
}

#[tokio::test]
async fn what_another_process_does_is_seen_a_moment_later_or_when_refused() {
    let (world, _) = login(OauthSettings::default(), |_| {}).await;
    let settings = OauthSettings::default;
    let (calling, refused) = (world.authorizer(settings()), world.authorizer(settings()));
    tokio::time::pause();
    let token = calling.bearer(ANNA).await.unwrap();
    assert!(token.is_some());
    assert_eq!(refused.bearer(ANNA).await.unwrap(), token);
    assert!(world.authorizer(settings()).logout(ANNA).await.unwrap());
    for authorizer in [&calling, &refused] {
        assert_eq!(authorizer.bearer(ANNA).await.unwrap(), token, "looked at for every request");
    }
    let next = refused.refused(ANNA, refusal(401, "Bearer", token.as_ref())).await.unwrap();
    assert!(matches!(next, Next::LoginNeeded { .. }), "{next:?}");
    assert!(refused.bearer(ANNA).await.unwrap().is_none());
    tokio::time::advance(std::time::Duration::from_millis(250)).await;
    assert!(calling.bearer(ANNA).await.unwrap().is_none());
}

#[tokio::test]
async fn a_renewal_outlives_its_caller() {
    let (world, _) = login(OauthSettings::default(), |_| {}).await;
    let authorizer = world.authorizer(OauthSettings::default());
    let used = authorizer.bearer(ANNA).await.unwrap().unwrap();
    let (principal, refused) = (ANNA, refusal(401, "Bearer", Some(&used)));
    {
        let mut call = std::pin::pin!(authorizer.refused(principal, refused.clone()));
        assert!(futures_util::poll!(&mut call).is_pending());
    }
    let next = authorizer.refused(principal, refused).await.unwrap();
    let Next::Retry(new) = next else { panic!("{next:?}") };
    assert_eq!(new.header(), "Bearer canary-access-2");
    assert_eq!(world.count("as", "/token"), 2);
}

#[tokio::test]
async fn tokens_are_renewed_before_they_expire() {
    for (expires_in, renewed) in [(json!(3600), false), (json!(0), true), (json!("0"), true)] {
        let (world, _) = login(OauthSettings::default(), |script| {
            script.token["expires_in"] = expires_in.clone();
        })
        .await;
        let authorizer = world.authorizer(OauthSettings::default());
        let token = authorizer.bearer(ANNA).await.unwrap().unwrap();
        let expected = if renewed { "Bearer canary-access-2" } else { "Bearer canary-access-1" };
        assert_eq!(token.header(), expected, "{expires_in}");
    }
}

#[tokio::test]
async fn a_login_that_ended_is_said_with_the_command() {
    let (world, _) = login(OauthSettings::default(), |_| {}).await;
    let authorizer = world.authorizer(OauthSettings::default());
    let used = authorizer.bearer(ANNA).await.unwrap().unwrap();
    world.script().token_status = 400;
    world.script().token = json!({ "error": "invalid_grant" });
    let next = authorizer.refused(ANNA, refusal(401, "Bearer", Some(&used))).await.unwrap();
    let Next::LoginNeeded { message } = next else { panic!("{next:?}") };
    assert!(message.contains("run `switchboard login github`"), "{message}");
    // Asked once: the second refusal finds that there is nothing to renew with.
    authorizer.refused(ANNA, refusal(401, "Bearer", Some(&used))).await.unwrap();
    assert_eq!(world.count("as", "/token"), 2);
}

#[tokio::test]
async fn an_issuer_that_fails_is_not_asked_by_every_call() {
    let (world, _) = login(OauthSettings::default(), |_| {}).await;
    let authorizer = world.authorizer(OauthSettings::default());
    let used = authorizer.bearer(ANNA).await.unwrap().unwrap();
    world.script().token_status = 503;
    for _ in 0..5 {
        let refused = authorizer.refused(ANNA, refusal(401, "Bearer", Some(&used))).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    assert_eq!(world.count("as", "/token"), 2);
    // The login is still there for when the issuer is back.
    assert!(matches!(authorizer.state(ANNA), LoginState::LoggedIn { .. }));
}

#[tokio::test]
async fn stepping_up_asks_for_the_union_and_ends() {
    let (world, _) = login(OauthSettings::default(), |_| {}).await;
    let authorizer = world.authorizer(OauthSettings::default());
    let used = authorizer.bearer(ANNA).await.unwrap().unwrap();
    let more = "Bearer error=\"insufficient_scope\", scope=\"write\"";
    let next = authorizer.refused(ANNA, refusal(403, more, Some(&used))).await.unwrap();
    let Next::LoginNeeded { message } = next else { panic!("{next:?}") };
    assert!(message.contains("`write`"), "{message}");
    // Another process logs in, and knows what is wanted.
    assert_eq!(world.login(OauthSettings::default()).await, "logged in");
    assert_eq!(world.last("as", "/authorize").field("scope"), "read write");
    assert_eq!(world.count("as", "/register"), 1, "the registration is used again");
    let new = authorizer.bearer(ANNA).await.unwrap().unwrap();
    assert_ne!(new, used);
    let next = authorizer.refused(ANNA, refusal(403, more, Some(&used))).await.unwrap();
    assert_eq!(next, Next::Retry(new.clone()));
    let next = authorizer.refused(ANNA, refusal(403, more, Some(&new))).await.unwrap();
    assert!(matches!(next, Next::Forbidden { .. }), "{next:?}");
    let next = authorizer.refused(ANNA, refusal(403, "Bearer", Some(&new))).await.unwrap();
    assert!(matches!(next, Next::Forbidden { .. }), "{next:?}");
    for round in 0..4 {
        let wish = format!("Bearer error=\"insufficient_scope\", scope=\"s{round}\"");
        let next = authorizer.refused(ANNA, refusal(403, &wish, Some(&new))).await.unwrap();
        let last = matches!(next, Next::Forbidden { .. });
        assert_eq!(last, round >= 2, "{round}: {next:?}");
    }
}

#[tokio::test]
async fn machines_need_nobody() {
    let world = World::new().await;
    let settings = OauthSettings {
        client_id: Some("machine".to_owned()),
        client_secret: Some(Secret::new("canary-secret")),
        issuer: Some(world.url("as", "")),
        grant: Grant::ClientCredentials,
        ..OauthSettings::default()
    };
    world::merge(&mut world.script().token, json!({ "refresh_token": null }));
    world.script().prm["scopes_supported"] = json!(["read"]);
    let authorizer = world.authorizer(settings);
    let principal = ANNA;
    let all = (0..5).map(|_| authorizer.bearer(principal));
    for token in futures_util::future::join_all(all).await {
        assert_eq!(token.unwrap().unwrap().header(), "Bearer canary-access-1");
    }
    let asked = world.last("as", "/token");
    assert_eq!(asked.field("grant_type"), "client_credentials");
    assert_eq!(asked.field("scope"), "read");
    assert!(asked.authorization.starts_with("Basic "));
    let used = authorizer.bearer(ANNA).await.unwrap().unwrap();
    let more = "Bearer error=insufficient_scope, scope=write";
    let next = authorizer.refused(ANNA, refusal(403, more, Some(&used))).await.unwrap();
    let Next::Retry(new) = next else { panic!("{next:?}") };
    assert_eq!(world.last("as", "/token").field("scope"), "read write");
    let next = authorizer.refused(ANNA, refusal(401, "Bearer", Some(&new))).await.unwrap();
    assert!(matches!(next, Next::Retry(_)), "{next:?}");
    assert_eq!(world.count("as", "/token"), 3);
}
