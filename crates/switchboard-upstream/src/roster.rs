//! The endpoints that an upstream has at the moment, and which of them a call may use.
//!
//! For each way to the server that is configured there is one endpoint that is shared by all, and
//! whose lists are those of the catalog. What is beside it depends on the settings: more instances
//! for the same calls (`pool`), or one for each session or principal (`sharing`), in which case the
//! shared one only lists.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use switchboard_core::{CallerId, Context, Error, Principal};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::endpoint::{Endpoint, Template};
use crate::environment::Environment;
use crate::seat::Seat;
use crate::settings::{PoolSettings, Sharing};

pub(crate) struct Roster {
    upstream: Arc<str>,
    ways: Vec<Template>,
    sharing: Sharing,
    /// It is `Sharing::Auto`, and the server has shown that it keeps something for its client.
    apart: AtomicBool,
    pool: Option<PoolSettings>,
    /// How many instances there are at most that belong to one session or principal.
    instances: usize,
    environment: Environment,
    shared: ArcSwap<Vec<Arc<Seat>>>,
    changing: Mutex<Changing>,
    born: Instant,
}

#[derive(Default)]
struct Changing {
    own: HashMap<Whose, Own>,
    /// How many endpoints there have been, for their names.
    made: usize,
    is_closed: bool,
}

/// Whose an endpoint is that is not for all.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Whose {
    Session(CallerId),
    Principal(Principal),
}

struct Own {
    seat: Arc<Seat>,
    last_used: Instant,
    /// Tells whoever waits for the end of its session that it went before that.
    _gone: DropGuard,
}

/// The endpoints that a call may use.
pub(crate) enum Seats {
    One(Arc<Seat>),
    Several(Arc<Vec<Arc<Seat>>>),
}

impl Roster {
    pub(crate) fn new(
        upstream: &Arc<str>,
        ways: Vec<Template>,
        environment: Environment,
        born: Instant,
    ) -> Self {
        let settings = &ways[0].settings;
        let (sharing, pool, instances) = (settings.sharing, settings.pool, settings.instances);
        let roster = Self {
            upstream: Arc::clone(upstream),
            sharing,
            apart: AtomicBool::new(false),
            pool,
            instances,
            environment,
            shared: ArcSwap::default(),
            changing: Mutex::default(),
            born,
            ways,
        };
        let shared = roster.ways.iter().map(|template| {
            let (name, environment) = (&template.name, roster.environment.clone());
            // One that only lists is not needed for long.
            let idle = sharing.is_by_owner().then_some(LISTING_IDLE);
            let template = template.instance(idle);
            let endpoint = Endpoint::new(name, &template, environment, true);
            Arc::new(Seat::new(endpoint, &template, Duration::ZERO))
        });
        let shared: Vec<_> = shared.collect();
        roster.changing().made = shared.len();
        roster.shared.store(Arc::new(shared));
        roster
    }

    /// The endpoints that are for all.
    pub(crate) fn shared(&self) -> Arc<Vec<Arc<Seat>>> {
        self.shared.load_full()
    }

