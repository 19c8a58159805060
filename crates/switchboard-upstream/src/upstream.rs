//! One server, kept: the handle that everyone else holds.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use switchboard_core::{
    Capabilities, Context, Error, Filter, Kind, Lists, Peer, Prefix, PrefixError, Principal,
    Request, Response,
};
use switchboard_egress::Guard;
use switchboard_mcp::{Json, Method, ProtocolVersion};
use switchboard_oauth::Store;
use switchboard_process::{Spawner, StderrRing};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::cache::ListCache;
use crate::freshness::Freshness;
use crate::login::Login;
use crate::owner::{Command, Owner};
use crate::session::Session;
use crate::settings::{Settings, StartPolicy};
use crate::subscriptions::Subscriptions;
use crate::tool_headers::ToolHeaders;

/// A server that is started when it is needed, kept while it is used, and replaced when it breaks.
///
/// The hot path is one load of the open [`Session`]; everything else goes through the owner task.
pub struct Upstream {
    pub(crate) shared: Arc<Shared>,
    pub(crate) commands: mpsc::Sender<Command>,
    view: watch::Receiver<View>,
    status: watch::Receiver<Status>,
}

/// What the handle and the owner task have in common.
pub(crate) struct Shared {
    pub name: Arc<str>,
    pub settings: Settings,
    pub prefix: Prefix,
    /// The login, where there is one; or why there can be none.
    pub login: Result<Option<Arc<Login>>, String>,
    pub environment: Environment,
    pub current: ArcSwapOption<Session>,
    pub stderr: StderrRing,
    pub subscriptions: Arc<Subscriptions>,
    pub tool_headers: Arc<ToolHeaders>,
    pub freshness: Freshness,
    pub in_flight: AtomicUsize,
    /// Milliseconds after `born` of the last use.
    last_used: AtomicU64,
    born: Instant,
}

/// What upstreams need of the daemon.
#[derive(Clone)]
pub struct Environment {
    pub spawner: Spawner,
    /// The variables that every child gets.
    pub child_variables: BTreeMap<String, OsString>,
    pub cache: ListCache,
    /// Judges where we connect to.
    pub guard: Guard,
    pub logins: Store,
    /// Whose login our own requests carry.
    pub owner: Principal,
    pub tasks: TaskTracker,
    pub events: Arc<dyn Events>,
}

/// Hears what happens to upstreams. Called from their tasks, so it must not wait.
pub trait Events: Send + Sync {
    /// What the catalog shows of `upstream` changed.
    fn lists_changed(&self, upstream: &str);
    fn state_changed(&self, upstream: &str, status: &Status);
    /// What `upstream` has at `uri` is another now. Only of resources that somebody subscribed to.
    fn resource_updated(&self, upstream: &str, uri: &str) {
        let _ = (upstream, uri);
    }
}

/// What the catalog needs to know.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// `None` until the server has listed once.
    pub lists: Option<Arc<Lists>>,
    /// Whether the first lists are on their way.
    pub learning: bool,
}

/// What people want to know.
#[derive(Clone, Debug)]
pub struct Status {
    pub state: State,
    /// Since when it is in this state.
    pub since: Instant,
    /// The process, where it is ours.
    pub pid: Option<u32>,
    /// The agreed revision and the name of the software, once it answered.
    pub version: Option<&'static str>,
    pub software: Option<String>,
    /// How often the server was started, apart from the first time.
    pub restarts: u64,
    /// Why it last failed; gone when it works again.
    pub problem: Option<String>,
}

/// Where an upstream is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Not running, because nobody needs it.
    Dormant,
    Starting,
    Ready,
    /// Failed; tried again after a wait, or when it is next needed.
    Waiting,
    /// Stopped with the daemon, or removed from the configuration.
    Stopped,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dormant => "dormant",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
        }
    }
}

/// Requests to the owner that may wait; it answers within microseconds.
const COMMAND_QUEUE: usize = 64;

impl Upstream {
    /// Makes the upstream known, with the lists that are remembered of it. It is started by
    /// [`Self::wake`] or by the first request.
    ///
    /// # Errors
    ///
    /// [`PrefixError`] when names could not be told apart under its prefix.
    pub fn new(
        name: &str,
        settings: Settings,
        environment: Environment,
    ) -> Result<Arc<Self>, PrefixError> {
        let prefix = Prefix::new(settings.prefix.as_deref().unwrap_or(name))?;
        let tasks = environment.tasks.clone();
        let name: Arc<str> = name.into();
        let login = match &settings.http {
            Some(http) => Login::new(&name, http, &environment),
            None => Ok(None),
        };
        let shared = Arc::new(Shared {
            name,
            settings,
            prefix,
            login,
            environment,
            current: ArcSwapOption::empty(),
            stderr: StderrRing::default(),
            subscriptions: Arc::default(),
            tool_headers: Arc::default(),
            freshness: Freshness::default(),
            in_flight: AtomicUsize::new(0),
            last_used: AtomicU64::new(0),
            born: Instant::now(),
        });
        let (commands, inbox) = mpsc::channel(COMMAND_QUEUE);
        let (owner, view, status) = Owner::new(Arc::clone(&shared), inbox);
        tasks.spawn(owner.run());
        Ok(Arc::new(Self { shared, commands, view, status }))
    }

