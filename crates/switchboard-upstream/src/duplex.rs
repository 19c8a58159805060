//! What is common to links over which messages travel both ways as they come: standard streams,
//! HTTP+SSE, WebSockets.
//!
//! Any number of calls share the link. Whoever asks leaves a note in [`Pending`], sends a message
//! through the [`Carrier`], and waits for [`Duplex::receive`] to find the note. A link of this kind
//! is a carrier, and a task that hands over every message that comes in and says when it ended.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use switchboard_mcp::{
    DecodeError, Frame, Incoming, Json, LineError, Members, Method, Naming, Pending,
    ProtocolVersion, RequestId, RpcError, WireId, code, encode,
};
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use crate::link::{Acknowledged, Call, LinkError};
use crate::session::envelope;
use crate::unasked::{Asked, Origin, Unasked};

/// The way out of a link.
pub(crate) trait Carrier: Send + Sync {
    /// Sends one message, or gathers it to be sent in its turn; never waits. `alone` says that no
    /// other call is under way, so that nothing is gained by gathering. Returns what went before
    /// it, in a measure of the carrier's own: see [`Duplex::end`].
    ///
    /// # Errors
    ///
    /// [`Closed`] if the server certainly did not get it.
    fn send(&self, message: Vec<u8>, alone: bool) -> Result<u64, Closed>;

    /// `None` while there is room for another message; else what tells when there is again.
    fn full(&self) -> Option<&Notify>;

    /// Ends the way: what is gathered is thrown away, and nobody waits for room any more.
    fn close(&self);
}

/// The server does not read any more.
#[derive(Debug)]
pub(crate) struct Closed;

/// One link, as its tasks and those who ask share it.
pub(crate) struct Duplex<C> {
    upstream: Arc<str>,
    pub(crate) carrier: C,
    /// `None` once the server is gone: nobody can ask any more.
    pending: Mutex<Option<Pending<Asker>>>,
    /// Requests among them that wait for as long as the connection lasts: subscriptions.
    standing: AtomicUsize,
    unasked: Arc<Unasked>,
    gone: watch::Sender<Option<String>>,
    /// How much of what was sent the server had taken when it ended; empty if that is not known.
    taken: OnceLock<u64>,
    /// An [`Asker::Echo`] is on its way.
    sounding: AtomicBool,
}

/// A link as its upstream holds it. It ends when nobody holds it any more: one that is being opened
/// is dropped wherever that has come to when the time for it is over or the upstream stops, and
/// its tasks would keep it for as long as the server likes.
pub(crate) struct Held<C: Carrier + 'static>(pub Arc<Duplex<C>>);

impl<C: Carrier + 'static> Deref for Held<C> {
    type Target = Arc<Duplex<C>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<C: Carrier + 'static> Drop for Held<C> {
    fn drop(&mut self) {
        // Nothing happens where it was closed.
        self.0.end("the connection was given up".to_owned(), None);
    }
}

enum Asker {
    Call {
        answer: oneshot::Sender<Result<Json, RpcError>>,
        /// It is a subscription.
        acknowledged: Option<Acknowledged>,
    },
    /// Asked for the sake of the order alone: who answers has read what was sent before, such as
    /// the cancellations until then.
    Echo(Instant),
}

impl Asker {
    fn acknowledged(&self) -> Option<&Acknowledged> {
        match self {
            Self::Call { acknowledged, .. } => acknowledged.as_ref(),
            Self::Echo(_) => None,
        }
    }
}

/// Those who asked and will hear no answer, once this is dropped.
pub(crate) struct Bereft {
    _asked: Option<Pending<Asker>>,
}

