//! API keys of tenants.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use switchboard_auth::{ApiKeyError, Made, NewKey};
use switchboard_core::store::tables::KEYS;
use switchboard_core::{OWNER, Tenant};

use crate::house::{House, START, shown};

fn acme() -> Tenant {
    Tenant::parse("acme").unwrap()
}

fn named(name: &str) -> NewKey {
    NewKey { name: name.to_owned(), ..NewKey::default() }
}

async fn make(house: &House, new: NewKey) -> Made {
    house.auth.keys.create(&acme(), new, "test").await.unwrap()
}

#[tokio::test]
async fn a_key_is_let_in_at_its_tenant_with_what_it_may_do() {
    let house = House::new(json!({}));
    let made = make(
        &house,
        NewKey {
            roles: vec!["deploy".to_owned()],
            scopes: Some(vec!["server:github".to_owned(), "effect:read".to_owned()]),
            rate: NonZeroU32::new(60),
            expires: Some(house.now() + Duration::from_secs(3600)),
            ..named("ci")
        },
    )
    .await;
    let header = format!("x-api-key: {}", made.text);
    let admitted = house.present("acme", &[&header]).await.unwrap();
    let standing = &admitted.principal.standing;
    assert_eq!(&*admitted.principal.subject, format!("key:{}", made.key.id));
    assert_eq!(admitted.principal.tenant, acme());
    assert_eq!(standing.name.as_deref(), Some("ci"));
    assert_eq!(standing.roles, ["deploy".into()]);
    assert_eq!(standing.rate.as_ref().map(|rate| rate.per_minute), NonZeroU32::new(60));
    let claims = switchboard_auth::me(&admitted.principal);
    assert_eq!(
        claims,
        json!({
            "username": "ci", "sub": format!("key:{}", made.key.id), "tenant": "acme",
            "roles": ["deploy"], "method": "api_key", "scope": "server:github effect:read",
            "exp": START + 3600, "rate": 60,
        }),
    );
    assert!(!house.store.text(&KEYS).contains(&made.text[20..]), "the text is kept nowhere");
}

