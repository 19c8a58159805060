use http::Uri;

use super::{HostGrant, HostGrantError, wanted};

#[track_caller]
fn check(grant: &str, covered: &[&str], others: &[&str]) {
    let grant: HostGrant = grant.parse().unwrap();
    for uri in covered {
        assert!(grant.covers(&uri.parse().unwrap()), "{grant:?} covers {uri}");
    }
    for uri in others {
        assert!(!grant.covers(&uri.parse().unwrap()), "{grant:?} does not cover {uri}");
    }
}

#[test]
fn a_grant_is_for_one_scheme_host_and_port() {
    check(
        "api.example.com",
        &["https://api.example.com/x", "https://API.example.com:443/", "https://api.example.com./"],
        &[
            "http://api.example.com/",
            "https://api.example.com:8443/",
            "https://example.com/",
            "https://api.example.com.evil.example/",
            "https://evilapi.example.com/",
            "https://api.example.com@evil.example/",
            "https://user@api.example.com/",
        ],
    );
    check(
        "http://printer:631",
        &["http://printer:631/"],
        &["https://printer:631/", "http://printer/"],
    );
    check("http://[::1]:80", &["http://[::1]/"], &["http://[::2]/"]);
    check("http://127.0.0.1:8080", &["http://127.0.0.1:8080/"], &["http://127.0.0.1/"]);
}

#[test]
fn a_star_is_for_what_is_below() {
    check(
        "*.example.com",
        &["https://a.example.com/", "https://a.b.example.com/"],
        &["https://example.com/", "https://aexample.com/", "https://.example.com/"],
    );
}

#[test]
fn what_is_no_host_is_refused() {
    for (text, why) in [
        ("", HostGrantError::Host),
        ("*", HostGrantError::Host),
        ("*example.com", HostGrantError::Host),
        ("a..b", HostGrantError::Host),
        ("a b", HostGrantError::Host),
        ("*.[::1]", HostGrantError::Host),
        ("a:0", HostGrantError::Port),
        ("a:x", HostGrantError::Port),
        ("a/b", HostGrantError::Surplus),
        ("https://a@b", HostGrantError::Surplus),
    ] {
        assert_eq!(text.parse::<HostGrant>(), Err(why), "{text}");
    }
}

#[test]
fn what_was_tried_is_named_as_a_grant_would_be() {
    for (uri, name) in [
        ("https://a.example/x?y", "a.example"),
        ("http://a.example/", "http://a.example"),
        ("https://a.example:8443/", "a.example:8443"),
        ("http://[::1]:8080/", "http://[::1]:8080"),
    ] {
        let uri: Uri = uri.parse().unwrap();
        assert_eq!(wanted(&uri), name);
        assert!(name.parse::<HostGrant>().unwrap().covers(&uri), "{name}");
    }
}
