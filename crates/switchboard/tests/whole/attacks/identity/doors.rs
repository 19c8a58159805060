//! Every door of the daemon that asks who is there.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::super::scene::{INITIALIZE, modern_headers};
use crate::common::PATIENCE;

pub(super) struct Door {
    pub name: &'static str,
    request: &'static str,
    headers: Extra,
    body: &'static str,
    /// Whether it opens for whoever runs the daemon alone.
    pub is_for_owner: bool,
}

#[derive(Clone, Copy)]
enum Extra {
    None,
    /// A request of 2026-07-28 that lists tools.
    Modern,
    /// A session that some client may have.
    Session,
    Upgrade,
    Events,
}

pub(super) const CALL: &str = "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/call\",\"params\":\
                               {\"name\":\"spy__do_it\",\"arguments\":{}}}";
const LIST: &str = "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/list\"}";
const MODERN: &str = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{\"_meta\":\
    {\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
    \"io.modelcontextprotocol/clientCapabilities\":{},\
    \"io.modelcontextprotocol/clientInfo\":{\"name\":\"c\",\"version\":\"1\"}}}}";
const PING: &str = "{\"query\":\"{ ping }\"}";
const SCHEMA: &str = "{\"query\":\"{ __typename }\"}";

const fn door(
    name: &'static str,
    request: &'static str,
    headers: Extra,
    body: &'static str,
) -> Door {
    Door { name, request, headers, body, is_for_owner: false }
}

pub(super) const DOORS: &[Door] = &[
    door("streamable HTTP, stateless", "POST /mcp", Extra::Modern, MODERN),
    door("streamable HTTP, stateless, tenant", "POST /acme/mcp", Extra::Modern, MODERN),
    door("streamable HTTP, a session opened", "POST /mcp", Extra::None, INITIALIZE),
    door("streamable HTTP, in a session", "POST /mcp", Extra::Session, LIST),
    door("streamable HTTP, the stream of a session", "GET /mcp", Extra::Session, ""),
    door("streamable HTTP, a session ended", "DELETE /mcp", Extra::Session, ""),
    door("streamable HTTP, one request", "POST /acme/mcp", Extra::None, LIST),
    door("HTTP+SSE", "GET /sse", Extra::Events, ""),
    door("HTTP+SSE, messages", "POST /messages?session_id=x", Extra::None, LIST),
    door("HTTP+SSE, tenant", "GET /acme/mcp/sse", Extra::Events, ""),
    door("HTTP+SSE, messages, tenant", "POST /acme/mcp/messages?session_id=x", Extra::None, LIST),
    door("WebSocket", "GET /ws", Extra::Upgrade, ""),
    door("WebSocket, tenant", "GET /acme/ws", Extra::Upgrade, ""),
    door("feed", "GET /acme/sse", Extra::Events, ""),
    door("feed, a call", "POST /acme/sse", Extra::None, LIST),
    door("GraphQL", "POST /graphql", Extra::None, SCHEMA),
    door("GraphQL, in the address", "GET /graphql?query=%7B__typename%7D", Extra::None, ""),
    door("GraphQL, tenant", "POST /acme/graphql", Extra::None, SCHEMA),
    door("GraphQL, older engine", "POST /acme/mcp_core_graphql", Extra::None, PING),
    door("GraphQL, older daemon", "POST /acme/mcp_daemon_graphql", Extra::None, PING),
    door("REST, read", "GET /acme/api/v1/calls", Extra::None, ""),
    door("REST, keys", "GET /acme/api/v1/keys", Extra::None, ""),
    door("REST, root", "GET /api/v1/calls", Extra::None, ""),
    door("facts", "GET /acme", Extra::None, ""),
    door("cache", "POST /acme/admin/cache/refresh", Extra::None, "{}"),
    door("cache, its state", "GET /acme/admin/cache/status", Extra::None, ""),
    door("cache, cleared", "DELETE /acme/admin/cache", Extra::None, ""),
    Door {
        is_for_owner: true,
        ..door("cache, of all tenants", "DELETE /admin/cache", Extra::None, "")
    },
    door("metrics", "GET /metrics", Extra::None, ""),
    door("/me", "GET /me", Extra::None, ""),
    door("/me, tenant", "GET /acme/me", Extra::None, ""),
];

impl Door {
    /// The status of the answer; what follows it may never end.
    pub(super) fn knock(&self, authority: &str, credential: &str) -> u16 {
        status(self.send(authority, self.request, credential))
    }

    /// The same with the credential in the address.
    pub(super) fn knock_by_address(&self, authority: &str, text: &str) -> u16 {
        let sign = if self.request.contains('?') { '&' } else { '?' };
        status(self.send(authority, &format!("{}{sign}api_key={text}", self.request), ""))
    }

    fn send(&self, authority: &str, request: &str, credential: &str) -> TcpStream {
        let extra = match self.headers {
            Extra::None => String::new(),
            Extra::Modern => modern_headers("tools/list", "x").replace("Mcp-Name: x\r\n", ""),
            Extra::Session => "Mcp-Session-Id: 00000000-0000-4000-8000-000000000000\r\n\
                 Mcp-Protocol-Version: 2025-06-18\r\n"
                .to_owned(),
            Extra::Upgrade => "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                               Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                               Sec-WebSocket-Protocol: mcp\r\n"
                .to_owned(),
            Extra::Events => "Accept: text/event-stream\r\n".to_owned(),
        };
        let connection = match self.headers {
            Extra::Upgrade => "Upgrade",
            _ => "close",
        };
        let accept = match self.headers {
            Extra::Events => "",
            _ => "Accept: application/json, text/event-stream\r\n",
        };
        let text = format!(
            "{request} HTTP/1.1\r\nHost: {authority}\r\nConnection: {connection}\r\n{accept}\
             Content-Type: application/json\r\n{extra}{credential}Content-Length: {}\r\n\r\n{}",
            self.body.len(),
            self.body,
        );
        let mut stream = TcpStream::connect(authority).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // A refusal may come before everything is sent.
        let _ = stream.write_all(text.as_bytes());
        stream
    }
}

fn status(mut stream: TcpStream) -> u16 {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !line.ends_with(b"\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        line.push(byte[0]);
    }
    let line = String::from_utf8_lossy(&line).into_owned();
    line.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}
