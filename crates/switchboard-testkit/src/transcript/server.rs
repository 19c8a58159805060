//! The server of an [`Exchange`](super::Exchange): a child on standard streams whose every message
//! is written by the test, but for its opening and its lists.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_mcp::ProtocolVersion;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixListener;
use tokio::net::unix::OwnedReadHalf;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::{Names, directory};
use crate::relay;

pub struct Server {
    socket: PathBuf,
    inbox: mpsc::Receiver<Value>,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
    _directory: tempfile::TempDir,
}

struct Shared {
    version: ProtocolVersion,
    /// What the server offers: its opening and its lists in pages.
    offer: Value,
    out: mpsc::Sender<Vec<u8>>,
    inbox: mpsc::Sender<Value>,
    seen: watch::Sender<Vec<Value>>,
    /// The ids of all streams, the last one last.
    subscriptions: Mutex<Vec<Value>>,
    edition: Mutex<u64>,
}

/// Only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(30);

/// Messages of one conversation that wait, more than any has.
const QUEUE: usize = 256;

impl Server {
    pub fn start(version: ProtocolVersion) -> Self {
        let text = std::fs::read_to_string(directory().join("specification/offer.json")).unwrap();
        let (out, outgoing) = mpsc::channel(QUEUE);
        let (to_inbox, inbox) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared {
            version,
            offer: serde_json::from_str(&text).unwrap(),
            out,
            inbox: to_inbox,
            seen: watch::Sender::default(),
            subscriptions: Mutex::default(),
            edition: Mutex::default(),
        });
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("server");
        let listener = UnixListener::bind(&socket).unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&shared), outgoing));
        Self { socket, inbox, shared, _serving: serving, _directory: directory }
    }

    /// The program and the arguments that start it as a child process: the test itself.
    pub fn command(&self) -> (String, [String; 2]) {
        let program = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
        (program, ["relay".to_owned(), self.socket.to_str().unwrap().to_owned()])
    }

    /// Forgets what it heard before a conversation.
    pub fn begin(&mut self) {
        while self.inbox.try_recv().is_ok() {}
    }

    /// Says a message. A list that is said to have changed has a new item from then on.
    pub fn say(&self, mut message: Value) {
        if message["method"].as_str().is_some_and(|method| method.ends_with("/list_changed")) {
            *self.shared.edition.lock().unwrap() += 1;
        }
        let is_modern = self.shared.version == ProtocolVersion::MODERN;
        if let (true, Some(result)) = (is_modern, message.get_mut("result"))
            && result.get("resultType").is_none()
        {
            result["resultType"] = "complete".into();
        }
        self.shared.say(&message);
    }

    /// The next message that is not part of its opening or of reading its lists.
    pub async fn hear(&mut self) -> Option<Value> {
        tokio::time::timeout(PATIENCE, self.inbox.recv()).await.ok().flatten()
    }

    /// Waits until a message has come that fits.
    ///
    /// # Errors
    ///
    /// The last one of the same method.
    pub async fn saw(&self, expected: &Value, names: &mut Names) -> Result<(), Option<Value>> {
        let mut seen = self.shared.seen.subscribe();
        let fits = seen.wait_for(|all| all.iter().any(|message| names.fits(expected, message)));
        match tokio::time::timeout(PATIENCE, fits).await {
            Ok(_) => Ok(()),
            Err(_) => {
                let seen = self.shared.seen.borrow();
                Err(seen.iter().rfind(|seen| seen["method"] == expected["method"]).cloned())
            }
        }
    }

    pub fn subscription(&self) -> Value {
        self.shared.subscriptions.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

async fn serve(listener: UnixListener, shared: Arc<Shared>, mut outgoing: mpsc::Receiver<Vec<u8>>) {
    let (stream, _) = listener.accept().await.unwrap();
    let (reader, mut writer) = stream.into_split();
    let read = receive(reader, &shared);
    let write = async {
        while let Some(line) = outgoing.recv().await {
            if writer.write_all(&relay::output(&line)).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}

async fn receive(reader: OwnedReadHalf, shared: &Shared) {
    let mut lines = BufReader::new(reader).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let message: Value = serde_json::from_str(&line).unwrap();
        shared.seen.send_modify(|seen| seen.push(message.clone()));
        if let Some(answer) = shared.answer(&message) {
            shared.say(&json!({ "jsonrpc": "2.0", "id": message["id"], "result": answer }));
        } else if !shared.is_housekeeping(&message) {
            shared.inbox.try_send(message).expect("the test hears what it is told");
        }
    }
}

impl Shared {
    /// What the gateway says on its own account.
    fn is_housekeeping(&self, message: &Value) -> bool {
        let own = ["server/discover", "notifications/initialized", "subscriptions/listen"];
        match message["method"].as_str() {
            // Of a stream in whose place another has come.
            Some("notifications/cancelled") => {
                let streams = self.subscriptions.lock().unwrap();
                streams.contains(&message["params"]["requestId"])
            }
            method => method.is_some_and(|method| own.contains(&method)),
        }
    }

    fn say(&self, message: &Value) {
        let line = format!("{message}\n").into_bytes();
        self.out.try_send(line).expect("the child reads what it is to say");
    }

    /// The answers that no transcript writes.
    fn answer(&self, message: &Value) -> Option<Value> {
        let is_modern = self.version == ProtocolVersion::MODERN;
        let method = message["method"].as_str()?;
        match method {
            "server/discover" if is_modern => Some(self.offer["discover"].clone()),
            "server/discover" => {
                let error = json!({ "code": -32601, "message": "no such method" });
                self.say(&json!({ "jsonrpc": "2.0", "id": message["id"], "error": error }));
                None
            }
            "initialize" => {
                let mut result = self.offer["initialize"].clone();
                result["protocolVersion"] = self.version.as_str().into();
                if self.version < ProtocolVersion::V2025_11_25 {
                    result["capabilities"].as_object_mut().unwrap().remove("tasks");
                }
                Some(result)
            }
            "logging/setLevel" | "ping" => Some(json!({})),
            "subscriptions/listen" => {
                self.acknowledge(message);
                None
            }
            _ => self.page(method, message["params"]["cursor"].as_str()),
        }
    }

    fn page(&self, method: &str, cursor: Option<&str>) -> Option<Value> {
        let pages = self.offer["lists"][method].as_object()?;
        let mut page = pages[cursor.unwrap_or_default()].clone();
        let edition = *self.edition.lock().unwrap();
        if edition > 0 && page.get("nextCursor").is_none() {
            let (name, uri) = (format!("edition_{edition}"), format!("edition:///{edition}"));
            let lists = page.as_object_mut().unwrap().values_mut();
            let list = lists.into_iter().find_map(Value::as_array_mut).unwrap();
            list.push(json!({ "name": name, "uri": uri, "uriTemplate": uri, "inputSchema": {} }));
        }
        Some(page)
    }

    fn acknowledge(&self, message: &Value) {
        let id = &message["id"];
        self.subscriptions.lock().unwrap().push(id.clone());
        let params = json!({
            "notifications": message["params"]["notifications"],
            "_meta": { "io.modelcontextprotocol/subscriptionId": id },
        });
        let method = "notifications/subscriptions/acknowledged";
        self.say(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    }
}
