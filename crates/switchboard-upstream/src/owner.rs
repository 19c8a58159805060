//! The task that owns one server's life.
//!
//! It alone opens, watches and closes the session; everyone else asks it. What can happen next
//! depends on the [`Phase`]; what happens is an [`Event`]; `Owner::run` is the table of both.

mod health;
mod reading;

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use switchboard_core::{Error, Kind, Lists};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

pub(crate) use self::health::Checked;
use self::reading::Reading;
use crate::cache::{Kept, fingerprint};
use crate::endpoint::Shared;
use crate::link::{Notice, Notices};
use crate::open::{Found, Verdict, known_era, now, open};
use crate::session::Session;
use crate::settings::StartPolicy;
use crate::status::{State, Status, View};
use crate::subscribe;
use crate::{backoff, random};

/// What others want of the owner.
pub(crate) enum Command {
    /// A session to use, other than the one that was found broken.
    Acquire { reply: oneshot::Sender<Result<Arc<Session>, Error>>, broken: Option<Arc<Session>> },
    /// Run, if it does not.
    Wake,
    /// Read the lists of this kind again: somebody found out that they are others now.
    Changed(Kind),
    /// Somebody wants the lists of this kind, and what is known of them is old.
    Refresh(Kind),
    /// End for good.
    Stop(oneshot::Sender<()>),
}

pub(crate) struct Owner {
    shared: Arc<Shared>,
    commands: mpsc::Receiver<Command>,
    notices: (Notices, mpsc::Receiver<Notice>),
    phase: Phase,
    waiters: Vec<oneshot::Sender<Result<Arc<Session>, Error>>>,
    /// Starts that failed, or sessions that ended at once, in a row.
    failures: u32,
    starts: u64,
    /// The era that the server was found to speak, so that it is seldom asked.
    verdict: Option<Verdict>,
    /// It was asked again, which is not remembered yet.
    is_asked_anew: bool,
    view: watch::Sender<View>,
    status: watch::Sender<Status>,
}

type Pending<T> = Pin<Box<dyn Future<Output = T> + Send>>;

enum Phase {
    Dormant,
    Opening(Pending<Result<Found, String>>),
    Open {
        session: Arc<Session>,
        lost: Pending<String>,
        reading: Option<Reading>,
        /// A change was announced that the reading under way may have missed.
        stale: bool,
        /// The last reading found nothing new, whatever was announced.
        false_alarm: bool,
        since: Instant,
    },
    /// Failed. `wanted`: tried again at `until` even if nobody asks.
    Waiting {
        until: Instant,
        cause: String,
        wanted: bool,
    },
}

enum Event {
    Command(Option<Command>),
    Notice(Notice),
    Opened(Result<Found, String>),
    Lost(String),
    Listed(Result<Lists, String>),
    /// The owner has logged in, which the server wanted.
    LoggedIn,
    Due,
    Idle,
}

/// A session that lasted so long was a good one: what ends it is not the fault of the start.
const GOOD_SESSION: Duration = Duration::from_secs(10);

/// How long a call waits for a server that is to be tried again; longer, and the caller is better
/// served by the reason.
const PATIENCE: Duration = Duration::from_secs(3);

/// Notices that wait; more of the same change nothing.
const NOTICE_QUEUE: usize = 16;

impl Owner {
    pub(crate) fn new(
        shared: Arc<Shared>,
        commands: mpsc::Receiver<Command>,
    ) -> (Self, watch::Receiver<View>, watch::Receiver<Status>) {
        let kept = kept(&shared);
        let verdict = kept.as_ref().and_then(Kept::verdict);
        let kept = kept.map(|kept| kept.lists);
        if let Some(kept) = &kept {
            shared.learn(kept);
        }
        // A server whose lists nobody knows is to be started once to learn them.
        let learning = kept.is_none() && shared.is_listed;
        let (view, view_receiver) = watch::channel(View { lists: kept.map(Arc::new), learning });
        let (status, status_receiver) = watch::channel(Status {
            state: State::Dormant,
            since: Instant::now(),
            pid: None,
            version: None,
            software: None,
            restarts: 0,
            problem: None,
        });
        let owner = Self {
            shared,
            commands,
            notices: mpsc::channel(NOTICE_QUEUE),
            phase: Phase::Dormant,
            waiters: Vec::new(),
            failures: 0,
            starts: 0,
            verdict,
            is_asked_anew: false,
            view,
            status,
        };
        (owner, view_receiver, status_receiver)
    }

