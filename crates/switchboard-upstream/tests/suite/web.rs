//! A server over HTTP that answers exactly what a test makes it answer.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use switchboard_oauth::OauthSettings;
use switchboard_process::{Options, Spawner};
use switchboard_upstream::{HttpConfig, Settings, Upstream};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::common::{News, PATIENCE, environment};

/// The server, and an upstream in front of it.
pub(crate) struct Web {
    pub upstream: Arc<Upstream>,
    pub news: Arc<News>,
    seen: Arc<Mutex<Vec<Seen>>>,
    arrived: watch::Sender<()>,
    spawner: Spawner,
    _directory: tempfile::TempDir,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub verb: String,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Value,
}

/// What it gets.
pub(crate) enum Reply {
    /// The result of the request.
    Result(Value),
    /// The same, with a session.
    Opened(String, Value),
    Error(u16, Value),
    /// A stream of events that ends, as it is written.
    Events(String),
    /// A stream of events that stays open.
    Stream(Vec<Value>),
    Status(u16),
    /// Something that is no message.
    Plain(Value),
}

impl Seen {
    pub(crate) fn method(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

impl Web {
    /// `answer` says what a request gets.
    pub(crate) async fn new(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::with(OauthSettings::default(), answer).await
    }

    pub(crate) async fn with(
        oauth: OauthSettings,
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let change = |settings: &mut Settings| settings.http.as_mut().unwrap().oauth = oauth;
        Self::changed(change, answer).await
    }

    /// With other settings.
    pub(crate) async fn changed(
        change: impl FnOnce(&mut Settings),
        answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let tasks = TaskTracker::new();
        let arrived = watch::Sender::new(());
        let noting = (Arc::clone(&seen), arrived.clone());
        tasks.clone().spawn(serve(listener, Arc::new(answer), noting, tasks));
        let directory = tempfile::tempdir().unwrap();
        let options = Options { state_dir: directory.path().join("state"), guard: None };
        let (spawner, _) = Spawner::start(options).await.unwrap();
        let news = Arc::new(News::default());
        let environment = environment(&spawner, directory.path(), Arc::clone(&news));
        let oauth = OauthSettings::default();
        let http = Some(HttpConfig { url, headers: BTreeMap::new(), oauth });
        let mut settings = Settings { http, ..Settings::default() };
        change(&mut settings);
        let upstream = Upstream::new("web", settings, environment).unwrap();
        Self { upstream, news, seen, arrived, spawner, _directory: directory }
    }

    /// The requests with this method, or of this verb where it is not a POST.
    pub(crate) fn seen(&self, method: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.method() == method || seen.verb == method).cloned().collect()
    }

    pub(crate) async fn until_seen(&self, method: &str, count: usize) {
        let mut arrived = self.arrived.subscribe();
        let seen = arrived.wait_for(|_| self.seen(method).len() >= count);
        let seen = tokio::time::timeout(PATIENCE, seen).await.is_ok();
        assert!(seen, "only {:?} of {method}", self.seen(method));
    }

    pub(crate) async fn end(self) {
        tokio::time::timeout(PATIENCE, self.upstream.stop()).await.unwrap();
        assert!(self.spawner.close(Duration::from_secs(1)).await.is_empty());
    }
}

type Answer = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

async fn serve(
    listener: TcpListener,
    answer: Answer,
    (seen, arrived): (Arc<Mutex<Vec<Seen>>>, watch::Sender<()>),
    tasks: TaskTracker,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (answer, seen, arrived) = (Arc::clone(&answer), Arc::clone(&seen), arrived.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (answer, seen, arrived) = (Arc::clone(&answer), Arc::clone(&seen), arrived.clone());
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let body = serde_json::from_slice(&body).unwrap_or_default();
                let request = Seen {
                    verb: head.method.to_string(),
                    path: head.uri.path().to_owned(),
                    headers: head.headers,
                    body,
                };
                seen.lock().unwrap().push(request.clone());
                arrived.send_replace(());
                Ok::<_, Infallible>(response(&request, answer(&request)))
            }
        });
        tasks.spawn(async move {
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

type Body = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

fn response(request: &Seen, reply: Reply) -> Response<Body> {
    let id = &request.body["id"];
    let (status, kind, text) = match &reply {
        Reply::Result(result) | Reply::Opened(_, result) => {
            let text = json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string();
            (200, "application/json", text)
        }
        Reply::Error(status, error) => {
            let text = json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string();
            (*status, "application/json", text)
        }
        Reply::Events(text) => (200, "text/event-stream", text.clone()),
        Reply::Stream(_) => (200, "text/event-stream", String::new()),
        Reply::Status(status) => (*status, "text/plain", String::new()),
        Reply::Plain(value) => (200, "application/json", value.to_string()),
    };
    let session = match &reply {
        Reply::Opened(session, _) => Some(session.parse().unwrap()),
        _ => None,
    };
    let body = match reply {
        Reply::Stream(messages) => {
            let events = messages.iter().map(|message| format!("data: {message}\n\n"));
            let first = Ok(Frame::data(events.collect::<String>().into()));
            StreamBody::new(stream::iter([first]).chain(stream::pending())).boxed_unsync()
        }
        _ => Full::from(text).boxed_unsync(),
    };
    let mut response = Response::new(body);
    *response.status_mut() = status.try_into().unwrap();
    response.headers_mut().insert("content-type", kind.parse().unwrap());
    if let Some(session) = session {
        response.headers_mut().insert("mcp-session-id", session);
    }
    response
}

/// What a server of 2026-07-28 with these tools answers to the questions that every upstream asks.
pub(crate) fn modern(seen: &Seen, tools: &Value) -> Option<Reply> {
    Some(Reply::Result(match seen.method() {
        "server/discover" => json!({
            "resultType": "complete",
            "supportedVersions": ["2026-07-28"],
            "capabilities": { "tools": {}, "resources": { "subscribe": true } },
            "ttlMs": 0,
            "cacheScope": "public",
        }),
        "tools/list" => json!({ "tools": tools }),
        "resources/list" => json!({ "resources": [] }),
        "resources/templates/list" => json!({ "resourceTemplates": [] }),
        _ => return None,
    }))
}

/// What a server of 2025-11-25 answers to the questions that every upstream asks.
pub(crate) fn legacy(seen: &Seen) -> Option<Reply> {
    Some(match seen.method() {
        "server/discover" => Reply::Status(400),
        "initialize" => Reply::Result(json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "web", "version": "1" },
        })),
        "notifications/initialized" => Reply::Status(202),
        "tools/list" => Reply::Result(json!({ "tools": [{ "name": "x" }] })),
        _ => return None,
    })
}
