//! The client of an example over one of the listeners.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_mcp::{Era, ProtocolVersion};
use switchboard_testkit::raw::Head;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::carrier::{Carrier, Talk};
use crate::house::{self, House};

#[derive(Clone, Copy)]
pub(crate) enum Listener {
    Http,
    Carrier(Carrier),
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http => f.write_str("Http"),
            Self::Carrier(carrier) => write!(f, "{carrier}"),
        }
    }
}

impl Listener {
    /// Those that carry a revision.
    pub(crate) fn of(version: ProtocolVersion) -> Vec<Self> {
        let carriers = match version.era() {
            Era::Legacy => &Carrier::ALL[..],
            Era::Modern => &Carrier::OF_BOTH_ERAS[..],
        };
        [Self::Http].into_iter().chain(carriers.iter().copied().map(Self::Carrier)).collect()
    }
}

pub(crate) struct Client<'h> {
    version: ProtocolVersion,
    wire: Wire<'h>,
    /// Messages of a batch that was read and not yet handed out.
    waiting: VecDeque<Value>,
    requests: u64,
}

enum Wire<'h> {
    Talk(Box<Talk>),
    Http(Http<'h>),
}

/// Only a failing test waits for it, and less than a [`Talk`] does, which cannot say in which line.
const PATIENCE: Duration = Duration::from_secs(24);

impl<'h> Client<'h> {
    /// A client that can be asked everything that its revision knows.
    pub(crate) async fn open(
        house: &'h House,
        listener: Listener,
        version: ProtocolVersion,
        opens_itself: bool,
    ) -> Self {
        let wire = match listener {
            Listener::Carrier(carrier) => Wire::Talk(Box::new(Talk::begin(house, carrier).await)),
            Listener::Http => Wire::Http(Http::new(house)),
        };
        let mut client = Self { version, wire, waiting: VecDeque::new(), requests: 0 };
        if version.era() == Era::Legacy && !opens_itself {
            client.initialize().await;
        }
        client
    }

    async fn initialize(&mut self) {
        let params = json!({
            "protocolVersion": self.version.as_str(),
            "capabilities": capabilities(self.version),
            "clientInfo": { "name": "example", "version": "1.0.0" },
        });
        let opening = json!({ "method": "initialize", "params": params });
        self.say(opening, &mut Vec::new()).await;
        let answer = self.hear().await.unwrap();
        assert_eq!(answer["result"]["protocolVersion"], self.version.as_str(), "{answer}");
        self.say(json!({ "method": "notifications/initialized" }), &mut Vec::new()).await;
        if let Wire::Http(http) = &mut self.wire {
            http.listen().await;
        }
    }

    pub(crate) fn last_request(&self) -> Value {
        self.requests.into()
    }

    /// Says a message, or a batch of them; an answer is to the last request in `open`.
    pub(crate) async fn say(&mut self, mut message: Value, open: &mut Vec<Value>) {
        let single = std::slice::from_mut(&mut message);
        let all = match single {
            [Value::Array(all)] => all.as_mut_slice(),
            single => single,
        };
        for message in all {
            complete(message, open, || {
                self.requests += 1;
                self.requests.into()
            });
            if self.version.era() == Era::Modern && message.get("id").is_some() {
                add_envelope(message);
            }
        }
        match &mut self.wire {
            Wire::Talk(talk) => talk.say(message.to_string()).await,
            Wire::Http(http) => http.say(&message).await,
        }
    }

    pub(crate) async fn hear(&mut self) -> Option<Value> {
        while self.waiting.is_empty() {
            let next = async {
                match &mut self.wire {
                    Wire::Talk(talk) => Some(talk.hear().await),
                    Wire::Http(http) => http.heard.recv().await,
                }
            };
            let text = tokio::time::timeout(PATIENCE, next).await.ok()??;
            match serde_json::from_str(&text).ok()? {
                Value::Array(batch) => self.waiting.extend(batch),
                message => self.waiting.push_back(message),
            }
        }
        self.waiting.pop_front()
    }

    pub(crate) async fn close(self) {
        if let Wire::Http(mut http) = self.wire {
            http.posts.shutdown().await;
        }
    }
}

