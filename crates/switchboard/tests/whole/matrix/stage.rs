//! One daemon with the reference servers behind it.

use switchboard_mcp::ProtocolVersion;
use switchboard_testkit::Reference;
use switchboard_testkit::client::{Carrier, Target};

use super::relay;
use crate::common::{Home, wait};

pub(crate) struct Stage {
    home: Home,
    key: String,
    address: String,
    pub upstreams: Vec<Upstream>,
}

pub(crate) struct Upstream {
    pub server: Reference,
    pub transport: Carrier,
    pub prefix: String,
}

/// Every transport with every revision that it carries.
pub(crate) fn every_upstream() -> Vec<(Carrier, ProtocolVersion)> {
    let transports = [Carrier::Stdio, Carrier::Http, Carrier::Sse, Carrier::WebSocket];
    let pairs = transports.into_iter().flat_map(|transport| {
        ProtocolVersion::ALL.into_iter().map(move |version| (transport, version))
    });
    pairs.filter(|(transport, version)| transport.carries(*version)).collect()
}

impl Stage {
    pub(crate) async fn start(pairs: Vec<(Carrier, ProtocolVersion)>) -> Self {
        let mut upstreams = Vec::new();
        for (transport, version) in pairs {
            let name = format!("{transport}-{version}");
            let server = Reference::start(&name, version).await;
            upstreams.push(Upstream { server, transport, prefix: format!("{name}__") });
        }
        Self::around(upstreams).await
    }

    /// A server under its own names, as if nothing were in between.
    pub(crate) async fn alone(transport: Carrier, version: ProtocolVersion) -> Self {
        let server = Reference::start("alone", version).await;
        Self::around(vec![Upstream { server, transport, prefix: String::new() }]).await
    }

    async fn around(upstreams: Vec<Upstream>) -> Self {
        let tables: String = upstreams.iter().map(table).collect();
        // The daemon and what it starts are waited for on a thread of their own: the servers that
        // they talk to run on this one.
        let (home, key, address) = tokio::task::spawn_blocking(move || {
            let home = Home::new("");
            home.configure(&tables);
            home.start();
            wait("all servers to be ready", || {
                let status = home.status();
                let all = status["upstreams"].as_array().unwrap();
                all.iter().all(|it| it["state"] == "ready" && it["tools"].is_number())
            });
            let (key, address) = (home.key(), home.address());
            (home, key, address)
        })
        .await
        .unwrap();
        Self { home, key, address, upstreams }
    }

    pub(crate) fn target(&self, listener: Carrier) -> Target {
        let address = |url: String| Target::Address { url, key: Some(self.key.clone()) };
        let origin = self.address.strip_suffix("/mcp").unwrap();
        match listener {
            Carrier::Http => address(self.address.clone()),
            Carrier::Sse => address(format!("{origin}/sse")),
            Carrier::WebSocket => address(format!("{}/ws", origin.replace("http://", "ws://"))),
            Carrier::Unix => Target::Socket(self.home.path("s/default/mcp.sock")),
            Carrier::Stdio => {
                let command = self.home.switchboard(&["stdio"]);
                let text = |value: &std::ffi::OsStr| value.to_str().unwrap().to_owned();
                Target::Program {
                    command: text(command.get_program()),
                    args: command.get_args().map(text).collect(),
                    env: command
                        .get_envs()
                        .filter_map(|(name, value)| Some((text(name), text(value?))))
                        .collect(),
                }
            }
        }
    }
}

fn table(upstream: &Upstream) -> String {
    let Upstream { server, transport, prefix } = upstream;
    let way = match transport {
        Carrier::Http => format!("http = {{ url = {:?} }}", server.url()),
        Carrier::Sse => format!("sse = {{ url = {:?} }}", server.sse_url()),
        Carrier::WebSocket => format!("websocket = {{ url = {:?} }}", server.websocket_url()),
        Carrier::Stdio | Carrier::Unix => relay::stdio(server.socket()),
    };
    let shown = prefix.trim_end_matches('_');
    format!("[upstream.{}]\nstart = \"eager\"\nprefix = {shown:?}\n{way}\n", server.name())
}
