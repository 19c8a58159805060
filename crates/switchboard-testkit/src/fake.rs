//! A server that does what a test tells it, over both transports.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use switchboard_mcp::ProtocolVersion;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;

use crate::behaviour::{Behaviour, Discover, Opening, Pages, Speaks};
use crate::journal::Journal;
use crate::{line, tools, web};

/// A server in the test. Its journal says what reached it: `start` for each process, `connect` for
/// each TCP connection, `initialize`, `discover`, `call TOOL`, `cancelled TOOL`, `response …`.
pub struct Fake {
    pub(crate) inner: Arc<Inner>,
    socket: PathBuf,
    address: SocketAddr,
    // Dropped with the fake: its servers end, and the directory goes.
    _serving: JoinSet<()>,
    _directory: tempfile::TempDir,
}

pub(crate) struct Inner {
    pub behaviour: Mutex<Behaviour>,
    pub journal: Journal,
    pub extra_tools: Mutex<Vec<String>>,
    /// Methods that a transcript answers, with the member that holds the answer.
    pub scripted: Mutex<HashMap<String, String>>,
    pub held: Held,
    /// Methods of notifications for whoever listens.
    pub announcements: broadcast::Sender<&'static str>,
    /// Sessions of the HTTP side; a test can forget them.
    pub sessions: Mutex<Vec<String>>,
    /// Ends all HTTP connections when it changes.
    pub hang_up: watch::Sender<u64>,
}

/// Calls of the tool `hold`: answered when the test says so, the last one first.
pub(crate) struct Held {
    tickets: AtomicU64,
    turn: watch::Sender<u64>,
}

impl Default for Held {
    fn default() -> Self {
        Self { tickets: AtomicU64::new(0), turn: watch::Sender::new(0) }
    }
}

impl Held {
    pub(crate) async fn hold(&self, journal: &Journal) {
        let ticket = self.tickets.fetch_add(1, Ordering::SeqCst) + 1;
        journal.note("held");
        let mut turn = self.turn.subscribe();
        let _ = turn.wait_for(|turn| *turn == ticket).await;
        self.turn.send_replace(ticket - 1);
    }

    pub(crate) fn release(&self) {
        self.turn.send_replace(self.tickets.load(Ordering::SeqCst));
    }
}

/// What a server does next.
#[derive(Debug)]
pub(crate) enum Say {
    /// A message, or something that should be one.
    Line(Vec<u8>),
    Stderr(Vec<u8>),
    CloseOutput,
    Exit(u8),
}

/// A message from the client, as much of it as a fake needs.
#[derive(Debug, Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(borrow)]
    pub id: Option<&'a RawValue>,
    pub method: Option<String>,
    #[serde(borrow)]
    pub params: Option<&'a RawValue>,
}

impl Fake {
    pub async fn start(version: ProtocolVersion) -> Self {
        Self::with(Behaviour::new(version)).await
    }

    pub async fn with(behaviour: Behaviour) -> Self {
        let inner = Arc::new(Inner {
            behaviour: Mutex::new(behaviour),
            journal: Journal::new(),
            extra_tools: Mutex::default(),
            scripted: Mutex::default(),
            held: Held::default(),
            announcements: broadcast::Sender::new(64),
            sessions: Mutex::default(),
            hang_up: watch::Sender::new(0),
        });
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("fake");
        let lines = UnixListener::bind(&socket).unwrap();
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = http.local_addr().unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(line::serve(Arc::clone(&inner), lines));
        serving.spawn(web::serve(Arc::clone(&inner), http));
        Self { inner, socket, address, _serving: serving, _directory: directory }
    }

