//! The keys of who may call: ways, users, tokens, identity providers, and the older variables.

use serde_json::{Value, json};
use switchboard_testkit::issuer::{Provider, Signer, read, sign_with_secret};

use super::kept::{Moto, spy};
use super::started;
use crate::asked::{
    POOL_PASSWORD, Pool, ask, assert_ends, authority, bearer, form, hold, log_in, me, me_with, now,
    patched, token,
};
use crate::common::{Home, wait};

/// The bcrypt hash of the alphabet (a test vector of jBCrypt).
const HASH: &str = "$2a$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC";
const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz";
const SECRET: &str = "one secret for all daemons, long enough";
const ADMIN: &str =
    "auth.users.admin_name = \"root\"\nauth.users.admin_password = \"correct horse\"\n";

fn instance(home: &Home) -> String {
    format!("X-API-Key: {}\r\n", home.key())
}

pub(super) fn order() {
    let home =
        started("auth.order = [\"admin_token\"]\nauth.admin_token = \"sixteen-or-more-of-it\"\n");
    let (at, key) = (authority(&home), instance(&home));
    assert_eq!(me_with(&at, "default", &key), Err(401));
    assert_eq!(me(&at, "default", "sixteen-or-more-of-it").unwrap()["method"], "admin_token");
    // It is changed while the daemon runs, and so is everything here; what was open ends.
    let open = hold(&at, "/sse", &bearer("sixteen-or-more-of-it"));
    home.configure(
        "auth.order = [\"instance_key\"]\nauth.admin_token = \"sixteen-or-more-of-it\"\n",
    );
    assert!(!home.run(&["reload"]).contains("restart"));
    assert_ends(open);
    assert_eq!(me_with(&at, "default", &key).unwrap()["roles"], json!(["owner"]));
    assert_eq!(me(&at, "default", "sixteen-or-more-of-it"), Err(401));
    let open = hold(&at, "/sse", &key);
    home.configure("auth.order = [\"token\"]\n");
    home.run(&["reload"]);
    assert_ends(open);
}

pub(super) fn loopback() {
    let home = started("");
    let at = authority(&home);
    assert_eq!(me_with(&at, "default", ""), Err(401));
    home.configure("auth.loopback = true\n");
    home.run(&["reload"]);
    assert_eq!(me_with(&at, "default", "").unwrap()["roles"], json!(["owner"]));
    let open = hold(&at, "/sse", "");
    assert_eq!(me_with(&at, "default", "X-Forwarded-For: 192.0.2.1\r\n"), Err(401));
    assert_eq!(me(&at, "default", "wrong"), Err(401), "who presents something is judged by it");
    home.configure("");
    home.run(&["reload"]);
    assert_ends(open);
}

