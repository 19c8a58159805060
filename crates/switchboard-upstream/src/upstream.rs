//! One upstream: what the catalog has under one name, whatever endpoints stand behind it.
//!
//! A call is let in ([`FairQueue`]), gets the endpoints that it may use ([`roster`](crate::roster)),
//! best first ([`choice`](crate::choice)), and goes along them until one has taken it
//! ([`again`](crate::again) says when it may go on).

use std::iter::Peekable;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use async_trait::async_trait;
use switchboard_core::pool::{
    BalanceConfig, BreakerState, Completed, Completion, ConcurrencyLimit, FairQueue, OutlierConfig,
    Outliers, Permit, QueueCounts, Shed,
};
use switchboard_core::{
    Context, Error, Filter, Kind, Peer, Prefix, PrefixError, Principal, Request, Response,
};
use switchboard_mcp::Method;
use switchboard_process::StderrRing;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::endpoint::{Template, done};
use crate::environment::{Environment, Events};
use crate::keeps::KeepsState;
use crate::login::Login;
use crate::retries::Retries;
use crate::roster::{Roster, Seats};
use crate::seat::{Seat, Trial};
use crate::settings::Settings;
use crate::status::{EndpointStatus, State, Status, View};
use crate::{gathering, hints};

/// A server that is started when it is needed, kept while it is used, and replaced when it breaks;
/// or several that do the same.
pub struct Upstream {
    name: Arc<str>,
    settings: Settings,
    prefix: Prefix,
    pub(crate) roster: Arc<Roster>,
    queue: FairQueue<Principal>,
    limit: ConcurrencyLimit,
    pub(crate) retries: Arc<Retries>,
    pub(crate) balance: BalanceConfig,
    pub(crate) outliers: Outliers,
    pub(crate) turn: AtomicU64,
    pub(crate) hints: hints::Hints,
    events: Arc<dyn Events>,
    /// What has shown that its server keeps something for its client.
    keeps_state: OnceLock<KeepsState>,
    /// Its name is that of another, or nobody's.
    is_retired: AtomicBool,
    tasks: TaskTracker,
    born: Instant,
}

