//! An upstream with a fake server behind it, over either transport.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_core::{Context, Error, Notification, Peer, Principal, Request, Response};
use switchboard_egress::{EgressSettings, Guard};
use switchboard_mcp::{Json, Method, ProtocolVersion};
use switchboard_oauth::{OauthSettings, Store};
use switchboard_process::{Options, Spawner};
use switchboard_testkit::{Behaviour, Fake};
use switchboard_upstream::{
    Environment, Events, HttpConfig, ListCache, Settings, State, Status, StdioConfig, Upstream,
};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

/// Longer than anything takes on a busy machine; only a failing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Stdio,
    Http,
}

pub(crate) const LEGACY: ProtocolVersion = ProtocolVersion::V2025_06_18;
pub(crate) const MODERN: ProtocolVersion = ProtocolVersion::MODERN;

/// Every kind with a server of each era: what the contract is checked against.
pub(crate) const ALL: [(Kind, ProtocolVersion); 4] =
    [(Kind::Stdio, LEGACY), (Kind::Stdio, MODERN), (Kind::Http, LEGACY), (Kind::Http, MODERN)];

pub(crate) struct Bench {
    pub upstream: Arc<Upstream>,
    pub fake: Arc<Fake>,
    pub news: Arc<News>,
    pub directory: Arc<tempfile::TempDir>,
    spawner: Spawner,
}

/// Counts events, so that tests can wait for what they look at to change.
#[derive(Default)]
pub(crate) struct News(watch::Sender<u64>, Mutex<Vec<String>>);

impl Events for News {
    fn lists_changed(&self, _: &str) {
        self.0.send_modify(|count| *count += 1);
    }

    fn state_changed(&self, _: &str, _: &Status) {
        self.0.send_modify(|count| *count += 1);
    }

    fn resource_updated(&self, _: &str, uri: &str) {
        self.1.lock().unwrap().push(uri.to_owned());
        self.0.send_modify(|count| *count += 1);
    }
}

impl News {
    /// The resources that were announced as changed.
    pub(crate) fn updated(&self) -> Vec<String> {
        self.1.lock().unwrap().clone()
    }

    pub(crate) async fn until(&self, condition: impl Fn() -> bool) {
        let mut news = self.0.subscribe();
        let reached = tokio::time::timeout(PATIENCE, news.wait_for(|_| condition())).await;
        assert!(reached.is_ok(), "never so");
    }

    pub(crate) async fn until_updated(&self, count: usize) {
        let mut news = self.0.subscribe();
        let updated = news.wait_for(|_| self.updated().len() >= count);
        let updated = tokio::time::timeout(PATIENCE, updated).await.is_ok();
        assert!(updated, "only {:?} were announced", self.updated());
    }
}

impl Bench {
    pub(crate) async fn new(kind: Kind, version: ProtocolVersion) -> Self {
        Self::with(kind, Behaviour::new(version), |_| {}).await
    }

    pub(crate) async fn with(
        kind: Kind,
        behaviour: Behaviour,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let fake = Arc::new(Fake::with(behaviour).await);
        let directory = Arc::new(tempfile::tempdir().unwrap());
        Self::around("fake", kind, fake, directory, change).await
    }

    /// With another name than it would have.
    pub(crate) async fn named(name: &str, kind: Kind, behaviour: Behaviour) -> Self {
        let fake = Arc::new(Fake::with(behaviour).await);
        Self::around(name, kind, fake, Arc::new(tempfile::tempdir().unwrap()), |_| {}).await
    }

    /// Another upstream for the same server and the same remembered lists, as after a restart.
    pub(crate) async fn again(&self, kind: Kind) -> Self {
        self.again_with(kind, |_| {}).await
    }

    pub(crate) async fn again_with(&self, kind: Kind, change: impl FnOnce(&mut Settings)) -> Self {
        Self::around("fake", kind, Arc::clone(&self.fake), Arc::clone(&self.directory), change)
            .await
    }

    async fn around(
        name: &str,
        kind: Kind,
        fake: Arc<Fake>,
        directory: Arc<tempfile::TempDir>,
        change: impl FnOnce(&mut Settings),
    ) -> Self {
        let mut settings = settings(kind, &fake);
        change(&mut settings);
        let options = Options { state_dir: directory.path().join("state"), guard: None };
        let (spawner, _) = Spawner::start(options).await.unwrap();
        let news = Arc::new(News::default());
        let environment = environment(&spawner, directory.path(), Arc::clone(&news));
        let upstream = Upstream::new(name, settings, environment).unwrap();
        Self { upstream, fake, news, directory, spawner }
    }

    /// Calls a tool; the outcome in one line: the result, or `KIND: error`.
    pub(crate) async fn call(&self, tool: &str) -> String {
        call(&self.upstream, tool, "{}").await
    }

