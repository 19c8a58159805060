//! Clients that choose their ids so that they are those of others, and count what they are told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_mcp::ProtocolVersion;
use tokio::io::{AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::book::Book;
use super::dice::Dice;
use super::token::Token;
use super::wire::{Incoming, message, notification};

/// One conversation of a client.
pub struct Client {
    pub(super) shared: Arc<Shared>,
}

/// What a client is like.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Tells it from all others.
    pub number: u64,
    /// Clients of one principal may be taken for each other where a server gives no clue.
    pub principal: u64,
    pub version: ProtocolVersion,
    /// Whether it takes questions.
    pub is_asked: bool,
    /// How its ids are written.
    pub ids: u64,
}

pub(super) struct Shared {
    pub(super) book: Arc<Book>,
    pub(super) manner: Manner,
    pub(super) dice: Mutex<Dice>,
    out: mpsc::Sender<Out>,
    state: Mutex<State>,
    /// Cancelled to leave without a word.
    gone: watch::Sender<bool>,
}

#[derive(Default)]
pub(super) struct State {
    /// Requests that are not answered, by the text of the id; one id may be used twice.
    pub(super) open: BTreeMap<String, Vec<Open>>,
    /// How often it sent what is no message.
    pub(super) nonsense: u64,
    /// Resources that it ever wanted to hear of.
    pub(super) watched: BTreeSet<String>,
    /// Requests that were sent.
    number: u64,
    /// Calls that were answered with a result.
    pub(super) served: u64,
    is_over: bool,
    /// Reads nothing until then.
    pause: Option<Instant>,
}

/// A request that is not answered.
#[derive(Clone)]
pub(super) struct Open {
    pub(super) method: String,
    pub(super) params: Value,
    pub(super) token: Option<Token>,
    /// The mark of another request under the same id, where nobody can tell which of the two this is.
    pub(super) also: Option<Token>,
    pub(super) is_cancelled: bool,
}

enum Out {
    Line(Vec<u8>),
    /// Says that nothing more comes.
    Close,
}

/// Lines that wait to be written; of a gateway that does not read, a client asks nothing more.
const LINES: usize = 64;

impl Client {
    /// Begins a conversation over `stream`.
    pub fn connect(book: &Arc<Book>, manner: Manner, stream: DuplexStream, dice: Dice) -> Self {
        let (out, lines) = mpsc::channel(LINES);
        let shared = Arc::new(Shared {
            book: Arc::clone(book),
            manner,
            dice: Mutex::new(dice),
            out,
            state: Mutex::default(),
            gone: watch::Sender::new(false),
        });
        book.note(|| format!("{manner:?} connects"));
        book.tasks.spawn(hold(Arc::clone(&shared), lines, stream));
        let client = Self { shared };
        if !manner.is_modern() {
            client.initialize();
        }
        client
    }

    fn initialize(&self) {
        let params = json!({
            "protocolVersion": self.shared.manner.version.as_str(),
            "capabilities": self.shared.manner.capabilities(),
            "clientInfo": { "name": "simulated", "version": "1" },
        });
        self.shared.ask("initialize", params, None);
        self.shared.tell("notifications/initialized", &json!({}));
    }

    pub fn is_over(&self) -> bool {
        self.shared.state().is_over
    }

    /// Calls that were answered with a result.
    pub fn served(&self) -> u64 {
        self.shared.state().served
    }

    pub fn call(&self, tool: &str) {
        let token = self.shared.token();
        let params = json!({ "name": tool, "arguments": { "token": token.to_string() } });
        self.shared.ask("tools/call", params, Some(token));
    }

    pub fn read(&self, upstream: &str) {
        let token = self.shared.token();
        let params = json!({ "uri": format!("sim://{upstream}/item/{token}") });
        self.shared.ask("resources/read", params, Some(token));
    }

    pub fn list(&self, method: &str) {
        self.shared.ask(method, json!({}), None);
    }

