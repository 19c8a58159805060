//! The requests of a conversation: what is answered here, and what is asked of the gateway.

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use switchboard_mcp::{
    Incoming, Json, Method, ProtocolVersion, RequestId, RpcError, code, encode, split_batch,
};
use tokio::sync::OwnedSemaphorePermit;

use super::opening::{Opening, Session, Spoken};
use super::{Conversation, Open, SUBSCRIPTIONS};
use crate::bounds::busy;
use crate::callback::SessionClient;
use crate::front::{Asked, Caller, is_of_sessions};
use crate::park;
use crate::subscription::Subscription;

/// What becomes of a request.
enum Begun {
    Answered(Vec<u8>),
    UnderWay(UnderWay),
    /// Something to say for as long as the client listens.
    Listening(Box<Asked>),
}

/// A request that somebody else answers.
struct UnderWay {
    /// Its message, or `None` where the client said that it does not want it.
    answer: Pin<Box<dyn Future<Output = Option<Vec<u8>>> + Send>>,
    /// Free when the answer is queued.
    slot: OwnedSemaphorePermit,
}

impl Conversation {
    pub(super) async fn request(
        self: &Arc<Self>,
        id: RequestId,
        method: Method,
        params: Option<Json>,
    ) {
        match self.begin(&id, method, params) {
            Begun::Answered(answer) => self.send(answer).await,
            Begun::Listening(asked) => self.listen(id, &asked).await,
            Begun::UnderWay(UnderWay { answer, slot }) => {
                let conversation = Arc::clone(self);
                self.front.tasks.spawn(async move {
                    if let Some(answer) = answer.await {
                        conversation.send(answer).await;
                    }
                    drop(slot);
                });
            }
        }
    }

    /// Takes an array of messages (2025-03-26, "Batching"); the answers go out as one.
    pub(super) async fn batch(self: &Arc<Self>, text: Bytes) {
        let messages = match self.batched(text) {
            Ok(messages) => messages,
            Err(error) => return self.refuse(&error).await,
        };
        let mut answers = Vec::new();
        let mut under_way = Vec::new();
        for message in &messages {
            match Incoming::read(message) {
                // 2025-03-26, "Lifecycle": initialize is never part of a batch, which its session
                // answers as it does any second one.
                Ok(Incoming::Request { id, method, params }) => {
                    match self.begin(&id, method, params) {
                        Begun::Answered(answer) => answers.push(answer),
                        Begun::UnderWay(request) => under_way.push(request),
                        Begun::Listening(_) => {}
                    }
                }
                Ok(Incoming::Notification { method, params }) => {
                    self.notification(&method, params.as_ref());
                }
                Ok(Incoming::Response { id, outcome }) => {
                    self.response(id.as_ref(), outcome);
                }
                Err(refusal) => answers.push(encode::error(refusal.id.as_ref(), &refusal.error)),
            }
        }
        let conversation = Arc::clone(self);
        self.front.tasks.spawn(async move {
            let late = under_way.iter_mut().map(|request| &mut request.answer);
            answers.extend(join_all(late).await.into_iter().flatten());
            if !answers.is_empty() {
                conversation.send([b"[", &*answers.join(&b','), b"]"].concat()).await;
            }
            drop(under_way);
        });
    }

    fn batched(&self, text: Bytes) -> Result<Vec<Json>, RpcError> {
        let json = Json::parse(text).map_err(|e| RpcError::new(code::PARSE, e.to_string()))?;
        let refuse = |message: String| RpcError::new(code::INVALID_REQUEST, message);
        let version = self.state().opening.session_mut().map(|session| session.version);
        if !self.terms.batches || !version.is_some_and(ProtocolVersion::has_batches) {
            let text = "a message is an object; only sessions of 2025-03-26 have batches, over \
                        lines and over streamable HTTP";
            return Err(refuse(text.to_owned()));
        }
        split_batch(&json, self.terms.in_flight).map_err(|error| refuse(error.to_string()))
    }

    fn begin(self: &Arc<Self>, id: &RequestId, method: Method, params: Option<Json>) -> Begun {
        let begun = Asked::read(method, params).and_then(|asked| {
            let spoken = self.state().opening.admit(&asked, self.terms.stateless)?;
            self.dispatch(id, spoken, asked)
        });
        begun.unwrap_or_else(|error| Begun::Answered(encode::error(Some(id), &error)))
    }

    fn dispatch(
        self: &Arc<Self>,
        id: &RequestId,
        spoken: Spoken,
        asked: Asked,
    ) -> Result<Begun, RpcError> {
        let done = |result: &Json| Ok(Begun::Answered(encode::result(id, result)));
        match (&spoken, &asked.method) {
            (Spoken::Unopened, Method::Initialize) => done(&self.initialize(&asked)?),
            (Spoken::Unopened | Spoken::Session(_), Method::Ping) => done(&Json::empty_object()),
            (Spoken::Session(_), Method::Initialize) => {
                Err(RpcError::new(code::INVALID_REQUEST, "the session is open already"))
            }
            (Spoken::Session(_), Method::SetLevel) => {
                self.front.set_level(&self.principal, &self.callbacks, &asked)?;
                done(&Json::empty_object())
            }
            (Spoken::Stateless, Method::Discover) => done(&self.front.discover(&self.principal)),
            (Spoken::Stateless, Method::Listen) => Ok(Begun::Listening(Box::new(asked))),
            // Of sessions, which this revision does not have.
            (Spoken::Stateless, method) if is_of_sessions(method) => {
                Err(RpcError::new(code::METHOD_NOT_FOUND, "2026-07-28 has no such method"))
            }
            _ => self.forward(id, spoken, asked).map(Begun::UnderWay),
        }
    }

