//! Logging in with a password, and the tokens that follow.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::json;
use switchboard_auth::{Answer, ChangedUser, NewUser, UserError};
use switchboard_core::Tenant;
use switchboard_core::store::tables::{TOKENS, USERS};

use crate::house::{House, START, shown, users};
use crate::store::MemoryStore;

struct World {
    house: House,
    _directory: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let house = House::new(json!({ "users": users(&directory) }));
        Self { house, _directory: directory }
    }
}

const ANN: &str = "username=ann&password=ann%27s+secret";
const BOB: &str = "username=bob&password=bob%27s+secret&grant_type=password";

fn text<'a>(answer: &'a Answer, name: &str) -> &'a str {
    answer.body[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer:?}"))
}

fn refresh(answer: &Answer) -> String {
    let token: String =
        form_urlencoded::byte_serialize(text(answer, "refresh_token").as_bytes()).collect();
    format!("grant_type=refresh_token&refresh_token={token}")
}

#[tokio::test]
async fn a_password_is_good_for_tokens() {
    let World { house, _directory } = World::new();
    let answer = house.log_in("default", ANN).await;
    assert_eq!((answer.status, &answer.body["token_type"]), (200, &json!("bearer")));
    assert_eq!(answer.body["expires_in"], 900);
    let token = text(&answer, "access_token");
    assert_eq!(house.bearer("acme", token).await, "acme/user:ann by password");
    for tenant in ["default", "beta", "acme#eu"] {
        assert_eq!(house.bearer(tenant, token).await, "Invalid", "{tenant}");
    }
    let header = format!("authorization: Bearer {token}");
    let principal = house.present("acme", &[&header]).await.unwrap().principal;
    assert_eq!(
        switchboard_auth::me(&principal),
        json!({
            "username": "ann", "sub": "user:ann", "tenant": "acme", "roles": ["admin"],
            "method": "password", "exp": START + 900,
        }),
        "nobody becomes owner by a users file",
    );
    let bob = house.log_in("default", BOB).await;
    for tenant in ["default", "acme", "acme#eu"] {
        let actual = house.bearer(tenant, text(&bob, "access_token")).await;
        assert_eq!(actual, format!("{tenant}/user:bob by password"));
    }
}

