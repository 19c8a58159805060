//! The client of a call, as far as the server of that call may reach it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchboard_core::{CallerId, Context, Error, Notification, Peer, Principal, Request};
use switchboard_mcp::{
    Era, Json, Method, ProtocolVersion, RpcError, Uncovered, answer_to_server, code,
};
use tokio::time::Instant;

/// Takes what a server reports about one call, answers what it asks for it, and knows how the call
/// is doing.
pub(crate) struct Caller {
    context: Context,
    pulse: Mutex<Pulse>,
    /// What the server asked for first that the client did not declare.
    lacked: Mutex<Option<Uncovered>>,
}

/// What the time limits of a call depend on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pulse {
    /// The last sign of life: the beginning, progress, an answer to a question.
    pub last: Instant,
    /// Questions that the client has not answered yet: the server waits, not we.
    pub questions: usize,
    /// When the newest question was put.
    pub asked: Instant,
}

impl Pulse {
    /// Whether the server has been waiting for answers for `long` without asking more.
    pub(crate) fn waits_since(&self, long: Duration) -> bool {
        self.questions > 0 && self.asked.elapsed() >= long
    }
}

impl Caller {
    pub(crate) fn new(context: &Context) -> Arc<Self> {
        let now = Instant::now();
        let pulse = Pulse { last: now, questions: 0, asked: now };
        let pulse = Mutex::new(pulse);
        Arc::new(Self { context: context.clone(), pulse, lacked: Mutex::default() })
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    pub(crate) fn id(&self) -> CallerId {
        self.context.caller
    }

    pub(crate) fn principal(&self) -> &Principal {
        &self.context.principal
    }

    pub(crate) fn client(&self) -> Option<&Arc<dyn Peer>> {
        self.context.client.as_ref()
    }

    /// When its answer is of no more use, apart from the limits of the upstream.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.context.deadline
    }

    pub(crate) fn wants_progress(&self) -> bool {
        self.context.wants_progress && self.context.client.is_some()
    }

    pub(crate) fn pulse(&self) -> Pulse {
        *self.pulse.lock().expect("no one panics holding it")
    }

    /// Passes progress on to a client that wants it.
    pub(crate) fn progress(&self, params: Option<Json>) {
        if self.wants_progress() {
            self.change(|pulse| pulse.last = Instant::now());
            self.report(Method::Progress, params);
        }
    }

    /// Passes a message of the server on.
    pub(crate) fn report(&self, method: Method, params: Option<Json>) {
        if let Some(client) = self.client() {
            client.notify(Notification { method, params });
        }
    }

    /// Whether the client said that it can be asked this.
    ///
    /// # Errors
    ///
    /// [`Uncovered`] says what is missing.
    pub(crate) fn covers(&self, method: &Method, params: Option<&Json>) -> Result<(), Uncovered> {
        self.context.capabilities.check(method, params)
    }

    /// Refuses a question because of what the client lacks, and remembers that; gives what the
    /// server gets instead of an answer.
    pub(crate) fn refuse(&self, missing: Uncovered) -> RpcError {
        let error = missing.to_server();
        self.lacked.lock().expect("no one panics holding it").get_or_insert(missing);
        error
    }

    /// What the client of 2026-07-28 gets whose call has failed, if its server was refused what it
    /// asked for: to declare that is what the client can do about it (2026-07-28, "Errors").
    pub(crate) fn missing(&self) -> Option<RpcError> {
        let lacked = self.lacked.lock().expect("no one panics holding it");
        let lacked = lacked.as_ref().filter(|_| self.context.version.era() == Era::Modern);
        lacked.map(Uncovered::to_client)
    }

    /// Puts a question of the server to the client, who has declared that it answers such.
    ///
    /// # Errors
    ///
    /// What the server gets instead of an answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes the question back.
    pub(crate) async fn ask(&self, method: Method, params: Option<Json>) -> Result<Json, RpcError> {
        let nobody = || RpcError::new(code::METHOD_NOT_FOUND, "nobody is there to be asked");
        let client = self.client().ok_or_else(nobody)?;
        let _open = Question::open(self);
        let request = Request { method: method.clone(), params, name: None };
        match client.request(&self.context, request).await {
            Ok(response) => answer_to_server(response.result).map_err(|error| {
                RpcError::new(code::INTERNAL, format!("the client's answer is malformed: {error}"))
            }),
            Err(Error::Refused(error)) => Err(error),
            Err(error) => Err(error.to_rpc(ProtocolVersion::NEWEST_LEGACY, &method)),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Pulse)) {
        change(&mut self.pulse.lock().expect("no one panics holding it"));
    }
}

/// Keeps the quiet limit of the call from running while it lives.
struct Question<'a>(&'a Caller);

impl<'a> Question<'a> {
    fn open(caller: &'a Caller) -> Self {
        caller.change(|pulse| {
            pulse.questions += 1;
            pulse.asked = Instant::now();
        });
        Self(caller)
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        self.0.change(|pulse| {
            pulse.questions -= 1;
            pulse.last = Instant::now();
        });
    }
}
