use std::collections::BTreeMap;

use super::allowed_environment;

#[track_caller]
fn check(names: &str, expected: &str) {
    let parent: BTreeMap<_, _> =
        names.split_whitespace().map(|name| (name.to_owned(), "value".into())).collect();
    let kept: Vec<_> = allowed_environment(&parent).into_keys().collect();
    assert_eq!(kept.join(" "), expected, "of {names}");
}

#[test]
fn only_the_list_is_inherited() {
    check("HOME PATH USER AWS_SECRET_ACCESS_KEY", "HOME PATH USER");
    check("LC_ALL LC_TIME LCD LANGUAGE LANG", "LANG LC_ALL LC_TIME");
    check("http_proxy HTTPS_PROXY no_proxy ALL_PROXY", "HTTPS_PROXY http_proxy no_proxy");
    check("XDG_RUNTIME_DIR XDG_SESSION_COOKIE", "XDG_RUNTIME_DIR");
    check("LD_PRELOAD SWITCHBOARD_API_KEY SWITCHBOARD_OWNER", "");
}
