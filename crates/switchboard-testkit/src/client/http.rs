//! Streamable HTTP of both eras, and HTTP+SSE.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use switchboard_mcp::{Event, ProtocolVersion, SseDecoder, encode_header};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use super::link::Heard;
use super::trouble::Trouble;

type Hyper = Client<HttpConnector, Full<Bytes>>;

fn hyper() -> Hyper {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new()).build(connector)
}

pub(super) struct Http {
    hyper: Hyper,
    url: String,
    key: Option<String>,
    version: ProtocolVersion,
    session: Arc<Mutex<Option<String>>>,
    heard: mpsc::Sender<Heard>,
    open: HashMap<u64, AbortHandle>,
    tasks: JoinSet<()>,
}

impl Http {
    pub(super) fn new(
        url: &str,
        key: Option<&str>,
        version: ProtocolVersion,
        heard: mpsc::Sender<Heard>,
    ) -> Self {
        Self {
            hyper: hyper(),
            url: url.to_owned(),
            key: key.map(str::to_owned),
            version,
            session: Arc::default(),
            heard,
            open: HashMap::new(),
            tasks: JoinSet::new(),
        }
    }

    pub(super) fn post(&mut self, text: String) {
        let message: Value = serde_json::from_str(&text).unwrap_or_default();
        let request = message["id"].as_u64().filter(|_| !message["method"].is_null());
        let heard = self.heard.clone();
        let exchange = self.exchange(text, heard.clone());
        while self.tasks.try_join_next().is_some() {}
        let task = self.tasks.spawn(async move {
            let status = exchange.await;
            if let Some(request) = request {
                let _ = heard.send(Heard::Ended { request, status }).await;
            }
        });
        if let Some(request) = request {
            self.open.insert(request, task);
        }
    }

    /// Sends one body and hands on what is in the response; gives its status.
    pub(super) fn exchange(
        &self,
        text: String,
        heard: mpsc::Sender<Heard>,
    ) -> impl Future<Output = u16> + Send + use<> {
        let message: Value = serde_json::from_str(&text).unwrap_or_default();
        let mut builder = self.request("POST").header("content-type", "application/json");
        if self.version == ProtocolVersion::MODERN {
            for (name, value) in mirrored(&message) {
                builder = builder.header(name, &*encode_header(value));
            }
        }
        let sent = builder.body(Full::new(Bytes::from(text))).unwrap();
        let (hyper, session) = (self.hyper.clone(), Arc::clone(&self.session));
        async move {
            let Ok(response) = hyper.request(sent).await else { return 0 };
            let status = response.status().as_u16();
            let given = response.headers().get("mcp-session-id");
            if let Some(id) = given.and_then(|id| id.to_str().ok()) {
                *session.lock().unwrap() = Some(id.to_owned());
            }
            read(response, &heard).await;
            status
        }
    }

    /// Opens the stream for what belongs to no request, and waits until it is there.
    pub(super) async fn stream(&mut self) -> Result<(), Trouble> {
        let request = self.request("GET").body(Full::default()).unwrap();
        let response = self.hyper.request(request).await;
        let response = response.map_err(|error| Trouble::Ended(format!("GET: {error}")))?;
        if response.status() != 200 {
            return Err(Trouble::Wrong(format!("GET: status {}", response.status())));
        }
        let heard = self.heard.clone();
        self.tasks.spawn(async move { read(response, &heard).await });
        Ok(())
    }

    pub(super) fn leave(&mut self, id: u64) {
        if let Some(task) = self.open.remove(&id) {
            task.abort();
        }
    }

    fn request(&self, method: &str) -> http::request::Builder {
        let accept = if method == "GET" {
            "text/event-stream"
        } else {
            "application/json, text/event-stream"
        };
        let mut builder = builder(method, &self.url, self.key.as_deref()).header("accept", accept);
        let session = self.session.lock().unwrap().clone();
        if let Some(session) = &session {
            builder = builder.header("mcp-session-id", session);
        }
        let says_version = self.version == ProtocolVersion::MODERN
            || (session.is_some() && self.version >= ProtocolVersion::V2025_06_18);
        if says_version {
            builder = builder.header("mcp-protocol-version", self.version.as_str());
        }
        builder
    }
}