impl<C: Carrier + 'static> Duplex<C> {
    /// `in_flight` is how many requests may wait for answers at once.
    pub(crate) fn new(
        upstream: Arc<str>,
        carrier: C,
        in_flight: usize,
        unasked: Arc<Unasked>,
    ) -> Arc<Self> {
        Arc::new(Self {
            upstream,
            carrier,
            pending: Mutex::new(Some(Pending::new(in_flight))),
            standing: AtomicUsize::new(0),
            unasked,
            gone: watch::Sender::new(None),
            taken: OnceLock::new(),
            sounding: AtomicBool::new(false),
        })
    }

    /// Handles one message of the server.
    ///
    /// # Errors
    ///
    /// Why it is no message. Whoever it was for has been told.
    pub(crate) fn receive(self: &Arc<Self>, message: &Bytes) -> Result<(), String> {
        let message = match Incoming::decode(message.clone()) {
            Ok(message) => message,
            Err(refusal) => return Err(self.malformed(&refusal, message)),
        };
        match message {
            Incoming::Response { id, outcome } => {
                let id = id.and_then(|id| id.as_number()).map(WireId);
                match id.and_then(|id| self.take(id)) {
                    Some(asker) => self.answer(asker, outcome),
                    None => {
                        if let Some(id) = id {
                            self.unasked.answered_late(id.0);
                        }
                        tracing::debug!(
                            upstream = &*self.upstream,
                            ?id,
                            "answer to no open request"
                        );
                    }
                }
            }
            Incoming::Notification { method: Method::Acknowledged, params } => {
                self.acknowledged(params);
            }
            Incoming::Notification { method, params } => {
                if method == Method::Cancelled {
                    self.cancelled(params.as_ref());
                }
                self.unasked.notification(method, params, &Origin::Shared);
            }
            Incoming::Request { id, method, params } => {
                let this = Arc::clone(self);
                let asked = Asked { id, method, params };
                self.unasked.request(asked, &Origin::Shared, move |answer| this.say(answer));
            }
        }
        Ok(())
    }

    /// Tells who opened a subscription what the server makes of it. Its id is that of the request;
    /// some servers write all ids as strings.
    fn acknowledged(&self, params: Option<Json>) {
        let id = || {
            let members = params.as_ref()?.members().ok()?;
            let meta = Members::parse(members.get("_meta")?).ok()?;
            let name = "io.modelcontextprotocol/subscriptionId";
            meta.read(name).or_else(|| meta.read::<String>(name)?.parse().ok())
        };
        let Some(id) = id() else { return };
        let pending = self.pending.lock().expect("no one panics holding it");
        let asker = pending.as_ref().and_then(|pending| pending.asker(WireId(id)));
        if let Some(acknowledged) = asker.and_then(Asker::acknowledged) {
            acknowledged.send_replace(params);
        }
    }

    /// The server ends a subscription; some answer it as well (2026-07-28, "Cancellation").
    fn cancelled(&self, params: Option<&Json>) {
        let id = params.and_then(|params| params.members().ok()?.read("requestId"));
        let mut pending = self.pending.lock().expect("no one panics holding it");
        let Some((id, pending)) = id.map(WireId).zip(pending.as_mut()) else { return };
        if pending.asker(id).is_some_and(|asker| asker.acknowledged().is_some())
            && let Some(Asker::Call { answer, .. }) = pending.answer(id)
        {
            // Given up meanwhile.
            let _ = answer.send(Ok(Json::empty_object()));
        }
    }

    fn answer(&self, asker: Asker, outcome: Result<Json, RpcError>) {
        match asker {
            // Nobody may wait any more: cancelled while the answer was on its way.
            Asker::Call { answer, .. } => drop(answer.send(outcome)),
            Asker::Echo(asked) => {
                self.sounding.store(false, Ordering::Release);
                if self.unasked.calls.heard(asked) {
                    self.sound();
                }
            }
        }
    }

    /// Asks something for the sake of its answer; see [`Asker::Echo`]. One at a time, so that a
    /// server that never answers such costs one place.
    fn sound(&self) {
        if self.sounding.swap(true, Ordering::AcqRel) {
            return;
        }
        let (method, envelope) = match self.unasked.is_modern() {
            true => (Method::Discover, envelope(ProtocolVersion::MODERN, None)),
            false => (Method::Ping, Vec::new()),
        };
        let id = {
            let mut pending = self.pending.lock().expect("no one panics holding it");
            pending.as_mut().and_then(|pending| pending.ask(Asker::Echo(Instant::now())).ok())
        };
        let Some(id) = id else { return self.sounding.store(false, Ordering::Release) };
        let frame = Frame {
            id: Some(id),
            method: &method,
            params: None,
            naming: Naming::Same,
            envelope: &envelope,
            progress: false,
        };
        match frame.encode() {
            Ok(frame) if self.carrier.full().is_none() => {
                let _ = self.carrier.send(frame, false);
            }
            _ => {
                self.take(id);
                self.sounding.store(false, Ordering::Release);
            }
        }
    }

    /// A malformed answer is an answer all the same: whoever asked need not wait for another.
    fn malformed(&self, refusal: &DecodeError, message: &[u8]) -> String {
        let known =
            refusal.id.as_ref().filter(|_| refusal.is_answer).and_then(RequestId::as_number);
        if let Some(id) = known.or_else(|| id_of_broken_text(message)) {
            self.unasked.calls.answered(id);
            self.fail(self.take(WireId(id)), &refusal.error.message);
        }
        refusal.error.to_string()
    }

    /// A message that is too long was thrown away with its id. Where only one call is under way it
    /// was that one's; otherwise whoever asked hears of it at the time-out. A subscription, which is
    /// answered at its end only, is not meant.
    pub(crate) fn overlong(&self, error: &LineError) -> String {
        let mut pending = self.pending.lock().expect("no one panics holding it");
        let is_call = |asker: &Asker| asker.acknowledged().is_none();
        let asker = pending.as_mut().and_then(|pending| pending.take_only(is_call));
        drop(pending);
        self.fail(asker, &error.to_string());
        error.to_string()
    }

    fn take(&self, id: WireId) -> Option<Asker> {
        self.pending.lock().expect("no one panics holding it").as_mut()?.answer(id)
    }

    fn fail(&self, asker: Option<Asker>, reason: &str) {
        if let Some(asker) = asker {
            let message = format!("the server's answer is malformed: {reason}");
            self.answer(asker, Err(RpcError::new(code::INTERNAL, message)));
        }
    }

    /// Tells whoever asked with `message` that the server refused it at the door.
    pub(crate) fn not_taken(&self, message: &[u8], reason: &str) {
        let Ok(Incoming::Request { id, .. }) = Incoming::decode(Bytes::copy_from_slice(message))
        else {
            return;
        };
        if let Some(asker) = id.as_number().and_then(|id| self.take(WireId(id))) {
            self.answer(asker, Err(RpcError::new(code::INTERNAL, reason.to_owned())));
        }
    }

    /// Sends what nobody waits for; lost where the server does not read what was sent before.
    fn say(&self, message: Vec<u8>) {
        if self.carrier.full().is_none() {
            let _ = self.carrier.send(message, false);
        }
    }

    async fn room(&self) {
        while let Some(drained) = self.carrier.full() {
            let drained = drained.notified();
            if self.carrier.full().is_some() {
                drained.await;
            }
        }
    }

    /// Sends a request and waits for its answer, as [`Link::ask`](crate::link::Link::ask).
    pub(crate) async fn ask(&self, call: Call<'_>) -> Result<Json, LinkError> {
        self.room().await;
        let (answer, answered) = oneshot::channel();
        let _standing = call.acknowledged.is_some().then(|| Standing::new(&self.standing));
        let asker = Asker::Call { answer, acknowledged: call.acknowledged };
        let standing = self.standing.load(Ordering::Relaxed);
        let asked = {
            let mut pending = self.pending.lock().expect("no one panics holding it");
            pending.as_mut().map(|pending| (pending.ask(asker), pending.len() <= standing + 1))
        };
        let Some((id, alone)) = asked else {
            // Why is known in a moment, if it is not yet.
            return Err(LinkError::NotSent(self.lost().await));
        };
        let id = id.map_err(|full| LinkError::Full(full.to_string()))?;
        let _open = call.caller.map(|caller| self.unasked.calls.enter(id.0, caller));
        let mut unanswered = Unanswered { link: self, id, sent: false };
        let frame = Frame {
            id: Some(id),
            method: call.method,
            params: call.params,
            naming: call.naming,
            envelope: call.envelope,
            progress: call.caller.is_some_and(|caller| caller.wants_progress()),
        };
        let Ok(start) = self.carrier.send(frame.encode()?, alone) else {
            return Err(LinkError::NotSent(self.reason()));
        };
        unanswered.sent = *call.method != Method::Initialize;
        let outcome = answered.await;
        unanswered.sent = false;
        match outcome {
            Ok(outcome) => outcome.map_err(|error| self.unasked.refused(call.caller, error)),
            // The server ended with the request still on its way: it never saw it.
            Err(_) if self.taken.get().is_some_and(|taken| *taken <= start) => {
                Err(LinkError::NotSent(self.reason()))
            }
            Err(_) => Err(LinkError::Lost(self.reason())),
        }
    }

    /// Sends a notification, as [`Link::tell`](crate::link::Link::tell).
    pub(crate) async fn tell(&self, method: &Method) -> Result<(), LinkError> {
        self.room().await;
        let sent = self.carrier.send(encode::notification(method, None), true);
        sent.map(drop).map_err(|Closed| LinkError::NotSent(self.reason()))
    }

    pub(crate) fn agree(&self, version: ProtocolVersion) {
        self.unasked.agree(version);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.pending.lock().expect("no one panics holding it").is_none()
    }

    /// Resolves with the reason when the link is gone.
    pub(crate) async fn lost(&self) -> String {
        let mut gone = self.gone.subscribe();
        // The sender lives as long as `self`.
        let _ = gone.wait_for(Option::is_some).await;
        self.reason()
    }

    /// From now on nobody can ask; whoever asked already waits until the result is dropped, which
    /// gives the link time to find out why it ended. [`Self::end`] must follow.
    pub(crate) fn stop_asking(&self) -> Bereft {
        Bereft { _asked: self.pending.lock().expect("no one panics holding it").take() }
    }

    /// Ends the link. `taken` is how much the server had read of what was sent, in the measure of
    /// [`Carrier::send`], where that is known: what it never saw was certainly not carried out.
    pub(crate) fn end(&self, reason: String, taken: Option<u64>) {
        let asked = self.stop_asking();
        if let Some(taken) = taken {
            // The first word counts.
            let _ = self.taken.set(taken);
        }
        // Before the askers learn of it, so that whoever retries sees that this link is gone.
        self.gone.send_modify(|gone| {
            gone.get_or_insert(reason);
        });
        drop(asked);
        self.carrier.close();
        self.unasked.end();
    }

    fn reason(&self) -> String {
        self.gone.borrow().clone().unwrap_or_else(|| "the server closed its output".to_owned())
    }
}

