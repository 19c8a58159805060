//! The keys of identity providers: OpenID Connect, Amazon Cognito, and what clients are told of them.

use serde_json::{Value, json};
use switchboard_testkit::issuer::{Provider, Signer};

use super::kept::spy;
use super::started;
use crate::asked::{POOL_PASSWORD, Pool, ask, authority, log_in, me, now, patched, token};
use crate::common::{Home, Moto, succeeded, wait};

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
    provider.publish([new.jwk]);
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
        succeeded("explain", &output)
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
    succeeded("start", &start);
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
    provider.publish([other.jwk]);
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