/// The headers of 2026-07-28 that repeat the body.
fn mirrored(message: &Value) -> Vec<(&'static str, &str)> {
    let method = message["method"].as_str().unwrap_or_default();
    let params = &message["params"];
    let name = match method {
        "tools/call" | "prompts/get" => &params["name"],
        "resources/read" => &params["uri"],
        "tasks/get" | "tasks/update" | "tasks/cancel" => &params["taskId"],
        _ => &Value::Null,
    };
    let name = name.as_str().map(|name| ("mcp-name", name));
    let method = message["method"].as_str().map(|_| ("mcp-method", method));
    method.into_iter().chain(name).collect()
}

fn builder(method: &str, url: &str, key: Option<&str>) -> http::request::Builder {
    let mut builder = Request::builder().method(method).uri(url);
    if let Some(key) = key {
        builder = builder.header("authorization", format!("Bearer {key}"));
    }
    builder
}

/// Hands on the messages of a response: the one that it is, or those of a stream.
async fn read(response: Response<Incoming>, heard: &mpsc::Sender<Heard>) {
    let kind = response.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    if kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
        return events(response.into_body(), heard, None).await;
    }
    let is_json = kind.is_some_and(|kind| kind.starts_with("application/json"));
    let Ok(body) = response.into_body().collect().await else { return };
    let text = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    if is_json && !text.is_empty() {
        let _ = heard.send(Heard::Message(text)).await;
    }
}

/// `endpoint` takes the first event of that name (HTTP+SSE).
async fn events(
    mut body: Incoming,
    heard: &mpsc::Sender<Heard>,
    mut endpoint: Option<oneshot::Sender<String>>,
) {
    let mut decoder = SseDecoder::new(1 << 26);
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { continue };
        decoder.feed(&data);
        while let Ok(Some(Event { name, data, .. })) = decoder.next_event() {
            let text = String::from_utf8_lossy(&data).into_owned();
            if name.as_deref() == Some("endpoint") {
                endpoint.take().map(|endpoint| endpoint.send(text));
            } else if !text.is_empty() && heard.send(Heard::Message(text)).await.is_err() {
                return;
            }
        }
    }
}

pub(super) struct Sse {
    hyper: Hyper,
    endpoint: String,
    key: Option<String>,
    heard: mpsc::Sender<Heard>,
    _tasks: JoinSet<()>,
}

impl Sse {
    pub(super) async fn open(
        url: &str,
        key: Option<&str>,
        heard: mpsc::Sender<Heard>,
    ) -> Result<Self, Trouble> {
        let hyper = hyper();
        let request = builder("GET", url, key).header("accept", "text/event-stream");
        let response = hyper.request(request.body(Full::default()).unwrap()).await;
        let response = response.map_err(|error| Trouble::Ended(format!("GET: {error}")))?;
        if response.status() != 200 {
            return Err(Trouble::Wrong(format!("GET: status {}", response.status())));
        }
        let (told, endpoint) = oneshot::channel();
        let mut tasks = JoinSet::new();
        let to = heard.clone();
        tasks.spawn(async move {
            events(response.into_body(), &to, Some(told)).await;
            let _ = to.send(Heard::Closed).await;
        });
        let endpoint = endpoint.await;
        let endpoint = endpoint.map_err(|_| Trouble::Ended("no `endpoint` came".to_owned()))?;
        let origin_end = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
        let endpoint = match endpoint.starts_with('/') {
            true => format!("{}{endpoint}", &url[..origin_end]),
            false => endpoint,
        };
        Ok(Self { hyper, endpoint, key: key.map(str::to_owned), heard, _tasks: tasks })
    }

    /// The answer comes over the stream, unless the message was refused.
    pub(super) async fn post(&mut self, text: String) {
        let message: Value = serde_json::from_str(&text).unwrap_or_default();
        let request = builder("POST", &self.endpoint, self.key.as_deref());
        let request = request.header("content-type", "application/json");
        let sent = self.hyper.request(request.body(Full::new(Bytes::from(text))).unwrap()).await;
        let status = sent.as_ref().map_or(0, |response| response.status().as_u16());
        if let Ok(response) = sent {
            let _ = response.into_body().collect().await;
        }
        if let (Some(request), false) = (message["id"].as_u64(), (200..300).contains(&status)) {
            let _ = self.heard.send(Heard::Ended { request, status }).await;
        }
    }
}
