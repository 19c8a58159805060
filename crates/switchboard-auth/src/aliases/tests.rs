use std::collections::BTreeMap;

use super::{ALIASES, inherited};

/// What variables, written `NAME=VALUE` on a line each, mean beside a configuration that has the
/// keys `given`; or the errors. Secrets show.
fn apply_beside(given: &[&str], variables: &str) -> String {
    let variables: BTreeMap<String, String> = variables
        .lines()
        .filter_map(|line| line.trim().split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let is_given = |key: &str| {
        let inside = format!("{key}.");
        given.iter().any(|it| *it == key || it.starts_with(&inside))
    };
    match inherited(&variables, &is_given) {
        Ok(found) => {
            let shown =
                found.iter().map(|it| format!("{} = {} ({})", it.key, it.value, it.variable));
            shown.collect::<Vec<_>>().join("\n")
        }
        Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

fn apply(variables: &str) -> String {
    apply_beside(&[], variables)
}

#[track_caller]
fn check(variables: &str, expected: &[&str]) {
    let actual = apply(variables);
    for part in expected {
        assert!(actual.contains(part), "`{part}` is missing in:\n{actual}");
    }
    assert_eq!(actual.lines().count(), expected.len(), "{actual}");
}

#[test]
fn each_variable_has_its_effect() {
    check("", &[]);
    check("JWT_SECRET_KEY=0123456789abcdef0123456789abcdef", &["auth.tokens.secret"]);
    check("JWT_SECRET_KEY=${file:/run/it}", &["auth.tokens.secret = ${file:/run/it}"]);
    check("JWT_ALGORITHM=EdDSA", &["auth.tokens.algorithm = EdDSA"]);
    check("ACCESS_TOKEN_EXP=60", &["auth.tokens.lifetime = 60m (ACCESS_TOKEN_EXP)"]);
    check("ADMIN_STATIC_TOKEN=0123456789abcdef", &["auth.admin_token"]);
    check(
        "LOCAL_USER_FILE=/etc/users.json",
        &["auth.users.file = /etc/users.json", "auth.users.tenant = * (LOCAL_USER_FILE)"],
    );
    check(
        "ADMIN_PASSWORD=long enough",
        &["admin_name = admin (ADMIN_PASSWORD)", "admin_password = long", "users.tenant = *"],
    );
    check(
        "ADMIN_USERNAME=root\nADMIN_PASSWORD=long enough",
        &["admin_name = root (ADMIN_USERNAME)", "admin_password", "users.tenant"],
    );
    check("AUTH_PROVIDER=local", &["auth.passwords = local (AUTH_PROVIDER)"]);
    check("GATEWAY_AUTH_PROVIDER=local\nAUTH_PROVIDER=local", &["auth.passwords = local"]);
    check("AUTH_PROVIDER= ", &[]);
}

const POOL: &str = "REGION_NAME=eu-central-1\nCOGNITO_USER_POOL_ID=eu-central-1_abc
    COGNITO_APP_CLIENT_ID=client\nCOGNITO_APP_SECRET=hush\nCOGNITO_JWKS_URL=https://keys.example/
    JWKS_CACHE_TTL=120";

#[test]
fn cognito_is_a_pool_and_who_knows_the_passwords() {
    let of = |provider: &str| apply(&format!("{provider}\n{POOL}"));
    let both = of("AUTH_PROVIDER=cognito");
    assert_eq!(both, of("GATEWAY_AUTH_PROVIDER=Cognito").replace("GATEWAY_", ""));
    for part in [
        "auth.passwords = cognito",
        "auth.cognito.region = eu-central-1",
        "auth.cognito.user_pool_id = eu-central-1_abc",
        "auth.cognito.client_id = client",
        "auth.cognito.client_secret = hush",
        "auth.cognito.jwks_url = https://keys.example/",
        "auth.cognito.jwks_ttl = 120s",
        "auth.cognito.tenant = *",
    ] {
        assert!(both.contains(part), "`{part}` is missing in:\n{both}");
    }
    assert!(!of("").contains("auth.passwords") && of("").contains("auth.cognito.region"));
    assert_eq!(of("AUTH_PROVIDER=local"), "auth.passwords = local (AUTH_PROVIDER)");
}

#[test]
fn what_cannot_be_followed_is_said() {
    check("JWT_SECRET_KEY=CHANGEME", &["is one that is in examples"]);
    check("JWT_SECRET_KEY=CHANGEME_CHANGEME_CHANGEME_CHANGEME", &["is one that is in examples"]);
    check("JWT_SECRET_KEY=0123456789abcdef", &["has 16 bytes, fewer than 32"]);
    check("JWT_ALGORITHM=none", &["JWT_ALGORITHM (auth.tokens.algorithm): `none` is not offered"]);
    check("JWT_ALGORITHM=RS256", &["`RS256` is not offered"]);
    check("ACCESS_TOKEN_EXP=0", &["1 to 1440 minutes"]);
    check("ACCESS_TOKEN_EXP=soon", &["1 to 1440 minutes"]);
    check("ADMIN_USERNAME=admin", &["it needs ADMIN_PASSWORD"]);
    check("ADMIN_PASSWORD=admin123", &["one that daemons come with"]);
    check("ADMIN_STATIC_TOKEN=short", &["has 5 characters, fewer than 16"]);
    check("AUTH_PROVIDER=api_gateway", &["`auth.oidc`"]);
    check("AUTH_PROVIDER=ldap", &["`ldap` is neither"]);
    check("AUTH_PROVIDER=local\nGATEWAY_AUTH_PROVIDER=cognito", &["something else"]);
    check(
        "AUTH_PROVIDER=cognito\nREGION_NAME=eu-central-1",
        &["COGNITO_USER_POOL_ID", "COGNITO_APP_CLIENT_ID"],
    );
    check(&format!("{POOL}\nJWKS_CACHE_TTL=1"), &["60 to 86400 seconds"]);
    check("ACCESS_TOKEN_EXP=0\nADMIN_USERNAME=x\nJWT_ALGORITHM=none", &["", "", ""]);
}

#[test]
fn what_the_configuration_says_counts() {
    let given = ["auth.admin_token", "auth.tokens.lifetime", "auth.users.admin_password"];
    let variables = "ADMIN_STATIC_TOKEN=short\nACCESS_TOKEN_EXP=0\nADMIN_PASSWORD=admin123";
    assert_eq!(apply_beside(&given, variables), "");
    // People whom the configuration names are in no more tenants for it.
    let file = apply_beside(&["auth.users.file"], "LOCAL_USER_FILE=/x\nADMIN_PASSWORD=long enough");
    assert!(file.contains("admin_password") && !file.contains("tenant"), "{file}");
    // One pool is not made of two.
    let pool = ["auth.cognito.user_pool_id"];
    assert_eq!(apply_beside(&pool, POOL), "");
    let chosen = apply_beside(&pool, &format!("AUTH_PROVIDER=cognito\n{POOL}"));
    assert_eq!(chosen, "auth.passwords = cognito (AUTH_PROVIDER)");
}

#[test]
fn tables_are_made_where_the_configuration_keeps_things_in_dynamodb() {
    let variables = "INITIALIZE_TABLES=True\nREGION_NAME=eu-central-1";
    assert_eq!(apply(variables), "");
    let found = apply_beside(&["store.dynamodb.table_prefix"], variables);
    for part in ["region = eu-central-1 (REGION_NAME)", "initialize_tables = true (INITIALIZE"] {
        assert!(found.contains(part), "{found}");
    }
    let wrong = apply_beside(&["store.dynamodb"], "INITIALIZE_TABLES=maybe");
    assert!(wrong.contains("it has to be `true` or `false`"), "{wrong}");
}

#[test]
fn packages_are_where_the_environment_says_unless_the_configuration_does() {
    let variables = "FUNCT_BUCKET_NAME=functs\nREGION_NAME=eu-central-1\nMCP_CONFIG_FILE=/x.json";
    let found = apply(variables);
    for part in ["bucket = functs (FUNCT_BUCKET_NAME)", "region = eu-central-1", "= /x.json"] {
        assert!(found.contains(part), "{found}");
    }
    let beside = apply_beside(&["blobs.directory.path", "bundles.configuration"], variables);
    assert_eq!(beside, "");
}

#[test]
fn no_variable_is_there_twice() {
    let names: std::collections::BTreeSet<_> = ALIASES.iter().map(|alias| alias.variable).collect();
    assert_eq!(names.len(), ALIASES.len());
}
