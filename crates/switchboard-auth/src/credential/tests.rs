use super::{Credential, credential};

/// Sends a request with these headers, separated by `|`, and this query; `-` is none.
#[track_caller]
fn check(headers: &str, query: &str, expected: &str) {
    let values = |name: &str| -> Vec<&[u8]> {
        let of_name = headers.split('|').filter_map(|header| header.trim().split_once(':'));
        of_name.filter(|(n, _)| *n == name).map(|(_, value)| value.as_bytes()).collect()
    };
    let (api_key, authorization) = (values("x"), values("a"));
    let found = credential(api_key, authorization, (query != "-").then_some(query));
    let actual = match &found {
        Credential::Presented(key) => format!("key {}", String::from_utf8_lossy(key)),
        Credential::Missing | Credential::Invalid => format!("{found:?}"),
    };
    assert_eq!(actual, expected, "{headers} ?{query}");
}

#[test]
fn each_place_is_found() {
    check("-", "-", "Missing");
    check("-", "", "Missing");
    check("x: one", "-", "key one");
    check("x:one  ", "-", "key one");
    check("a: Bearer two", "-", "key two");
    check("a: bearer two", "-", "key two");
    check("a: BEARER   two ", "-", "key two");
    check("-", "api_key=three", "key three");
    check("-", "session=1&api_key=three&x", "key three");
}

#[test]
fn the_first_place_decides() {
    check("x: one | a: Bearer two", "api_key=three", "key one");
    check("a: Bearer two", "api_key=three", "key two");
    check("x: one", "api_key=three&api_key=four", "key one");
}

#[test]
fn twice_in_one_place_is_refused() {
    check("x: one | x: one", "-", "Invalid");
    check("x: | x: one", "-", "Invalid");
    check("a: Bearer two | a: Bearer two", "-", "Invalid");
    check("x: one | a: Bearer two | a: Basic xyz", "-", "Invalid");
    check("-", "api_key=three&api_key=three", "Invalid");
    check("-", "api_key=three&api%5Fkey=three", "Invalid");
}

#[test]
fn an_empty_value_is_none() {
    check("x:", "-", "Missing");
    check("x:  ", "-", "Missing");
    check("a:", "-", "Missing");
    check("a: Bearer", "-", "Missing");
    check("-", "api_key=", "Missing");
    check("-", "api_key", "Missing");
    check("x: | a: Bearer two", "-", "key two");
}

#[test]
fn another_scheme_is_none_of_ours() {
    check("a: Basic dXNlcjpwYXNz", "-", "Missing");
    check("a: Basic dXNlcjpwYXNz", "api_key=three", "key three");
    check("a: Bearertwo", "-", "Missing");
    check("a: two", "-", "Missing");
}

#[test]
fn the_query_is_percent_decoded() {
    check("-", "api_key=a%2Bb%3Dc", "key a+b=c");
    check("-", "api_key=a+b", "key a+b");
    check("-", "api_key=a=b", "key a=b");
    check("-", "%61pi_key=three", "key three");
    check("-", "api_key=%", "key %");
    check("-", "api_key=%4", "key %4");
    check("-", "api_key=%zz", "key %zz");
    check("-", "api_key=%+1", "key %+1");
    check("-", "API_KEY=three", "Missing");
    check("-", "xapi_key=three", "Missing");
}

#[test]
fn bytes_that_are_no_text_are_passed_on_to_be_refused() {
    let found = credential([b"\xff\x80".as_slice()], [], None);
    assert_eq!(found, Credential::Presented(b"\xff\x80".into()));
    let found = credential([], [], Some("api_key=%ff%00"));
    assert_eq!(found, Credential::Presented(b"\xff\x00".into()));
}

#[test]
fn a_presented_key_is_not_printed() {
    assert_eq!(format!("{:?}", credential([b"canary".as_slice()], [], None)), "Presented(…)");
}
