//! A server over standard streams that says exactly what a test makes it say. It opens by itself;
//! what else it is asked, the test hears and answers.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};
use switchboard_core::{
    CallerId, Context, Error, Notification, Peer, Principal, Request, Response,
};
use switchboard_mcp::{ClientCapabilities, Json, LogLevel, Method, ProtocolVersion, RpcError};
use switchboard_process::{Options, Spawner};
use switchboard_upstream::{Settings, StdioConfig, Upstream};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixListener;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::common::{News, PATIENCE, environment};

/// A request that the server has.
pub(crate) struct Call {
    /// As it got there.
    pub request: Value,
    pub outcome: JoinHandle<Result<String, Error>>,
}

impl Call {
    /// What becomes of it.
    pub(crate) async fn done(self) -> Result<String, Error> {
        tokio::time::timeout(PATIENCE, self.outcome).await.unwrap().unwrap()
    }
}

/// The server, and an upstream in front of it.
pub(crate) struct Stage {
    pub upstream: Arc<Upstream>,
    pub news: Arc<News>,
    pub puppet: Arc<Puppet>,
    tasks: TaskTracker,
    spawner: Spawner,
    _directory: tempfile::TempDir,
}

pub(crate) struct Puppet {
    version: ProtocolVersion,
    capabilities: Value,
    /// Messages that no test has looked at yet.
    heard: Mutex<VecDeque<Value>>,
    news: Notify,
    output: tokio::sync::Mutex<Option<OwnedWriteHalf>>,
}

impl Stage {
    pub(crate) async fn new(version: ProtocolVersion, capabilities: Value) -> Self {
        Self::with(version, capabilities, |_| {}).await
    }

    pub(crate) async fn with(
        version: ProtocolVersion,
        capabilities: Value,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("puppet");
        let tasks = TaskTracker::new();
        let puppet = Puppet::start(version, capabilities, &socket, &tasks);
        let program = std::env::current_exe().unwrap();
        let stdio = StdioConfig {
            command: program.to_str().unwrap().to_owned(),
            args: serde_json::from_value(json!(["relay", socket])).unwrap(),
            env: BTreeMap::new(),
            cwd: None,
        };
        let mut settings = Settings { stdio: Some(stdio), ..Settings::default() };
        change(&mut settings);
        let options = Options { state_dir: directory.path().join("state"), guard: None };
        let (spawner, _) = Spawner::start(options).await.unwrap();
        let news = Arc::new(News::default());
        let environment = environment(&spawner, directory.path(), Arc::clone(&news));
        let upstream = Upstream::new("puppet", settings, environment).unwrap();
        Self { upstream, news, puppet, tasks, spawner, _directory: directory }
    }

    /// Calls a tool for `client`; the server has it when this returns.
    pub(crate) async fn call(&self, client: &Arc<Client>) -> Call {
        self.call_as(client.context()).await
    }

    pub(crate) async fn call_as(&self, context: Context) -> Call {
        let outcome = self.ask(context, Method::ToolsCall, &json!({ "name": "x" }));
        Call { request: self.puppet.next("tools/call").await, outcome }
    }

