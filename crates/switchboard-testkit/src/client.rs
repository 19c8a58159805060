//! A client of any revision over any listener: what a cell of the matrix is tried with.
//!
//! It answers what a server asks back, by a request or by `input_required`, keeps what it hears,
//! and writes down every message for the report of a failure. Like [`Reference`](crate::Reference)
//! it shares no code with the product but the framing.

mod answers;
mod duplex;
mod http;
mod link;
mod poster;
mod trouble;

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value, json};
use switchboard_mcp::ProtocolVersion;
use tokio::time::{Instant, timeout_at};

pub use answers::capabilities;
use link::{Heard, Link};
pub use poster::{Poster, Reply};
pub use trouble::Trouble;

/// How a client reaches a server, or a gateway a server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Carrier {
    Http,
    Sse,
    WebSocket,
    Stdio,
    Unix,
}

impl Carrier {
    pub const ALL: [Self; 5] = [Self::Http, Self::Sse, Self::WebSocket, Self::Stdio, Self::Unix];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Sse => "sse",
            Self::WebSocket => "websocket",
            Self::Stdio => "stdio",
            Self::Unix => "unix",
        }
    }

    /// HTTP+SSE belongs to the revisions with sessions; 2026-07-28 has no such transport.
    pub fn carries(self, version: ProtocolVersion) -> bool {
        self != Self::Sse || version != ProtocolVersion::MODERN
    }
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where the client goes.
#[derive(Clone, Debug)]
pub enum Target {
    /// An `http:` or `ws:` address, and the key that it wants.
    Address {
        url: String,
        key: Option<String>,
    },
    /// A program with its arguments and its whole environment.
    Program {
        command: String,
        args: Vec<String>,
        env: Vec<(String, String)>,
    },
    Socket(std::path::PathBuf),
}

pub struct Client {
    pub version: ProtocolVersion,
    pub carrier: Carrier,
    /// Declared in `initialize` or in each request.
    pub capabilities: Value,
    /// More members for the `_meta` of the next requests.
    pub meta: Map<String, Value>,
    /// Notifications since [`forget`](Self::forget).
    pub heard: Vec<Value>,
    /// What the server asked back, method and parameters.
    pub asked: Vec<(String, Value)>,
    /// The text of the last answer.
    pub answer: String,
    /// Both directions, for the report of a failure.
    log: Vec<String>,
    link: Link,
    next: u64,
    /// Requests that were given up and may be answered all the same.
    strays: Vec<u64>,
    /// How long it waits for an answer; [`PATIENCE`] unless told.
    pub patience: Duration,
}

/// How long a client waits for anything; only a failing cell waits so long.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The rounds of one request, as SDKs limit them.
const ROUNDS: usize = 8;

/// Messages kept for a report, and how much of each.
const LOGGED: (usize, usize) = (40, 600);

impl Client {
    /// Connects and opens: `initialize` until 2025-11-25, nothing since.
    ///
    /// # Errors
    ///
    /// [`Trouble`], with what was said so far.
    pub async fn connect(
        version: ProtocolVersion,
        carrier: Carrier,
        target: &Target,
    ) -> Result<Self, Trouble> {
        Self::with(version, carrier, target, capabilities(version)).await
    }

