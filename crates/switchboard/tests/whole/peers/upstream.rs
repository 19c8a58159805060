//! The servers behind the daemon, by every transport that they have.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{node, npm, python, script};
use crate::common::{Home, Running, peers, wait};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Transport {
    Stdio,
    Http,
    Sse,
    WebSocket,
}

/// A server, and how the daemon is told of it.
pub(super) struct Upstream {
    pub(super) name: &'static str,
    pub(super) table: String,
    /// What runs apart from the daemon, and ends with this.
    _process: Option<Running>,
}

impl Upstream {
    /// A server that is a child of the daemon.
    fn child(name: &'static str, program: &Path, args: &[String]) -> Self {
        let peers = peers();
        let table = format!(
            "[upstream.{name}]\nstdio = {{ command = {program:?}, args = {args:?}, \
             env = {{ SWITCHBOARD_PEERS = {peers:?} }} }}\n"
        );
        Self { name, table, _process: None }
    }

    /// A server that runs apart, and writes the port of its own choice to standard error.
    fn remote(
        home: &Home,
        name: &'static str,
        transport: Transport,
        command: &mut Command,
    ) -> Self {
        let log = home.path(&format!("{name}.log"));
        command.stdout(Stdio::null()).stderr(std::fs::File::create(&log).unwrap());
        let process = Running(command.spawn().unwrap());
        let port = || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("loopback port "))?;
            line.trim().parse::<u16>().ok()
        };
        wait(&format!("{name} to listen"), || port().is_some());
        let port = port().unwrap();
        let reach = match transport {
            Transport::Stdio => unreachable!("it runs apart"),
            Transport::Http => format!("http = {{ url = \"http://127.0.0.1:{port}/mcp\" }}"),
            Transport::Sse => format!("sse = {{ url = \"http://127.0.0.1:{port}/sse\" }}"),
            Transport::WebSocket => format!("websocket = {{ url = \"ws://127.0.0.1:{port}/ws\" }}"),
        };
        Self { name, table: format!("[upstream.{name}]\n{reach}\n"), _process: Some(process) }
    }
}

/// A program of Node.js that listens, and is kept on the loopback interface.
fn listening_node(home: &Home) -> Command {
    let mut command = home.command(node());
    command.arg("--import").arg(script("loopback.mjs")).env("PORT", "0");
    command
}

/// server-everything, which speaks the revisions with `initialize`, as a child.
pub(super) fn everything(name: &'static str) -> Upstream {
    let program = npm("@modelcontextprotocol/server-everything");
    Upstream::child(name, &node(), &[program, "stdio".into()])
}

/// The same at an address.
pub(super) fn everything_at(home: &Home, name: &'static str, transport: Transport) -> Upstream {
    let way = if transport == Transport::Http { "streamableHttp" } else { "sse" };
    let mut command = listening_node(home);
    command.arg(npm("@modelcontextprotocol/server-everything")).arg(way);
    Upstream::remote(home, name, transport, &mut command)
}

/// A server on Python's SDK 2.x, which speaks 2026-07-28 too, as a child.
pub(super) fn python_2(name: &'static str) -> Upstream {
    let program = script("servers/python_mcp2.py").display().to_string();
    Upstream::child(name, &python(2), &[program, "stdio".into()])
}

/// The same at an address.
pub(super) fn python_2_at(home: &Home, name: &'static str, transport: Transport) -> Upstream {
    let way = if transport == Transport::Http { "http" } else { "sse" };
    let mut command = home.command(python(2));
    command.arg(script("servers/python_mcp2.py")).arg(way);
    Upstream::remote(home, name, transport, &mut command)
}

/// A server on TypeScript's SDK 2.x, which speaks 2026-07-28 too, as a child.
pub(super) fn typescript_2(name: &'static str) -> Upstream {
    let program = script("servers/typescript_v2.mjs").display().to_string();
    Upstream::child(name, &node(), &[program])
}

/// A server on Python's SDK 1.x, which has a WebSocket on this side.
pub(super) fn python_1_websocket(home: &Home, name: &'static str) -> Upstream {
    let mut command = home.command(python(1));
    command.arg(script("servers/python_mcp1_ws.py"));
    Upstream::remote(home, name, Transport::WebSocket, &mut command)
}

/// server-everything on its standard streams, which supergateway shows in another way.
pub(super) fn supergateway(home: &Home, name: &'static str, transport: Transport) -> Upstream {
    let (way, messages) =
        if transport == Transport::WebSocket { ("ws", "/ws") } else { ("sse", "/messages") };
    let child = npm("@modelcontextprotocol/server-everything");
    let child = format!("{} {child} stdio", node().display());
    let mut command = listening_node(home);
    command.arg(npm("supergateway")).args(["--stdio", &child, "--outputTransport", way]);
    command.args(["--port", "0", "--messagePath", messages]);
    Upstream::remote(home, name, transport, &mut command)
}