    pub(crate) async fn run(mut self) {
        loop {
            let event = tokio::select! {
                command = self.commands.recv() => Event::Command(command),
                Some(notice) = self.notices.1.recv() => Event::Notice(notice),
                event = self.phase.next(&self.shared) => event,
            };
            match event {
                Event::Command(None) => return self.close().await,
                Event::Command(Some(Command::Stop(done))) => {
                    self.close().await;
                    // Whoever asked may have given up waiting.
                    let _ = done.send(());
                    return;
                }
                Event::Command(Some(Command::Wake)) => self.wake(),
                Event::Command(Some(Command::Changed(kind))) => self.changed(kind),
                Event::Command(Some(Command::Refresh(kind))) => self.refresh(kind),
                Event::Command(Some(Command::Acquire { reply, broken })) => {
                    self.acquire(reply, broken.as_ref());
                }
                Event::Opened(Ok(found)) => {
                    if let Some(verdict) = found.verdict {
                        self.verdict = Some(verdict);
                        self.is_asked_anew = true;
                    }
                    self.opened(found.session);
                }
                Event::Opened(Err(cause)) => self.failed(&cause, false),
                Event::Lost(cause) => self.lost(&cause),
                Event::Listed(outcome) => self.listed(outcome),
                Event::Notice(Notice::Changed(kind)) => self.changed(kind),
                Event::LoggedIn => self.logged_in(),
                Event::Due => self.due(),
                Event::Idle => self.rest().await,
            }
        }
    }

    fn acquire(
        &mut self,
        reply: oneshot::Sender<Result<Arc<Session>, Error>>,
        broken: Option<&Arc<Session>>,
    ) {
        if let (Phase::Open { session, .. }, Some(broken)) = (&self.phase, broken)
            && Arc::ptr_eq(session, broken)
        {
            // The caller saw the end of the link before we did.
            self.lost("the connection broke");
        }
        match &mut self.phase {
            Phase::Open { session, .. } => {
                let _ = reply.send(Ok(Arc::clone(session)));
            }
            Phase::Opening(_) => self.waiters.push(reply),
            Phase::Dormant => {
                self.waiters.push(reply);
                self.open();
            }
            Phase::Waiting { until, cause, wanted } => {
                let remaining = until.saturating_duration_since(Instant::now());
                if remaining <= PATIENCE {
                    *wanted = true;
                    self.waiters.push(reply);
                } else {
                    let cause = format!("{cause} (tried again in {} s)", remaining.as_secs());
                    let _ = reply.send(Err(self.refusal(cause)));
                }
            }
        }
        // Callers that gave up in the meantime are not kept.
        self.waiters.retain(|waiter| !waiter.is_closed());
    }

    fn wake(&mut self) {
        if matches!(self.phase, Phase::Dormant) {
            self.open();
        }
    }

    fn open(&mut self) {
        let shared = Arc::clone(&self.shared);
        let limit = self.shared.settings.start_timeout.as_duration();
        let era = known_era(shared.settings.era, self.verdict, now());
        let opening = open(shared, self.notices.0.clone(), era);
        self.phase = Phase::Opening(Box::pin(async move {
            let opened = tokio::time::timeout(limit, opening).await;
            opened.unwrap_or_else(|_| {
                Err(format!("no answer to the opening within {} s", limit.as_secs_f64()))
            })
        }));
        self.starts += 1;
        let first = self.view.borrow().lists.is_none();
        // Nobody waits for lists that come when the server is there again.
        if first && self.shared.is_listed && !self.is_probing() {
            self.show(|view| view.learning = true);
        }
        self.report(State::Starting, |_| {});
    }

