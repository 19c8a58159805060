use std::io;
use std::net::IpAddr;
use std::sync::Mutex;

use async_trait::async_trait;

use super::{Guard, Trust};
use crate::resolve::Resolve;
use crate::settings::EgressSettings;

/// Names stand for the addresses in them: `10.0.0.1+8.8.8.8.test` has two.
struct Spelled;

#[async_trait]
impl Resolve for Spelled {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let Some(listed) = host.strip_suffix(".test") else {
            return Err(io::Error::other("no such host"));
        };
        Ok(listed.split('+').filter_map(|address| address.parse().ok()).collect())
    }
}

fn guard(allow: &[&str]) -> Guard {
    let allow = allow.iter().map(|&entry| entry.to_owned()).collect();
    let settings = EgressSettings { allow, ..EgressSettings::default() };
    Guard::with_resolver(&settings, Box::new(Spelled)).unwrap()
}

/// Lines of `host: configured told told-on-loopback`, each `yes` or `no`.
#[tokio::main(flavor = "current_thread")]
#[track_caller]
async fn check(allow: &[&str], table: &str) {
    let guard = guard(allow);
    for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (host, expected) = line.split_once(" -> ").unwrap();
        let mut actual = Vec::new();
        for trust in [Trust::Configured, Trust::Told, Trust::ToldOnLoopback] {
            let good = guard.resolve(host, 443, trust).await.is_ok();
            actual.push(if good { "yes" } else { "no" });
        }
        assert_eq!(actual.join(" "), expected, "{host} with {allow:?}");
    }
}

#[test]
fn who_named_it_decides() {
    check(
        &[],
        "8.8.8.8 -> yes yes yes
         8.8.8.8.test -> yes yes yes
         127.0.0.1 -> yes no yes
         ::1 -> yes no yes
         127.0.0.1.test -> yes no yes
         10.0.0.1 -> yes no no
         192.168.1.1.test -> yes no no
         100.64.0.1 -> yes no no
         fd12::1 -> yes no no
         fec0::1 -> yes no no
         169.254.1.1 -> no no no
         169.254.169.254 -> no no no
         fd00:ec2::254 -> no no no
         0.0.0.0 -> no no no
         :: -> no no no
         224.0.0.1 -> no no no
         203.0.113.9 -> no no no
         255.255.255.255 -> no no no
         nowhere.example -> no no no
         .test -> no no no",
    );
}

#[test]
fn one_bad_address_refuses_the_host() {
    check(
        &[],
        "8.8.8.8+1.1.1.1.test -> yes yes yes
         8.8.8.8+10.0.0.1.test -> yes no no
         8.8.8.8+127.0.0.1.test -> yes no yes
         8.8.8.8+169.254.169.254.test -> no no no
         10.0.0.1+169.254.169.254.test -> no no no",
    );
}

/// An IPv4 address in any of the coats that IPv6 has for it is judged as itself (MCP Registry,
/// CVE-2026-44430).
#[test]
fn ssrf_by_ipv6_embeddings() {
    check(
        &[],
        "::ffff:127.0.0.1 -> yes no no
         ::ffff:8.8.8.8 -> yes no no
         ::ffff:169.254.169.254 -> no no no
         64:ff9b::8.8.8.8 -> yes no no
         64:ff9b::169.254.169.254 -> no no no
         64:ff9b::10.0.0.1.test -> yes no no
         64:ff9b:1::10.0.0.1 -> no no no
         2002:a9fe:a9fe::1 -> no no no
         2002:a00:1::1 -> yes no no
         2001:0:1:2:3:4:5601:5601 -> no no no
         2606:4700::5efe:169.254.169.254 -> no no no",
    );
}

#[test]
fn what_the_operator_allows() {
    check(
        &["10.1.0.0/16", "192.168.7.7", "169.254.0.0/16", "224.0.0.0/4", "fd12::/32"],
        "10.1.2.3 -> yes yes yes
         10.2.0.1 -> yes no no
         192.168.7.7 -> yes yes yes
         192.168.7.8 -> yes no no
         fd12::9 -> yes yes yes
         fd13::9 -> yes no no
         169.254.1.1 -> yes yes yes
         169.254.169.254 -> no no no
         224.0.0.1 -> no no no",
    );
    check(&["169.254.169.254"], "169.254.169.254 -> yes yes yes");
    check(
        &["64:ff9b::/96"],
        "64:ff9b::8.8.8.8 -> yes yes yes
         64:ff9b::10.0.0.1 -> yes no no
         64:ff9b::169.254.169.254 -> no no no",
    );
    check(
        &["10.0.0.1.test", "*.in.test"],
        "10.0.0.1.test -> yes yes yes
         10.0.0.2.test -> yes no no
         10.0.0.1 -> yes no no",
    );
    check(&["::/0", "0.0.0.0/0"], "10.0.0.1 -> yes yes yes\n ff02::1 -> no no no");
}

#[test]
fn entries_that_are_no_use_are_refused() {
    for entry in ["10.0.0.1/8", "10.0.0.0/33", "fd00::/129", "host/8", "", "a b", "*", "https://x"]
    {
        let settings = EgressSettings { allow: vec![entry.to_owned()], ca_file: None };
        let error = Guard::new(&settings).unwrap_err().to_string();
        assert!(error.contains("egress.allow"), "{entry}: {error}");
    }
}

#[test]
fn patterns_cover_what_is_below_them() {
    let pattern = crate::allow::Allowed::parse("*.Corp.example").unwrap();
    for (host, expected) in [
        ("sso.corp.example", true),
        ("SSO.corp.EXAMPLE", true),
        ("a.b.corp.example", true),
        ("corp.example", false),
        ("evilcorp.example", false),
        ("sso.corp.example.evil.example", false),
    ] {
        assert_eq!(pattern.covers_host(host), expected, "{host}");
    }
}

/// Answers with a public address first and with this machine from then on.
struct Rebinding(Mutex<bool>);

#[async_trait]
impl Resolve for Rebinding {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        let second = std::mem::replace(&mut *self.0.lock().unwrap(), true);
        Ok(vec![if second { [127, 0, 0, 1] } else { [8, 8, 8, 8] }.into()])
    }
}

/// A name that means something else after it was judged leads nowhere else.
#[tokio::test]
async fn ssrf_by_rebinding_between_check_and_use() {
    let settings = EgressSettings::default();
    let guard = Guard::with_resolver(&settings, Box::new(Rebinding(Mutex::new(false)))).unwrap();
    let pinned = guard.resolve("rebind.example", 443, Trust::Told).await.unwrap();
    assert_eq!(pinned.addresses(), ["8.8.8.8:443".parse().unwrap()]);
    // The name means this machine by now, and nobody asks for it but a new judgement.
    guard.resolve("rebind.example", 443, Trust::Told).await.unwrap_err();
    assert_eq!(pinned.addresses(), ["8.8.8.8:443".parse().unwrap()]);
}
