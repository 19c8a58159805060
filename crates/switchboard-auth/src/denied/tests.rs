use std::time::UNIX_EPOCH;

use super::Denied;
use crate::{Credential, Key, Keys, Verdict};

#[test]
fn what_is_presented_is_admitted_or_answered() {
    let keys = Keys::only(&Key::configured("0123456789abcdef").unwrap());
    let presented = |key: &'static str| Credential::Presented(key.as_bytes().into());
    for (credential, expected) in [
        (presented("0123456789abcdef"), Ok(Verdict::Accepted)),
        (presented("0123456789abcdeF"), Err(Denied::Invalid)),
        (Credential::Invalid, Err(Denied::Invalid)),
        (Credential::Missing, Err(Denied::Missing)),
    ] {
        assert_eq!(keys.admit(&credential, UNIX_EPOCH), expected, "{credential:?}");
    }
}

#[test]
fn the_two_answers_differ() {
    let (missing, invalid) = (Denied::Missing, Denied::Invalid);
    assert!(missing.body().starts_with(r#"{"error": "an API key is required"#));
    assert!(invalid.body().starts_with(r#"{"error": "the API key is not valid"#));
    for denied in [missing, invalid] {
        assert_eq!(denied.body().matches('"').count(), 4, "one member, nothing to escape");
        assert!(denied.www_authenticate().starts_with("Bearer "));
    }
}