    fn initialize(&self, asked: &Asked) -> Result<Json, RpcError> {
        let (version, result) = self.front.initialize(&self.principal, asked.params.as_ref())?;
        let session = Session::new(version, asked.params.as_ref());
        self.state().opening = Opening::Session(session);
        Ok(result)
    }

    /// Sets a request going. Not waited for where too many are under way: what comes behind it may
    /// be the cancellation of another.
    fn forward(
        self: &Arc<Self>,
        id: &RequestId,
        spoken: Spoken,
        mut asked: Asked,
    ) -> Result<UnderWay, RpcError> {
        if self.front.draining.is_cancelled() {
            return Err(busy("the daemon stops".to_owned()));
        }
        let slot = Arc::clone(&self.slots).try_acquire_owned().map_err(|_| {
            busy(format!("{} requests of this client are under way", self.terms.in_flight))
        })?;
        asked.address = self.terms.address;
        if let Some(shared) = &self.terms.shared {
            let slot = shared.slot(&self.principal);
            asked.slot = Some(slot.map_err(|why| busy(why.to_string()))?);
        }
        let open = self.enter(id).ok_or_else(in_use)?;
        let (conversation, id) = (Arc::clone(self), id.clone());
        let answer = Box::pin(async move {
            let cancelled = open.cancelled.clone();
            let outcome = tokio::select! {
                outcome = conversation.ask(spoken, asked) => Some(outcome),
                // No answer: the client said that it does not want it.
                () = cancelled.cancelled() => None,
            };
            conversation.leave(&id, &open);
            Some(conversation.unread.kept(&id, encode::outcome(&id, &outcome?)))
        });
        Ok(UnderWay { answer, slot })
    }

    async fn ask(&self, spoken: Spoken, asked: Asked) -> Result<Json, RpcError> {
        let out = self.out.clone();
        let kept = Some(switchboard_core::Session::new(self.id, self.ended.clone()));
        let Spoken::Session(session) = spoken else {
            let caller = Caller::stateless(self.principal.clone(), &asked.envelope)?;
            let caller = Caller { session: kept, ..caller };
            return park::ask(&self.front, caller, asked, Some(out)).await;
        };
        let caller = Caller {
            principal: self.principal.clone(),
            version: session.version,
            id: self.id,
            capabilities: session.capabilities,
            log_level: self.callbacks.level(),
            session: kept,
        };
        let method = asked.method.clone();
        let uri = asked.name().map(str::to_owned);
        let answer = SessionClient::ask(&self.front, &self.callbacks, caller, asked, out);
        match (method, uri) {
            (Method::Subscribe, Some(uri)) => self.watched.begin(&uri, answer).await,
            (Method::Unsubscribe, Some(uri)) => self.watched.end(&uri, answer).await,
            _ => answer.await,
        }
    }

    /// `subscriptions/listen`: says what is heard until the client, or the daemon, ends it.
    async fn listen(self: &Arc<Self>, id: RequestId, asked: &Asked) {
        let (subscription, open, place) = match self.subscribe(&id, asked) {
            Ok(subscribed) => subscribed,
            Err(error) => return self.send(encode::error(Some(&id), &error)).await,
        };
        let conversation = Arc::clone(self);
        self.front.tasks.spawn(async move {
            // By the client, or with the conversation.
            let given_up = open.cancelled.cancelled();
            if subscription.run(&conversation.out, given_up).await {
                // The result ends the stream (2026-07-28, "Subscriptions"), and "Cancellation"
                // wants this one as well: clients wait for either.
                conversation.send(torn_down(&id)).await;
            }
            conversation.leave(&id, &open);
            drop(place);
        });
    }

    fn subscribe(
        &self,
        id: &RequestId,
        asked: &Asked,
    ) -> Result<(Subscription, Open, OwnedSemaphorePermit), RpcError> {
        let caller = Caller::stateless(self.principal.clone(), &asked.envelope)?;
        let params = asked.params.as_ref();
        let subscription = Subscription::open(&self.front, caller, id.clone(), params)?;
        let place = Arc::clone(&self.subscriptions).try_acquire_owned().map_err(|_| {
            let message = format!("{SUBSCRIPTIONS} subscriptions are open already");
            RpcError::new(code::INVALID_REQUEST, message)
        })?;
        let open = self.enter(id).ok_or_else(in_use)?;
        Ok((subscription, open, place))
    }
}

fn in_use() -> RpcError {
    RpcError::new(code::INVALID_REQUEST, "a request with this id is open")
}

fn torn_down(id: &RequestId) -> Vec<u8> {
    let params = [b"{\"requestId\":", id.as_bytes(), b"}"].concat();
    encode::notification(&Method::Cancelled, Some(&Json::written(params)))
}