    fn opened(&mut self, session: Session) {
        let session = Arc::new(session);
        let lost = {
            let link = Arc::clone(&session.link);
            let watched = health::watch(Arc::clone(&session), Arc::clone(&self.shared));
            Box::pin(async move {
                tokio::select! {
                    cause = link.lost() => cause,
                    cause = watched => cause,
                }
            })
        };
        tracing::info!(
            upstream = &*self.shared.name,
            revision = %session.facts.version,
            software = session.facts.software,
            "upstream is ready"
        );
        self.shared.current.store(Some(Arc::clone(&session)));
        let facts = session.facts.clone();
        let pid = session.link.pid();
        let notices = self.notices.0.clone();
        let following = subscribe::follow(Arc::clone(&session), Arc::clone(&self.shared), notices);
        self.shared.environment.tasks.spawn(following);
        let since = Instant::now();
        let ready = Arc::clone(&session);
        self.phase =
            Phase::Open { session, lost, reading: None, stale: false, false_alarm: false, since };
        self.report(State::Ready, |status| {
            status.pid = pid;
            status.version = Some(facts.version.as_str());
            status.software = facts.software;
            status.problem = None;
        });
        for waiter in self.waiters.drain(..) {
            // Given up meanwhile.
            let _ = waiter.send(Ok(Arc::clone(&ready)));
        }
        self.read(None, Duration::ZERO);
    }

    /// The start failed, or the session ended; `was_ready` tells which.
    fn failed(&mut self, cause: &str, was_ready: bool) {
        if !was_ready {
            self.failures += 1;
            // What was remembered of it may be what no longer holds.
            self.verdict = None;
        }
        if self.is_probing() && self.status.borrow().problem.as_deref() == Some(cause) {
            tracing::debug!(upstream = &*self.shared.name, cause, "upstream is still down");
        } else {
            tracing::warn!(upstream = &*self.shared.name, cause, "upstream failed");
        }
        self.shared.current.store(None);
        let eager = self.shared.settings.start == StartPolicy::Eager;
        if !was_ready {
            self.show(|view| view.learning = false);
        }
        let until = Instant::now() + backoff::delay(self.failures, random::u32());
        let wanted = was_ready || eager || self.is_probed();
        self.phase = Phase::Waiting { until, cause: cause.to_owned(), wanted };
        self.report(State::Waiting, |status| {
            status.pid = None;
            status.problem = Some(cause.to_owned());
        });
        for waiter in std::mem::take(&mut self.waiters) {
            let _ = waiter.send(Err(self.refusal(cause.to_owned())));
        }
    }

    fn lost(&mut self, cause: &str) {
        let Phase::Open { session, since, .. } = &self.phase else { return };
        self.failures = if since.elapsed() < GOOD_SESSION { self.failures + 1 } else { 0 };
        let link = Arc::clone(&session.link);
        self.shared.environment.tasks.spawn(async move { link.close().await });
        self.failed(cause, true);
    }

    /// Does at once what waited for a login.
    fn logged_in(&mut self) {
        match &self.phase {
            Phase::Waiting { .. } => self.open(),
            Phase::Open { reading: Some(_), .. } => self.read(None, Duration::ZERO),
            Phase::Open { .. } | Phase::Opening(_) | Phase::Dormant => {}
        }
    }

