//! One client's conversation, whatever carries its messages: lines, events or `WebSocket` frames.
//!
//! A carrier hands in every message it reads ([`Conversation::take`]) and writes what it finds in
//! [`Outgoing`]; [`Conversation::hold`] lasts as long as the conversation does. What all carriers
//! have in common is the rule of the standard streams (2026-07-28, "Custom Transports"): the
//! opening message decides the era ([`opening`]), a request is cancelled by saying so, and the end
//! of the connection is the end of everything that belongs to it.

mod announce;
mod opening;
mod outgoing;
mod request;
mod unread;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use switchboard_core::{CallerId, Context, Principal};
use switchboard_mcp::{DecodeError, Incoming, Json, Method, RequestId, RpcError, encode};
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

pub(crate) use opening::{modern_version, unsupported};
pub(crate) use outgoing::{Outgoing, QUEUE};
use unread::Unread;

use crate::bounds::Bounds;
use crate::callback::Callbacks;
use crate::conversation::opening::Opening;
use crate::front::Front;
use crate::meter::Counted;
use crate::rate::Pace;
use crate::watched::Watched;

/// What a carrier allows its conversations.
#[derive(Clone)]
pub(crate) struct Terms {
    /// The name under which conversations are counted.
    pub listener: &'static str,
    /// Requests under way at once; more are refused as busy.
    pub in_flight: usize,
    /// The requests under way of all clients, where the conversation shares a listener.
    pub shared: Option<Bounds>,
    /// Whether 2026-07-28 may be spoken.
    pub stateless: bool,
    /// How fast messages are read.
    pub pace: Option<Pace>,
    /// Whether a message may be an array, in a session whose revision has that.
    pub batches: bool,
    /// Where the client is in the network.
    pub address: Option<IpAddr>,
}

/// How a client stopped talking.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Parting {
    /// It closed its side and may still read: a script that wrote its requests.
    Silent,
    /// Nobody is there any more.
    Gone,
}

/// How long a client that closed its side may wait for the answers that it still wants: a script
/// that wrote its requests and reads, or nobody.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// Subscriptions open at once; one is enough for all that can be announced.
const SUBSCRIPTIONS: u32 = 16;

/// How long the ends of subscriptions may wait for a client that does not read.
const FAREWELLS: Duration = Duration::from_secs(5);

pub(crate) struct Conversation {
    front: Arc<Front>,
    principal: Principal,
    /// The same for all requests of the session.
    id: CallerId,
    terms: Terms,
    out: mpsc::Sender<Vec<u8>>,
    /// Long answers that it has not read.
    unread: Arc<Unread>,
    /// What the client of a session has not answered yet.
    callbacks: Arc<Callbacks>,
    state: Mutex<State>,
    watched: Watched,
    slots: Arc<Semaphore>,
    subscriptions: Arc<Semaphore>,
    /// Ends everything that belongs to the conversation.
    ended: CancellationToken,
    /// Nothing more goes out than is queued.
    over: CancellationToken,
    _counted: Counted,
}

#[derive(Default)]
struct State {
    opening: Opening,
    in_flight: HashMap<RequestId, Open>,
    /// Tells requests that came under the same id apart.
    entered: u64,
}

/// A request under way.
#[derive(Clone)]
struct Open {
    number: u64,
    cancelled: CancellationToken,
}

impl Conversation {
    pub(crate) fn open(
        front: &Arc<Front>,
        principal: Principal,
        terms: Terms,
    ) -> (Arc<Self>, Outgoing) {
        let (out, queue) = mpsc::channel(QUEUE);
        let over = CancellationToken::new();
        let unread = Arc::<Unread>::default();
        let conversation = Self {
            front: Arc::clone(front),
            principal,
            id: CallerId::unique(),
            out,
            unread: Arc::clone(&unread),
            callbacks: Arc::default(),
            state: Mutex::default(),
            watched: Watched::default(),
            slots: Arc::new(Semaphore::new(terms.in_flight)),
            subscriptions: Arc::new(Semaphore::new(SUBSCRIPTIONS as usize)),
            ended: CancellationToken::new(),
            over: over.clone(),
            _counted: Counted::new(front, terms.listener),
            terms,
        };
        (Arc::new(conversation), Outgoing::new(queue, unread, over))
    }