/// What an upstream refused without asking anybody, and what it sent again.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    pub queue: QueueCounts,
    pub retries: u64,
    pub retries_denied: u64,
}

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
        let name: Arc<str> = name.into();
        let born = Instant::now();
        let retries = Arc::new(Retries::new(settings.retry.budget()));
        let ways = templates(&name, &settings, &environment, &retries);
        let limit = ConcurrencyLimit::new(settings.queue.limit(settings.in_flight));
        let (events, tasks) = (Arc::clone(&environment.events), environment.tasks.clone());
        let upstream = Arc::new_cyclic(|this: &Weak<Self>| {
            let environment = Environment { events: gathering::of(this.clone()), ..environment };
            Self {
                roster: Arc::new(Roster::new(&name, ways, environment, born)),
                queue: FairQueue::new(limit.limit(), settings.queue.size),
                limit,
                retries,
                is_retired: AtomicBool::new(false),
                balance: BalanceConfig {
                    strategy: settings.balance.into(),
                    ..BalanceConfig::default()
                },
                outliers: Outliers::new(OutlierConfig::default()),
                turn: AtomicU64::new(0),
                hints: hints::Hints::default(),
                events,
                keeps_state: OnceLock::new(),
                tasks,
                born,
                name,
                settings,
                prefix,
            }
        });
        for seat in upstream.roster.shared().iter() {
            upstream.outliers.join(seat.key);
        }
        upstream.relearn();
        Ok(upstream)
    }

    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    pub fn filter(&self) -> Filter {
        let Settings { include_tools, exclude_tools, .. } = &self.settings;
        Filter { include: include_tools.clone(), exclude: exclude_tools.clone() }
    }

    /// What all its endpoints together offer.
    pub fn view(&self) -> View {
        let shared = self.roster.shared();
        gathering::view(shared.iter().map(|seat| seat.endpoint.view()))
    }

    pub fn status(&self) -> Status {
        let shared = self.roster.shared();
        gathering::status(shared.iter().map(|seat| seat.endpoint.status()))
    }

    /// Each endpoint by itself, those for all first.
    pub fn endpoints(&self) -> Vec<EndpointStatus> {
        let now = self.now();
        self.roster.all().iter().map(|seat| seat.status(now)).collect()
    }

    pub fn counts(&self) -> Counts {
        let budget = self.retries.counts();
        Counts { queue: self.queue.counts(), retries: budget.given, retries_denied: budget.denied }
    }

    /// What the first endpoint wrote to its standard error, or the one that is called `endpoint`.
    pub fn stderr(&self, endpoint: Option<&str>) -> Option<StderrRing> {
        let seat = match endpoint {
            Some(name) => self.roster.find(name)?,
            None => Arc::clone(self.roster.shared().first()?),
        };
        Some(seat.endpoint.stderr().clone())
    }

    /// Calls under way at all its endpoints.
    pub fn in_flight(&self) -> usize {
        self.roster.all().iter().map(|seat| seat.endpoint.in_flight()).sum()
    }

    /// Whether a call would find a server that is up, and none that fails.
    pub fn is_ready(&self) -> bool {
        let now = self.now();
        let lets_in = |seat: &Arc<Seat>| match seat.breaker.state(now) {
            BreakerState::Closed => true,
            // The calls that find out how it does are to come.
            BreakerState::HalfOpen { places } => places > 0,
            BreakerState::Open { .. } => false,
        };
        self.roster.shared().iter().any(|seat| seat.endpoint.is_open() && lets_in(seat))
    }

    /// Whether the server is to run before anybody asks for it: because its settings say so, or
    /// because nobody knows yet what it offers.
    pub fn wants_to_run(&self) -> bool {
        self.roster.shared().iter().any(|seat| seat.endpoint.wants_to_run())
    }

    /// Has the lists of those that run read again, however young they are.
    pub fn read_again(&self) {
        for seat in self.roster.shared().iter() {
            // Templates are read with the resources.
            for kind in [Kind::Tools, Kind::Prompts, Kind::Resources] {
                seat.endpoint.read_again(kind);
            }
        }
    }

    /// Asks for the server to run, without waiting for it.
    pub fn wake(&self) {
        for seat in self.roster.wake() {
            self.outliers.join(seat.key);
        }
    }

    /// Its name goes to another, or to nobody: what becomes of it from now on is no news of that
    /// name. It serves those who can still reach it until [`Self::stop`].
    pub fn retire(&self) {
        self.is_retired.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.is_retired.load(Ordering::Relaxed)
    }

    /// Takes the place of `old`: who followed resources there follows them here, without having to
    /// ask again. To be called once more when nobody can reach `old`, for those who came meanwhile.
    pub fn succeed(&self, old: &Self) {
        for seat in old.roster.all() {
            for (uri, holder) in seat.endpoint.shared.subscriptions.pass_on() {
                // Where there is no room for an endpoint of its own, nobody listens for it.
                let Ok(seats) = self.roster.seats(&holder.context()) else { continue };
                let seat = match &seats {
                    Seats::One(seat) => seat,
                    Seats::Several(seats) => &seats[0],
                };
                seat.endpoint.inherit(&uri, holder);
            }
        }
    }

    /// Ends the server for good; returns when nothing of it is left.
    pub async fn stop(&self) {
        self.queue.close();
        let seats = self.roster.close();
        futures_util::future::join_all(seats.iter().map(|seat| seat.endpoint.stop())).await;
    }

    /// Lets go of the instances of a pool that are there for nothing.
    pub(crate) fn drop_spare(&self) {
        for seat in self.roster.shrink() {
            self.outliers.leave(seat.key, self.now());
            self.tasks.spawn(async move { seat.endpoint.stop().await });
        }
    }

    /// What has shown that its server keeps something for its client, if anything has.
    pub fn keeps_state(&self) -> Option<KeepsState> {
        self.keeps_state.get().copied()
    }

    /// Whether sessions have connections of their own because of that.
    pub fn is_set_apart(&self) -> bool {
        self.roster.is_set_apart()
    }

    /// Something shows that its server keeps state; what matters is the first time.
    pub(crate) fn note_state(&self, how: KeepsState) {
        if self.settings.sharing.is_by_owner() || self.keeps_state.set(how).is_err() {
            return;
        }
        let what = how.as_str();
        if self.roster.set_apart() {
            tracing::info!(upstream = &*self.name, what, "each session has its own from now on");
        } else {
            tracing::warn!(
                upstream = &*self.name,
                what,
                "the server may keep something for one client that all share; see `sharing`"
            );
        }
    }

    pub(crate) fn events(&self) -> &Arc<dyn Events> {
        &self.events
    }

    /// The time since it was made, from which its rules count.
    pub(crate) fn now(&self) -> Duration {
        self.born.elapsed()
    }

    /// Its lists are others now.
    pub(crate) fn relearn(&self) {
        if self.settings.retry.trust_hints {
            self.hints.learn(self.view().lists.as_deref());
        }
    }

    /// One endpoint stands for all of them, and holds it over its restarts: the first that takes it,
    /// of those that are open if there are any.
    async fn subscribe(&self, context: &Context, request: Request) -> Result<Response, Error> {
        let seats = match self.roster.seats(context)? {
            Seats::One(seat) => return seat.endpoint.request(context, &request).await,
            Seats::Several(seats) => seats,
        };
        let context = context.by(Instant::now() + self.settings.timeout_total.as_duration());
        let (open, closed): (Vec<_>, Vec<_>) =
            seats.iter().partition(|seat| seat.endpoint.is_open());
        let mut refusal = None;
        for seat in open.into_iter().chain(closed) {
            match seat.endpoint.request(&context, &request).await {
                Ok(response) => return Ok(response),
                Err(error) => drop(refusal.get_or_insert(error)),
            }
        }
        Err(refusal.unwrap_or_else(|| self.broken(Duration::ZERO)))
    }

    /// Wherever it is: another endpoint may be the first to ask now.
    async fn unsubscribe(&self, context: &Context, request: Request) -> Result<Response, Error> {
        for seat in self.roster.existing(context) {
            seat.endpoint.request(context, &request).await?;
        }
        Ok(done())
    }

    /// Waits for the turn of the principal.
    async fn admitted(&self, context: &Context, end: Instant) -> Result<Permit, Error> {
        let patience = Instant::now() + self.settings.queue.wait.as_duration();
        let deadline = context.deadline.unwrap_or(end).min(patience);
        self.queue.enter(&context.principal, deadline).await.map_err(|shed| self.refused(shed))
    }

    fn refused(&self, shed: Shed) -> Error {
        let upstream = self.name.to_string();
        let QueueCounts { limit, .. } = self.queue.counts();
        let under_way = format!("{limit} calls are already under way at this upstream");
        let cause = match shed {
            Shed::Closed => {
                return Error::Unavailable { upstream, cause: "it is being stopped".to_owned() };
            }
            Shed::Late => {
                format!("{under_way}, and none has ended within {}", self.settings.queue.wait)
            }
            Shed::Full | Shed::Displaced if self.settings.queue.size == 0 => under_way,
            Shed::Full | Shed::Displaced => {
                format!("{under_way}, and {} wait for it", self.settings.queue.size)
            }
        };
        Error::Busy { upstream, cause }
    }

    /// Asks the one endpoint there is, as nearly always. Once more where it was lost over a call of a
    /// tool that does no harm twice; what is always harmless, it repeats by itself.
    async fn only(
        &self,
        seat: &Arc<Seat>,
        context: &Context,
        end: Instant,
        request: &Request,
    ) -> Result<Response, Error> {
        let answer = self.at(seat, context, request).await;
        let is_lost = matches!(answer, Err(Error::Lost { .. }));
        if is_lost && self.hints.cover(request) && self.retries.may_be() {
            let context = context.by(end);
            return Box::pin(self.at(seat, &context, request)).await;
        }
        answer
    }

    async fn at(
        &self,
        seat: &Arc<Seat>,
        context: &Context,
        request: &Request,
    ) -> Result<Response, Error> {
        let trial = seat.begin(self.now()).map_err(|wait| self.broken(wait))?;
        let answer = trial.ask(context, request).await;
        let (seat, answer) = self.ended(&trial, answer);
        answer.map(|response| self.marked(&seat, response))
    }

    /// Takes a call to the endpoints of `seats`, one after another, until one has taken it.
    ///
    /// At `end` the answer is of no more use, however often it was asked for.
    async fn along(
        &self,
        seats: &Seats,
        context: &Context,
        end: Instant,
        request: &Request,
    ) -> Result<Response, Error> {
        let order = self.order(seats, context, request);
        let mut refusal = None;
        let mut shortened = None;
        let mut places = order.into_iter().peekable();
        while let Some(seat) = places.next() {
            let trial = match seat.begin(self.now()) {
                Ok(trial) => trial,
                Err(wait) => {
                    refusal.get_or_insert_with(|| self.broken(wait));
                    continue;
                }
            };
            let under = shortened.as_ref().unwrap_or(context);
            let (seat, answer) = self.ask(trial, &mut places, under, request).await;
            let is_last = places.peek().is_none();
            if is_last || !self.may_go_on(request, &answer) {
                return answer.map(|response| self.marked(&seat, response));
            }
            refusal = answer.err();
            shortened = Some(context.by(end));
        }
        Err(refusal.unwrap_or_else(|| self.broken(Duration::ZERO)))
    }

    /// Asks one endpoint; or a second one as well, where the first takes long and that does no
    /// harm, which is then taken from `places`. Gives the answer and whose it is.
    async fn ask(
        &self,
        first: Trial,
        places: &mut Places<'_>,
        context: &Context,
        request: &Request,
    ) -> (Arc<Seat>, Result<Response, Error>) {
        let mut asking = pin!(first.ask(context, request));
        let second = match self.hedge_after(request) {
            Some(delay) if places.peek().is_some() => {
                match tokio::time::timeout(delay, &mut asking).await {
                    Ok(answer) => return self.ended(&first, answer),
                    Err(_) => self.second(places),
                }
            }
            _ => None,
        };
        let Some(second) = second else {
            let answer = asking.await;
            return self.ended(&first, answer);
        };
        let mut hedging = pin!(second.ask(context, request));
        // The one that fails first does not decide.
        tokio::select! {
            answer = &mut asking => match answer {
                Ok(_) => self.ended(&first, answer),
                Err(_) => {
                    drop(self.ended(&first, answer));
                    let answer = hedging.await;
                    self.ended(&second, answer)
                }
            },
            answer = &mut hedging => match answer {
                Ok(_) => self.ended(&second, answer),
                Err(_) => {
                    drop(self.ended(&second, answer));
                    let answer = asking.await;
                    self.ended(&first, answer)
                }
            },
        }
    }

    /// A second call beside one that takes long, if the endpoint and the budget let it.
    fn second(&self, places: &mut Places<'_>) -> Option<Trial> {
        let trial = places.peek()?.begin(self.now()).ok()?;
        if !self.retries.may_be() {
            return None;
        }
        // It is not to be asked again when both have failed.
        places.next();
        Some(trial)
    }

    /// A call has ended.
    fn ended(
        &self,
        trial: &Trial,
        answer: Result<Response, Error>,
    ) -> (Arc<Seat>, Result<Response, Error>) {
        let verdict = trial.end(&answer, self.now());
        let seat = Arc::clone(trial.seat());
        if let Some(until) = self.outliers.record(seat.key, verdict, self.now()) {
            let seconds = until.saturating_sub(self.now()).as_secs();
            tracing::info!(endpoint = &**seat.name(), seconds, "fails more than the others");
        }
        (seat, answer)
    }

    /// The answer with the endpoint that gave it, where there are several.
    fn marked(&self, seat: &Arc<Seat>, response: Response) -> Response {
        let endpoint = self.roster.tells_apart().then(|| Arc::clone(seat.name()));
        Response { endpoint, ..response }
    }

    /// Every circuit breaker is open.
    fn broken(&self, wait: Duration) -> Error {
        let cause = format!(
            "it failed too often; it is tried again in {} s",
            wait.as_secs_f64().ceil().max(1.0)
        );
        Error::Unavailable { upstream: self.name.to_string(), cause }
    }

    /// Lets the limit of calls under way learn from one that has ended.
    fn learn(&self, began: Duration, answer: &Result<Response, Error>) {
        let completion = match answer {
            Ok(_) | Err(Error::Server { .. }) => Completion::Answered,
            Err(Error::TimedOut { .. } | Error::Busy { .. }) => Completion::Overloaded,
            Err(_) => Completion::Neutral,
        };
        let now = self.now();
        let took = now.saturating_sub(began);
        let in_flight = self.queue.counts().out;
        if self.limit.record(Completed { completion, took, in_flight }, now).is_some() {
            self.queue.set_limit(self.limit.limit());
        }
    }
}

