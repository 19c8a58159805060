//! A server with a tool that may run as a task.

use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::{Value, json};
use switchboard_mcp::{Json, Method, ProtocolVersion, RpcError, TASKS_EXTENSION, TaskGeneration};

use crate::error::Error;
use crate::peer::{Context, Peer, Request, Response};

/// Makes a task, `t1` and so on, of any call that may become one.
pub(super) struct Worker {
    generation: TaskGeneration,
    ttl: Value,
    poll: Value,
    state: Mutex<State>,
}

struct State {
    mood: Mood,
    made: usize,
    seen: Vec<Method>,
}

/// What becomes of its tasks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Mood {
    /// They have ended when they are looked at.
    Done,
    /// They go on for ever.
    Working,
    /// They ended with an error.
    Failed,
    /// It makes none: the result is there at once.
    Immediate,
    /// It knows none that it made.
    Forgetful,
    /// Nobody reaches it.
    Down,
}

impl Worker {
    /// Its tasks are kept for `ttl`, and should be looked at every `poll`.
    pub(super) fn new(generation: TaskGeneration, ttl: Value, poll: Value) -> Self {
        let state = Mutex::new(State { mood: Mood::Done, made: 0, seen: Vec::new() });
        Self { generation, ttl, poll, state }
    }

    pub(super) fn is_now(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    /// How often it was asked this.
    pub(super) fn saw(&self, method: &Method) -> usize {
        self.state.lock().unwrap().seen.iter().filter(|seen| *seen == method).count()
    }

    /// Waits until it has been asked this.
    pub(super) async fn sees(&self, method: &Method) {
        for _ in 0..3_000 {
            if self.saw(method) > 0 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        panic!("it was never asked `{method}`");
    }

    fn is_new(&self) -> bool {
        self.generation == TaskGeneration::Extension
    }

    fn version(&self) -> ProtocolVersion {
        if self.is_new() { ProtocolVersion::MODERN } else { ProtocolVersion::V2025_11_25 }
    }

    fn refuses(&self, code: i64, message: &'static str) -> Error {
        Error::Server { error: RpcError::new(code, message), version: self.version() }
    }

    fn task(&self, id: &str, status: &str) -> Value {
        let [ttl, poll] = match self.generation {
            TaskGeneration::Extension => ["ttlMs", "pollIntervalMs"],
            TaskGeneration::Experimental => ["ttl", "pollInterval"],
        };
        json!({ "taskId": id, "status": status, "createdAt": "2026-01-01T00:00:00Z",
            "lastUpdatedAt": "2026-01-01T00:00:00Z", ttl: self.ttl, poll: self.poll })
    }

    /// The answer to a call that may become a task.
    fn created(&self, state: &mut State) -> Value {
        state.made += 1;
        let task = self.task(&format!("t{}", state.made), "working");
        if !self.is_new() {
            return json!({ "task": task });
        }
        let mut created = task;
        created["resultType"] = json!("task");
        created
    }

    fn about(&self, method: &Method, id: &str, mood: Mood) -> Result<Value, Error> {
        match (method, mood) {
            (Method::TasksGet, Mood::Working) => Ok(self.task(id, "working")),
            (Method::TasksGet, Mood::Failed) => {
                let mut shown = self.task(id, "failed");
                if self.is_new() {
                    shown["error"] = json!({ "code": -32021, "message": "boom" });
                }
                Ok(shown)
            }
            (Method::TasksGet, _) => {
                let mut shown = self.task(id, "completed");
                if self.is_new() {
                    shown["result"] = done();
                }
                Ok(shown)
            }
            (Method::TasksResult, Mood::Working) => Err(Error::TimedOut {
                upstream: "w".to_owned(),
                limit: std::time::Duration::from_secs(60),
            }),
            // Has another meaning at 2026-07-28.
            (Method::TasksResult, Mood::Failed) => Err(self.refuses(-32050, "boom")),
            (Method::TasksResult, _) => Ok(done()),
            (Method::TasksCancel, _) if self.is_new() => Ok(json!({})),
            (Method::TasksCancel, _) => Ok(self.task(id, "cancelled")),
            (other, _) => Err(Error::NoSuchMethod(other.to_string())),
        }
    }
}

fn done() -> Value {
    json!({ "content": [
        { "type": "text", "text": "done" },
        { "type": "resource_link", "uri": "demo://1", "name": "one" },
    ] })
}

#[async_trait]
impl Peer for Worker {
    async fn request(&self, context: &Context, request: Request) -> Result<Response, Error> {
        let params: Value =
            request.params.as_ref().and_then(|params| params.view().ok()).unwrap_or_default();
        let knows = match self.generation {
            TaskGeneration::Extension => context.capabilities.has_extension(TASKS_EXTENSION),
            TaskGeneration::Experimental => params["task"].is_object(),
        };
        let mut state = self.state.lock().unwrap();
        state.seen.push(request.method.clone());
        let mood = state.mood;
        if mood == Mood::Down {
            let (upstream, cause) = ("w".to_owned(), "it is down".to_owned());
            return Err(Error::Unavailable { upstream, cause });
        }
        let id = request.name.as_deref().unwrap_or_default();
        let result = match request.method {
            Method::ToolsCall if knows && mood != Mood::Immediate => self.created(&mut state),
            Method::ToolsCall => done(),
            _ if mood == Mood::Forgetful
                || !(1..=state.made).any(|number| id == format!("t{number}")) =>
            {
                return Err(self.refuses(-32602, "no such task"));
            }
            method => self.about(&method, id, mood)?,
        };
        Ok(Response::new(Json::encode(&result), self.version()))
    }
}