    /// Holds the conversation for as long as `reading` goes on, or until the daemon drains; the
    /// answers that are still wanted go out before it ends.
    pub(crate) async fn hold(self: Arc<Self>, reading: impl Future<Output = Parting>) {
        let changes = self.front.gateway.changes();
        let announcing = self.front.tasks.spawn(Arc::clone(&self).announce(changes));
        let all = u32::try_from(self.terms.in_flight).unwrap_or(u32::MAX);
        // All slots free means all answers are queued.
        let answered = || self.slots.acquire_many(all);
        let drained = async {
            self.front.draining.cancelled().await;
            // For as long as whoever drains waits.
            let _ = answered().await;
        };
        let parting = tokio::select! {
            // Also while the daemon drains: a question may be open, which the client has to answer.
            parting = reading => parting,
            () = drained => Parting::Gone,
        };
        if parting == Parting::Silent {
            let _ = tokio::time::timeout(LAST_ANSWERS, answered()).await;
        }
        self.ended.cancel();
        let _ = announcing.await;
        // All subscriptions free means all farewells are queued.
        let farewells = self.subscriptions.acquire_many(SUBSCRIPTIONS);
        let _ = tokio::time::timeout(FAREWELLS, farewells).await;
        self.over.cancel();
        let version = self.state().opening.session_mut().map(|session| session.version);
        if let Some(version) = version {
            let session = Some(switchboard_core::Session::new(self.id, self.ended.clone()));
            let context = Context::new(self.principal.clone(), version);
            let context = Context { caller: self.id, session, ..context };
            self.watched.release(&self.front.gateway, &context).await;
        }
    }

    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Waits until the carrier writes nothing any more.
    pub(crate) async fn unheard(&self) {
        self.out.closed().await;
    }

    /// Takes one message as it came.
    pub(crate) async fn take(self: &Arc<Self>, text: Bytes) {
        if let Some(pace) = &self.terms.pace {
            pace.keep().await;
        }
        if text.trim_ascii_start().first() == Some(&b'[') {
            return self.batch(text).await;
        }
        match Incoming::decode(text) {
            Ok(message) => self.accept(message).await,
            Err(DecodeError { id, error, is_answer: true }) => {
                // Whoever asked need not wait for a better one; and under its id the client may
                // have a request of its own, which this is no answer to.
                if !self.response(id.as_ref(), Err(error.clone())) {
                    self.refuse(&error).await;
                }
            }
            Err(refusal) => self.send(encode::error(refusal.id.as_ref(), &refusal.error)).await,
        }
    }

    /// Says that something came that is no message.
    pub(crate) async fn refuse(&self, error: &RpcError) {
        self.send(encode::error(None, error)).await;
    }

    /// Acts on a message: answers what can be answered at once, and sets the rest going.
    pub(crate) async fn accept(self: &Arc<Self>, message: Incoming) {
        match message {
            Incoming::Request { id, method, params } => self.request(id, method, params).await,
            Incoming::Notification { method, params } => {
                self.notification(&method, params.as_ref());
            }
            Incoming::Response { id, outcome } => {
                self.response(id.as_ref(), outcome);
            }
        }
    }

    /// Takes the answer to a question of ours; false where it was never asked.
    fn response(&self, id: Option<&RequestId>, outcome: Result<Json, RpcError>) -> bool {
        id.is_some_and(|id| self.callbacks.answer(id, outcome))
    }

    fn notification(&self, method: &Method, params: Option<&Json>) {
        let mut state = self.state();
        match method {
            Method::Initialized => {
                if let Some(session) = state.opening.session_mut() {
                    session.initialized = true;
                }
            }
            Method::Cancelled => {
                let members = params.and_then(|params| params.members().ok());
                let id = members.and_then(|m| RequestId::from_raw(m.get("requestId")?));
                if let Some(open) = id.and_then(|id| state.in_flight.remove(&id)) {
                    open.cancelled.cancel();
                }
            }
            _ => {}
        }
    }

    fn enter(&self, id: &RequestId) -> Option<Open> {
        let mut state = self.state();
        if state.in_flight.contains_key(id) {
            return None;
        }
        // With the conversation end the requests that nobody waits for any more.
        state.entered += 1;
        let open = Open { number: state.entered, cancelled: self.ended.child_token() };
        state.in_flight.insert(id.clone(), open.clone());
        Some(open)
    }

    /// Forgets a request, but not another that came under its id after it was cancelled.
    fn leave(&self, id: &RequestId, open: &Open) {
        let mut state = self.state();
        if state.in_flight.get(id).is_some_and(|other| other.number == open.number) {
            state.in_flight.remove(id);
        }
    }

    async fn send(&self, message: Vec<u8>) {
        // The carrier stops when the client is gone; then nobody is left to tell.
        let _ = self.out.send(message).await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics holding it")
    }
}
