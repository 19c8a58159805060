//! The server that the official MCP conformance suite is pointed at, directly and through the daemon.
//!
//! It offers every name that the suite's scenarios call, on `rmcp`, an implementation of the
//! protocol that shares nothing with ours: what passes directly and fails through the daemon is
//! then the daemon's doing. Its tools ask the client in the way of the revision a request is in,
//! so that one fixture serves both eras and a gateway can be asked to bridge them.
//!
//! ```text
//! conformance-server --era both|legacy|modern (--stdio | --http PORT)
//! ```
//!
//! Over HTTP it prints its address, one line, and serves until it is killed.

#![expect(
    deprecated,
    reason = "logging and resource subscriptions of old revisions are part of the suite"
)]

mod ask;
mod content;
mod era;
mod handler;
mod jobs;
mod log;
mod offer;
mod rounds;
mod shared;
mod tools;

use std::io::{self, Write as _};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::ServiceExt as _;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower_service::Service as _;

use crate::era::Era;
use crate::handler::Fixture;
use crate::shared::Shared;

const USAGE: &str = "usage: conformance-server --era both|legacy|modern (--stdio | --http PORT)";

enum Transport {
    Stdio,
    Http(u16),
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (era, transport) = read(&arguments)?;
    let shared = Arc::new(Shared::new(era));
    match transport {
        Transport::Stdio => stdio(shared).await,
        Transport::Http(port) => http(shared, port).await,
    }
}

fn read(arguments: &[String]) -> Result<(Era, Transport)> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (era, rest) = match words[..] {
        ["--era", era, ref rest @ ..] => (Era::parse(era).context(USAGE)?, rest),
        _ => bail!(USAGE),
    };
    match rest {
        ["--stdio"] => Ok((era, Transport::Stdio)),
        ["--http", port] => Ok((era, Transport::Http(port.parse().context(USAGE)?))),
        _ => bail!(USAGE),
    }
}

async fn stdio(shared: Arc<Shared>) -> Result<()> {
    let service = Fixture::new(shared).serve(rmcp::transport::stdio()).await?;
    service.waiting().await?;
    Ok(())
}

async fn http(shared: Arc<Shared>, port: u16) -> Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await.context("bind the port")?;
    let service = StreamableHttpService::new(
        move || Ok(Fixture::new(Arc::clone(&shared))),
        Arc::new(LocalSessionManager::default()),
        StreamableHttpServerConfig::default(),
    );
    writeln!(io::stdout(), "http://{}/mcp", listener.local_addr()?)?;
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        // Events are written in pieces, and each would wait for the client to confirm the last.
        stream.set_nodelay(true)?;
        let service = service.clone();
        let answer = hyper::service::service_fn(move |request| {
            let mut service = service.clone();
            async move { service.call(request).await }
        });
        connections.spawn(async move {
            let mut http = hyper::server::conn::http1::Builder::new();
            // A client that goes away in the middle is part of the scenarios.
            let _ =
                http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer).await;
        });
        while connections.try_join_next().is_some() {}
    }
}
