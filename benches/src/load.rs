//! Clients that keep their connection and call without a pause.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::process;

/// One kind of call to one address.
pub(crate) struct Load {
    address: String,
    request: Arc<[u8]>,
    /// Part of the answer.
    answer: &'static str,
}

/// What one measurement found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample {
    pub per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
    /// Of the processes under test, without the clients.
    pub cpu_per_call: Duration,
}

impl Load {
    /// Calls `tool` with a short message, in the stateless revision.
    pub(crate) fn new(address: &str, key: Option<&str>, tool: &str, answer: &'static str) -> Self {
        let body = serde_json::json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {
                "name": tool,
                "arguments": { "message": "the quick brown fox jumps over the lazy dog" },
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                    "io.modelcontextprotocol/clientCapabilities": {},
                    "io.modelcontextprotocol/clientInfo": { "name": "bench", "version": "1" },
                },
            },
        })
        .to_string();
        let host = address.trim_start_matches("http://").trim_end_matches("/mcp").to_owned();
        let key = key.map(|key| format!("X-API-Key: {key}\r\n")).unwrap_or_default();
        let request = format!(
            "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
             Mcp-Method: tools/call\r\nMcp-Name: {tool}\r\n{key}Content-Length: {}\r\n\r\n{body}",
            body.len(),
        );
        Self { address: host, request: request.into_bytes().into(), answer }
    }

    pub(crate) async fn run(
        &self,
        clients: usize,
        length: Duration,
        pids: &[u32],
    ) -> Result<Sample> {
        let address: SocketAddr = self.address.parse()?;
        self.drive(address, clients, length / 10).await?;
        let before = process::cpu(pids)?;
        let started = Instant::now();
        let mut latencies = self.drive(address, clients, length).await?;
        let elapsed = started.elapsed();
        let used = process::cpu(pids)?.saturating_sub(before);
        latencies.sort_unstable();
        let count = u32::try_from(latencies.len()).context("too many calls")?;
        let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100];
        Ok(Sample {
            per_second: f64::from(count) / elapsed.as_secs_f64(),
            p50: at(50),
            p99: at(99),
            cpu_per_call: used / count,
        })
    }

    async fn drive(
        &self,
        address: SocketAddr,
        clients: usize,
        length: Duration,
    ) -> Result<Vec<Duration>> {
        let end = Instant::now() + length;
        let mut running = tokio::task::JoinSet::new();
        for _ in 0..clients {
            let request = Arc::clone(&self.request);
            running.spawn(client(address, request, self.answer, end));
        }
        let mut latencies = Vec::new();
        while let Some(client) = running.join_next().await {
            latencies.extend(client??);
        }
        Ok(latencies)
    }
}

async fn client(
    address: SocketAddr,
    request: Arc<[u8]>,
    answer: &'static str,
    end: Instant,
) -> Result<Vec<Duration>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut latencies = Vec::with_capacity(1 << 16);
    let mut buffer = Vec::with_capacity(1 << 14);
    while Instant::now() < end {
        let started = Instant::now();
        stream.write_all(&request).await?;
        read_response(&mut stream, &mut buffer, answer).await?;
        latencies.push(started.elapsed());
    }
    Ok(latencies)
}

/// Reads one response, and makes sure that it is the answer of the tool.
async fn read_response(stream: &mut TcpStream, buffer: &mut Vec<u8>, answer: &str) -> Result<()> {
    buffer.clear();
    let mut end = None;
    while !end.as_ref().is_some_and(|end: &End| end.is_reached(buffer)) {
        if stream.read_buf(buffer).await? == 0 {
            bail!("the connection was closed");
        }
        if end.is_none() {
            end = End::read(buffer)?;
        }
    }
    if !buffer.starts_with(b"HTTP/1.1 200") || !contains(buffer, answer.as_bytes()) {
        bail!("unexpected answer: {}", String::from_utf8_lossy(buffer));
    }
    Ok(())
}

/// Where a response ends.
enum End {
    After(usize),
    /// With a chunk that is empty.
    Chunk,
}

impl End {
    /// `None` before the head is complete.
    fn read(buffer: &[u8]) -> Result<Option<Self>> {
        let Some(head) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = std::str::from_utf8(&buffer[..head])?.to_ascii_lowercase();
        if text.contains("transfer-encoding: chunked") {
            return Ok(Some(Self::Chunk));
        }
        let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.with_context(|| format!("no length: {text}"))?.trim().parse()?;
        Ok(Some(Self::After(head + 4 + length)))
    }

    fn is_reached(&self, buffer: &[u8]) -> bool {
        match self {
            Self::After(length) => *length <= buffer.len(),
            Self::Chunk => buffer.ends_with(b"\r\n0\r\n\r\n"),
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

impl Sample {
    /// The median of each figure.
    pub(crate) fn median(samples: &[Self]) -> Self {
        fn middle<T: Copy + PartialOrd>(mut values: Vec<T>) -> T {
            values.sort_by(|a, b| a.partial_cmp(b).expect("no figure is NaN"));
            values[values.len() / 2]
        }
        Self {
            per_second: middle(samples.iter().map(|s| s.per_second).collect()),
            p50: middle(samples.iter().map(|s| s.p50).collect()),
            p99: middle(samples.iter().map(|s| s.p99).collect()),
            cpu_per_call: middle(samples.iter().map(|s| s.cpu_per_call).collect()),
        }
    }
}
