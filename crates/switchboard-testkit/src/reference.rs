//! A server that does everything right: every feature of its revision, over every transport.
//!
//! [`Fake`](crate::Fake) is for servers that misbehave. This one is the other half of an oracle:
//! what a client gets from it directly is what the client must get through anything in between.
//! It is written without the product's own handling of messages, so that both cannot share a
//! mistake.

mod call;
mod duplex;
mod news;
mod offer;
mod rounds;
mod session;
mod tasks;
mod tools;
mod web;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use switchboard_mcp::ProtocolVersion;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::broadcast;
use tokio::task::JoinSet;

use crate::journal::Journal;
use news::News;
pub(crate) use tools::{BIG, UNTOUCHED};

/// A running server of one revision; all transports lead to it. Ends when dropped.
pub struct Reference {
    inner: Arc<Inner>,
    socket: PathBuf,
    address: SocketAddr,
    _serving: JoinSet<()>,
    _directory: tempfile::TempDir,
}

pub(crate) struct Inner {
    /// Stands in its resource addresses and extension, so that several can be told apart.
    pub name: String,
    pub version: ProtocolVersion,
    pub journal: Journal,
    /// Tools that were added while it ran.
    pub extra: Mutex<Vec<String>>,
    pub news: broadcast::Sender<News>,
    pub tasks: Mutex<Vec<tasks::Task>>,
    numbers: AtomicU64,
}

impl Inner {
    /// A number that was not given before.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn is_modern(&self) -> bool {
        self.version == ProtocolVersion::MODERN
    }
}

impl Reference {
    pub async fn start(name: &str, version: ProtocolVersion) -> Self {
        let inner = Arc::new(Inner {
            name: name.to_owned(),
            version,
            journal: Journal::new(),
            extra: Mutex::default(),
            news: broadcast::Sender::new(256),
            tasks: Mutex::default(),
            numbers: AtomicU64::new(1),
        });
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("server");
        let lines = UnixListener::bind(&socket).unwrap();
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = http.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(duplex::serve_children(Arc::clone(&inner), lines));
        serving.spawn(web::serve(Arc::clone(&inner), http));
        Self { inner, socket, address, _serving: serving, _directory: directory }
    }

    pub fn name(&self) -> &str {
        &self.inner.name
    }

    pub fn version(&self) -> ProtocolVersion {
        self.inner.version
    }

    /// Where a relay finds the server; see [`relay`](crate::relay()).
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Streamable HTTP.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// HTTP+SSE of 2024-11-05.
    pub fn sse_url(&self) -> String {
        format!("http://{}/sse", self.address)
    }

    pub fn websocket_url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// Every tool that a server may have, and the revision that brought it.
    pub(crate) fn tools(&self) -> impl Iterator<Item = (&'static str, ProtocolVersion)> {
        offer::TOOLS.iter().copied()
    }

    /// Waits until `count` entries of the journal begin with `start`; false where that takes too
    /// long.
    pub async fn saw(&self, start: &str, count: usize) -> bool {
        self.inner.journal.saw(start, count).await
    }

    pub fn seen(&self) -> Vec<String> {
        self.inner.journal.entries()
    }
}