#[tokio::test]
async fn what_is_no_login_is_refused() {
    let World { house, _directory } = World::new();
    let check = async |form: &str, status: u16, detail: &str| {
        let answer = house.log_in_from("default", form, "198.51.100.7").await;
        assert_eq!(answer.status, status, "{form}");
        assert!(text(&answer, "detail").contains(detail), "{answer:?}");
    };
    check("username=ann&password=wrong", 401, "Incorrect username or password").await;
    check("username=nobody&password=wrong", 401, "Incorrect username or password").await;
    check("username=ann&password=bob%27s+secret", 401, "Incorrect").await;
    check("username=Ann&password=ann%27s+secret", 401, "Incorrect").await;
    check(&format!("username=bob&password={}", "x".repeat(2000)), 401, "Incorrect").await;
    check("", 400, "`username` is missing").await;
    check("username=ann", 400, "`password` is missing").await;
    check("username=ann&password=", 400, "`password` is missing").await;
    check("username=ann&username=bob&password=x", 400, "twice").await;
    check(&format!("username={}&password=x", "x".repeat(201)), 400, "too long").await;
    check(&format!("username=ann&password={}", "x".repeat(9000)), 400, "too large").await;
    check("grant_type=client_credentials", 400, "`grant_type`").await;
    check("grant_type=refresh_token", 400, "`refresh_token` is missing").await;
    check("grant_type=refresh_token&refresh_token=x", 401, "refresh token").await;
    check(r#"{"username":"ann","password":"ann's secret"}"#, 400, "missing").await;
}

/// What answers a wrong password is the same whoever the name is: how long that takes then tells
/// nothing (that as much is computed is tested beside `Passwords`).
#[tokio::test]
async fn an_unknown_name_is_as_much_work_as_a_known_one() {
    let World { house, _directory } = World::new();
    let carol = NewUser {
        username: "carol".to_owned(),
        password: "correct horse".to_owned(),
        roles: Vec::new(),
        scopes: None,
    };
    house.auth.users.put(&Tenant::default(), carol, "me").await.unwrap();
    let count = || {
        let count = |counted: &std::sync::atomic::AtomicUsize| counted.load(Ordering::Relaxed);
        [count(&house.store.reads), count(&house.store.writes)]
    };
    let mut work = Vec::new();
    for name in ["bob", "carol", "nobody"] {
        let before = count();
        let answer = house.log_in("default", &format!("username={name}&password=wrong")).await;
        assert_eq!(
            (answer.status, text(&answer, "detail")),
            (401, "Incorrect username or password")
        );
        work.push([count()[0] - before[0], count()[1] - before[1]]);
    }
    assert_eq!(work, [[1, 0]; 3]);
}

#[tokio::test]
async fn guessing_gets_slower_and_waits_are_said() {
    let World { house, _directory } = World::new();
    for _ in 0..6 {
        assert_eq!(house.log_in("default", "username=ann&password=wrong").await.status, 401);
    }
    // Even the right password waits, from wherever it comes.
    let waiting = house.log_in_from("default", ANN, "203.0.113.9").await;
    assert_eq!((waiting.status, waiting.retry_after.unwrap().as_secs()), (429, 1));
    assert!(text(&waiting, "detail").contains("Too many"));
    assert_eq!(house.log_in("default", BOB).await.status, 200);
    house.pass(1);
    assert_eq!(house.log_in("default", ANN).await.status, 200);
}

#[tokio::test]
async fn guessing_at_refresh_tokens_gets_slower_too() {
    let World { house, _directory } = World::new();
    let guess = |at: u32| {
        format!("grant_type=refresh_token&refresh_token=sbr_{at:032x}_{}.default", "A".repeat(43))
    };
    for at in 0..31 {
        assert_eq!(house.log_in("default", &guess(at)).await.status, 401, "{at}");
    }
    assert_eq!(house.log_in("default", &guess(31)).await.status, 429);
    assert_eq!(house.log_in_from("default", &guess(32), "203.0.113.9").await.status, 401);
}

#[tokio::test]
async fn a_refresh_token_is_good_once() {
    let World { house, _directory } = World::new();
    let first = house.log_in("default", ANN).await;
    let second = house.log_in("default", &refresh(&first)).await;
    assert_eq!(second.status, 200, "{second:?}");
    let third = house.log_in("default", &refresh(&second)).await;
    let token = text(&third, "access_token").to_owned();
    let header = format!("authorization: Bearer {token}");
    let open = house.present("acme", &[&header]).await.unwrap().revoked;

    // One that was used comes again: whoever has the newest is out as well.
    assert_eq!(house.log_in("default", &refresh(&first)).await.status, 401);
    assert_eq!(house.log_in("default", &refresh(&third)).await.status, 401);
    assert_eq!(house.bearer("acme", &token).await, "Invalid");
    assert!(open.is_cancelled());
    // Another login is another family.
    let other = house.log_in("default", ANN).await;
    assert_eq!(house.log_in("default", &refresh(&other)).await.status, 200);
}

#[tokio::test]
async fn two_that_use_a_refresh_token_at_once_do_not_both_get_in() {
    let World { house, _directory } = World::new();
    let first = house.log_in("default", ANN).await;
    let form = refresh(&first);
    let (a, b) = tokio::join!(house.log_in("default", &form), house.log_in("default", &form));
    assert!(a.status == 401 || b.status == 401, "{a:?} {b:?}");
    let newest = [a, b].into_iter().find(|answer| answer.status == 200);
    if let Some(newest) = newest {
        assert_eq!(house.log_in("default", &refresh(&newest)).await.status, 401);
    }
}

#[tokio::test]
async fn a_refresh_token_ends_and_is_kept_as_a_hash() {
    let World { house, _directory } = World::new();
    let first = house.log_in("default", ANN).await;
    let token = text(&first, "refresh_token");
    assert!(!house.store.text(&TOKENS).contains(&token[37..60]));
    for forged in [
        token.replace("acme", "default"),
        format!("{token}x"),
        token[..token.len() - 1].to_owned(),
        token.to_uppercase(),
    ] {
        let form = format!("grant_type=refresh_token&refresh_token={forged}");
        assert_eq!(house.log_in("default", &form).await.status, 401, "{forged}");
    }
    let second = house.log_in("default", ANN).await;
    house.pass(30 * 24 * 60 * 60);
    assert_eq!(house.log_in("default", &refresh(&second)).await.status, 401);
}

#[tokio::test]
async fn what_is_kept_of_tokens_that_are_over_is_let_go_of() {
    let World { house, _directory } = World::new();
    let kept = || house.store.text(&TOKENS);
    let short = house.log_in("default", ANN).await;
    house.auth.tokens.revoke(text(&short, "access_token")).await.unwrap();
    assert_eq!(house.auth.tokens.sweep().await.unwrap(), 0, "nothing is over yet");
    assert!(kept().contains("jti:") && kept().contains("refresh:"));
    // Longer than a token is good for, with what clocks may be apart.
    house.pass(24 * 60 * 60);
    assert_eq!(house.auth.tokens.sweep().await.unwrap(), 1);
    assert!(!kept().contains("jti:") && kept().contains("refresh:"));
    house.pass(30 * 24 * 60 * 60);
    assert_eq!(house.auth.tokens.sweep().await.unwrap(), 1);
    assert!(!kept().contains("refresh:"));
}

#[tokio::test]
async fn where_a_walk_through_all_tokens_is_dear_it_is_made_once() {
    let World { house: _house, _directory } = World::new();
    let secret = json!({ "tokens": { "secret": "a secret of more than thirty-two bytes" } });
    let store = Arc::<MemoryStore>::default();
    store.walks.store(true, Ordering::Relaxed);
    let here = House::with_store(secret.clone(), Arc::clone(&store));
    let there = House::with_store(secret, Arc::clone(&store));
    let acme = Tenant::parse("acme").unwrap();
    let eve = NewUser {
        username: "eve".to_owned(),
        password: "eve's secret".to_owned(),
        roles: Vec::new(),
        scopes: None,
    };
    here.auth.users.put(&acme, eve, "test").await.unwrap();
    let login = here.log_in("acme", "username=eve&password=eve%27s+secret").await;
    let token = text(&login, "access_token");
    assert_eq!(there.bearer("acme", token).await, "acme/user:eve by password");
    here.auth.tokens.revoke(token).await.unwrap();
    for _ in 0..5 {
        there.auth.tend().await;
        there.auth.tokens.sweep().await.unwrap();
    }
    assert_eq!(store.walked.load(Ordering::Relaxed), 1);
    assert_eq!(there.bearer("acme", token).await, "Invalid", "heard of by a query");
    here.pass(24 * 60 * 60);
    assert_eq!(here.auth.tokens.sweep().await.unwrap(), 2);
}

#[tokio::test]
async fn what_is_taken_back_lets_nobody_in_anywhere() {
    let World { house, _directory } = World::new();
    let secret = json!({ "tokens": { "secret": "a secret of more than thirty-two bytes" } });
    let here = House::with_store(secret.clone(), Arc::clone(&house.store));
    let there = House::with_store(secret, Arc::clone(&house.store));
    let tenant = Tenant::parse("acme").unwrap();
    let user = NewUser {
        username: "eve".to_owned(),
        password: "eve's secret".to_owned(),
        roles: Vec::new(),
        scopes: Some(vec!["effect:read".to_owned()]),
    };
    here.auth.users.put(&tenant, user, "test").await.unwrap();
    let answer = here.log_in("acme", "username=eve&password=eve%27s+secret").await;
    let token = text(&answer, "access_token");
    let header = format!("authorization: Bearer {token}");
    let open = there.present("acme", &[&header]).await.unwrap();
    assert_eq!(open.principal.standing.scopes, Some(vec!["effect:read".into()]));
    let form = format!("token={token}");
    assert_eq!(here.auth.sign_in.revoke(form.as_bytes()).await.status, 200);
    assert_eq!(here.bearer("acme", token).await, "Invalid");
    there.auth.tend().await;
    assert!(open.revoked.is_cancelled());
    assert_eq!(shown(there.present("acme", &[&header]).await), "Invalid");
    // The refresh token of the same login is another thing to take back.
    let form = refresh(&answer).replace("grant_type=refresh_token&refresh_token", "token");
    assert_eq!(here.auth.sign_in.revoke(form.as_bytes()).await.status, 200);
    assert_eq!(here.log_in("acme", &refresh(&answer)).await.status, 401);
    assert_eq!(here.auth.sign_in.revoke(b"token=nonsense").await.status, 200);
    assert_eq!(here.auth.sign_in.revoke(b"").await.status, 400);
}

#[tokio::test]
async fn users_of_the_store_are_of_their_tenant() {
    let World { house, _directory } = World::new();
    let acme = Tenant::parse("acme").unwrap();
    let user = |name: &str, password: &str| NewUser {
        username: name.to_owned(),
        password: password.to_owned(),
        roles: vec!["viewer".to_owned()],
        scopes: None,
    };
    let put = async |user| house.auth.users.put(&acme, user, "test").await;
    put(user("eve", "eve's secret")).await.unwrap();
    assert!(house.store.text(&USERS).contains("$argon2id$"));
    assert!(!house.store.text(&USERS).contains("eve's secret"));
    let form = "username=eve&password=eve%27s+secret";
    assert_eq!(house.log_in("default", form).await.status, 401);
    let answer = house.log_in("acme", form).await;
    assert_eq!(
        house.bearer("acme", text(&answer, "access_token")).await,
        "acme/user:eve by password"
    );
    assert_eq!(house.bearer("default", text(&answer, "access_token")).await, "Invalid");

    let listed = house.auth.users.list(&acme, None, 10).await.unwrap();
    assert_eq!((listed.len(), &*listed[0].username), (1, "eve"));
    house.auth.users.delete(&acme, "eve").await.unwrap();
    assert!(matches!(house.auth.users.delete(&acme, "eve").await, Err(UserError::Missing(_)),));
    // Whoever is deleted does not come back by refreshing.
    assert_eq!(house.log_in("acme", &refresh(&answer)).await.status, 401);
    for (wrong, why) in [
        (user("", "long enough"), "needs a name"),
        (user("ann", "long enough"), "needs a name"),
        (user("eve", "short"), "8 to 1024"),
        (user("eve", "admin123"), "everybody knows"),
        (NewUser { roles: vec!["owner".to_owned()], ..user("eve", "long enough") }, "`owner`"),
    ] {
        let error = put(wrong).await.unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn another_password_ends_what_was_issued_for_the_one_before() {
    let World { house: _house, _directory } = World::new();
    let secret = json!({ "tokens": { "secret": "a secret of more than thirty-two bytes" } });
    let store = Arc::default();
    let here = House::with_store(secret.clone(), Arc::clone(&store));
    let there = House::with_store(secret, store);
    let acme = Tenant::parse("acme").unwrap();
    let eve = |password: &str| NewUser {
        username: "eve".to_owned(),
        password: password.to_owned(),
        roles: Vec::new(),
        scopes: None,
    };
    let users = &here.auth.users;
    users.put(&acme, eve("eve's secret"), "test").await.unwrap();
    users
        .put(&acme, NewUser { username: "eve x".to_owned(), ..eve("the other's") }, "test")
        .await
        .unwrap();
    let other = here.log_in("acme", "username=eve+x&password=the+other%27s").await;
    let form = |password: &str| format!("username=eve&password={password}");
    // However it is that the password is of no use any more.
    for (change, password, next) in [
        ("change", "eve%27s+secret", "another+secret"),
        ("again", "another+secret", "another+secret"),
    ] {
        let login = here.log_in("acme", &form(password)).await;
        let header = format!("authorization: Bearer {}", text(&login, "access_token"));
        let stream = there.present("acme", &[&header]).await.unwrap().revoked;
        if change == "again" {
            // Somebody else gets the name, and by chance the same password.
            users.delete(&acme, "eve").await.unwrap();
            assert_eq!(here.bearer("acme", text(&login, "access_token")).await, "Invalid");
            users.put(&acme, eve("another secret"), "test").await.unwrap();
        } else {
            let password = Some("another secret".to_owned());
            let changed = ChangedUser { password, ..ChangedUser::default() };
            users.change(&acme, "eve", &changed, "test").await.unwrap();
        }
        assert_eq!(here.bearer("acme", text(&login, "access_token")).await, "Invalid", "{change}");
        there.auth.tend().await;
        assert!(stream.is_cancelled(), "{change}");
        assert_eq!(shown(there.present("acme", &[&header]).await), "Invalid", "{change}");
        assert_eq!(here.log_in("acme", &refresh(&login)).await.status, 401, "{change}");
        let login = here.log_in("acme", &form(next)).await;
        let good = "acme/user:eve by password";
        assert_eq!(there.bearer("acme", text(&login, "access_token")).await, good, "{change}");
        assert_eq!(there.log_in("acme", &refresh(&login)).await.status, 200, "{change}");
    }
    // Whose name only begins alike is not meant.
    assert_eq!(there.log_in("acme", &refresh(&other)).await.status, 200);
    let roles = ChangedUser { roles: Some(vec!["viewer".to_owned()]), ..ChangedUser::default() };
    let login = here.log_in("acme", &form("another+secret")).await;
    users.change(&acme, "eve", &roles, "test").await.unwrap();
    assert_eq!(
        there.log_in("acme", &refresh(&login)).await.status,
        200,
        "the password is the same"
    );
}

#[tokio::test]
async fn a_name_of_one_tenant_is_free_in_the_others() {
    let World { house, _directory } = World::new();
    let beta = Tenant::parse("beta").unwrap();
    let ann = |password: &str| NewUser {
        username: "ann".to_owned(),
        password: password.to_owned(),
        roles: Vec::new(),
        scopes: None,
    };
    house.auth.users.put(&beta, ann("beta's secret"), "test").await.unwrap();
    let form = "username=ann&password=beta%27s+secret";
    let login = house.log_in("beta", form).await;
    assert_eq!(
        house.bearer("beta", text(&login, "access_token")).await,
        "beta/user:ann by password"
    );
    assert_eq!(house.log_in("beta", &refresh(&login)).await.status, 200);
    assert_eq!(house.log_in("beta", ANN).await.status, 401, "she is another");
    for tenant in ["default", "acme"] {
        assert_eq!(house.log_in(tenant, ANN).await.status, 200, "{tenant}");
        let tenant = Tenant::parse(tenant).unwrap();
        assert!(house.auth.users.put(&tenant, ann("long enough"), "test").await.is_err());
    }
}

#[tokio::test]
async fn guessing_in_one_tenant_keeps_nobody_waiting_in_another() {
    let World { house, _directory } = World::new();
    let beta = Tenant::parse("beta").unwrap();
    let carol = NewUser {
        username: "carol".to_owned(),
        password: "correct horse".to_owned(),
        roles: Vec::new(),
        scopes: None,
    };
    house.auth.users.put(&beta, carol, "test").await.unwrap();
    let guess = async |tenant: &str, name: &str, at: u8| {
        let (form, from) = (format!("username={name}&password=wrong"), format!("198.51.100.{at}"));
        house.log_in_from(tenant, &form, &from).await.status
    };
    for at in 0..6 {
        assert_eq!(guess("acme", "carol", at).await, 401);
    }
    assert_eq!(guess("acme", "carol", 6).await, 429);
    let login = house.log_in("beta", "username=carol&password=correct+horse").await;
    assert_eq!(login.status, 200);
    // One user of the file is one, wherever the guesses go.
    for (at, tenant) in ["default", "acme", "beta", "default", "acme", "beta"].iter().enumerate() {
        assert_eq!(guess(tenant, "bob", at as u8).await, 401);
    }
    assert_eq!(guess("gamma", "bob", 7).await, 429);
}

#[tokio::test]
async fn where_the_store_does_not_answer_nobody_is_told_to_be_wrong() {
    let World { house, _directory } = World::new();
    house.store.is_down.store(true, Ordering::Relaxed);
    let answer = house.log_in("default", "username=nobody&password=x").await;
    assert_eq!(answer.status, 503);
    assert!(answer.retry_after.is_some());
}

#[tokio::test]
async fn an_administrator_of_the_configuration_logs_in() {
    let house = House::new(json!({
        "users": { "admin_name": "root", "admin_password": "long enough", "tenant": "*" },
    }));
    let answer = house.log_in("default", "username=root&password=long+enough").await;
    let token = text(&answer, "access_token");
    assert_eq!(house.bearer("acme", token).await, "acme/user:root by password");
    // What was issued outlives a start, and not the password.
    for (password, status) in [("long enough", 200), ("another one", 401)] {
        let next = House::with_store(
            json!({ "users": { "admin_name": "root", "admin_password": password, "tenant": "*" } }),
            Arc::clone(&house.store),
        );
        let login = house.log_in("default", "username=root&password=long+enough").await;
        assert_eq!(next.log_in("default", &refresh(&login)).await.status, status, "{password}");
    }
}