    /// The program and the arguments that start it as a child process: the test itself.
    pub fn command(&self) -> (String, [String; 2]) {
        let program = std::env::current_exe().unwrap();
        let socket = self.socket.to_str().unwrap().to_owned();
        (program.to_str().unwrap().to_owned(), ["relay".to_owned(), socket])
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    pub fn behave(&self, change: impl FnOnce(&mut Behaviour)) {
        change(&mut self.inner.behaviour.lock().unwrap());
    }

    /// Answers `method` with `member`, such as `"result":{}`.
    pub fn script(&self, method: &str, member: &str) {
        self.inner.scripted.lock().unwrap().insert(method.to_owned(), member.to_owned());
    }

    /// Answers all calls of `hold` that have arrived, the last one first.
    pub fn release(&self) {
        self.inner.held.release();
    }

    /// Lists one more tool and says so.
    pub fn add_tool(&self, name: &str) {
        self.inner.add_tool(name);
    }

    /// The HTTP server forgets its sessions, as after a restart.
    pub fn forget_sessions(&self) {
        self.inner.sessions.lock().unwrap().clear();
    }

    /// Ends all HTTP connections.
    pub fn hang_up(&self) {
        self.inner.hang_up.send_modify(|count| *count += 1);
    }

    pub fn seen(&self) -> Vec<String> {
        self.inner.journal.entries()
    }

    pub fn count(&self, start: &str) -> usize {
        self.inner.journal.count(start)
    }

    /// Waits until `count` entries of the journal begin with `start`.
    pub async fn until(&self, start: &str, count: usize) {
        self.inner.journal.until(start, count).await;
    }
}

impl Inner {
    pub(crate) fn behaviour(&self) -> Behaviour {
        self.behaviour.lock().unwrap().clone()
    }

    pub(crate) fn add_tool(&self, name: &str) {
        self.extra_tools.lock().unwrap().push(name.to_owned());
        let _ = self.announcements.send("notifications/tools/list_changed");
    }

    /// Handles one message; what it leads to goes to `say`, the answer last.
    pub(crate) async fn handle(self: Arc<Self>, text: Bytes, say: mpsc::Sender<Say>) {
        let Ok(message) = serde_json::from_slice::<Message<'_>>(&text) else {
            return self.journal.note(format!("malformed {}", String::from_utf8_lossy(&text)));
        };
        let (Some(id), Some(method)) = (message.id, &message.method) else {
            let text = String::from_utf8_lossy(&text);
            let kind = if message.method.is_some() { "notification" } else { "response" };
            return self.journal.note(format!("{kind} {text}"));
        };
        let params = message.params.map_or("{}", RawValue::get);
        let scripted = self.scripted.lock().unwrap().get(method).cloned();
        if scripted.is_some() || !self.scripted.lock().unwrap().is_empty() {
            self.journal.note(format!("< {method} {params}"));
        }
        let answer = match (scripted, method.as_str()) {
            (Some(answer), "tools/call") => {
                for step in tools::progress(params) {
                    let _ = say.send(step).await;
                }
                Some(answer)
            }
            (Some(answer), _) => Some(answer),
            (None, "tools/call") => return tools::call(&self, id.get(), params, &say).await,
            (None, "subscriptions/listen") => return self.listen(id.get(), &say).await,
            (None, method) => self.answer(method, params, &say).await,
        };
        if let Some(answer) = answer {
            self.reply(&say, id.get(), &answer).await;
        }
    }