pub(super) fn admin_token() {
    let home = started("auth.admin_token = \"the-first-that-there-was\"\n");
    let at = authority(&home);
    let admin = me(&at, "acme", "the-first-that-there-was").unwrap();
    assert_eq!((&admin["roles"], &admin["tenant"]), (&json!(["admin"]), &json!("acme")));
    home.configure("auth.admin_token = \"the-second-that-there-is\"\n");
    home.run(&["reload"]);
    assert_eq!(me(&at, "acme", "the-first-that-there-was"), Err(401));
    assert!(me(&at, "acme", "the-second-that-there-is").is_ok());
    home.configure("auth.admin_token = \"short\"\n");
    let output = home.switchboard(&["config", "check"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("auth.admin_token") && text.contains("config.toml:2"), "{text}");
    assert!(!text.contains("short\""), "{text}");
}

pub(super) fn users() {
    let people = |names: &[&str]| {
        let people: Vec<_> = names
            .iter()
            .map(|name| json!({ "username": name, "password_hash": HASH, "roles": ["viewer"] }))
            .collect();
        json!(people).to_string()
    };
    let home = Home::new(&format!(
        "auth.users.file = \"people.json\"\nauth.users.tenant = \"acme\"\n{ADMIN}"
    ));
    std::fs::write(home.path("people.json"), people(&["ann"])).unwrap();
    home.start();
    let at = authority(&home);
    let ann = token(&at, "ann", ALPHABET);
    assert_eq!(me(&at, "acme", &ann).unwrap()["roles"], json!(["viewer"]));
    assert_eq!(me(&at, "default", &ann), Err(401));
    let root = token(&at, "root", "correct horse");
    assert_eq!(me(&at, "acme", &root).unwrap()["roles"], json!(["admin"]));
    assert_eq!(log_in(&at, "root", "wrong horse").status, 401);
    // Who is written into the file is there after a reload, and who is not is gone.
    std::fs::write(home.path("people.json"), people(&["bob"])).unwrap();
    home.run(&["reload"]);
    assert!(me(&at, "acme", &token(&at, "bob", ALPHABET)).is_ok());
    assert_eq!(log_in(&at, "ann", ALPHABET).status, 401);
    std::fs::write(home.path("people.json"), "[{}]").unwrap();
    super::refused(&home, &["reload"], "1 mistake");
    super::refused(&home, &["config", "check"], "auth.users.file");
}

pub(super) fn tokens() {
    let config = |more: &str| {
        format!(
            "{ADMIN}[auth.tokens]\nsecret = \"{SECRET}\"\nissuer = \"gate\"\n\
             audience = [\"mine\", \"theirs\"]\nlifetime = \"5m\"\nrefresh_lifetime = \"1h\"\n{more}"
        )
    };
    let home = started(&config("clock_skew = \"0s\"\n"));
    let at = authority(&home);
    let said = log_in(&at, "root", "correct horse");
    assert_eq!(said.body["expires_in"], 300);
    let (header, claims) = read(said.body["access_token"].as_str().unwrap());
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("gate"), &json!("mine")));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 300);
    let until = refreshed_until(&home);
    assert!((now() + 3_500..now() + 3_700).contains(&until), "{until}");

    let with = |patch: Value| {
        let token = sign_with_secret(&header, &patched(&claims, &patch), SECRET.as_bytes());
        me(&at, "default", &token).map(drop)
    };
    assert_eq!(with(json!({ "aud": "theirs" })), Ok(()));
    assert_eq!(with(json!({ "aud": "others" })), Err(401));
    assert_eq!(with(json!({ "iss": "switchboard" })), Err(401));
    let late = json!({ "exp": now() - 10 });
    assert_eq!(with(late.clone()), Err(401));
    home.configure(&config("clock_skew = \"1m\"\n"));
    home.run(&["reload"]);
    assert_eq!(with(late), Ok(()));
    // A daemon with the same secret takes the same tokens, one with another does not.
    let same = started(&config(""));
    assert!(me(&authority(&same), "default", &token(&at, "root", "correct horse")).is_ok());
    let other = started(&config("").replace("for all", "for one"));
    assert_eq!(me(&authority(&other), "default", &token(&at, "root", "correct horse")), Err(401));
    let signed = started(&config("algorithm = \"EdDSA\"\n"));
    let signed = token(&authority(&signed), "root", "correct horse");
    assert_eq!(read(&signed).0["alg"], "EdDSA");
    home.configure(&config("").replace(SECRET, "changeme"));
    super::refused(&home, &["config", "check"], "auth.tokens.secret");
}

/// When the refresh token ends that is kept, in seconds.
fn refreshed_until(home: &Home) -> u64 {
    let kept = home.run(&["store", "export"]);
    let mut rows = kept.lines().filter(|line| line.contains("\"refresh:"));
    let row: Value = serde_json::from_str(rows.next().unwrap()).unwrap();
    row["row"]["body"]["until"].as_u64().unwrap() / 1_000_000
}

pub(super) fn keys_fresh() {
    let shared = Home::new("");
    let config = |fresh: &str| {
        let path = shared.path("shared.db");
        format!("auth.keys.fresh = \"{fresh}\"\nstore.sqlite.path = {path:?}\n")
    };
    let homes = [started(&config("5s")), started(&config("10m")), started(&config("5s"))];
    let [soon, late, third] = homes.each_ref().map(authority);
    let owner = instance(&homes[2]);
    let wish = json!({ "name": "robot", "roles": ["admin"] }).to_string();
    let made = ask(&third, "POST /acme/api/v1/keys", &owner, &wish);
    let key = format!("X-API-Key: {}\r\n", made.body["text"].as_str().unwrap());
    for at in [&soon, &late, &third] {
        assert!(me_with(at, "acme", &key).is_ok());
    }
    let id = made.body["key"]["id"].as_str().unwrap();
    assert_eq!(ask(&third, &format!("DELETE /acme/api/v1/keys/{id}"), &owner, "").status / 100, 2);
    assert_eq!(me_with(&third, "acme", &key), Err(401));
    wait("the key to be looked up again", || me_with(&soon, "acme", &key) == Err(401));
    // Half of ten minutes are looked after in rounds of 30 s, and what is known holds until then.
    assert!(me_with(&late, "acme", &key).is_ok());
}