    /// Has the server answer the call, and its client get the answer.
    pub(crate) async fn finish(&self, call: Call) {
        self.puppet.answer(&call.request, &json!({ "content": [] })).await;
        assert_eq!(call.done().await.unwrap(), r#"{"content":[]}"#);
    }

    /// Has the server do what it does before the next answer: everything that was said is heard.
    pub(crate) async fn settle(&self) {
        self.puppet.ask("settle", "ping", json!({})).await;
        assert_eq!(self.puppet.response("settle").await, "{}");
    }

    /// Asks the upstream something.
    pub(crate) fn ask(
        &self,
        context: Context,
        method: Method,
        params: &Value,
    ) -> JoinHandle<Result<String, Error>> {
        let upstream = Arc::clone(&self.upstream);
        let name = method.subject().and_then(|member| params[member].as_str().map(str::to_owned));
        let request = Request { method, params: Some(Json::encode(params)), name };
        self.tasks.spawn(async move {
            let answer = upstream.request(&context, request).await;
            answer.map(|response| response.result.to_string())
        })
    }

    pub(crate) async fn end(self) {
        tokio::time::timeout(PATIENCE, self.upstream.stop()).await.unwrap();
        assert!(self.spawner.close(std::time::Duration::from_secs(1)).await.is_empty());
    }
}

impl Puppet {
    fn start(
        version: ProtocolVersion,
        capabilities: Value,
        socket: &Path,
        tasks: &TaskTracker,
    ) -> Arc<Self> {
        let puppet = Arc::new(Self {
            version,
            capabilities,
            heard: Mutex::default(),
            news: Notify::new(),
            output: tokio::sync::Mutex::new(None),
        });
        let listener = UnixListener::bind(socket).unwrap();
        let this = Arc::clone(&puppet);
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (input, output) = stream.into_split();
                *this.output.lock().await = Some(output);
                let mut lines = BufReader::new(input).lines();
                while let Ok(Some(line)) = lines.next_line().await {
                    this.hear(serde_json::from_str(&line).unwrap()).await;
                }
            }
        });
        puppet
    }

    async fn hear(&self, message: Value) {
        let modern = self.version == ProtocolVersion::MODERN;
        let info = json!({ "name": "puppet", "version": "1" });
        let result = match (message["method"].as_str(), modern) {
            (Some("server/discover"), true) => json!({
                "resultType": "complete",
                "supportedVersions": [self.version.as_str()],
                "capabilities": self.capabilities,
                "ttlMs": 0,
                "cacheScope": "public",
            }),
            (Some("initialize"), false) => {
                self.keep(message.clone());
                json!({
                    "protocolVersion": self.version.as_str(),
                    "capabilities": self.capabilities,
                    "serverInfo": info,
                })
            }
            (Some("tools/list"), _) => json!({ "tools": [{ "name": "x" }] }),
            (Some("resources/list"), _) => json!({ "resources": [] }),
            (Some("resources/templates/list"), _) => json!({ "resourceTemplates": [] }),
            (Some("server/discover"), false) => {
                let error = json!({ "code": -32601, "message": "no such method" });
                let id = &message["id"];
                return self.say(&json!({ "jsonrpc": "2.0", "id": id, "error": error })).await;
            }
            _ => return self.keep(message),
        };
        self.answer(&message, &result).await;
    }

    fn keep(&self, message: Value) {
        self.heard.lock().unwrap().push_back(message);
        self.news.notify_waiters();
    }

    pub(crate) async fn say(&self, message: &Value) {
        let mut body = message.to_string().into_bytes();
        body.push(b'\n');
        let mut frame = vec![b'o'];
        frame.extend_from_slice(&u32::try_from(body.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(&body);
        let mut output = self.output.lock().await;
        // A process that was stopped in the meantime hears nothing.
        let _ = output.as_mut().unwrap().write_all(&frame).await;
    }

    /// The process ends.
    pub(crate) async fn die(&self) {
        let mut output = self.output.lock().await;
        output.as_mut().unwrap().write_all(&[b'x', 0, 0, 0, 1, 7]).await.unwrap();
    }

    pub(crate) async fn answer(&self, request: &Value, result: &Value) {
        let id = &request["id"];
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "result": result })).await;
    }

    pub(crate) async fn refuse(&self, request: &Value, error: &Value) {
        let id = &request["id"];
        self.say(&json!({ "jsonrpc": "2.0", "id": id, "error": error })).await;
    }

    pub(crate) async fn ask(&self, id: impl Into<Value>, method: &str, params: Value) {
        let mut question = json!({ "jsonrpc": "2.0", "method": method });
        question["id"] = id.into();
        question["params"] = params;
        self.say(&question).await;
    }

    pub(crate) async fn tell(&self, method: &str, params: Value) {
        let mut notification = json!({ "jsonrpc": "2.0", "method": method });
        notification["params"] = params;
        self.say(&notification).await;
    }

    /// The next message with this method.
    pub(crate) async fn next(&self, method: &str) -> Value {
        self.find(method, |message| message["method"] == method).await
    }

    /// What became of the question `id`, in one line: the result, or the code of the error.
    pub(crate) async fn response(&self, id: impl Into<Value>) -> String {
        let id: Value = id.into();
        let what = format!("response to {id}");
        let response =
            self.find(&what, |message| message["method"].is_null() && message["id"] == id).await;
        match response["error"]["code"].as_i64() {
            Some(code) => code.to_string(),
            None => response["result"].to_string(),
        }
    }

    /// What was heard and not looked at.
    pub(crate) fn rest(&self) -> Vec<String> {
        self.heard.lock().unwrap().iter().map(Value::to_string).collect()
    }

    async fn find(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let news = self.news.notified();
                {
                    let mut heard = self.heard.lock().unwrap();
                    if let Some(at) = heard.iter().position(&wanted) {
                        return heard.remove(at).unwrap();
                    }
                }
                news.await;
            }
        };
        let found = tokio::time::timeout(PATIENCE, found).await;
        found.unwrap_or_else(|_| panic!("never heard {what}, but {:#?}", self.rest()))
    }
}