#[async_trait]
impl Peer for Upstream {
    async fn request(&self, context: &Context, request: Request) -> Result<Response, Error> {
        match request.method {
            Method::Subscribe => return Box::pin(self.subscribe(context, request)).await,
            Method::Unsubscribe => return Box::pin(self.unsubscribe(context, request)).await,
            _ => {}
        }
        let came = Instant::now();
        let end = came + self.settings.timeout_total.as_duration();
        let _permit = self.admitted(context, end).await?;
        let shortened = (came.elapsed() > AT_ONCE).then(|| context.by(end));
        let context = shortened.as_ref().unwrap_or(context);
        self.retries.call();
        let seats = self.roster.seats(context)?;
        if matches!(seats, Seats::Several(_)) {
            for seat in self.roster.attend().into_iter().chain(self.roster.grow()) {
                self.outliers.join(seat.key);
            }
        }
        let began = self.now();
        let answer = match &seats {
            Seats::One(seat) => self.only(seat, context, end, &request).await,
            // Beside the call: it would take the room of two, and every call has to make it.
            Seats::Several(_) => Box::pin(self.along(&seats, context, end, &request)).await,
        };
        if self.settings.queue.adapt_to.is_some() {
            self.learn(began, &answer);
        }
        answer
    }

    fn listed(&self, kind: Kind) {
        for seat in self.roster.shared().iter() {
            seat.endpoint.listed(kind);
        }
    }
}