/// A token of `provider`, and what it is made of.
fn claims(provider: &Provider) -> Value {
    json!({
        "iss": provider.issuer, "aud": "us", "sub": "u1", "exp": now() + 600, "iat": now(),
        "preferred_username": "ann", "roles": ["viewer"], "scope": "effect:read", "email": "a@b.example",
        "org": { "tenant": "acme", "roles": ["admin"] }, "scp": ["tool:x"],
    })
}

pub(super) fn oidc() {
    let signer = Signer::ec("one");
    let provider = Provider::start(&[&signer]);
    let config = |more: &str| {
        format!("[auth.oidc.corp]\nissuer = \"{}\"\naudience = [\"us\"]\n{more}\n", provider.issuer)
    };
    let home = started(&config(""));
    let at = authority(&home);
    let with = |tenant: &str, patch: Value| {
        me(&at, tenant, &signer.sign(&patched(&claims(&provider), &patch)))
    };
    let ann = with("default", json!({})).unwrap();
    assert_eq!(ann["username"], "ann");
    assert_eq!((&ann["roles"], &ann["scope"]), (&json!(["viewer"]), &json!("effect:read")));
    assert_eq!(with("default", json!({ "aud": "others" })), Err(401));
    assert_eq!(with("default", json!({ "iss": "https://other.example" })), Err(401));
    assert_eq!(with("acme", json!({})), Err(401));
    let late = json!({ "exp": now() - 20 });
    assert!(with("default", late.clone()).is_ok());

    let change = |more: &str| {
        home.configure(&config(more));
        home.run(&["reload"]);
    };
    change("tenant = \"acme\"\nclock_skew = \"0s\"\nname_claim = \"email\"");
    assert_eq!(with("acme", json!({})).unwrap()["username"], "a@b.example");
    assert_eq!(with("default", json!({})), Err(401));
    assert_eq!(with("acme", late), Err(401));
    change("tenant_claim = \"org.tenant\"\nroles_claim = \"org.roles\"\nscopes_claim = \"scp\"");
    let ann = with("acme", json!({})).unwrap();
    assert_eq!((&ann["roles"], &ann["scope"]), (&json!(["admin"]), &json!("tool:x")));
    change("algorithms = [\"RS256\"]");
    assert_eq!(with("default", json!({})), Err(401));
    // Where the document of the provider says nothing, the keys are where the configuration says.
    *provider.shared.discovery.lock().unwrap() = json!([]);
    change("clock_skew = \"1s\"");
    assert_eq!(with("default", json!({})), Err(503));
    change(&format!("jwks_url = \"{}/keys\"", provider.issuer));
    assert!(with("default", json!({})).is_ok());
}

pub(super) fn oidc_keys() {
    let (old, new) = (Signer::ec("old"), Signer::ec("new"));
    let provider = Provider::start(&[&old]);
    let daemon = |more: &str| {
        let home = started(&format!(
            "[auth.oidc.corp]\nissuer = \"{}\"\naudience = [\"us\"]\n{more}",
            provider.issuer
        ));
        let at = authority(&home);
        (home, at)
    };
    let (eager, patient) = (daemon("jwks_floor = \"1s\"\njwks_ttl = \"2s\"\n"), daemon(""));
    let fits = |at: &str, signer: &Signer| me(at, "default", &signer.sign(&claims(&provider)));
    assert!(fits(&eager.1, &old).is_ok() && fits(&patient.1, &old).is_ok());
    provider.publish([old.jwk.clone(), new.jwk.clone()]);
    wait("the new key to be found", || fits(&eager.1, &new).is_ok());
    assert_eq!(fits(&patient.1, &new), Err(401), "it looks again after 30 s at the soonest");
    provider.publish([new.jwk.clone()]);
    wait("the old key to be forgotten", || fits(&eager.1, &old) == Err(401));
    assert!(fits(&patient.1, &old).is_ok(), "what it knows holds for an hour");
}

