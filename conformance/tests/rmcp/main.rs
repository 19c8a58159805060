//! `rmcp` as a client of the daemon, unmodified: over HTTP and `switchboard stdio`, in each of its
//! lifecycle modes, with upstreams of each era behind the daemon.
//!
//! Cargo builds `switchboard` before it runs any test, if its package is among the tested ones, as
//! with `cargo test --workspace`. With this package alone, the program is the one built last.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

mod daemon;
mod user;

use std::time::Duration;

use rmcp::model::ProtocolVersion;
use rmcp::service::RunningService;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::transport::{StreamableHttpClientTransport, TokioChildProcess};
use rmcp::{ClientLifecycleMode, ClientServiceExt as _, RoleClient};
use tokio::process::Command;

use daemon::{Daemon, UPSTREAMS};
use user::User;

/// How long a client may take for all it does: the machines that test are slow and busy.
const PATIENCE: Duration = Duration::from_secs(120);

const LEGACY: ProtocolVersion = ProtocolVersion::V_2025_11_25;
const MODERN: ProtocolVersion = ProtocolVersion::V_2026_07_28;

type Client = RunningService<RoleClient, User>;

fn discover() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![MODERN] }
}

/// Discovers, and would have initialized if that had not been understood.
fn auto() -> ClientLifecycleMode {
    ClientLifecycleMode::Auto { preferred_versions: vec![MODERN], legacy_version: Some(LEGACY) }
}

async fn over_http(daemon: &Daemon, mode: ClientLifecycleMode) -> Client {
    let http = reqwest::Client::builder();
    // A proxy of the environment leads away from this machine.
    let http = http.no_proxy().build().unwrap();
    let config = StreamableHttpClientTransportConfig::with_uri(daemon.address());
    let config = config.auth_header(daemon.key());
    let transport = StreamableHttpClientTransport::with_client(http, config);
    Box::pin(User::default().serve_with_lifecycle(transport, mode)).await.unwrap()
}

async fn over_stdio(daemon: &Daemon, mode: ClientLifecycleMode) -> Client {
    let command = Command::from(daemon.command(&["stdio"]));
    let transport = TokioChildProcess::new(command).unwrap();
    Box::pin(User::default().serve_with_lifecycle(transport, mode)).await.unwrap()
}

/// Lists, and calls a tool for each feature of each upstream.
async fn check(client: impl Future<Output = Client>, version: &ProtocolVersion) {
    let visit = async {
        let client = client.await;
        let server = client.peer_info().unwrap();
        assert_eq!(server.protocol_version, *version);
        assert_eq!(server.server_info.as_ref().unwrap().name, "switchboard");
        let tools = client.list_all_tools().await.unwrap();
        let tools: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
        for upstream in UPSTREAMS {
            user::progress(&client, &tools, upstream).await;
            user::elicitation(&client, &tools, upstream).await;
            user::sampling(&client, &tools, upstream).await;
        }
        client.cancel().await.unwrap();
    };
    tokio::time::timeout(PATIENCE, visit).await.expect("the client is done in time");
}

#[tokio::test]
async fn http_initialize() {
    let daemon = Daemon::start();
    check(over_http(&daemon, ClientLifecycleMode::Initialize), &LEGACY).await;
}

#[tokio::test]
async fn http_discover() {
    let daemon = Daemon::start();
    check(over_http(&daemon, discover()), &MODERN).await;
}

#[tokio::test]
async fn http_auto() {
    let daemon = Daemon::start();
    check(over_http(&daemon, auto()), &MODERN).await;
}

#[tokio::test]
async fn stdio_initialize() {
    let daemon = Daemon::start();
    check(over_stdio(&daemon, ClientLifecycleMode::Initialize), &LEGACY).await;
}

#[tokio::test]
async fn stdio_discover() {
    let daemon = Daemon::start();
    check(over_stdio(&daemon, discover()), &MODERN).await;
}

#[tokio::test]
async fn stdio_auto() {
    let daemon = Daemon::start();
    check(over_stdio(&daemon, auto()), &MODERN).await;
}