    /// Ends a server that nobody used for a while.
    async fn rest(&mut self) {
        if let Phase::Open { session, .. } = &self.phase {
            let session = Arc::clone(session);
            self.shared.current.store(None);
            // A call that came while the time was up either sees that there is no session, or is
            // seen here: it counts itself before it looks.
            if self.shared.idle_since().is_none() {
                self.shared.current.store(Some(session));
                return;
            }
            tracing::info!(upstream = &*self.shared.name, "upstream is idle and stops");
            self.phase = Phase::Dormant;
            session.link.close().await;
            self.report(State::Dormant, |status| status.pid = None);
        }
    }

    async fn close(mut self) {
        self.shared.current.store(None);
        for waiter in std::mem::take(&mut self.waiters) {
            let _ = waiter.send(Err(self.unavailable("it is being stopped".into())));
        }
        if let Phase::Open { session, .. } = std::mem::replace(&mut self.phase, Phase::Dormant) {
            session.link.close().await;
        }
        self.report(State::Stopped, |status| status.pid = None);
    }

    /// Why there is no session, and whether it is for a person to see to.
    fn refusal(&self, cause: String) -> Error {
        match self.shared.login() {
            Some(login) if login.is_wanted() => {
                Error::Unauthorized { upstream: self.shared.name.to_string(), cause }
            }
            _ => self.unavailable(cause),
        }
    }

    fn unavailable(&self, cause: String) -> Error {
        Error::Unavailable { upstream: self.shared.name.to_string(), cause }
    }

    fn show(&self, change: impl FnOnce(&mut View)) {
        self.view.send_modify(change);
        self.shared.environment.events.lists_changed(&self.shared.name);
    }

    fn report(&self, state: State, change: impl FnOnce(&mut Status)) {
        let restarts = self.starts.saturating_sub(1);
        self.status.send_modify(|status| {
            status.state = state;
            status.since = Instant::now();
            status.restarts = restarts;
            change(status);
        });
        let status = self.status.borrow().clone();
        self.shared.environment.events.state_changed(&self.shared.name, &status);
    }
}

impl Phase {
    /// What happens next by itself.
    async fn next(&mut self, shared: &Shared) -> Event {
        match self {
            Self::Dormant => pending().await,
            Self::Opening(opening) => Event::Opened(opening.await),
            Self::Open { lost, reading, since, .. } => {
                let listed = async {
                    match reading {
                        Some(reading) => (&mut reading.lists).await,
                        None => pending().await,
                    }
                };
                tokio::select! {
                    cause = lost => Event::Lost(cause),
                    lists = listed => Event::Listed(lists),
                    () = idle(shared, *since) => Event::Idle,
                    () = logged_in(shared) => Event::LoggedIn,
                }
            }
            Self::Waiting { until, wanted, .. } => {
                let due = async {
                    match wanted {
                        true => tokio::time::sleep_until(*until).await,
                        false => pending().await,
                    }
                };
                tokio::select! {
                    () = due => Event::Due,
                    () = logged_in(shared) => Event::LoggedIn,
                }
            }
        }
    }
}

/// Resolves when the owner has logged in at a server that wanted it.
async fn logged_in(shared: &Shared) {
    match shared.login().filter(|login| login.is_wanted()) {
        Some(login) => login.renewed().await,
        None => pending().await,
    }
}

/// Resolves when a server that is open since `since` was not used for as long as its settings say.
async fn idle(shared: &Shared, since: Instant) {
    let Some(limit) = shared.settings.idle_stop else {
        return pending().await;
    };
    loop {
        // While calls are under way, it is looked at again after the whole time.
        let last = shared.idle_since().unwrap_or_else(Instant::now).max(since);
        let due = last + limit.as_duration();
        if due <= Instant::now() {
            return;
        }
        tokio::time::sleep_until(due).await;
    }
}

/// What is known of the server before it is asked: what it listed the last time, or what it is made to
/// list.
fn kept(shared: &Shared) -> Option<Kept> {
    if let Some(inside) = &shared.settings.inside {
        return Some(Kept { lists: Lists::clone(&inside.lists), asked: None });
    }
    shared.environment.cache.load(&shared.kept_as, &fingerprint(&shared.settings))
}