/// Text that is not UTF-8 is no message, but its structure still tells whom it was for: a broken
/// character stands inside a string.
fn id_of_broken_text(message: &[u8]) -> Option<u64> {
    let Err(_) = std::str::from_utf8(message) else { return None };
    match Incoming::decode(String::from_utf8_lossy(message).into_owned().into()) {
        Ok(Incoming::Response { id, .. }) => id?.as_number(),
        _ => None,
    }
}

/// Counts a subscription for as long as it lives.
struct Standing<'a>(&'a AtomicUsize);

impl<'a> Standing<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A request that is given up if this is dropped: its slot is freed and the server told.
///
/// In `Drop` because a future may be dropped at its await, and there is no other place to notice.
struct Unanswered<'a, C: Carrier + 'static> {
    link: &'a Duplex<C>,
    id: WireId,
    sent: bool,
}

impl<C: Carrier + 'static> Drop for Unanswered<'_, C> {
    fn drop(&mut self) {
        let waiting = self.link.take(self.id).is_some();
        if waiting && self.sent {
            let is_call = self.link.unasked.calls.give_up(self.id.0);
            let params = Json::encode(&serde_json::json!({ "requestId": self.id.0 }));
            let frame = Frame {
                id: None,
                method: &Method::Cancelled,
                params: Some(&params),
                naming: Naming::Same,
                envelope: &[],
                progress: false,
            };
            if let Ok(frame) = frame.encode() {
                // A server that reads so slowly answers into the void instead.
                self.link.say(frame);
            }
            if is_call {
                self.link.sound();
            }
        }
    }
}