    /// Wants to hear of a resource, or not any more.
    pub fn watch(&self, upstream: &str, is_wanted: bool) {
        let uri = format!("sim://{upstream}/a");
        self.shared.state().watched.insert(uri.clone());
        if !self.shared.manner.is_modern() {
            let method = if is_wanted { "resources/subscribe" } else { "resources/unsubscribe" };
            return self.shared.ask(method, json!({ "uri": uri }), None);
        }
        let wanted = json!({ "toolsListChanged": true, "resourceSubscriptions": [uri] });
        self.shared.ask("subscriptions/listen", json!({ "notifications": wanted }), None);
    }

    /// Gives up one of the requests under way.
    pub fn cancel(&self) {
        let mut state = self.shared.state();
        let open = state.open.iter_mut().filter(|(_, open)| open.len() == 1);
        let mut open: Vec<_> = open
            .filter(|(_, open)| !open[0].is_cancelled && open[0].method != "initialize")
            .map(|(id, open)| (id.clone(), &mut open[0]))
            .collect();
        let which = self.shared.dice.lock().unwrap().below(open.len() as u64);
        let Some((id, open)) = open.get_mut(usize::try_from(which).unwrap()) else { return };
        open.is_cancelled = true;
        if let Some(token) = open.token {
            self.shared.book.give_up(token);
        }
        let line = message(&format!(
            "\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{id}}}"
        ));
        drop(state);
        self.shared.send(line.into_bytes());
    }

    /// Uses the id of a request under way for another.
    pub fn repeat(&self, tool: &str) {
        let state = self.shared.state();
        let known = state.open.iter().find(|(_, open)| {
            let is_plain = open.len() == 1 && open[0].also.is_none();
            is_plain && !open[0].is_cancelled && open[0].method == "tools/call"
        });
        let Some(id) = known.map(|(id, _)| id.clone()) else { return };
        drop(state);
        let token = self.shared.token();
        let params = json!({ "name": tool, "arguments": { "token": token.to_string() } });
        self.shared.ask_as(&id, "tools/call", params, Some(token));
    }

    /// Says something that is no message.
    pub fn mumble(&self) {
        let nonsense: &[&[u8]] = &[b"{", b"nonsense", b"\xff\xfe", b"{\"jsonrpc\":\"2.0\"}", b"[]"];
        let line = self.shared.dice.lock().unwrap().pick(nonsense);
        if self.shared.send(line.to_vec()) {
            self.shared.state().nonsense += 1;
        }
    }

    /// Reads nothing for a while.
    pub fn pause(&self, time: Duration) {
        self.shared.state().pause = Some(Instant::now() + time);
    }

    /// Says that nothing more comes, and goes on reading.
    pub fn close(&self) {
        self.shared.book.note(|| format!("c{} closes its side", self.shared.manner.number));
        let mut state = self.shared.state();
        // Answers that take long are not waited for.
        state.is_over = true;
        state.give_up(&self.shared.book);
        drop(state);
        let _ = self.shared.out.try_send(Out::Close);
    }

    /// Leaves without a word.
    pub fn leave(&self) {
        self.shared.book.note(|| format!("c{} leaves", self.shared.manner.number));
        let mut state = self.shared.state();
        state.is_over = true;
        state.give_up(&self.shared.book);
        drop(state);
        self.shared.gone.send_replace(true);
    }

    /// What it still waits for.
    pub fn unanswered(&self) -> Vec<String> {
        let state = self.shared.state();
        if state.is_over {
            return Vec::new();
        }
        let wanted = |open: &&Open| !open.is_cancelled && open.method != "subscriptions/listen";
        let open = state.open.iter();
        open.flat_map(|(id, open)| open.iter().filter(wanted).map(move |open| (id, open)))
            .map(|(id, open)| format!("c{} {id} {}", self.shared.manner.number, open.method))
            .collect()
    }
}

impl Manner {
    pub(super) fn is_modern(&self) -> bool {
        self.version == ProtocolVersion::MODERN
    }

    fn capabilities(&self) -> Value {
        match self.is_asked {
            true => json!({ "sampling": {}, "elicitation": {} }),
            false => json!({}),
        }
    }

    fn id(&self, number: u64) -> String {
        match (self.ids, number % 2) {
            (0, _) | (2, 0) => number.to_string(),
            (1, _) | (2, _) => format!("\"{number}\""),
            _ => format!("-{number}"),
        }
    }