    pub(crate) async fn reply(&self, say: &mpsc::Sender<Say>, id: &str, answer: &str) {
        let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},{answer}}}");
        let _ = say.send(Say::Line(line.into_bytes())).await;
    }

    async fn answer(&self, method: &str, params: &str, say: &mpsc::Sender<Say>) -> Option<String> {
        let behaviour = self.behaviour();
        match (method, behaviour.speaks) {
            ("server/discover", Speaks::Modern) => {
                self.journal.note("discover");
                Some(format!(
                    "\"result\":{{\"resultType\":\"complete\",\
                     \"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{CAPABILITIES},\
                     \"ttlMs\":0,\"cacheScope\":\"public\",\"_meta\":\
                     {{\"io.modelcontextprotocol/serverInfo\":{INFO}}}}}"
                ))
            }
            ("server/discover", Speaks::Legacy(version)) => {
                self.journal.note("discover");
                match behaviour.discover {
                    Discover::Refused => Some(error(-32601, "no such method")),
                    Discover::Redirected => Some(format!(
                        "\"error\":{{\"code\":-32022,\"message\":\"other revision\",\"data\":\
                         {{\"supported\":[\"{version}\"],\"requested\":\"2026-07-28\"}}}}"
                    )),
                    Discover::Silent => None,
                    Discover::Fatal => {
                        let _ = say.send(Say::Exit(3)).await;
                        None
                    }
                }
            }
            ("initialize", Speaks::Legacy(version)) => {
                self.journal.note("initialize");
                if behaviour.opening == Opening::RefusesInitialize {
                    return Some(error(-32603, "not today"));
                }
                Some(format!(
                    "\"result\":{{\"protocolVersion\":\"{version}\",\
                     \"capabilities\":{CAPABILITIES},\"serverInfo\":{INFO}}}"
                ))
            }
            ("initialize", Speaks::Modern) => Some(error(-32600, "2026-07-28 only")),
            ("tools/list", _) => Some(self.tools(params, &behaviour)),
            ("prompts/list", _) => Some(listing("prompts", "{\"name\":\"greet\"}")),
            ("resources/list", _) => {
                Some(listing("resources", "{\"uri\":\"fake://one\",\"name\":\"one\"}"))
            }
            ("resources/templates/list", _) => {
                Some(listing("resourceTemplates", "{\"uriTemplate\":\"fake://{id}\"}"))
            }
            (other, _) => Some(error(-32601, &format!("no method {other}"))),
        }
    }

    fn tools(&self, params: &str, behaviour: &Behaviour) -> String {
        self.journal.note("tools/list");
        if behaviour.restless {
            let _ = self.announcements.send("notifications/tools/list_changed");
        }
        let named = |name: &str| format!("{{\"name\":\"{name}\",\"x-future\":1.10}}");
        let mut names = vec!["echo".to_owned()];
        names.extend(self.extra_tools.lock().unwrap().iter().cloned());
        let all = names.iter().map(|name| named(name)).collect::<Vec<_>>().join(",");
        match (behaviour.pages, params.contains("\"cursor\"")) {
            (Pages::One, _) => listing("tools", &all),
            (Pages::EmptyCursor, false) => page(&all, ""),
            (Pages::EmptyCursor, true) => listing("tools", &named("second")),
            (Pages::Endless, _) => page(&all, "more"),
            (Pages::Broken, false) => page(&all, "next"),
            (Pages::Broken, true) => error(-32603, "the second page is gone"),
        }
    }

    async fn listen(&self, id: &str, say: &mpsc::Sender<Say>) {
        let mut announcements = self.announcements.subscribe();
        self.journal.note("listen");
        let meta = format!("\"_meta\":{{\"io.modelcontextprotocol/subscriptionId\":{id}}}");
        let line = |method: &str, params: &str| {
            let text = format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":{{{params}{meta}}}}}"
            );
            Say::Line(text.into_bytes())
        };
        let acknowledged = "notifications/subscriptions/acknowledged";
        let honoured = "\"notifications\":{\"toolsListChanged\":true},";
        let _ = say.send(line(acknowledged, honoured)).await;
        while let Ok(method) = announcements.recv().await {
            if say.send(line(method, "")).await.is_err() {
                return;
            }
        }
    }
}

pub(crate) fn error(code: i64, message: &str) -> String {
    format!("\"error\":{{\"code\":{code},\"message\":\"{message}\"}}")
}

fn listing(member: &str, items: &str) -> String {
    format!("\"result\":{{\"{member}\":[{items}]}}")
}

fn page(items: &str, next: &str) -> String {
    format!("\"result\":{{\"tools\":[{items}],\"nextCursor\":\"{next}\"}}")
}

const INFO: &str = "{\"name\":\"fake\",\"version\":\"1\"}";
const CAPABILITIES: &str = "{\"tools\":{\"listChanged\":true},\
    \"prompts\":{\"listChanged\":true},\"resources\":{\"listChanged\":true},\"completions\":{}}";
