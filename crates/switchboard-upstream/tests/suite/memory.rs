//! Servers inside the process, and openings that are given up over links that no child keeps.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use switchboard_process::{Options, Spawner};
use switchboard_upstream::{
    Dialer, Environment, MemoryConfig, Settings, Stream, Upstream, WebSocketConfig,
};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use crate::common::{News, PATIENCE, call, environment};

/// `echo` answers, `silent` reads, and there is no other.
struct Servers(TaskTracker);

#[async_trait]
impl Dialer for Servers {
    async fn dial(&self, server: &str) -> io::Result<Stream> {
        let (near, far) = tokio::io::duplex(1 << 16);
        let is_silent = match server {
            "echo" => false,
            "silent" => true,
            _ => return Err(io::ErrorKind::NotFound.into()),
        };
        self.0.spawn(serve(far, is_silent));
        let (reader, writer) = tokio::io::split(near);
        Ok(Stream { reader: Box::new(reader), writer: Box::new(writer) })
    }
}

/// Says what was asked to whoever asks, until nobody does.
async fn serve(stream: DuplexStream, is_silent: bool) {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let message: serde_json::Value = serde_json::from_str(&line).unwrap();
        let (Some(id), false) = (message.get("id"), is_silent) else { continue };
        let result = match message["method"].as_str().unwrap() {
            "initialize" => serde_json::json!({ "protocolVersion": "2025-11-25",
                "capabilities": { "tools": {} }, "serverInfo": { "name": "echo" } }),
            "tools/list" => serde_json::json!({ "tools": [{ "name": "echo" }] }),
            "tools/call" => serde_json::json!({ "content": [message["params"]["arguments"]] }),
            _ => serde_json::Value::Null,
        };
        let member = if result.is_null() { "error" } else { "result" };
        let value = match result {
            serde_json::Value::Null => serde_json::json!({ "code": -32601, "message": "no" }),
            result => result,
        };
        let answer = serde_json::json!({ "jsonrpc": "2.0", "id": id, member: value });
        writer.write_all(format!("{answer}\n").as_bytes()).await.unwrap();
    }
}

struct Bench {
    environment: Environment,
    /// The servers inside the process.
    servers: TaskTracker,
    spawner: Spawner,
    _directory: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { state_dir: directory.path().join("state"), guard: None };
        let (spawner, _) = Spawner::start(options).await.unwrap();
        let servers = TaskTracker::new();
        let mut environment = environment(&spawner, directory.path(), Arc::new(News::default()));
        environment.dialer = Some(Arc::new(Servers(servers.clone())));
        Self { environment, servers, spawner, _directory: directory }
    }

    fn upstream(&self, settings: Settings) -> Arc<Upstream> {
        Upstream::new("fake", settings, self.environment.clone()).unwrap()
    }

    /// Sees to it that nothing goes on: neither here, nor in the servers.
    async fn end(self) {
        for tasks in [&self.environment.tasks, &self.servers] {
            tasks.close();
            let ended = tokio::time::timeout(PATIENCE, tasks.wait()).await;
            assert!(ended.is_ok(), "{} tasks outlive the upstream", tasks.len());
        }
        assert!(self.spawner.close(std::time::Duration::from_secs(1)).await.is_empty());
    }
}

fn inside(server: &str) -> Settings {
    let memory = Some(MemoryConfig { server: server.to_owned() });
    Settings { memory, ..Settings::default() }
}

pub(crate) async fn a_server_inside_the_process_is_called() {
    let bench = Bench::new().await;
    let upstream = bench.upstream(inside("echo"));
    let answer = call(&upstream, "echo", "{\"a\":1}").await;
    assert!(answer.contains("{\"a\":1}"), "{answer}");
    upstream.stop().await;
    bench.end().await;
}

pub(crate) async fn a_server_that_is_not_there_is_named() {
    let bench = Bench::new().await;
    let upstream = bench.upstream(inside("other"));
    let answer = call(&upstream, "echo", "{}").await;
    assert!(answer.contains("the server `other` inside this process"), "{answer}");
    upstream.stop().await;
    bench.end().await;
}

/// A server may be silent for as long as it likes and its connection be well: nothing but us ends it.
pub(crate) async fn an_opening_that_is_given_up_leaves_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let websocket = Some(WebSocketConfig { url, headers: BTreeMap::new() });
    let outside = Settings { websocket, ..Settings::default() };
    for settings in [inside("silent"), outside] {
        let bench = Bench::new().await;
        let upstream = bench.upstream(settings.clone());
        upstream.wake();
        if settings.websocket.is_some() {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
            bench.servers.spawn(async move {
                // Reading answers pings.
                while let Some(Ok(_)) = futures_util::StreamExt::next(&mut socket).await {}
            });
        } else {
            while bench.servers.is_empty() {
                tokio::task::yield_now().await;
            }
        }
        upstream.stop().await;
        bench.end().await;
    }
}
