use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Network, client_address};

/// Checks a request from `peer` with headers `name=value`, one a line; `f` and `x` are the two.
#[track_caller]
fn check(peer: &str, headers: &str, expected: &str) {
    let trusted: Vec<Network> =
        ["10.0.0.0/8", "127.0.0.1", "fd00::/8"].iter().map(|text| text.parse().unwrap()).collect();
    let mut map = HeaderMap::new();
    for line in headers.lines() {
        let (name, value) = line.split_once('=').unwrap();
        let name = if name == "f" { "forwarded" } else { "x-forwarded-for" };
        map.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    let actual = client_address(peer.parse().unwrap(), &map, &trusted);
    assert_eq!(actual.to_string(), expected, "{peer} {headers}");
}

#[test]
fn strangers_speak_for_nobody() {
    check("192.0.2.1", "", "192.0.2.1");
    check("192.0.2.1", "x=203.0.113.9", "192.0.2.1");
    check("192.0.2.1", "f=for=203.0.113.9", "192.0.2.1");
    check("::ffff:192.0.2.1", "x=203.0.113.9", "192.0.2.1");
}

#[test]
fn the_last_address_that_is_no_proxy_counts() {
    check("127.0.0.1", "", "127.0.0.1");
    check("127.0.0.1", "x=203.0.113.9", "203.0.113.9");
    check("::ffff:127.0.0.1", "x=203.0.113.9", "203.0.113.9");
    check("fd00::1", "x=203.0.113.9", "203.0.113.9");
    check("127.0.0.1", "x=1.1.1.1, 203.0.113.9, 10.1.2.3", "203.0.113.9");
    check("127.0.0.1", "x=1.1.1.1\nx=203.0.113.9\nx=10.1.2.3", "203.0.113.9");
    check("127.0.0.1", "x=203.0.113.9,fd00::7", "203.0.113.9");
    check("127.0.0.1", "x=10.9.9.9,10.1.2.3", "10.9.9.9");
    check("127.0.0.1", "x=203.0.113.9:4711", "203.0.113.9");
    check("127.0.0.1", "x=[2001:db8::1]:4711", "2001:db8::1");
    check("127.0.0.1", "x=2001:db8::1", "2001:db8::1");
    check("127.0.0.1", "x=::ffff:203.0.113.9", "203.0.113.9");
}

#[test]
fn the_header_of_the_standard_is_read_as_it_is_written() {
    check("127.0.0.1", "f=for=203.0.113.9", "203.0.113.9");
    check("127.0.0.1", "f=proto=https;For=\"203.0.113.9:80\";by=10.0.0.1", "203.0.113.9");
    check("127.0.0.1", "f=for=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17");
    check("127.0.0.1", "f=for=1.1.1.1, for=203.0.113.9, for=10.1.2.3", "203.0.113.9");
    check("127.0.0.1", "f=for=1.1.1.1;host=\"a,for=2.2.2.2\",for=203.0.113.9", "203.0.113.9");
}

#[test]
fn of_whom_nothing_is_known_is_not_on_this_machine() {
    check("127.0.0.1", "x=unknown", "0.0.0.0");
    check("127.0.0.1", "x=", "0.0.0.0");
    check("127.0.0.1", "x=203.0.113.9,unknown,10.1.2.3", "0.0.0.0");
    check("127.0.0.1", "f=for=_hidden", "0.0.0.0");
    check("127.0.0.1", "f=for=unknown", "0.0.0.0");
    check("127.0.0.1", "f=proto=https", "0.0.0.0");
    check("127.0.0.1", "f=for=\"203.0.113.9", "0.0.0.0");
    check("127.0.0.1", "f=for=203.0.113.9;for=1.1.1.1", "0.0.0.0");
}

#[test]
fn a_client_cannot_choose_by_the_header_that_its_proxy_does_not_write() {
    check("127.0.0.1", "f=for=1.1.1.1\nx=203.0.113.9", "0.0.0.0");
    check("127.0.0.1", "f=for=127.0.0.1\nx=203.0.113.9", "0.0.0.0");
    check("127.0.0.1", "x=127.0.0.1\nf=for=203.0.113.9", "0.0.0.0");
    check("127.0.0.1", "x=203.0.113.9\nf=for=203.0.113.9", "203.0.113.9");
}

#[test]
fn a_chain_is_followed_only_so_far() {
    let long = format!("x=203.0.113.9{}", ",10.1.1.1".repeat(2_000));
    check("127.0.0.1", &long, "0.0.0.0");
    let short = format!("x=203.0.113.9{}", ",10.1.1.1".repeat(15));
    check("127.0.0.1", &short, "203.0.113.9");
}

#[test]
fn networks_are_addresses_with_a_length() {
    #[track_caller]
    fn check(text: &str, inside: &str, outside: &str) {
        let network: Network = text.parse().unwrap();
        assert!(network.contains(inside.parse().unwrap()), "{inside} in {network}");
        assert!(!network.contains(outside.parse().unwrap()), "{outside} in {network}");
    }
    check("10.0.0.0/8", "10.255.0.1", "11.0.0.1");
    check("10.1.2.3", "10.1.2.3", "10.1.2.4");
    check("192.0.2.128/25", "192.0.2.200", "192.0.2.1");
    check("0.0.0.0/0", "203.0.113.9", "::1");
    check("::/0", "2001:db8::1", "203.0.113.9");
    check("fd00::/8", "fd12::1", "fe80::1");
    check("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.1");
    for wrong in ["", "10.0.0.0/33", "::1/129", "10.0.0/8", "proxy", "10.0.0.1/-1", "::ffff:0:0/90"]
    {
        assert!(wrong.parse::<Network>().is_err(), "{wrong}");
    }
}
