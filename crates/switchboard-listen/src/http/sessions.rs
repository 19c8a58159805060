//! The sessions of clients before 2026-07-28.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use switchboard_core::{CallerId, Changes, Context, Principal};
use switchboard_mcp::{ClientCapabilities, ProtocolVersion, RequestId};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::callback::Callbacks;
use crate::front::{Caller, Front};
use crate::replay::{Budget, Streams};
use crate::watched::Watched;

/// One client's session.
pub(crate) struct Session {
    pub id: String,
    /// What its requests have in common.
    pub caller: Caller,
    pub callbacks: Arc<Callbacks>,
    pub streams: Arc<Streams>,
    pub watched: Watched,
    /// Changes since the session began; whoever reads the stream of a GET holds them.
    pub changes: tokio::sync::Mutex<Changes>,
    /// Ends the streams and the requests of the session.
    pub ended: CancellationToken,
    /// Somebody takes the subscriptions back when the session ends.
    is_released: AtomicBool,
    state: Mutex<State>,
}

struct State {
    last_used: Instant,
    in_flight: HashMap<RequestId, CancellationToken>,
}

/// All sessions of one listener. Bounded in number and in idle time, so that clients that never
/// say goodbye cost nothing in the end.
pub(crate) struct Sessions {
    table: Mutex<Table>,
    limit: usize,
    pub idle: Duration,
    budget: Arc<Budget>,
}

#[derive(Default)]
struct Table {
    sessions: HashMap<String, Arc<Session>>,
    /// When those were last taken out whose time is over.
    swept: Option<Instant>,
}

/// The longest time between two sweeps. At each opening they would make thousands of openings as
/// many walks through thousands of sessions.
const SWEEP: Duration = Duration::from_secs(1);

/// Random bytes of a session id: 192 bits cannot be guessed (the specification asks for an id that
/// is "globally unique and cryptographically secure").
const ID_BYTES: usize = 24;

impl Sessions {
    pub(crate) fn new(limit: usize, idle: Duration) -> Self {
        Self { table: Mutex::default(), limit, idle, budget: Arc::default() }
    }

    pub(crate) fn open(
        &self,
        principal: Principal,
        version: ProtocolVersion,
        capabilities: ClientCapabilities,
        changes: Changes,
    ) -> Arc<Session> {
        let (id, ended) = (CallerId::unique(), CancellationToken::new());
        let kept = Some(switchboard_core::Session::new(id, ended.clone()));
        let session = Arc::new(Session {
            id: URL_SAFE_NO_PAD.encode(random::<ID_BYTES>()),
            caller: Caller { principal, version, id, capabilities, log_level: None, session: kept },
            callbacks: Arc::default(),
            streams: Streams::new(u32::from_ne_bytes(random()), Arc::clone(&self.budget)),
            watched: Watched::default(),
            changes: tokio::sync::Mutex::new(changes),
            ended,
            is_released: AtomicBool::new(false),
            state: Mutex::new(State { last_used: Instant::now(), in_flight: HashMap::new() }),
        });
        let mut table = self.table.lock().expect("no one panics holding it");
        self.sweep(&mut table);
        if table.sessions.len() >= self.limit {
            evict(&mut table.sessions);
        }
        table.sessions.insert(session.id.clone(), Arc::clone(&session));
        session
    }

    /// The session, if it is there and `principal` opened it: to anyone else it does not exist.
    pub(crate) fn find(&self, id: &str, principal: &Principal) -> Option<Arc<Session>> {
        let mut table = self.table.lock().expect("no one panics holding it");
        let session = table.sessions.get(id)?;
        if !session.is_alive(self.idle) {
            session.ended.cancel();
            table.sessions.remove(id);
            return None;
        }
        let session = Arc::clone(session);
        drop(table);
        (session.caller.principal == *principal).then(|| {
            session.touch();
            session
        })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        let mut table = self.table.lock().expect("no one panics holding it");
        self.sweep(&mut table);
        table.sessions.len()
    }

    /// Ends the session that is idle for longest; false where there is none.
    pub(crate) fn make_room(&self) -> bool {
        evict(&mut self.table.lock().expect("no one panics holding it").sessions)
    }

    /// Ends those whose time is over, unless that was done just now.
    fn sweep(&self, table: &mut Table) {
        let pause = SWEEP.min(self.idle / 8);
        if table.swept.is_some_and(|swept| swept.elapsed() < pause) {
            return;
        }
        table.swept = Some(Instant::now());
        table.sessions.retain(|_, session| {
            let alive = session.is_alive(self.idle);
            if !alive {
                session.ended.cancel();
            }
            alive
        });
    }

    pub(crate) fn close(&self, session: &Session) {
        session.ended.cancel();
        self.table.lock().expect("no one panics holding it").sessions.remove(&session.id);
    }
}

fn evict(table: &mut HashMap<String, Arc<Session>>) -> bool {
    let oldest = table.values().min_by_key(|session| session.last_used()).cloned();
    let Some(oldest) = oldest else { return false };
    oldest.ended.cancel();
    table.remove(&oldest.id);
    true
}

impl Session {
    /// Notes a request; `None` if one with this id is open.
    pub(crate) fn enter(&self, id: &RequestId) -> Option<CancellationToken> {
        let mut state = self.state.lock().expect("no one panics holding it");
        if state.in_flight.contains_key(id) {
            return None;
        }
        let token = self.ended.child_token();
        state.in_flight.insert(id.clone(), token.clone());
        Some(token)
    }

    pub(crate) fn leave(&self, id: &RequestId) {
        let mut state = self.state.lock().expect("no one panics holding it");
        state.in_flight.remove(id);
        state.last_used = Instant::now();
    }

    pub(crate) fn cancel(&self, id: &RequestId) {
        let state = self.state.lock().expect("no one panics holding it");
        if let Some(token) = state.in_flight.get(id) {
            token.cancel();
        }
    }

    /// Notes a use: a request, or a stream that is open.
    pub(crate) fn touch(&self) {
        self.state.lock().expect("no one panics holding it").last_used = Instant::now();
    }

    /// Sees to it that servers hear when nobody listens to their resources any more. Only sessions
    /// that subscribe have a task, and with it an end that does not wait for another session.
    pub(crate) fn release_at_end(self: &Arc<Self>, front: &Arc<Front>, idle: Duration) {
        if self.is_released.swap(true, Ordering::Relaxed) {
            return;
        }
        let (session, front) = (Arc::clone(self), Arc::clone(front));
        let tasks = front.tasks.clone();
        tasks.spawn(async move {
            while session.is_alive(idle) {
                tokio::select! {
                    () = tokio::time::sleep(idle) => {}
                    () = session.ended.cancelled() => {}
                    // The servers end as well.
                    () = front.draining.cancelled() => return,
                }
            }
            session.ended.cancel();
            let Caller { principal, version, id, session: kept, .. } = session.caller.clone();
            let context = Context::new(principal, version);
            let context = Context { caller: id, session: kept, ..context };
            session.watched.release(&front.gateway, &context).await;
        });
    }

    /// For the choice of who makes room: those with a request under way come last.
    fn last_used(&self) -> (bool, Instant) {
        let state = self.state.lock().expect("no one panics holding it");
        (!state.in_flight.is_empty(), state.last_used)
    }

    /// A session is kept while a request is open, and for the idle time after its last use.
    pub(crate) fn is_alive(&self, idle: Duration) -> bool {
        let state = self.state.lock().expect("no one panics holding it");
        !self.ended.is_cancelled()
            && (!state.in_flight.is_empty() || state.last_used.elapsed() < idle)
    }
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system has a source of randomness");
    bytes
}
