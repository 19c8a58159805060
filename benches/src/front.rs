//! The same call over every way in, and across eras: one client, one call after the other.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::Instant;

/// A way in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Front {
    Stateless,
    Stateful,
    Sse,
    WebSocket,
    Lines,
}

impl Front {
    pub(crate) const ALL: [Self; 5] =
        [Self::Stateless, Self::Stateful, Self::Sse, Self::WebSocket, Self::Lines];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Stateless => "HTTP 2026-07-28",
            Self::Stateful => "HTTP with a session",
            Self::Sse => "HTTP+SSE",
            Self::WebSocket => "WebSocket",
            Self::Lines => "lines (stdio's socket)",
        }
    }
}

/// Where a daemon is reached.
pub(crate) struct Target<'a> {
    pub address: SocketAddr,
    pub key: &'a str,
    pub socket: &'a Path,
}

/// A client that is ready to call.
pub(crate) struct Client {
    front: Front,
    stream: Box<dyn Duplex>,
    /// Answers of HTTP+SSE come on a stream of their own.
    events: Option<TcpStream>,
    /// The head of a POST, up to the length.
    head: String,
    buffer: Vec<u8>,
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"elicitation":{}},"clientInfo":{"name":"bench","version":"1"}}}"#;

impl Client {
    pub(crate) async fn open(front: Front, target: &Target<'_>) -> Result<Self> {
        let Target { address, key, socket } = target;
        let stream: Box<dyn Duplex> = match front {
            Front::Lines => Box::new(UnixStream::connect(socket).await?),
            _ => Box::new(tcp(*address).await?),
        };
        let common = format!("Host: {address}\r\nX-API-Key: {key}\r\n");
        let mut client =
            Self { front, stream, events: None, head: String::new(), buffer: Vec::new() };
        let post = |path: &str, more: &str| {
            format!(
                "POST {path} HTTP/1.1\r\n{common}Content-Type: application/json\r\n\
                 Accept: application/json, text/event-stream\r\n{more}"
            )
        };
        match front {
            Front::Stateless => client.head = post("/mcp", "MCP-Protocol-Version: 2026-07-28\r\n"),
            Front::Stateful => {
                client.head = post("/mcp", "");
                client.send(INITIALIZE, "").await?;
                let head = client.response().await?;
                let session = header(&head, "mcp-session-id").context("no session")?;
                client.head = post("/mcp", &format!("Mcp-Session-Id: {session}\r\n"));
            }
            Front::Sse => {
                let path = client.listen(tcp(*address).await?, &common).await?;
                client.head = post(&path, "");
                client.initialize().await?;
            }
            Front::WebSocket => {
                client.upgrade(&common).await?;
                client.initialize().await?;
            }
            Front::Lines => client.initialize().await?,
        }
        Ok(client)
    }

    async fn initialize(&mut self) -> Result<()> {
        self.send(INITIALIZE, "").await?;
        self.answer(b"protocolVersion").await.map(drop)
    }

    /// Opens the stream of HTTP+SSE; the address to post to.
    async fn listen(&mut self, mut events: TcpStream, common: &str) -> Result<String> {
        let get = format!("GET /sse HTTP/1.1\r\n{common}Accept: text/event-stream\r\n\r\n");
        events.write_all(get.as_bytes()).await?;
        until(&mut events, &mut self.buffer, b"data:").await?;
        let line = until(&mut events, &mut self.buffer, b"\n").await?;
        until(&mut events, &mut self.buffer, b"\n").await?;
        self.events = Some(events);
        Ok(line.trim().to_owned())
    }

    async fn upgrade(&mut self, common: &str) -> Result<()> {
        let upgrade = format!(
            "GET /ws HTTP/1.1\r\n{common}Connection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: mcp\r\n\r\n"
        );
        self.stream.write_all(upgrade.as_bytes()).await?;
        until(&mut self.stream, &mut self.buffer, b"\r\n\r\n").await.map(drop)
    }

    /// Times `count` calls, each answered with something that contains `expected`.
    pub(crate) async fn time(&mut self, call: &Call, count: u32) -> Result<Vec<Duration>> {
        let mut times = Vec::new();
        for _ in 0..count {
            let started = Instant::now();
            self.call(call).await?;
            times.push(started.elapsed());
        }
        Ok(times)
    }

    /// Makes one call and gives the text of its answer.
    pub(crate) async fn call(&mut self, call: &Call) -> Result<String> {
        let modern = self.front == Front::Stateless;
        let (body, headers) = if modern { &call.modern } else { &call.legacy };
        self.send(body, headers).await?;
        self.answer(call.expected.as_bytes()).await
    }