    pub(crate) async fn until(&self, what: &str, condition: impl Fn(&Upstream) -> bool) {
        let mut news = self.news.0.subscribe();
        let reached = async {
            while !condition(&self.upstream) {
                news.changed().await.unwrap();
            }
        };
        let reached = tokio::time::timeout(PATIENCE, reached).await.is_ok();
        let (status, seen) = (self.upstream.status(), self.fake.seen());
        assert!(reached, "never {what}: {status:?} {:?} {seen:#?}", self.tools());
    }

    pub(crate) async fn until_state(&self, state: State) {
        self.until(state.as_str(), |upstream| upstream.status().state == state).await;
    }

    pub(crate) async fn until_tools(&self, expected: &str) {
        self.until(expected, |upstream| tools(upstream).as_deref() == Some(expected)).await;
    }

    /// The names of the listed tools, if they are known.
    pub(crate) fn tools(&self) -> Option<String> {
        tools(&self.upstream)
    }

    pub(crate) async fn end(self) {
        tokio::time::timeout(PATIENCE, self.upstream.stop()).await.unwrap();
        assert_eq!(self.upstream.status().state, State::Stopped);
        assert!(self.spawner.close(Duration::from_secs(1)).await.is_empty());
    }
}

fn tools(upstream: &Upstream) -> Option<String> {
    let lists = upstream.view().lists?;
    Some(lists.tools.iter().map(|item| item.key.as_str()).collect::<Vec<_>>().join(" "))
}

pub(crate) fn settings(kind: Kind, fake: &Fake) -> Settings {
    let (command, args) = fake.command();
    let stdio = || StdioConfig {
        command,
        args: serde_json::from_value(serde_json::json!(args)).unwrap(),
        env: BTreeMap::new(),
        cwd: None,
    };
    let http = || HttpConfig {
        url: fake.url(),
        headers: BTreeMap::new(),
        oauth: OauthSettings::default(),
    };
    Settings {
        stdio: (kind == Kind::Stdio).then(stdio),
        http: (kind == Kind::Http).then(http),
        ..Settings::default()
    }
}

pub(crate) fn environment(spawner: &Spawner, directory: &Path, news: Arc<News>) -> Environment {
    Environment {
        spawner: spawner.clone(),
        child_variables: BTreeMap::new(),
        cache: ListCache::new(directory.join("lists")),
        guard: Guard::new(&EgressSettings::default()).unwrap(),
        logins: Store::open(directory).unwrap(),
        owner: Principal::new("owner"),
        dialer: None,
        tasks: TaskTracker::new(),
        events: news,
    }
}

pub(crate) async fn call(upstream: &Upstream, tool: &str, arguments: &str) -> String {
    call_with(upstream, tool, arguments, None).await
}

pub(crate) async fn call_with(
    upstream: &Upstream,
    tool: &str,
    arguments: &str,
    progress: Option<Arc<dyn Peer>>,
) -> String {
    let params = format!("{{\"name\":\"shown__{tool}\",\"arguments\":{arguments}}}");
    ask(upstream, Method::ToolsCall, Some((&params, tool)), progress).await
}

pub(crate) async fn ask(
    upstream: &Upstream,
    method: Method,
    params: Option<(&str, &str)>,
    progress: Option<Arc<dyn Peer>>,
) -> String {
    let version = ProtocolVersion::NEWEST_LEGACY;
    let mut context = Context::new(Principal::new("ann"), version);
    context.wants_progress = progress.is_some();
    context.client = progress;
    let request = Request {
        method,
        params: params
            .map(|(text, _)| Json::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()),
        name: params.map(|(_, name)| name.to_owned()),
    };
    let answer = tokio::time::timeout(PATIENCE, upstream.request(&context, request)).await;
    let kind = match answer.expect("answered in time") {
        Ok(response) => return response.result.to_string(),
        Err(Error::Server { error, .. }) => return format!("refused: {error}"),
        Err(error @ Error::Unavailable { .. }) => ("unavailable", error),
        Err(error @ Error::Declined { .. }) => ("declined", error),
        Err(error @ Error::Busy { .. }) => ("busy", error),
        Err(error @ Error::Lost { .. }) => ("lost", error),
        Err(error @ Error::TimedOut { .. }) => ("timed out", error),
        Err(error) => ("error", error),
    };
    format!("{}: {}", kind.0, kind.1)
}

/// Keeps the progress of one call.
#[derive(Default)]
pub(crate) struct Reports(pub Mutex<Vec<String>>);

#[async_trait]
impl Peer for Reports {
    async fn request(&self, _: &Context, request: Request) -> Result<Response, Error> {
        Err(Error::NoSuchMethod(request.method.to_string()))
    }

    fn notify(&self, notification: Notification) {
        let params = notification.params.map(|params| params.to_string());
        self.0.lock().unwrap().push(params.unwrap_or_default());
    }
}
