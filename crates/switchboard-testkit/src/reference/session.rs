//! One client of the server: a session of a legacy revision, or a connection of 2026-07-28.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};

use super::Inner;
use super::call::Call;
use super::news::News;

/// Takes messages to the client; each is one JSON text.
pub(crate) type Out = mpsc::Sender<String>;

pub(crate) struct Session {
    pub server: Arc<Inner>,
    /// For what belongs to no request.
    pub out: Out,
    pub state: Mutex<State>,
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Default)]
pub(crate) struct State {
    /// What the client declared in `initialize`.
    pub capabilities: Value,
    pub level: Option<String>,
    pub subscribed: HashSet<String>,
    /// Requests of ours that wait for the client's answer.
    pub asked: HashMap<String, oneshot::Sender<Value>>,
    open: HashMap<String, AbortHandle>,
}

#[derive(Deserialize)]
pub(crate) struct Message<'a> {
    #[serde(borrow)]
    pub id: Option<&'a RawValue>,
    pub method: Option<String>,
    #[serde(borrow)]
    pub params: Option<&'a RawValue>,
}

/// What can be read of an object that is no message.
#[derive(Default, Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
}

fn can_be_id(id: &Value) -> bool {
    id.is_string() || id.is_number()
}

fn is_sound(message: &Value) -> bool {
    message.is_object()
        && message["jsonrpc"] == "2.0"
        && message.get("id").is_none_or(can_be_id)
        && message.get("params").is_none_or(Value::is_object)
}

/// The id of a request as it was written; `None` for anything else.
pub(crate) fn request_id(text: &[u8]) -> Option<String> {
    let whole: Value = serde_json::from_slice(text).ok()?;
    let message: Message<'_> = serde_json::from_slice(text).ok()?;
    message.method.filter(|_| is_sound(&whole))?;
    Some(message.id?.get().to_owned())
}

impl Session {
    pub(crate) fn new(server: Arc<Inner>, out: Out) -> Arc<Self> {
        let session = Arc::new(Self {
            server,
            out: out.clone(),
            state: Mutex::default(),
            tasks: Mutex::default(),
        });
        if !session.server.is_modern() {
            let news = session.server.news.subscribe();
            // Weak, so that the session ends with its connection.
            let announcing = announce(Arc::downgrade(&session), news, out);
            session.tasks.lock().unwrap().spawn(announcing);
        }
        session
    }

    /// Takes one message; what is said about a request goes to `out`, the answer last.
    pub(crate) fn take(self: &Arc<Self>, text: &[u8], out: &Out) {
        let Ok(whole) = serde_json::from_slice::<Value>(text) else {
            return self.refuse(out, "null", -32700);
        };
        // Read again without being understood, because what is echoed is echoed as it was written.
        let message = serde_json::from_slice::<Message<'_>>(text);
        let Some(message) = message.ok().filter(|_| is_sound(&whole)) else {
            let Named { id } = serde_json::from_slice(text).unwrap_or_default();
            let id = id.filter(|_| whole.get("id").is_some_and(can_be_id));
            return self.refuse(out, id.map_or("null", RawValue::get), -32600);
        };
        let params = message.params.map_or("{}", RawValue::get);
        match (message.id, message.method) {
            (Some(id), Some(method)) => {
                let call = Call::new(self, id.get(), &method, params, out.clone());
                let mut tasks = self.tasks.lock().unwrap();
                while tasks.try_join_next().is_some() {}
                let task = tasks.spawn(call.run());
                self.state.lock().unwrap().open.insert(id.get().to_owned(), task);
            }
            (None, Some(method)) => self.notified(&method, params),
            (Some(id), None) => {
                let waiting = self.state.lock().unwrap().asked.remove(&whole["id"].to_string());
                match waiting {
                    Some(waiting) => drop(waiting.send(whole)),
                    None => self.refuse(out, id.get(), -32600),
                }
            }
            (None, None) => self.refuse(out, "null", -32600),
        }
    }

    fn refuse(&self, out: &Out, id: &str, code: i64) {
        let error = json!({ "code": code, "message": "this is no message" });
        let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}");
        self.spawn_send(out.clone(), text);
    }

    fn notified(&self, method: &str, params: &str) {
        self.server.journal.note(format!("notified {method}"));
        if method == "notifications/cancelled" {
            let params: Value = serde_json::from_str(params).unwrap_or_default();
            self.cancel(&params["requestId"].to_string());
        }
    }

    pub(crate) fn cancel(&self, id: &str) {
        if let Some(task) = self.state.lock().unwrap().open.remove(id) {
            task.abort();
        }
    }

    /// The connection is gone, and with it everything that is under way.
    pub(crate) fn end(&self) {
        self.tasks.lock().unwrap().abort_all();
    }

    pub(crate) fn closed(&self, id: &str) {
        self.state.lock().unwrap().open.remove(id);
    }

    fn spawn_send(&self, out: Out, text: String) {
        self.tasks.lock().unwrap().spawn(async move {
            let _ = out.send(text).await;
        });
    }
}

async fn announce(
    session: std::sync::Weak<Session>,
    mut news: broadcast::Receiver<News>,
    out: Out,
) {
    loop {
        let next = match news.recv().await {
            Ok(next) => next,
            Err(broadcast::error::RecvError::Lagged(_)) => continue,
            Err(broadcast::error::RecvError::Closed) => return,
        };
        let Some(session) = session.upgrade() else { return };
        if let News::Updated(uri) = &next
            && !session.state.lock().unwrap().subscribed.contains(uri)
        {
            continue;
        }
        session.server.journal.note(format!("says {}", next.method()));
        drop(session);
        let message = json!({ "jsonrpc": "2.0", "method": next.method(), "params": next.params() });
        // A stream that nobody reads is no reason to wait.
        let _ = out.try_send(message.to_string());
    }
}
