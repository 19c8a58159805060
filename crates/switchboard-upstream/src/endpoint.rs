//! One connection to a server, kept: the handle that the roster of an upstream holds.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use switchboard_core::{Capabilities, Context, Error, Kind, Lists, Request, Response};
use switchboard_mcp::{Json, Method, ProtocolVersion};
use switchboard_process::StderrRing;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use crate::environment::Environment;
use crate::freshness::Freshness;
use crate::http::ShutOut;
use crate::login::Login;
use crate::names::Names;
use crate::owner::{Checked, Command, Owner};
use crate::retries::Retries;
use crate::session::Session;
use crate::settings::{Settings, StartPolicy};
use crate::silence::Silence;
use crate::status::{State, Status, View};
use crate::subscriptions::{Holder, Subscriptions};
use crate::tool_headers::ToolHeaders;

/// A server that is started when it is needed, kept while it is used, and replaced when it breaks.
///
/// The hot path is one load of the open [`Session`]; everything else goes through the owner task.
pub(crate) struct Endpoint {
    pub(crate) shared: Arc<Shared>,
    pub(crate) commands: mpsc::Sender<Command>,
    view: watch::Receiver<View>,
    status: watch::Receiver<Status>,
}

/// One way to a server that is configured, of which there may be several instances.
pub(crate) struct Template {
    /// Under which its login and its lists are kept: the name of the upstream, or that with a
    /// number.
    pub name: Arc<str>,
    /// Those of the upstream, with this way in them.
    pub settings: Settings,
    pub weight: NonZeroU32,
    /// The login, where there is one; or why there can be none.
    pub login: Result<Option<Arc<Login>>, String>,
    pub retries: Arc<Retries>,
}

/// What the handle and the owner task have in common.
pub(crate) struct Shared {
    pub name: Arc<str>,
    pub settings: Settings,
    /// Under which name its lists are kept.
    pub kept_as: Arc<str>,
    /// Whether its lists are those of the catalog. Where there are several instances, one speaks
    /// for all of them.
    pub is_listed: bool,
    /// The login, where there is one; or why there can be none.
    pub login: Result<Option<Arc<Login>>, String>,
    pub environment: Environment,
    pub current: ArcSwapOption<Session>,
    pub stderr: StderrRing,
    pub subscriptions: Arc<Subscriptions>,
    pub tool_headers: Arc<ToolHeaders>,
    /// What it lists, if its lists are those of the catalog and were read.
    pub names: ArcSwapOption<Names>,
    pub freshness: Freshness,
    pub silence: Arc<Silence>,
    pub checked: Checked,
    pub shut_out: Arc<ShutOut>,
    pub retries: Arc<Retries>,
    pub in_flight: AtomicUsize,
    /// Milliseconds after `born` of the last use.
    last_used: AtomicU64,
    born: Instant,
}

/// Requests to the owner that may wait; it answers within microseconds.
const COMMAND_QUEUE: usize = 64;

impl Endpoint {
    /// An instance of `template` that is called `name`, with the lists that are remembered. It is
    /// started by [`Self::wake`] or by the first request.
    pub(crate) fn new(
        name: &Arc<str>,
        template: &Template,
        environment: Environment,
        is_listed: bool,
    ) -> Self {
        let tasks = environment.tasks.clone();
        let inside = template.settings.inside.as_ref();
        let shared = Arc::new(Shared {
            name: Arc::clone(name),
            settings: template.settings.clone(),
            kept_as: Arc::clone(&template.name),
            is_listed,
            login: template.login.clone(),
            environment,
            current: ArcSwapOption::empty(),
            stderr: inside.map(|inside| inside.log.clone()).unwrap_or_default(),
            subscriptions: Arc::default(),
            tool_headers: Arc::default(),
            names: ArcSwapOption::empty(),
            freshness: Freshness::default(),
            silence: Arc::new(Silence::new(template.settings.timeout.as_duration())),
            checked: Checked::default(),
            shut_out: Arc::default(),
            retries: Arc::clone(&template.retries),
            in_flight: AtomicUsize::new(0),
            last_used: AtomicU64::new(0),
            born: Instant::now(),
        });
        let (commands, inbox) = mpsc::channel(COMMAND_QUEUE);
        let (owner, view, status) = Owner::new(Arc::clone(&shared), inbox);
        tasks.spawn(owner.run());
        Self { shared, commands, view, status }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.shared.name
    }

    /// Whether it lists what is called `name`, or nobody knows what it lists; an instance has what
    /// the one has that lists for it.
    pub(crate) fn may_have(&self, kind: Kind, name: &str) -> bool {
        let names = self.shared.names.load();
        names.as_ref().is_none_or(|names| names.may_be(kind, name))
    }

    /// Whether a call would find a session.
    pub(crate) fn is_open(&self) -> bool {
        self.shared.current.load().is_some()
    }

    pub(crate) fn view(&self) -> View {
        self.view.borrow().clone()
    }

    pub(crate) fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    pub(crate) fn stderr(&self) -> &StderrRing {
        &self.shared.stderr
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.shared.in_flight.load(Ordering::Relaxed)
    }

    /// Whether the server is to run before anybody asks for it: because its settings say so, or
    /// because nobody knows yet what it offers.
    pub(crate) fn wants_to_run(&self) -> bool {
        self.shared.settings.start == StartPolicy::Eager || self.view().learning
    }

    /// Whether it was never opened, and nobody asked for that.
    pub(crate) fn is_new(&self) -> bool {
        let status = self.status.borrow();
        status.state == State::Dormant && status.version.is_none()
    }