/// Gives a message what every message has: an id of its own, or that of what it answers.
pub(crate) fn complete(message: &mut Value, open: &mut Vec<Value>, next: impl FnOnce() -> Value) {
    let members = message.as_object_mut().unwrap();
    members.insert("jsonrpc".into(), "2.0".into());
    match members.get("method").and_then(Value::as_str) {
        Some(method) if method.starts_with("notifications/") => {}
        Some(_) => {
            members.insert("id".into(), next());
        }
        None => {
            members.insert("id".into(), open.pop().expect("a request is open"));
        }
    }
}

fn capabilities(version: ProtocolVersion) -> Value {
    switchboard_testkit::client::capabilities(version)
}

fn add_envelope(message: &mut Value) {
    if message["params"].is_null() {
        message["params"] = json!({});
    }
    let envelope = [
        ("protocolVersion", json!(ProtocolVersion::MODERN.as_str())),
        ("clientInfo", json!({ "name": "example", "version": "1.0.0" })),
        ("clientCapabilities", capabilities(ProtocolVersion::MODERN)),
    ];
    for (name, value) in envelope {
        let name = format!("io.modelcontextprotocol/{name}");
        if message["params"]["_meta"].get(&name).is_none() {
            message["params"]["_meta"][&name] = value;
        }
    }
}

/// Streamable HTTP: a connection for each message, and one for what is said unasked.
struct Http<'h> {
    house: &'h House,
    session: String,
    heard: mpsc::Receiver<String>,
    to_heard: mpsc::Sender<String>,
    posts: JoinSet<()>,
    last: Option<AbortHandle>,
}

impl<'h> Http<'h> {
    fn new(house: &'h House) -> Self {
        let (to_heard, heard) = mpsc::channel(256);
        let session = String::new();
        Self { house, session, heard, to_heard, posts: JoinSet::new(), last: None }
    }

    async fn say(&mut self, message: &Value) {
        let is_modern = message["params"]["_meta"].get(VERSION).is_some();
        if message["method"] == "notifications/cancelled" && self.session.is_empty() {
            // Who leaves has cancelled (2026-07-28, basic/patterns/cancellation).
            self.last.take().expect("a request is open").abort();
            return;
        }
        let mut request = format!("POST s={}", self.session);
        if is_modern {
            let method = message["method"].as_str().unwrap();
            let params = &message["params"];
            let names = [&params["name"], &params["uri"], &params["taskId"]];
            let name = names.iter().find_map(|name| name.as_str()).unwrap_or_default();
            let region = params["arguments"]["region"].as_str().unwrap_or_default();
            let version = params["_meta"][VERSION].as_str().unwrap();
            request = format!("POST v={version} m={method} n={name} region={region}");
        }
        let mut connection = self.house.connect().await;
        let heard = self.to_heard.clone();
        let is_request = message.get("id").is_some() && message.get("method").is_some();
        connection.send(&request, message.to_string()).await;
        if message.is_array() || is_request && message["method"] != "initialize" {
            self.last = Some(self.posts.spawn(async move {
                let head = connection.wire.head().await.unwrap();
                read(connection, head, heard).await;
            }));
            return;
        }
        let head = connection.wire.head().await.unwrap();
        if let Some(session) = head.header("mcp-session-id") {
            session.clone_into(&mut self.session);
        }
        read(connection, head, heard).await;
    }

    /// What a session is told unasked.
    async fn listen(&mut self) {
        let mut connection = self.house.connect().await;
        let head = connection.open(&format!("GET s={}", self.session), "").await;
        assert_eq!(head.status, 200);
        self.posts.spawn(read(connection, head, self.to_heard.clone()));
    }
}

/// Hands on the messages of an answer.
async fn read(mut connection: house::Client, head: Head, heard: mpsc::Sender<String>) {
    if head.header("content-type") == Some("text/event-stream") {
        while let Some(event) = connection.event().await {
            let _ = heard.send(event).await;
        }
        return;
    }
    let body = connection.wire.body().await;
    if body.starts_with(['{', '[']) {
        let _ = heard.send(body).await;
    }
}

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