pub(super) fn cognito() {
    let moto = Moto::start();
    let pool = Pool::new(moto.port());
    let (endpoint, seen) = spy(Some(moto.port()));
    let config = |secret: &str, passwords: &str| {
        format!(
            "auth.passwords = \"{passwords}\"\n[auth.cognito]\nregion = \"{}\"\n\
             user_pool_id = \"{}\"\nclient_id = \"{}\"\nclient_secret = \"{secret}\"\n\
             endpoint = \"{endpoint}\"\ntenant = \"acme\"\n",
            pool.region(),
            pool.id,
            pool.client,
        )
    };
    let home = started(&config(&pool.secret, "cognito"));
    let at = authority(&home);
    let token = token(&at, "ann", POOL_PASSWORD);
    let ann = me(&at, "acme", &token).unwrap();
    assert_eq!((&ann["username"], &ann["roles"]), (&json!("ann"), &json!(["admin"])));
    assert_eq!(me(&at, "default", &token), Err(401));
    assert_eq!(log_in(&at, "ann", "Wrong-password-1!").status, 401);
    // The pool of the tests does not look at it, so what it is sent is.
    home.configure(&config("of another client", "cognito"));
    home.run(&["reload"]);
    log_in(&at, "ann", POOL_PASSWORD);
    let hashes = secret_hashes(&seen.lock().unwrap());
    let [.., before, last] = &*hashes else { panic!("{hashes:?}") };
    assert_ne!(before, last);
    assert!(!seen.lock().unwrap().contains(&pool.secret));
    // Those who log in are of the users file or the store; tokens of the pool are good all the same.
    home.configure(&config(&pool.secret, "local"));
    home.run(&["reload"]);
    assert_eq!(log_in(&at, "ann", POOL_PASSWORD).status, 401);
    assert!(me(&at, "acme", &token).is_ok());
    aliases_of_cognito(&moto, &pool);
}

/// What logins have sent to show that they know the secret.
fn secret_hashes(seen: &str) -> Vec<String> {
    let all = seen.split("\"SECRET_HASH\":\"").skip(1);
    all.filter_map(|rest| rest.split('"').next()).map(str::to_owned).collect()
}

/// The variables that the engine before us knew a pool by.
fn aliases_of_cognito(moto: &Moto, pool: &Pool) {
    let home = Home::new("");
    let jwks = format!("http://127.0.0.1:{}/{}/.well-known/jwks.json", moto.port(), pool.id);
    let variables = [
        ("AUTH_PROVIDER", "local"),
        ("COGNITO_USER_POOL_ID", &pool.id),
        ("COGNITO_APP_CLIENT_ID", &pool.client),
        ("COGNITO_APP_SECRET", &pool.secret),
        ("COGNITO_JWKS_URL", &jwks),
        ("REGION_NAME", pool.region()),
        ("JWKS_CACHE_TTL", "60"),
    ];
    let explain = |key: &str, provider: &str| {
        let mut command = home.switchboard(&["config", "explain", key]);
        let output = command.envs(variables).env("AUTH_PROVIDER", provider).output().unwrap();
        crate::common::succeeded("explain", &output)
    };
    assert!(!explain("auth.cognito", "local").contains(&pool.id));
    for (key, variable) in [
        ("auth.passwords", "AUTH_PROVIDER"),
        ("auth.cognito.jwks_url", "COGNITO_JWKS_URL"),
        ("auth.cognito.jwks_ttl", "JWKS_CACHE_TTL"),
        ("auth.cognito.region", "REGION_NAME"),
    ] {
        let said = explain(key, "cognito");
        assert!(said.contains(&format!("environment variable {variable}")), "{said}");
    }
    // The token of the pool is good with them; there is no other address for logging in.
    let mut start = home.switchboard(&["start"]);
    let start = start.envs(variables).env("AUTH_PROVIDER", "cognito").output().unwrap();
    crate::common::succeeded("start", &start);
    let credentials = json!({ "USERNAME": "ann", "PASSWORD": POOL_PASSWORD });
    let flow = json!({ "UserPoolId": pool.id, "ClientId": pool.client,
        "AuthFlow": "ADMIN_USER_PASSWORD_AUTH", "AuthParameters": credentials });
    let issued = crate::asked::pools(moto.port(), "AdminInitiateAuth", &flow);
    let token = issued["AuthenticationResult"]["AccessToken"].as_str().unwrap().to_owned();
    let ann = me(&authority(&home), "anywhere", &token).unwrap();
    assert_eq!((&ann["username"], &ann["tenant"]), (&json!("ann"), &json!("anywhere")));
}