    /// Whether it was stopped for want of calls.
    pub(crate) fn rests(&self) -> bool {
        let status = self.status.borrow();
        status.state == State::Dormant && status.version.is_some()
    }

    /// Asks for the server to run, without waiting for it.
    pub(crate) fn wake(&self) {
        let _ = self.commands.try_send(Command::Wake);
    }

    /// Ends the server for good; returns when nothing of it is left.
    pub(crate) async fn stop(&self) {
        let (done, stopped) = oneshot::channel();
        if self.commands.send(Command::Stop(done)).await.is_ok() {
            // An owner that is gone already has stopped.
            let _ = stopped.await;
        }
    }

    /// Notes who wants to hear of a resource.
    async fn subscribe(&self, context: &Context, request: &Request) -> Result<Response, Error> {
        let uri = resource(request)?;
        let session = match self.shared.current.load_full() {
            Some(session) => session,
            None => self.session_by(self.end(context), None).await?,
        };
        let offered = Capabilities::read(&session.facts.capabilities);
        if !offered.is_ok_and(|offered| offered.subscribe) {
            return Err(Error::NoSuchMethod(request.method.to_string()));
        }
        let limit = self.shared.settings.timeout.as_duration();
        let adding = self.shared.subscriptions.add(&self.shared.name, uri, Holder::of(context));
        tokio::time::timeout(limit, adding)
            .await
            .map_err(|_| Error::TimedOut { upstream: self.shared.name.to_string(), limit })??;
        Ok(done())
    }

    fn unsubscribe(&self, context: &Context, request: &Request) -> Result<Response, Error> {
        self.shared.subscriptions.remove(resource(request)?, context.caller);
        Ok(done())
    }

    /// Has `holder` hear of a resource as it did of another server, and starts this one for it.
    pub(crate) fn inherit(&self, uri: &str, holder: Holder) {
        self.shared.subscriptions.inherit(uri, holder);
        self.wake();
    }

    /// When an answer to a request that comes now is of no more use.
    fn end(&self, context: &Context) -> Instant {
        let end = Instant::now() + self.shared.settings.timeout_total.as_duration();
        context.deadline.map_or(end, |deadline| deadline.min(end))
    }

    /// As [`Self::session`], but not beyond `end`: what the opening takes is time of the call.
    async fn session_by(
        &self,
        end: Instant,
        broken: Option<&Arc<Session>>,
    ) -> Result<Arc<Session>, Error> {
        let opened = tokio::time::timeout_at(end, self.session(broken)).await;
        opened.unwrap_or_else(|_| {
            let limit = self.shared.settings.timeout_total.as_duration();
            Err(Error::TimedOut { upstream: self.shared.name.to_string(), limit })
        })
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

impl Endpoint {
    pub(crate) async fn request(
        &self,
        context: &Context,
        request: &Request,
    ) -> Result<Response, Error> {
        match request.method {
            Method::Subscribe => return Box::pin(self.subscribe(context, request)).await,
            Method::Unsubscribe => return self.unsubscribe(context, request),
            _ => {}
        }
        let _busy = Busy::new(&self.shared);
        let end = self.end(context);
        let Some(session) = self.shared.current.load_full() else {
            return Box::pin(async {
                let session = self.session_by(end, None).await?;
                self.ask(&session, &context.by(end), request).await
            })
            .await;
        };
        let answer = session.request(context, request).await;
        if answer.is_ok() {
            return answer;
        }
        Box::pin(self.once_more(&session, (context, end), request, answer)).await
    }

    async fn ask(
        &self,
        session: &Arc<Session>,
        context: &Context,
        request: &Request,
    ) -> Result<Response, Error> {
        let answer = session.request(context, request).await;
        if answer.is_ok() {
            return answer;
        }
        let end = self.end(context);
        self.once_more(session, (context, end), request, answer).await
    }

    /// Asks a second time where that is right after `answer`, in what is left of the time.
    async fn once_more(
        &self,
        session: &Arc<Session>,
        (context, end): (&Context, Instant),
        request: &Request,
        answer: Result<Response, Error>,
    ) -> Result<Response, Error> {
        let asking = tokio::time::timeout_at(end, self.again(session, request, &answer));
        match asking.await {
            Ok(Ok(Some(session))) => session.request(&context.by(end), request).await,
            Ok(Err(error)) => Err(error),
            // Nor is there time for more.
            Ok(Ok(None)) | Err(_) => answer,
        }
    }

    /// Has the list of `kind` read again, as if it were old; one that does not run reads it when it starts.
    pub(crate) fn read_again(&self, kind: Kind) {
        // Where it is not taken, so much is to be read that this is among it.
        let _ = self.commands.try_send(Command::Refresh(kind));
    }

    /// A client is shown what is known of the lists of `kind`.
    pub(crate) fn listed(&self, kind: Kind) {
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

/// The answer where there is nothing more to say.
pub(crate) fn done() -> Response {
    Response::new(Json::empty_object(), ProtocolVersion::NEWEST_LEGACY)
}

impl Shared {
    /// Its lists are others now.
    pub(crate) fn learn(&self, lists: &Lists) {
        self.tool_headers.learn(lists);
        if self.is_listed {
            self.names.store(Some(Arc::new(Names::of(lists))));
        }
    }

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
}

impl<'a> Busy<'a> {
    fn new(shared: &'a Shared) -> Self {
        // In one order with the look at `current` that follows: see `Owner::rest`.
        shared.in_flight.fetch_add(1, Ordering::SeqCst);
        Self { shared }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.shared.last_used.store(self.shared.now(), Ordering::Release);
        self.shared.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}
