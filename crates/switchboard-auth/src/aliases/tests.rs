use std::collections::BTreeMap;

use serde_json::Value;

use super::{ALIASES, overlay};
use crate::config::AuthConfig;

/// Lays variables, written `NAME=VALUE` on a line each, over the default, and shows the keys that
/// differ from it, or the errors.
fn apply(variables: &str) -> String {
    let variables: BTreeMap<String, String> = variables
        .lines()
        .filter_map(|line| line.trim().split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    match overlay(AuthConfig::default(), &variables) {
        Ok(config) => {
            let (before, after) = (shown(&AuthConfig::default()), shown(&config));
            let mut changed = Vec::new();
            differ("auth", &before, &after, &mut changed);
            changed.join("\n")
        }
        Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

fn shown(config: &AuthConfig) -> Value {
    serde_json::to_value(config).unwrap()
}

fn differ(at: &str, before: &Value, after: &Value, changed: &mut Vec<String>) {
    match after {
        Value::Object(members) => {
            for (name, value) in members {
                differ(&format!("{at}.{name}"), &before[name], value, changed);
            }
        }
        _ if before != after => changed.push(format!("{at} = {after}")),
        _ => {}
    }
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
    check("JWT_ALGORITHM=HS256", &[]);
    check("JWT_ALGORITHM=EdDSA", &["auth.tokens.algorithm = \"EdDSA\""]);
    check("ACCESS_TOKEN_EXP=60", &["auth.tokens.lifetime = \"1h\""]);
    check("ADMIN_STATIC_TOKEN=0123456789abcdef", &["auth.admin_token"]);
    check(
        "LOCAL_USER_FILE=/etc/users.json",
        &["auth.users.file = \"/etc/users.json\"", "auth.users.tenant = \"*\""],
    );
    check(
        "ADMIN_PASSWORD=long enough",
        &["admin_name = \"admin\"", "admin_password = \"…\"", "users.tenant = \"*\""],
    );
    check(
        "ADMIN_USERNAME=root\nADMIN_PASSWORD=long enough",
        &["admin_name = \"root\"", "admin_password", "users.tenant"],
    );
    check("AUTH_PROVIDER=local", &[]);
    check("GATEWAY_AUTH_PROVIDER=local\nAUTH_PROVIDER=local", &[]);
}

const POOL: &str = "REGION_NAME=eu-central-1\nCOGNITO_USER_POOL_ID=eu-central-1_abc
    COGNITO_APP_CLIENT_ID=client\nCOGNITO_APP_SECRET=hush\nCOGNITO_JWKS_URL=https://keys.example/
    JWKS_CACHE_TTL=120";

#[test]
fn cognito_is_a_pool_and_who_knows_the_passwords() {
    let of = |provider: &str| apply(&format!("{provider}\n{POOL}"));
    let both = of("AUTH_PROVIDER=cognito");
    assert_eq!(both, of("GATEWAY_AUTH_PROVIDER=Cognito"));
    for part in [
        "auth.passwords = \"cognito\"",
        "auth.cognito.region = \"eu-central-1\"",
        "auth.cognito.user_pool_id = \"eu-central-1_abc\"",
        "auth.cognito.client_id = \"client\"",
        "auth.cognito.client_secret = \"…\"",
        "auth.cognito.jwks_url = \"https://keys.example/\"",
        "auth.cognito.jwks_ttl = \"2m\"",
        "auth.cognito.tenant = \"*\"",
    ] {
        assert!(both.contains(part), "`{part}` is missing in:\n{both}");
    }
    assert!(!of("").contains("auth.passwords") && of("").contains("auth.cognito.region"));
    assert_eq!(of("AUTH_PROVIDER=local"), "");
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
    let lifetime = switchboard_config::TimeSpan::from_mins(5);
    let config = AuthConfig {
        admin_token: Some("the configured token".to_owned().into()),
        tokens: crate::config::TokensConfig { lifetime, ..Default::default() },
        ..AuthConfig::default()
    };
    let variables = [("ADMIN_STATIC_TOKEN", "0123456789abcdef"), ("ACCESS_TOKEN_EXP", "60")];
    let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    assert_eq!(overlay(config.clone(), &variables).unwrap(), config);
}

#[test]
fn no_variable_is_there_twice() {
    let names: std::collections::BTreeSet<_> = ALIASES.iter().map(|alias| alias.variable).collect();
    assert_eq!(names.len(), ALIASES.len());
}