/// A client that can be asked, and keeps what it hears.
pub(crate) struct Client {
    principal: &'static str,
    caller: CallerId,
    capabilities: Value,
    version: ProtocolVersion,
    log_level: Option<LogLevel>,
    heard: watch::Sender<Vec<String>>,
    /// What it answers; `None` holds every question.
    answer: Option<Result<Value, i64>>,
}

impl Client {
    pub(crate) fn new(capabilities: Value, answer: Option<Result<Value, i64>>) -> Arc<Self> {
        Arc::new(Self::plain(capabilities, answer))
    }

    pub(crate) fn of(principal: &'static str, answer: Option<Result<Value, i64>>) -> Arc<Self> {
        Arc::new(Self { principal, ..Self::plain(json!({ "elicitation": {} }), answer) })
    }

    /// One that cannot be asked, and wants to hear so much.
    pub(crate) fn logging(log_level: Option<LogLevel>) -> Arc<Self> {
        Arc::new(Self { log_level, ..Self::plain(json!({}), None) })
    }

    fn plain(capabilities: Value, answer: Option<Result<Value, i64>>) -> Self {
        Self {
            principal: "ann",
            caller: CallerId::unique(),
            capabilities,
            version: ProtocolVersion::NEWEST_LEGACY,
            log_level: None,
            heard: watch::Sender::new(Vec::new()),
            answer,
        }
    }

    pub(crate) fn context(self: &Arc<Self>) -> Context {
        let mut context = Context::new(Principal::new(self.principal), self.version);
        context.caller = self.caller;
        context.capabilities = ClientCapabilities::read(Json::encode(&self.capabilities));
        context.client = Some(Arc::clone(self) as Arc<dyn Peer>);
        context.log_level = self.log_level;
        context
    }

    /// Questions and notifications as `METHOD PARAMS`, and `dropped METHOD` for a question that was
    /// taken back.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.borrow().clone()
    }

    pub(crate) async fn until(&self, start: &str, count: usize) {
        let mut heard = self.heard.subscribe();
        let seen = heard.wait_for(|heard| {
            heard.iter().filter(|entry| entry.starts_with(start)).count() >= count
        });
        let seen = tokio::time::timeout(PATIENCE, seen).await.is_ok();
        assert!(seen, "never heard {start} {count} times, but {:#?}", self.heard());
    }

    fn note(&self, entry: String) {
        self.heard.send_modify(|heard| heard.push(entry));
    }
}

struct Open<'a>(&'a Client, String, bool);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.2 {
            self.0.note(format!("dropped {}", self.1));
        }
    }
}

#[async_trait]
impl Peer for Client {
    async fn request(&self, context: &Context, request: Request) -> Result<Response, Error> {
        let params = request.params.map_or_else(String::new, |params| params.to_string());
        self.note(format!("{} {params}", request.method));
        let mut open = Open(self, request.method.to_string(), false);
        let outcome = match &self.answer {
            Some(answer) => answer.clone(),
            None => std::future::pending().await,
        };
        open.2 = true;
        let version = context.version;
        match outcome {
            Ok(result) => Ok(Response::new(Json::encode(&result), version)),
            Err(code) => Err(Error::Refused(RpcError::new(code, "no"))),
        }
    }

    fn notify(&self, notification: Notification) {
        let params = notification.params.map_or_else(String::new, |params| params.to_string());
        self.note(format!("{} {params}", notification.method));
    }
}
