//! `mcp-remote`, through which clients that only start programs reach a daemon at an address.

use super::client::{Client, Daemon, Way};
use super::node;
use super::upstream::{Transport, everything, python_2};
use crate::common::{Home, peers};

#[test]
fn mcp_remote() {
    let daemon = Daemon::start(Home::new(""), vec![everything("old"), python_2("new")]);
    let key = format!("X-API-Key: {}", daemon.home.key());
    // Its client opens with `initialize` and learns of no other era, whichever `--protocol` finds.
    let way = |transport, strategy: &str, era: &str| {
        let relay = peers().join("node/node_modules/mcp-remote/dist/proxy.js");
        let words = [
            "stdio",
            &node().display().to_string(),
            &relay.display().to_string(),
            // Plain HTTP is fine with it on a loopback address.
            &daemon.address(transport),
            "--transport",
            strategy,
            "--protocol",
            era,
            "--header",
            &key,
            "--silent",
        ];
        let to = words.map(str::to_owned).to_vec();
        let name = format!("{strategy}, {era}");
        Way { name, mode: "legacy", protocol: "2025-11-25", to }
    };
    let ways = [
        way(Transport::Http, "http-only", "legacy"),
        way(Transport::Http, "http-only", "auto"),
        way(Transport::Sse, "sse-only", "legacy"),
    ];
    Client::python_1().check(&daemon, &daemon.plan(), &ways);
}