pub(super) fn cognito_keys() {
    let (signer, other) = (Signer::rsa("one"), Signer::rsa("two"));
    let provider = Provider::start(&[&signer]);
    let config = |more: &str| {
        format!(
            "[auth.cognito]\nregion = \"eu-test-1\"\nuser_pool_id = \"eu-test-1_abc\"\n\
             client_id = \"app\"\njwks_url = \"{}/keys\"\n{more}\n",
            provider.issuer
        )
    };
    let home = started(&config(""));
    let at = authority(&home);
    let with = |patch: Value| {
        let claims = json!({
            "iss": "https://cognito-idp.eu-test-1.amazonaws.com/eu-test-1_abc", "sub": "u1",
            "client_id": "app", "token_use": "access", "username": "ann", "exp": now() + 600,
        });
        me(&at, "default", &signer.sign(&patched(&claims, &patch))).map(drop)
    };
    assert_eq!(with(json!({})), Ok(()));
    assert_eq!(with(json!({ "client_id": "another" })), Err(401));
    let other_pool = "https://cognito-idp.eu-test-1.amazonaws.com/eu-test-1_xyz";
    assert_eq!(with(json!({ "iss": other_pool })), Err(401));
    let other_region = "https://cognito-idp.eu-test-2.amazonaws.com/eu-test-1_abc";
    assert_eq!(with(json!({ "iss": other_region })), Err(401));
    let id = json!({ "client_id": null, "aud": "app", "token_use": "id" });
    assert_eq!(with(id.clone()), Err(401));
    let late = json!({ "exp": now() - 20 });
    assert_eq!(with(late.clone()), Ok(()));
    home.configure(&config("token_use = [\"id\"]\nclock_skew = \"0s\"\njwks_ttl = \"1s\""));
    home.run(&["reload"]);
    assert_eq!(with(id.clone()), Ok(()));
    assert_eq!(with(json!({})), Err(401));
    assert_eq!(with(patched(&id, &late)), Err(401));
    provider.publish([other.jwk.clone()]);
    wait("the old key to be forgotten", || with(id.clone()) == Err(401));
}

pub(super) fn resource() {
    let signer = Signer::ec("one");
    let provider = Provider::start(&[&signer]);
    let home = started("");
    let at = authority(&home);
    let metadata = "GET /.well-known/oauth-protected-resource/acme/mcp";
    assert_eq!(ask(&at, metadata, "", "").status, 404, "nobody gives tokens");
    assert!(
        !ask(&at, "POST /acme/mcp", "", "{}")
            .header("www-authenticate")
            .unwrap()
            .contains("resource")
    );
    let config = |more: &str| {
        format!(
            "auth.oidc.corp = {{ issuer = \"{}\", tenant = \"*\" }}\n[auth.resource]\n\
             addresses = [\"https://gate.example/{{endpoint_id}}/mcp\"]\n{more}",
            provider.issuer
        )
    };
    home.configure(&config(""));
    home.run(&["reload"]);
    let told = ask(&at, metadata, "", "").body;
    assert_eq!(told["resource"], "https://gate.example/acme/mcp");
    assert_eq!(told["authorization_servers"], json!([provider.issuer]));
    let refused = ask(&at, "POST /acme/mcp", "", "{}");
    let challenge = refused.header("www-authenticate").unwrap();
    let address =
        format!("resource_metadata=\"http://{at}/.well-known/oauth-protected-resource/acme/mcp\"");
    assert!(refused.status == 401 && challenge.contains(&address), "{challenge}");
    let with = |tenant: &str, aud: &str| {
        let claims = patched(&claims(&provider), &json!({ "aud": aud }));
        me(&at, tenant, &signer.sign(&claims)).map(drop)
    };
    assert_eq!(with("acme", "https://gate.example/acme/mcp"), Ok(()));
    assert_eq!(with("beta", "https://gate.example/acme/mcp"), Err(401));
    assert_eq!(with("acme", "us"), Err(401));
    home.configure(&config(
        "authorization_servers = [\"https://login.example\"]\nscopes = [\"effect:read\"]\n\
         documentation = \"https://gate.example/help\"\n",
    ));
    home.run(&["reload"]);
    let told = ask(&at, metadata, "", "").body;
    assert_eq!(told["authorization_servers"], json!(["https://login.example"]));
    assert_eq!(told["scopes_supported"], json!(["effect:read"]));
    assert_eq!(told["resource_documentation"], "https://gate.example/help");
    let refused = ask(&at, "POST /acme/mcp", "", "{}");
    assert!(refused.header("www-authenticate").unwrap().contains("scope=\"effect:read\""));
}