#[tokio::test]
async fn what_is_not_quite_a_key_is_refused() {
    let house = House::new(json!({}));
    let made = make(&house, named("ci")).await;
    let other = make(&house, named("other")).await;
    let key = &made.text;
    let swapped = format!("{}{}", &key[..20], &other.text[20..]);
    let check = async |tenant: &str, key: &str, expected: &str| {
        assert_eq!(house.bearer(tenant, key).await, expected, "{tenant} {key}");
    };
    check("acme", key, &format!("acme/key:{} by api_key", made.key.id)).await;
    check("acme", &key[..key.len() - 1], "Invalid").await;
    check("acme", &format!("{key}x"), "Invalid").await;
    check("acme", &key.to_uppercase(), "Invalid").await;
    check("acme", &swapped, "Invalid").await;
    check("acme", "sbk_", "Invalid").await;
    check("acme", &format!("sbk_{}", "x".repeat(100_000)), "Invalid").await;
    check("acme", "sbk_0000000000000000_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "Invalid")
        .await;
    // A key is good at its tenant, and neither at another, a part of it, nor at the root.
    for tenant in ["beta", "default", "acme#eu"] {
        check(tenant, key, "Invalid").await;
    }
    let twice = format!("x-api-key: {key}");
    assert_eq!(shown(house.present("acme", &[&twice, &twice]).await), "Invalid");
}

#[tokio::test]
async fn a_key_ends_when_it_expires() {
    let house = House::new(json!({}));
    let expires = Some(house.now() + Duration::from_secs(100));
    let made = make(&house, NewKey { expires, ..named("short") }).await;
    let header = format!("x-api-key: {}", made.text);
    let admitted = house.present("acme", &[&header]).await.unwrap();
    house.pass(99);
    assert!(house.present("acme", &[&header]).await.is_ok());
    house.auth.tend().await;
    assert!(!admitted.revoked.is_cancelled());
    house.pass(1);
    assert_eq!(shown(house.present("acme", &[&header]).await), "Expired");
    house.auth.tend().await;
    assert!(admitted.revoked.is_cancelled(), "what was opened with it ends too");
}

#[tokio::test]
async fn a_key_that_is_revoked_lets_nobody_in_from_that_moment() {
    let house = House::new(json!({}));
    let made = make(&house, named("ci")).await;
    let header = format!("x-api-key: {}", made.text);
    let admitted = house.present("acme", &[&header]).await.unwrap();
    house.auth.keys.revoke(&acme(), &made.key.id, "test").await.unwrap();
    assert!(admitted.revoked.is_cancelled());
    assert_eq!(shown(house.present("acme", &[&header]).await), "Invalid");
    let listed = house.auth.keys.list(&acme(), None, 10).await.unwrap();
    assert_eq!(listed[0].revoked, Some(START));
    let again = house.auth.keys.rotate(&acme(), &made.key.id, Duration::ZERO, "test").await;
    assert!(matches!(again, Err(ApiKeyError::Invalid(_))));
    let beta = Tenant::parse("beta").unwrap();
    let foreign = house.auth.keys.revoke(&beta, &made.key.id, "test").await;
    assert!(matches!(foreign, Err(ApiKeyError::Missing(_))));
}

#[tokio::test]
async fn another_process_hears_of_it_in_time() {
    let here = House::new(json!({}));
    let there = House::with_store(json!({}), Arc::clone(&here.store));
    let made = make(&here, named("ci")).await;
    let header = format!("x-api-key: {}", made.text);
    let admitted = there.present("acme", &[&header]).await.unwrap();
    here.auth.keys.revoke(&acme(), &made.key.id, "test").await.unwrap();
    there.auth.tend().await;
    assert!(admitted.revoked.is_cancelled());
    assert_eq!(shown(there.present("acme", &[&header]).await), "Invalid");

    // Where it cannot be told, nobody is let in on the strength of what once was.
    let made = make(&here, named("second")).await;
    let header = format!("x-api-key: {}", made.text);
    assert!(there.present("acme", &[&header]).await.is_ok());
    there.store.is_down.store(true, Ordering::Relaxed);
    there.pass(59);
    assert!(there.present("acme", &[&header]).await.is_ok());
    there.pass(2);
    assert_eq!(shown(there.present("acme", &[&header]).await), "Unlearned");
}

#[tokio::test]
async fn a_key_that_is_rotated_lives_through_its_grace() {
    let house = House::new(json!({}));
    let made = make(&house, named("ci")).await;
    let rotate = async |grace| {
        let grace = Duration::from_secs(grace);
        house.auth.keys.rotate(&acme(), &made.key.id, grace, "test").await.unwrap().text
    };
    let ok = format!("acme/key:{} by api_key", made.key.id);
    let old = house.present("acme", &[&format!("x-api-key: {}", made.text)]).await.unwrap();
    let second = rotate(100).await;
    assert_eq!(house.bearer("acme", &made.text).await, ok);
    assert_eq!(house.bearer("acme", &second).await, ok);
    house.pass(99);
    house.auth.tend().await;
    assert!(!old.revoked.is_cancelled());
    house.pass(1);
    house.auth.tend().await;
    assert!(old.revoked.is_cancelled(), "what was opened before ends with the grace");
    assert_eq!(house.bearer("acme", &made.text).await, "Invalid");
    assert_eq!(house.bearer("acme", &second).await, ok);
    // Rotating twice ends the first at once.
    let third = rotate(1000).await;
    let fourth = rotate(1000).await;
    assert_eq!(house.bearer("acme", &second).await, "Invalid");
    assert_eq!(house.bearer("acme", &third).await, ok);
    let fifth = rotate(0).await;
    assert_eq!(house.bearer("acme", &fourth).await, "Invalid");
    assert_eq!(house.bearer("acme", &fifth).await, ok);
}

#[tokio::test]
async fn guessing_does_not_reach_the_store() {
    let house = House::new(json!({}));
    let made = make(&house, named("ci")).await;
    assert!(house.present("acme", &[&format!("x-api-key: {}", made.text)]).await.is_ok());
    let before = house.store.reads.load(Ordering::Relaxed);
    let reads = || house.store.reads.load(Ordering::Relaxed) - before;
    let guess = |id: u32| format!("sbk_{id:016x}_{}", "A".repeat(43));
    for _ in 0..100 {
        assert_eq!(house.bearer("acme", &guess(0)).await, "Invalid");
    }
    assert_eq!(reads(), 1, "an id that is not there is remembered");
    for id in 0..1000 {
        house.bearer("acme", &guess(id)).await;
    }
    assert_eq!(reads(), 50, "and other ids are looked up so often in a second");
    assert_eq!(house.bearer("acme", &guess(2000)).await, "Unlearned");
    assert!(house.bearer("acme", &made.text).await.ends_with("by api_key"), "known keys get in");
    house.pass(1);
    assert_eq!(house.bearer("acme", &guess(2000)).await, "Invalid");
}

#[tokio::test]
async fn use_is_written_at_most_once_a_minute_and_never_by_a_request() {
    let house = House::new(json!({}));
    let made = make(&house, named("ci")).await;
    let written = || house.store.writes.load(Ordering::Relaxed);
    let after_making = written();
    let last_used = async || house.auth.keys.list(&acme(), None, 1).await.unwrap()[0].last_used;
    for _ in 0..100 {
        house.bearer("acme", &made.text).await;
    }
    assert_eq!((written(), last_used().await), (after_making, None));
    house.auth.tend().await;
    assert_eq!((written(), last_used().await), (after_making + 1, Some(START)));
    for _ in 0..5 {
        house.pass(10);
        house.bearer("acme", &made.text).await;
        house.auth.tend().await;
    }
    assert_eq!(written(), after_making + 1);
    house.pass(10);
    house.bearer("acme", &made.text).await;
    house.auth.tend().await;
    assert_eq!((written(), last_used().await), (after_making + 2, Some(START + 60)));
}

#[tokio::test]
async fn what_nobody_means_is_not_made() {
    let house = House::new(json!({}));
    let check = async |new: NewKey, expected: &str| {
        let error = house.auth.keys.create(&acme(), new, "test").await.err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check(named(""), "needs a name").await;
    check(named("a\nb"), "needs a name").await;
    check(NewKey { subject: Some("owner".to_owned()), ..named("a") }, "acts as").await;
    check(NewKey { roles: vec![OWNER.to_owned()], ..named("a") }, "the role `owner`").await;
    check(NewKey { scopes: Some(Vec::new()), ..named("a") }, "is empty").await;
    check(NewKey { scopes: Some(vec!["tool:".to_owned()]), ..named("a") }, "`tool:`").await;
    check(NewKey { expires: Some(house.now()), ..named("a") }, "expired already").await;
    for at in 0..5 {
        make(&house, named(&format!("key {at}"))).await;
    }
    let first = house.auth.keys.list(&acme(), None, 3).await.unwrap();
    let rest = house.auth.keys.list(&acme(), Some(&first[2].id), 3).await.unwrap();
    assert_eq!((first.len(), rest.len()), (3, 2));
    assert!(house.auth.keys.list(&Tenant::default(), None, 3).await.unwrap().is_empty());
}
