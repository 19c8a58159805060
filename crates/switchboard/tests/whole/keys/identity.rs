//! The keys of who may call: ways, users, tokens, and the older variables.

use serde_json::{Value, json};
use switchboard_testkit::issuer::{read, sign_with_secret};

use super::started;
use crate::asked::{
    ask, assert_ends, authority, bearer, form, hold, log_in, me, me_with, now, patched, token,
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
