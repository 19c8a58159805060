//! Servers by every transport, with a client of each era before the daemon.

use super::client::{Client, Daemon};
use super::plan::{Feature, Plan};
use super::upstream::{self, Transport};
use crate::common::Home;

#[track_caller]
fn check(daemon: &Daemon, plan: &Plan<'_>) {
    let old = daemon.ways(&[(Transport::Http, "legacy", "2025-11-25")]);
    let new = daemon.ways(&[(Transport::Http, "auto", "2026-07-28")]);
    Client::python_1().check(daemon, plan, &old);
    Client::python_2().check(daemon, plan, &new);
}

#[test]
fn servers_that_are_children() {
    let upstreams = vec![
        upstream::everything("everything"),
        upstream::python_2("python"),
        upstream::typescript_2("typescript"),
    ];
    let daemon = Daemon::start(Home::new(""), upstreams);
    check(&daemon, &daemon.plan());
}

#[test]
fn servers_at_an_address() {
    let home = Home::new("");
    let upstreams = vec![
        upstream::everything_at(&home, "everything", Transport::Http),
        upstream::python_2_at(&home, "python", Transport::Http),
    ];
    let daemon = Daemon::start(home, upstreams);
    check(&daemon, &daemon.plan());
}

#[test]
fn servers_over_sse_and_websocket() {
    let home = Home::new("");
    let upstreams = vec![
        upstream::everything_at(&home, "everything", Transport::Sse),
        upstream::python_2_at(&home, "python", Transport::Sse),
        upstream::supergateway(&home, "supergateway", Transport::Sse),
        upstream::python_1_websocket(&home, "websocket"),
    ];
    let daemon = Daemon::start(home, upstreams);
    check(&daemon, &daemon.plan());
}

/// Behind its WebSocket a server cannot ask: supergateway changes the ids of what a client sends so
/// that it knows the client of an answer, and does not change them back in answers to the server.
#[test]
fn supergateway_over_a_websocket() {
    let home = Home::new("");
    let server = upstream::supergateway(&home, "supergateway", Transport::WebSocket);
    let daemon = Daemon::start(home, vec![server]);
    check(&daemon, &Plan::new([("supergateway", &[Feature::Progress][..])]));
}