/// The endpoints that a call may still go to, best first.
type Places<'s> = Peekable<std::vec::IntoIter<&'s Arc<Seat>>>;

/// A wait for its turn that is not worth shortening the time limit of a call for.
const AT_ONCE: Duration = Duration::from_millis(1);

/// The ways to the server that are configured, each with a name: that of the upstream for the
/// first, and with a number for the others.
fn templates(
    name: &Arc<str>,
    settings: &Settings,
    environment: &Environment,
    retries: &Arc<Retries>,
) -> Vec<Template> {
    let weights = settings.endpoints.iter().map(|endpoint| endpoint.weight);
    let weights = weights.chain(std::iter::repeat(None));
    let ways = settings.ways().into_iter().zip(weights).enumerate();
    ways.map(|(way, (settings, weight))| {
        let name = match way {
            0 => Arc::clone(name),
            _ => format!("{name}.{}", way + 1).into(),
        };
        let login = match &settings.http {
            Some(http) => Login::new(&name, http, environment),
            None => Ok(None),
        };
        let weight = weight.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        Template { name, settings, weight, login, retries: Arc::clone(retries) }
    })
    .collect()
}

/// The next number of a round.
pub(crate) fn next(turn: &AtomicU64) -> u64 {
    turn.fetch_add(1, Ordering::Relaxed)
}

/// Whether one in this state is of use at once.
pub(crate) fn rank(state: State) -> usize {
    match state {
        State::Ready => 0,
        State::Starting => 1,
        State::Dormant => 2,
        State::Waiting => 3,
        State::Stopped => 4,
    }
}