    async fn send(&mut self, body: &str, headers: &str) -> Result<()> {
        let message = match self.front {
            Front::Lines => format!("{body}\n").into_bytes(),
            Front::WebSocket => frame(body.as_bytes()),
            _ => {
                let head = &self.head;
                format!("{head}{headers}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
            }
        };
        Ok(self.stream.write_all(&message).await?)
    }

    async fn answer(&mut self, expected: &[u8]) -> Result<String> {
        match self.front {
            Front::Stateless | Front::Stateful => self.response().await,
            Front::Lines => until(&mut self.stream, &mut self.buffer, b"\n").await,
            Front::WebSocket => self.read_frame().await,
            Front::Sse => {
                self.response().await?;
                let events = self.events.as_mut().context("no stream")?;
                until(events, &mut self.buffer, b"\n\n").await
            }
        }
        .and_then(|text| {
            if contains(text.as_bytes(), expected) {
                return Ok(text);
            }
            bail!("unexpected answer over {}: {text}", self.front.name())
        })
    }

    /// One response with a length: head and body.
    async fn response(&mut self) -> Result<String> {
        let mut text = Vec::new();
        let head = loop {
            if let Some(at) = text.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if self.stream.read_buf(&mut text).await? == 0 {
                bail!("the connection was closed");
            }
        };
        let shown = String::from_utf8_lossy(&text[..head]).into_owned();
        let length: usize = header(&shown, "content-length").map_or(Ok(0), str::parse)?;
        while text.len() < head + length {
            if self.stream.read_buf(&mut text).await? == 0 {
                bail!("the connection was closed");
            }
        }
        Ok(String::from_utf8(text)?)
    }

    async fn read_frame(&mut self) -> Result<String> {
        loop {
            let head = self.buffer.get(..2).map(|head| (head[0], head[1]));
            let length = match (head, self.buffer.get(2..4)) {
                (Some((_, length)), _) if length < 126 => Some((2, usize::from(length))),
                (Some((_, 126)), Some(more)) => {
                    Some((4, usize::from(u16::from_be_bytes([more[0], more[1]]))))
                }
                _ => None,
            };
            if let Some((start, length)) = length
                && self.buffer.len() >= start + length
            {
                let frame: Vec<u8> = self.buffer.drain(..start + length).collect();
                if frame[0] == 0x81 {
                    return Ok(String::from_utf8(frame[start..].to_vec())?);
                }
                continue;
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the connection was closed");
            }
        }
    }
}

/// A call in both eras: body, and the headers that repeat it.
pub(crate) struct Call {
    modern: (String, String),
    legacy: (String, String),
    expected: &'static str,
}

impl Call {
    pub(crate) fn tool(tool: &str, arguments: &str, more: &str, expected: &'static str) -> Self {
        let params = format!("\"name\":\"{tool}\",\"arguments\":{arguments}{more}");
        let body = |params: String| {
            format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{{params}}}}}"
            )
        };
        let envelope = "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
            \"io.modelcontextprotocol/clientCapabilities\":{\"elicitation\":{\"form\":{}}}";
        let headers = format!("Mcp-Method: tools/call\r\nMcp-Name: {tool}\r\n");
        Self {
            modern: (body(format!("{params},\"_meta\":{{{envelope}}}")), headers),
            legacy: (body(params), String::new()),
            expected,
        }
    }
}

async fn tcp(address: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Reads up to and with `end`; what follows stays in `buffer`.
async fn until(
    stream: &mut (impl AsyncRead + Unpin + ?Sized),
    buffer: &mut Vec<u8>,
    end: &[u8],
) -> Result<String> {
    loop {
        if let Some(at) = buffer.windows(end.len()).position(|window| window == end) {
            let text: Vec<u8> = buffer.drain(..at + end.len()).collect();
            return Ok(String::from_utf8(text)?);
        }
        if stream.read_buf(buffer).await? == 0 {
            bail!("the connection was closed");
        }
    }
}

/// A text frame of a client (RFC 6455, section 5.2), masked with zeros.
fn frame(text: &[u8]) -> Vec<u8> {
    let mut out = vec![0x81];
    match u16::try_from(text.len()) {
        Ok(length) if length < 126 => out.push(0x80 | u8::try_from(length).unwrap_or_default()),
        length => {
            out.push(0x80 | 126);
            out.extend_from_slice(&length.unwrap_or(u16::MAX).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(text);
    out
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || text.windows(part.len()).any(|window| window == part)
}