    /// All of them, the shared ones first.
    pub(crate) fn all(&self) -> Vec<Arc<Seat>> {
        let mut all: Vec<_> = self.shared.load().iter().cloned().collect();
        let changing = self.changing();
        let mut own: Vec<_> = changing.own.values().map(|own| Arc::clone(&own.seat)).collect();
        drop(changing);
        own.sort_by_key(|seat| (seat.name().len(), Arc::clone(seat.name())));
        all.extend(own);
        all
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<Seat>> {
        self.all().into_iter().find(|seat| &**seat.name() == name)
    }

    /// Whether answers must say which endpoint they come from.
    pub(crate) fn tells_apart(&self) -> bool {
        self.pool.is_some() || self.ways.len() > 1
    }

    /// The endpoints where something of `context` may be that is to be taken back. Those for all
    /// are among them: it may be of the time before it had one of its own.
    pub(crate) fn existing(&self, context: &Context) -> Vec<Arc<Seat>> {
        let own = self
            .whose(context)
            .and_then(|whose| self.changing().own.get(&whose).map(|own| Arc::clone(&own.seat)));
        self.shared.load().iter().cloned().chain(own).collect()
    }

    /// Whose endpoint a call of `context` uses, if not that of all.
    fn whose(&self, context: &Context) -> Option<Whose> {
        match (self.sharing, &context.session) {
            (Sharing::Shared, _) => None,
            (Sharing::Auto, _) if !self.is_set_apart() => None,
            (Sharing::PerSession | Sharing::Auto, Some(session)) => {
                Some(Whose::Session(session.id()))
            }
            (Sharing::PerSession | Sharing::Auto, None) | (Sharing::PerPrincipal, _) => {
                Some(Whose::Principal(context.principal.clone()))
            }
        }
    }

    /// From now on everybody has a connection of their own, if the settings leave that to us;
    /// whether they do.
    pub(crate) fn set_apart(&self) -> bool {
        let is_ours = self.sharing == Sharing::Auto;
        self.apart.store(is_ours, Ordering::Release);
        is_ours
    }

    pub(crate) fn is_set_apart(&self) -> bool {
        self.apart.load(Ordering::Acquire)
    }

    /// The endpoints that a call of `context` may use.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] where it would be given one of its own and there are too many;
    /// [`Error::Invalid`] where it must go to one that is gone.
    pub(crate) fn seats(self: &Arc<Self>, context: &Context) -> Result<Seats, Error> {
        if let Some(whose) = self.whose(context) {
            return self.own(whose, context).map(Seats::One);
        }
        let shared = self.shared.load();
        if let (Some(endpoint), true) = (&context.endpoint, self.tells_apart()) {
            let seat = shared.iter().find(|seat| seat.name() == endpoint);
            return seat.cloned().map(Seats::One).ok_or_else(|| gone(&self.upstream));
        }
        Ok(match &shared[..] {
            [one] if self.pool.is_none() => Seats::One(Arc::clone(one)),
            _ => Seats::Several(Arc::clone(&shared)),
        })
    }

    /// Another instance, where there may be one more and all that there are have calls under way.
    pub(crate) fn grow(&self) -> Option<Arc<Seat>> {
        let pool = self.pool?;
        let shared = self.shared.load();
        let is_free = |seat: &Arc<Seat>| seat.load.in_flight() == 0;
        if shared.len() >= pool.max || shared.iter().any(is_free) {
            return None;
        }
        drop(shared);
        self.add(pool.max, Some(pool.idle.as_duration()))
    }

    /// Has all run that there are to be; gives those that there were not.
    pub(crate) fn wake(&self) -> Vec<Arc<Seat>> {
        let added = self.fill();
        for seat in self.shared.load().iter().filter(|seat| !seat.endpoint.is_open()) {
            seat.endpoint.wake();
        }
        added
    }

    /// As [`Self::wake`], because of a call. One that was stopped for want of calls goes on resting
    /// while another has nothing to do: to start it for the calls of others would be to stop and to
    /// start it for ever.
    pub(crate) fn attend(&self) -> Vec<Arc<Seat>> {
        let added = self.fill();
        let shared = self.shared.load();
        let mut open = shared.iter().filter(|seat| seat.endpoint.is_open()).peekable();
        // Where none is open, the call starts the one that it goes to.
        let mut one_more = open.peek().is_some() && open.all(|seat| seat.load.in_flight() > 0);
        for seat in shared.iter().filter(|seat| !seat.endpoint.is_open()) {
            // Not what is just being stopped: it would be started right after.
            let is_due = seat.endpoint.rests() && std::mem::take(&mut one_more);
            if is_due || seat.endpoint.is_new() {
                seat.endpoint.wake();
            }
        }
        added
    }

    /// Adds the instances of a pool that always run.
    fn fill(&self) -> Vec<Arc<Seat>> {
        let least = self.pool.map_or(0, |pool| pool.min.min(pool.max));
        std::iter::from_fn(|| self.add(least, None)).collect()
    }

    /// Adds an instance to a pool that has fewer than `most`. It stops by itself after `idle`.
    fn add(&self, most: usize, idle: Option<Duration>) -> Option<Arc<Seat>> {
        if self.shared.load().len() >= most {
            return None;
        }
        let mut changing = self.changing();
        let shared = self.shared.load();
        if changing.is_closed || shared.len() >= most {
            return None;
        }
        let seat = self.make(&mut changing, 0, idle);
        seat.endpoint.wake();
        let mut more = Vec::clone(&shared);
        more.push(Arc::clone(&seat));
        tracing::info!(upstream = &*self.upstream, instances = more.len(), "the pool grew");
        self.shared.store(Arc::new(more));
        Some(seat)
    }

    /// Drops what is beyond the least of a pool and has been stopped for want of calls.
    pub(crate) fn shrink(&self) -> Vec<Arc<Seat>> {
        let Some(pool) = self.pool else { return Vec::new() };
        let changing = self.changing();
        let shared = self.shared.load();
        let mut left = Vec::with_capacity(shared.len());
        let mut gone = Vec::new();
        for (place, seat) in shared.iter().enumerate() {
            let spare = place >= pool.min.max(1) && !changing.is_closed;
            if spare && seat.is_unused() { &mut gone } else { &mut left }.push(Arc::clone(seat));
        }
        if !gone.is_empty() {
            self.shared.store(Arc::new(left));
        }
        gone
    }

    fn own(self: &Arc<Self>, whose: Whose, context: &Context) -> Result<Arc<Seat>, Error> {
        let mut changing = self.changing();
        let now = Instant::now();
        if let Some(own) = changing.own.get_mut(&whose) {
            own.last_used = now;
            return Ok(Arc::clone(&own.seat));
        }
        if changing.is_closed {
            let upstream = self.upstream.to_string();
            return Err(Error::Unavailable { upstream, cause: "it is being stopped".to_owned() });
        }
        if changing.own.len() >= self.instances {
            let seat = evict(&mut changing).ok_or_else(|| Error::Busy {
                upstream: self.upstream.to_string(),
                cause: format!("{} instances are in use", self.instances),
            })?;
            self.end(seat);
        }
        let way = changing.made % self.ways.len();
        let seat = self.make(&mut changing, way, Some(OWN_IDLE));
        let gone = CancellationToken::new();
        let own = Own { seat: Arc::clone(&seat), last_used: now, _gone: gone.clone().drop_guard() };
        changing.own.insert(whose.clone(), own);
        drop(changing);
        if let (Whose::Session(_), Some(session)) = (&whose, context.session.clone()) {
            let roster = Arc::downgrade(self);
            self.environment.tasks.spawn(async move {
                tokio::select! {
                    () = session.over() => {
                        let _ = end_of(&roster, &whose);
                    }
                    // It made room for another, or everything ends.
                    () = gone.cancelled() => {}
                }
            });
        }
        Ok(seat)
    }

    fn make(&self, changing: &mut Changing, way: usize, idle: Option<Duration>) -> Arc<Seat> {
        changing.made += 1;
        let name: Arc<str> = format!("{}.{}", self.upstream, changing.made).into();
        let template = self.ways[way].instance(idle);
        let endpoint = Endpoint::new(&name, &template, self.environment.clone(), false);
        Arc::new(Seat::new(endpoint, &template, self.born.elapsed()))
    }

    /// Closes an endpoint that is not on the roster any more, once its calls have ended.
    fn end(&self, seat: Arc<Seat>) {
        self.environment.tasks.spawn(async move { seat.endpoint.stop().await });
    }

    /// Takes no more calls, and gives all endpoints to be stopped.
    pub(crate) fn close(&self) -> Vec<Arc<Seat>> {
        self.changing().is_closed = true;
        self.all()
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().expect("no one panics holding it")
    }
}

/// How long an endpoint runs that lists for those of sessions or principals, where `idle_stop` says
/// nothing else.
const LISTING_IDLE: Duration = Duration::from_secs(60);

/// How long an endpoint of one session or principal runs without calls, where `idle_stop` says
/// nothing else: it costs a process and is soon started again.
const OWN_IDLE: Duration = Duration::from_secs(10 * 60);

impl Template {
    /// The same for an instance that stops by itself after a while.
    fn instance(&self, idle: Option<Duration>) -> Self {
        let mut settings = self.settings.clone();
        if let (None, Some(idle)) = (settings.idle_stop, idle) {
            let milliseconds = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX);
            settings.idle_stop = Some(switchboard_config::TimeSpan::from_millis(milliseconds));
        }
        let (name, login) = (Arc::clone(&self.name), self.login.clone());
        let retries = Arc::clone(&self.retries);
        Self { name, settings, weight: self.weight, login, retries }
    }
}

/// Takes out the endpoint that was not used for longest, of those that have no call.
fn evict(changing: &mut Changing) -> Option<Arc<Seat>> {
    let idle = changing.own.iter().filter(|(_, own)| own.seat.load.in_flight() == 0);
    let (whose, _) = idle.min_by_key(|(_, own)| own.last_used)?;
    let whose = whose.clone();
    changing.own.remove(&whose).map(|own| own.seat)
}

fn end_of(roster: &Weak<Roster>, whose: &Whose) -> Option<()> {
    let roster = roster.upgrade()?;
    let own = roster.changing().own.remove(whose)?;
    roster.end(own.seat);
    Some(())
}

/// What was kept by an instance went with it.
fn gone(upstream: &str) -> Error {
    Error::Invalid(format!(
        "what this is about was kept by an instance of `{upstream}` that is gone"
    ))
}
