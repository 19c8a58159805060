//! The client of one request of 2026-07-28, as its server sees it.

use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use switchboard_core::{Context, Error, Notification, Peer, Request, Response};
use switchboard_mcp::{
    ClientCapabilities, InputRequest, Json, LogLevel, Method, ProtocolVersion, RpcError, code,
    question_to_client,
};
use tokio::sync::{Notify, oneshot};

use crate::front::Caller;
use crate::outlet::Outlet;

/// Questions of one call that may be open: more than a person answers at once.
const LIMIT: usize = 64;

/// Takes what the server reports about a request, and keeps what it asks until somebody puts it to
/// the client.
pub(super) struct StatelessClient {
    /// Whether the request can be answered by asking for input.
    may_ask: bool,
    state: Mutex<State>,
    /// There is something new for whoever waits for the answer.
    news: Notify,
}

#[derive(Default)]
struct State {
    /// Of the request that is open now: each retry says anew what it declares and wants to hear.
    capabilities: ClientCapabilities,
    log_level: Option<LogLevel>,
    outlet: Option<Outlet>,
    /// Requests that have been attached to, which tells the one that is open now from others.
    attached: u32,
    /// In the order in which they were asked.
    questions: Vec<Question>,
    asked: u32,
    refusal: Option<RpcError>,
}

/// What the server asks and nobody has answered.
struct Question {
    number: u32,
    method: Method,
    params: Option<Json>,
    answer: oneshot::Sender<Json>,
    /// The client has been told.
    shown: bool,
}

pub(super) enum News {
    /// There are questions to be put to the client.
    Questions,
    /// The request cannot go on: the client lacks what the server needs.
    Refused(RpcError),
}

impl StatelessClient {
    pub(super) fn new(may_ask: bool) -> Self {
        Self { may_ask, state: Mutex::default(), news: Notify::new() }
    }

    /// Turns to a request of the client, for as long as the guard lives.
    pub(super) fn attach(self: &Arc<Self>, caller: &Caller, outlet: Option<Outlet>) -> Attached {
        let mut state = self.state();
        state.capabilities = caller.capabilities.clone();
        state.log_level = caller.log_level;
        state.outlet = outlet;
        state.attached += 1;
        Attached { number: state.attached, client: Arc::clone(self) }
    }

    /// Waits for something that the request cannot wait for its answer with.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(super) async fn news(&self) -> News {
        loop {
            {
                let state = self.state();
                if let Some(error) = &state.refusal {
                    return News::Refused(error.clone());
                }
                if state.questions.iter().any(|question| !question.shown) {
                    return News::Questions;
                }
            }
            self.news.notified().await;
        }
    }

    /// Waits for the refusal of a request that nothing can be asked for.
    pub(super) async fn refused(&self) -> RpcError {
        loop {
            if let News::Refused(error) = self.news().await {
                return error;
            }
        }
    }

    /// What the client gets where the answer is `outcome`: a server that could not ask makes
    /// something of it, but what the client could do about it is what it should know.
    pub(super) fn judge(&self, outcome: Result<Json, RpcError>) -> Result<Json, RpcError> {
        self.state().refusal.take().map_or(outcome, Err)
    }

    pub(super) fn has_questions(&self) -> bool {
        !self.state().questions.is_empty()
    }

    /// All open questions, which count as put to the client from now on.
    pub(super) fn show(&self) -> Vec<InputRequest> {
        let mut state = self.state();
        state.questions.iter_mut().for_each(|question| question.shown = true);
        state.questions.iter().map(Question::entry).collect()
    }

    /// Answers the questions that were shown, all of them or none.
    ///
    /// # Errors
    ///
    /// Those questions, where some of them have no answer in `responses`.
    pub(super) fn answer(&self, responses: Vec<(String, Json)>) -> Result<(), Vec<InputRequest>> {
        let mut state = self.state();
        let shown = || state.questions.iter().filter(|question| question.shown);
        let has = |key: &str| responses.iter().any(|(other, _)| other == key);
        if shown().any(|question| !has(&question.key())) {
            return Err(shown().map(Question::entry).collect());
        }
        for (key, answer) in responses {
            let at = state.questions.iter().position(|it| it.shown && it.key() == key);
            if let Some(at) = at {
                // The server may have given up a moment ago.
                let _ = state.questions.remove(at).answer.send(answer);
            }
        }
        Ok(())
    }

    /// Takes a question up, and gives its number; `None` where there are too many.
    fn put(
        &self,
        method: Method,
        params: Option<Json>,
        answer: oneshot::Sender<Json>,
    ) -> Option<u32> {
        let mut state = self.state();
        if state.questions.len() >= LIMIT {
            return None;
        }
        state.asked += 1;
        let number = state.asked;
        state.questions.push(Question { number, method, params, answer, shown: false });
        drop(state);
        self.news.notify_one();
        Some(number)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics holding it")
    }
}

impl Question {
    /// Servers of the older revisions have no names for what they ask.
    fn key(&self) -> String {
        format!("r{}", self.number)
    }

    fn entry(&self) -> InputRequest {
        InputRequest { key: self.key(), method: self.method.clone(), params: self.params.clone() }
    }
}

/// Ends what is said to the client when its request is answered, or given up. By then a retry may
/// have taken its place.
pub(super) struct Attached {
    client: Arc<StatelessClient>,
    number: u32,
}

impl Drop for Attached {
    fn drop(&mut self) {
        let mut state = self.client.state();
        if state.attached == self.number {
            state.outlet = None;
        }
    }
}

/// Takes a question back that its server does not want answered any more.
struct Open<'a>(&'a StatelessClient, u32);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.state().questions.retain(|question| question.number != self.1);
    }
}

#[async_trait]
impl Peer for StatelessClient {
    async fn request(&self, _: &Context, request: Request) -> Result<Response, Error> {
        let Request { method, params, .. } = request;
        if !matches!(method, Method::CreateMessage | Method::Elicit | Method::RootsList) {
            return Err(Error::NoSuchMethod(method.to_string()));
        }
        let covered = self.state().capabilities.check(&method, params.as_ref());
        if let Err(missing) = covered {
            // Without it the server cannot do what it was asked for, and the client can mend that.
            self.state().refusal = Some(missing.to_client());
            self.news.notify_one();
            return Err(Error::Refused(missing.to_server()));
        }
        if !self.may_ask {
            let message = "a client of 2026-07-28 can only be asked while it calls a tool, gets a \
                           prompt or reads a resource";
            return Err(Error::Refused(RpcError::new(code::METHOD_NOT_FOUND, message)));
        }
        let params = question_to_client(&method, params, ProtocolVersion::MODERN, "");
        let params = params.map_err(Error::Refused)?;
        let (sender, answer) = oneshot::channel();
        let refuse = |message: &'static str| Error::Refused(RpcError::new(code::INTERNAL, message));
        let number = self.put(method, params, sender);
        let number = number.ok_or_else(|| refuse("too many questions of this call are open"))?;
        let _open = Open(self, number);
        let result = answer.await.map_err(|_| refuse("the client does not answer any more"))?;
        Ok(Response::new(result, ProtocolVersion::MODERN))
    }

    fn notify(&self, notification: Notification) {
        let mut state = self.state();
        let threshold = state.log_level;
        // What is said while the call is parked nobody hears.
        if let Some(outlet) = &mut state.outlet {
            outlet.report(&notification, threshold);
        }
    }
}