    pub fn name(&self) -> &Arc<str> {
        &self.shared.name
    }

    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    pub fn prefix(&self) -> &Prefix {
        &self.shared.prefix
    }

    pub fn filter(&self) -> Filter {
        let settings = &self.shared.settings;
        Filter { include: settings.include_tools.clone(), exclude: settings.exclude_tools.clone() }
    }

    pub fn view(&self) -> View {
        self.view.borrow().clone()
    }

    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    pub fn stderr(&self) -> &StderrRing {
        &self.shared.stderr
    }

    pub fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::Relaxed)
    }

    /// Whether the server is to run before anybody asks for it: because its settings say so, or
    /// because nobody knows yet what it offers.
    pub fn wants_to_run(&self) -> bool {
        self.shared.settings.start == StartPolicy::Eager || self.view().learning
    }

    /// Asks for the server to run, without waiting for it.
    pub fn wake(&self) {
        let _ = self.commands.try_send(Command::Wake);
    }

    /// Ends the server for good; returns when nothing of it is left.
    pub async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.commands.send(Command::Stop(done)).await.is_ok() {
            // An owner that is gone already has stopped.
            let _ = stopped.await;
        }
    }

    /// Counts one more who wants to hear of a resource. Whoever subscribes unsubscribes as often.
    async fn subscribe(&self, request: &Request) -> Result<Response, Error> {
        let uri = resource(request)?;
        let session = match self.shared.current.load_full() {
            Some(session) => session,
            None => self.session(None).await?,
        };
        let offered = Capabilities::read(&session.facts.capabilities);
        if !offered.is_ok_and(|offered| offered.subscribe) {
            return Err(Error::NoSuchMethod(request.method.to_string()));
        }
        let limit = self.shared.settings.timeout.as_duration();
        let adding = self.shared.subscriptions.add(&self.shared.name, uri);
        tokio::time::timeout(limit, adding)
            .await
            .map_err(|_| Error::TimedOut { upstream: self.shared.name.to_string(), limit })??;
        Ok(done())
    }

    fn unsubscribe(&self, request: &Request) -> Result<Response, Error> {
        self.shared.subscriptions.remove(resource(request)?);
        Ok(done())
    }

    /// An open session that is not `broken`, started if need be.
    pub(crate) async fn session(
        &self,
        broken: Option<&Arc<Session>>,
    ) -> Result<Arc<Session>, Error> {
        let (reply, session) = oneshot::channel();
        let command = Command::Acquire { reply, broken: broken.cloned() };
        let stopping = || Error::Unavailable {
            upstream: self.shared.name.to_string(),
            cause: "it was stopped".into(),
        };
        self.commands.send(command).await.map_err(|_| stopping())?;
        session.await.map_err(|_| stopping())?
    }
}

#[async_trait]
impl Peer for Upstream {
    async fn request(&self, context: &Context, request: Request) -> Result<Response, Error> {
        match request.method {
            Method::Subscribe => return self.subscribe(&request).await,
            Method::Unsubscribe => return self.unsubscribe(&request),
            _ => {}
        }
        let busy = Busy::new(&self.shared);
        let limit = self.shared.settings.in_flight;
        if busy.others >= limit {
            return Err(Error::Busy {
                upstream: self.shared.name.to_string(),
                cause: format!("{limit} calls are already waiting for this upstream"),
            });
        }
        let session = match self.shared.current.load_full() {
            Some(session) => session,
            None => self.session(None).await?,
        };
        let answer = session.request(context, request.clone()).await;
        match self.again(&session, &request, &answer).await? {
            Some(session) => session.request(context, request).await,
            None => answer,
        }
    }

    fn listed(&self, kind: Kind) {
        let Shared { freshness, .. } = &*self.shared;
        let now = self.shared.now();
        if freshness.is_over(kind, now) && self.commands.try_send(Command::Refresh(kind)).is_err() {
            freshness.put_off(kind, now);
        }
    }
}

fn resource(request: &Request) -> Result<&str, Error> {
    let name = request.name.as_deref();
    name.ok_or_else(|| Error::Invalid(format!("`{}` needs a `uri`", request.method)))
}

fn done() -> Response {
    Response { result: Json::empty_object(), version: ProtocolVersion::NEWEST_LEGACY }
}

impl Shared {
    pub(crate) fn login(&self) -> Option<&Arc<Login>> {
        self.login.as_ref().ok().and_then(Option::as_ref)
    }

    /// Milliseconds after it was made.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// When the server was last used, and whether it is being used now.
    pub(crate) fn idle_since(&self) -> Option<Instant> {
        // Who waits for changes uses it as well.
        let idle = self.in_flight.load(Ordering::SeqCst) == 0 && self.subscriptions.is_empty();
        idle.then(|| self.born + Duration::from_millis(self.last_used.load(Ordering::Acquire)))
    }
}

/// Counts a call while it is under way.
struct Busy<'a> {
    shared: &'a Shared,
    /// How many were under way before it.
    others: usize,
}

impl<'a> Busy<'a> {
    fn new(shared: &'a Shared) -> Self {
        // In one order with the look at `current` that follows: see `Owner::rest`.
        let others = shared.in_flight.fetch_add(1, Ordering::SeqCst);
        Self { shared, others }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.shared.last_used.store(self.shared.now(), Ordering::Release);
        self.shared.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
