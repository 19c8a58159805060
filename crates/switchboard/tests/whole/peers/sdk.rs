//! Every SDK on every transport it has, with a server of each era behind the daemon.

use super::client::{Client, Daemon};
use super::upstream::Transport::{self, Http, Sse, Stdio, WebSocket};
use super::upstream::{everything, python_2};
use crate::common::Home;

const OLD: &str = "2025-11-25";
const NEW: &str = "2026-07-28";

#[track_caller]
fn check(client: &Client, ways: &[(Transport, &'static str, &'static str)]) {
    let daemon = Daemon::start(Home::new(""), vec![everything("old"), python_2("new")]);
    client.check(&daemon, &daemon.plan(), &daemon.ways(ways));
}

#[test]
fn python_sdk_1() {
    let modes = [Http, Sse, Stdio, WebSocket].map(|transport| (transport, "legacy", OLD));
    check(&Client::python_1(), &modes);
}

#[test]
fn python_sdk_2() {
    check(
        &Client::python_2(),
        &[
            (Http, "legacy", OLD),
            (Http, "auto", NEW),
            (Sse, "legacy", OLD),
            // HTTP+SSE is of 2024-11-05, and has no place for the later era.
            (Sse, "auto", OLD),
            (Stdio, "legacy", OLD),
            (Stdio, "auto", NEW),
        ],
    );
}

#[test]
fn fastmcp() {
    check(
        &Client::fastmcp(),
        &[
            (Http, "legacy", OLD),
            (Http, "auto", NEW),
            (Sse, "auto", OLD),
            (Stdio, "legacy", OLD),
            (Stdio, "auto", NEW),
        ],
    );
}

#[test]
fn typescript_sdk_1() {
    let modes = [Http, Sse, Stdio, WebSocket].map(|transport| (transport, "legacy", OLD));
    check(&Client::typescript_1(), &modes);
}

#[test]
fn typescript_sdk_2() {
    check(
        &Client::typescript_2(),
        &[
            (Http, "legacy", OLD),
            (Http, "auto", NEW),
            (Sse, "legacy", OLD),
            (Sse, "auto", OLD),
            (Stdio, "legacy", OLD),
            (Stdio, "auto", NEW),
        ],
    );
}