/// The variables of the engine before us have the effect they say, below what is written down.
#[test]
fn the_older_names_of_variables_have_their_effect() {
    let home = Home::new("");
    std::fs::write(
        home.path("people.json"),
        json!([{ "username": "ann", "password_hash": HASH, "roles": [] }]).to_string(),
    )
    .unwrap();
    let variables = [
        ("JWT_SECRET_KEY", SECRET),
        ("JWT_ALGORITHM", "HS256"),
        ("ACCESS_TOKEN_EXP", "7"),
        ("ADMIN_USERNAME", "root"),
        ("ADMIN_PASSWORD", "correct horse"),
        ("ADMIN_STATIC_TOKEN", "an-opaque-token-of-the-admin"),
        ("LOCAL_USER_FILE", "people.json"),
        ("GATEWAY_AUTH_PROVIDER", "local"),
    ];
    let run = |args: &[&str], more: &[(&str, &str)]| {
        let mut command = home.switchboard(args);
        command.envs(variables).envs(more.iter().copied()).output().unwrap()
    };
    crate::common::succeeded("start", &run(&["start"], &[]));
    let at = authority(&home);
    let said = log_in(&at, "root", "correct horse");
    assert_eq!(said.body["expires_in"], 7 * 60);
    let issued = said.body["access_token"].as_str().unwrap();
    let (header, claims) = read(issued);
    assert_eq!(sign_with_secret(&header, &claims, SECRET.as_bytes()), *issued);
    for tenant in ["default", "acme"] {
        assert_eq!(me(&at, tenant, issued).unwrap()["roles"], json!(["admin"]));
        assert_eq!(me(&at, tenant, &token(&at, "ann", ALPHABET)).unwrap()["username"], "ann");
        let admin = me(&at, tenant, "an-opaque-token-of-the-admin").unwrap();
        assert_eq!(admin["method"], "admin_token");
    }
    let shown = crate::common::succeeded("show", &run(&["config", "show"], &[]));
    for (key, variable) in [
        ("secret = ", "JWT_SECRET_KEY"),
        ("lifetime = ", "ACCESS_TOKEN_EXP"),
        ("admin_token = ", "ADMIN_STATIC_TOKEN"),
        ("file = ", "LOCAL_USER_FILE"),
        ("tenant = ", "LOCAL_USER_FILE"),
        ("admin_password = ", "ADMIN_PASSWORD"),
    ] {
        let is_said = |line: &str| {
            line.contains(key) && line.ends_with(&format!("# environment variable {variable}"))
        };
        assert!(shown.lines().any(is_said), "{key} of {variable} in\n{shown}");
    }
    assert!(!shown.contains(SECRET) && !shown.contains("correct horse"), "{shown}");
    // What is written down counts, and what cannot be followed is said.
    home.configure("auth.tokens.lifetime = \"9m\"\n");
    home.run(&["reload"]);
    assert_eq!(log_in(&at, "root", "correct horse").body["expires_in"], 9 * 60);
    for (variable, value, why) in [
        ("JWT_SECRET_KEY", "CHANGEME", "is one that is in examples"),
        ("ADMIN_PASSWORD", "admin123", "one that daemons come with"),
        ("GATEWAY_AUTH_PROVIDER", "api_gateway", "auth.oidc"),
        ("JWT_ALGORITHM", "none", "is not offered"),
    ] {
        let refused = run(&["config", "check"], &[(variable, value)]);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && text.contains(why), "{variable}: {text}");
        assert!(text.contains(variable), "{text}");
    }
    assert_eq!(form(&at, "/auth/revoke", &[("token", issued)]).status, 200);
    assert_eq!(me(&at, "default", issued), Err(401));
    assert_eq!(ask(&at, "GET /me", &bearer(issued), "").status, 401);
}