    /// The same with other capabilities.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn with(
        version: ProtocolVersion,
        carrier: Carrier,
        target: &Target,
        capabilities: Value,
    ) -> Result<Self, Trouble> {
        let link = Link::open(carrier, target, version).await?;
        let mut client = Self {
            version,
            carrier,
            capabilities,
            meta: Map::new(),
            heard: Vec::new(),
            asked: Vec::new(),
            answer: String::new(),
            log: Vec::new(),
            link,
            next: 1,
            strays: Vec::new(),
            patience: PATIENCE,
        };
        if !client.is_modern() {
            client.initialize().await?;
        }
        Ok(client)
    }

    pub fn is_modern(&self) -> bool {
        self.version == ProtocolVersion::MODERN
    }

    async fn initialize(&mut self) -> Result<(), Trouble> {
        let params = json!({
            "protocolVersion": self.version.as_str(),
            "capabilities": self.capabilities,
            "clientInfo": { "name": "matrix", "version": "1" },
        });
        let answer = self.ask("initialize", params).await?;
        if answer["protocolVersion"] != self.version.as_str() {
            let got = &answer["protocolVersion"];
            return Err(Trouble::Wrong(format!("offered {}, got {got}", self.version)));
        }
        self.notify("notifications/initialized", json!({})).await;
        self.link.opened().await
    }

    /// Sends a request and waits for its result, through all rounds of questions.
    ///
    /// # Errors
    ///
    /// [`Trouble::Refused`] for an error of the server.
    pub async fn ask(&mut self, method: &str, params: Value) -> Result<Value, Trouble> {
        let mut params = params;
        for _ in 0..ROUNDS {
            let id = self.begin(method, &params).await;
            let result = self.finish(id).await?;
            if result["resultType"] != "input_required" {
                return Ok(result);
            }
            let mut responses = Map::new();
            let requests = result["inputRequests"].as_object().cloned().unwrap_or_default();
            for (key, request) in requests {
                let method = request["method"].as_str().unwrap_or_default();
                responses.insert(key, self.be_asked(method, &request["params"]));
            }
            params["inputResponses"] = Value::Object(responses);
            match &result["requestState"] {
                Value::Null => params.as_object_mut().map(|params| params.remove("requestState")),
                state => params
                    .as_object_mut()
                    .map(|params| params.insert("requestState".to_owned(), state.clone())),
            };
        }
        Err(Trouble::Wrong(format!("{ROUNDS} rounds, and no answer")))
    }

    /// Sends a request; its id is for [`finish`](Self::finish) or [`cancel`](Self::cancel).
    pub async fn begin(&mut self, method: &str, params: &Value) -> u64 {
        self.begin_raw(method, &params.to_string()).await
    }

    /// The same with parameters as they are to be written: an object without `_meta`, or any text
    /// to a client of a legacy revision that sets no `meta`.
    pub async fn begin_raw(&mut self, method: &str, params: &str) -> u64 {
        let id = self.next;
        self.next += 1;
        let mut meta = self.meta.clone();
        if self.is_modern() {
            let reserved = |name: &str| format!("io.modelcontextprotocol/{name}");
            meta.insert(reserved("protocolVersion"), json!(self.version.as_str()));
            meta.insert(reserved("clientCapabilities"), self.capabilities.clone());
            meta.insert(reserved("clientInfo"), json!({ "name": "matrix", "version": "1" }));
        }
        let mut params = params.to_owned();
        if let (false, Some(open)) = (meta.is_empty(), params.strip_suffix('}')) {
            let comma = if open.trim_end().ends_with('{') { "" } else { "," };
            params = format!("{open}{comma}\"_meta\":{}}}", Value::Object(meta));
        }
        let text = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":{method:?},\"params\":{params}}}"
        );
        self.send(text).await;
        id
    }

    /// Sends any text.
    pub async fn send(&mut self, text: String) {
        self.note(">", &text);
        self.link.send(text).await;
    }

    pub async fn notify(&mut self, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        self.send(message.to_string()).await;
    }

    /// Gives a request up as the revision and the transport want it.
    pub async fn cancel(&mut self, id: u64) {
        if self.is_modern() && self.carrier == Carrier::Http {
            return self.link.leave(id);
        }
        self.notify("notifications/cancelled", json!({ "requestId": id })).await;
    }

    /// Takes an answer to a request that was given up for nothing.
    pub fn expect_stray(&mut self, id: u64) {
        self.strays.push(id);
    }

    /// Waits for the answer of a request.
    ///
    /// # Errors
    ///
    /// [`Trouble::Refused`] for an error of the server.
    pub async fn finish(&mut self, id: u64) -> Result<Value, Trouble> {
        let deadline = Instant::now() + self.patience;
        loop {
            let Some(message) = self.next_message(deadline, Some(id)).await? else { continue };
            if message["id"] != json!(id) {
                return Err(Trouble::Wrong(format!("an answer to nothing: {message}")));
            }
            if message["error"].is_object() {
                return Err(Trouble::refused(&message["error"]));
            }
            return Ok(message["result"].clone());
        }
    }

    /// Waits for a notification that is as `wanted`, among those that were heard before too.
    ///
    /// # Errors
    ///
    /// [`Trouble::Silent`] where it does not come.
    pub async fn hear(
        &mut self,
        what: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value, Trouble> {
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(found) = self.heard.iter().find(|message| wanted(message)) {
                return Ok(found.clone());
            }
            let next = self.next_message(deadline, None).await;
            if let Some(stray) = next.map_err(|trouble| trouble.while_waiting(what))? {
                return Err(Trouble::Wrong(format!("an answer to nothing: {stray}")));
            }
        }
    }

    /// Forgets what it heard, was asked and wrote down.
    pub fn forget(&mut self) {
        self.heard.clear();
        self.asked.clear();
        self.log.clear();
        self.meta.clear();
        self.answer.clear();
    }

    /// What was said, for a report.
    pub fn log(&self) -> &[String] {
        &self.log
    }

    /// The next message that is an answer; anything else is dealt with, and is `None`.
    async fn next_message(
        &mut self,
        deadline: Instant,
        id: Option<u64>,
    ) -> Result<Option<Value>, Trouble> {
        let heard = timeout_at(deadline, self.link.hear()).await;
        let heard = heard.map_err(|_| Trouble::Silent("nothing came".to_owned()))?;
        let text = match heard {
            Some(Heard::Message(text)) => text,
            Some(Heard::Ended { request, status }) => {
                self.note("<", &format!("(the answer to {request} ended, status {status})"));
                if id == Some(request) {
                    return Err(Trouble::Ended(format!("no answer, status {status}")));
                }
                return Ok(None);
            }
            Some(Heard::Closed) | None => {
                return Err(Trouble::Ended("the connection ended".to_owned()));
            }
        };
        self.note("<", &text);
        let message: Value = serde_json::from_str(&text)
            .map_err(|error| Trouble::Wrong(format!("no JSON ({error}): {text}")))?;
        match (&message["id"], message["method"].as_str()) {
            (Value::Null, Some(_)) => self.heard.push(message),
            (request, Some(method)) => {
                let answer = match method {
                    "ping" => json!({}),
                    _ => self.be_asked(method, &message["params"]),
                };
                let reply = json!({ "jsonrpc": "2.0", "id": request, "result": answer });
                self.send(reply.to_string()).await;
            }
            (id, None) if self.strays.iter().any(|stray| *id == json!(stray)) => {}
            (_, None) => {
                self.answer = text;
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    fn be_asked(&mut self, method: &str, params: &Value) -> Value {
        self.asked.push((method.to_owned(), params.clone()));
        answers::answer(method, params)
    }

    fn note(&mut self, direction: &str, text: &str) {
        if self.log.len() == LOGGED.0 {
            self.log.remove(0);
        }
        let short: String = text.chars().take(LOGGED.1).collect();
        let cut = if short.len() < text.len() { " …" } else { "" };
        self.log.push(format!("{direction} {short}{cut}"));
    }
}