    /// Its own mark in what it answers.
    pub(super) fn mark(&self) -> Token {
        Token { client: self.number, principal: self.principal, number: 0 }
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn token(&self) -> Token {
        Token { number: self.state().number + 1, ..self.manner.mark() }
    }

    /// Sends a request under an id of its own.
    pub(super) fn ask(&self, method: &str, params: Value, token: Option<Token>) {
        let id = self.manner.id(self.state().number + 1);
        self.ask_as(&id, method, params, token);
    }

    fn ask_as(&self, id: &str, method: &str, params: Value, token: Option<Token>) {
        let mut sent = params.clone();
        if method == "tools/call" || method == "resources/read" {
            // The same as those of other clients.
            sent["_meta"]["progressToken"] = serde_json::from_str(id).unwrap();
        }
        if self.manner.is_modern() {
            let reserved = |name: &str| format!("io.modelcontextprotocol/{name}");
            sent["_meta"][reserved("protocolVersion")] = json!(self.manner.version.as_str());
            sent["_meta"][reserved("clientCapabilities")] = self.manner.capabilities();
        }
        let line = message(&format!("\"id\":{id},\"method\":\"{method}\",\"params\":{sent}"));
        let open =
            Open { method: method.to_owned(), params, token, also: None, is_cancelled: false };
        let mut state = self.state();
        state.number += 1;
        if state.is_over {
            return;
        }
        state.open.entry(id.to_owned()).or_default().push(open);
        drop(state);
        if !self.send(line.into_bytes()) {
            let mut state = self.state();
            state.open.get_mut(id).and_then(Vec::pop);
            state.open.retain(|_, open| !open.is_empty());
        }
    }

    fn tell(&self, method: &str, params: &Value) {
        self.send(notification(method, params).into_bytes());
    }

    /// Sends a line; false where the gateway does not read.
    pub(super) fn send(&self, line: Vec<u8>) -> bool {
        self.book.note(|| format!("c{} > {}", self.manner.number, String::from_utf8_lossy(&line)));
        let sent = self.out.try_send(Out::Line(line)).is_ok();
        if !sent {
            self.book.note(|| format!("c{} cannot send", self.manner.number));
        }
        sent
    }
}

impl Open {
    /// Whether an answer in which these marks stand can be its.
    pub(super) fn is_answered_by(&self, marks: &[&Token]) -> bool {
        self.token.is_none()
            || marks.iter().all(|mark| [self.token, self.also].contains(&Some(**mark)))
    }
}

impl State {
    fn give_up(&self, book: &Book) {
        for token in self.open.values().flatten().filter_map(|open| open.token) {
            book.give_up(token);
        }
    }
}

/// Holds the conversation until either side ends it.
async fn hold(shared: Arc<Shared>, lines: mpsc::Receiver<Out>, stream: DuplexStream) {
    let (reader, writer) = tokio::io::split(stream);
    let mut gone = shared.gone.subscribe();
    let reading = async {
        let mut incoming = Incoming::new(reader);
        loop {
            let pause = shared.state().pause.filter(|_| !shared.book.is_calm());
            if let Some(until) = pause {
                let _ = tokio::time::timeout_at(until, shared.book.calmed()).await;
            }
            let Some(line) = incoming.next().await else { return };
            shared.hear(&line);
        }
    };
    let writing = async {
        write(lines, writer).await;
        // The end is for the reader to find.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = reading => {}
        () = writing => {}
        _ = gone.wait_for(|gone| *gone) => {}
    }
    let mut state = shared.state();
    state.is_over = true;
    state.give_up(&shared.book);
    drop(state);
    shared.book.note(|| format!("c{} is over", shared.manner.number));
}

async fn write(mut lines: mpsc::Receiver<Out>, mut writer: impl AsyncWrite + Unpin) {
    while let Some(Out::Line(mut line)) = lines.recv().await {
        line.push(b'\n');
        if writer.write_all(&line).await.is_err() {
            return;
        }
    }
    let _ = writer.shutdown().await;
}
