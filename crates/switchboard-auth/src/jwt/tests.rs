use std::time::{Duration, UNIX_EPOCH};

use serde_json::{Value, json};

use super::{Claims, Times, is_for, text, texts};

fn claims(value: Value) -> Claims {
    let Value::Object(claims) = value else { panic!("{value}") };
    claims
}

/// At second 1000, with clocks up to 30 s apart.
#[track_caller]
fn check(value: Value, expected: &str) {
    let now = UNIX_EPOCH + Duration::from_secs(1000);
    let times = Times { now, skew: Duration::from_secs(30) };
    let actual = format!("{:?}", times.check(&claims(value)).map(|_| ()));
    assert!(actual.contains(expected), "{actual}");
}

#[test]
fn a_token_is_good_for_a_time() {
    check(json!({ "exp": 1001 }), "Ok");
    check(json!({ "exp": 1001.5, "nbf": 999.5, "iat": 1 }), "Ok");
    check(json!({ "exp": 971 }), "Ok");
    check(json!({ "exp": 970 }), "Expired");
    check(json!({ "exp": 0 }), "Expired");
    check(json!({ "exp": 2000, "nbf": 1030 }), "Ok");
    check(json!({ "exp": 2000, "nbf": 1031 }), "Other");
    check(json!({ "exp": 2000, "iat": 1031 }), "Other");
}

#[test]
fn a_date_that_is_none_is_not_overlooked() {
    for wrong in [json!(null), json!("2000"), json!(-1), json!(true), json!(1e300), json!([2000])] {
        check(json!({ "exp": wrong }), "Other");
        check(json!({ "exp": 2000, "nbf": wrong }), "Other");
    }
    check(json!({}), "Other");
}

#[test]
fn an_audience_is_one_or_several() {
    let ours = ["us".to_owned(), "https://us.example/mcp".to_owned()];
    let named = |aud: Value| is_for(&claims(json!({ "aud": aud })), &ours);
    assert!(named(json!("us")) && named(json!(["other", "https://us.example/mcp"])));
    for other in
        [json!("them"), json!("us.example"), json!(["U"]), json!([]), json!(null), json!({})]
    {
        assert!(!named(other.clone()), "{other}");
    }
    assert!(!is_for(&claims(json!({})), &ours));
}

#[test]
fn claims_are_found_by_paths() {
    let claims = claims(json!({
        "scope": "read write", "realm_access": { "roles": ["a", 1, "b"] },
        "https://x.example/roles": ["c"], "name": "",
    }));
    assert_eq!(texts(&claims, "scope"), ["read", "write"]);
    assert_eq!(texts(&claims, "realm_access.roles"), ["a", "b"]);
    assert_eq!(texts(&claims, "https://x.example/roles"), ["c"]);
    assert!(texts(&claims, "realm_access.none").is_empty());
    assert_eq!(text(&claims, "name"), None);
}
