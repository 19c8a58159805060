//! Requests of ours to the client of a session: what a server asks on the way to its answer.
//!
//! Until 2025-11-25 sampling, elicitation and roots are requests that the client answers like any
//! server would. Which of them a client can be asked is decided before they get here.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use switchboard_core::{Context, Error, Notification, Peer, Request, Response};
use switchboard_mcp::{
    Json, LogLevel, Method, Pending, ProtocolVersion, RequestId, RpcError, WireId, code, encode,
    question_to_client,
};
use tokio::sync::{mpsc, oneshot};

use crate::front::{Asked, Caller, Front};
use crate::outlet::Outlet;

/// Questions that one client may have open: more than a person answers, and each holds a call.
const LIMIT: usize = 64;

/// How long a client may take to answer. Ten minutes, as the SDKs give each question: somebody
/// has to read it.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// What stands between us and the client of one session: our requests that it has not answered
/// yet, and from which level on it wants log messages.
pub(crate) struct Callbacks {
    open: Mutex<Pending<oneshot::Sender<Outcome>>>,
    level: Mutex<Option<LogLevel>>,
}

type Outcome = Result<Json, RpcError>;

impl Default for Callbacks {
    fn default() -> Self {
        Self { open: Mutex::new(Pending::new(LIMIT)), level: Mutex::default() }
    }
}

impl Callbacks {
    /// Takes a response of the client; false where nothing was asked under this id, which is
    /// normal for an answer that comes too late.
    pub(crate) fn answer(&self, id: &RequestId, outcome: Outcome) -> bool {
        let asker = id.as_number().and_then(|id| self.open().answer(WireId(id)));
        // Whoever asked may have given up in the meantime.
        asker.is_some_and(|asker| asker.send(outcome).is_ok())
    }

    /// What the client set by `logging/setLevel`.
    pub(crate) fn level(&self) -> Option<LogLevel> {
        *self.level.lock().expect("no one panics holding it")
    }

    pub(crate) fn set_level(&self, level: LogLevel) {
        *self.level.lock().expect("no one panics holding it") = Some(level);
    }

    /// Sends a request on `out` and waits for its answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes the question back: the client is told, and its answer is nobody's.
    async fn ask(
        &self,
        out: &mpsc::Sender<Vec<u8>>,
        method: &Method,
        params: Option<&Json>,
    ) -> Outcome {
        let (asker, answer) = oneshot::channel();
        let id = self.open().ask(asker).map_err(|_| {
            refuse(format!("the client has not answered {LIMIT} questions that were put before"))
        })?;
        let _question = Question { callbacks: self, out, id };
        let message = encode::request(&RequestId::from_number(id.0), method, params);
        let gone = || refuse("the client is gone".to_owned());
        let answered = async {
            out.send(message).await.map_err(|_| gone())?;
            answer.await.unwrap_or_else(|_| Err(gone()))
        };
        tokio::time::timeout(PATIENCE, answered).await.unwrap_or_else(|_| {
            let seconds = PATIENCE.as_secs();
            Err(refuse(format!("the client did not answer `{method}` within {seconds} s")))
        })
    }

    fn open(&self) -> MutexGuard<'_, Pending<oneshot::Sender<Outcome>>> {
        self.open.lock().expect("no one panics holding it")
    }
}

fn refuse(message: String) -> RpcError {
    RpcError::new(code::INTERNAL, message)
}

/// A request of ours for as long as somebody waits for its answer.
struct Question<'a> {
    callbacks: &'a Callbacks,
    out: &'a mpsc::Sender<Vec<u8>>,
    id: WireId,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        if self.callbacks.open().answer(self.id).is_none() {
            return;
        }
        let params = format!("{{\"requestId\":{}}}", self.id.0);
        let params = Json::written(params.into_bytes());
        // A client that does not read finds its answer ignored.
        let _ = self.out.try_send(encode::notification(&Method::Cancelled, Some(&params)));
    }
}

/// The client of one request of a session.
///
/// Nothing is said once the request is answered: [`SessionClient::ask`] sees to that.
pub(crate) struct SessionClient {
    callbacks: Arc<Callbacks>,
    version: ProtocolVersion,
    /// `None` once the request is over.
    outlet: Mutex<Option<Outlet>>,
}

impl SessionClient {
    /// Asks the gateway for the client of a session. What the server says on the way, and its
    /// questions, go to `out` as messages.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the request up, and takes its questions back.
    pub(crate) async fn ask(
        front: &Front,
        callbacks: &Arc<Callbacks>,
        caller: Caller,
        asked: Asked,
        out: mpsc::Sender<Vec<u8>>,
    ) -> Result<Json, RpcError> {
        let token = asked.envelope.progress_token.clone();
        let client = Arc::new(Self {
            callbacks: Arc::clone(callbacks),
            version: caller.version,
            outlet: Mutex::new(Some(Outlet::new(
                out,
                token,
                caller.version,
                Arc::clone(&front.meter),
            ))),
        });
        // Whoever sits behind may keep the client for longer than the request.
        let _open = Closing(&client);
        front.ask(caller, asked, Some(Arc::clone(&client) as Arc<dyn Peer>)).await
    }

    fn outlet(&self) -> MutexGuard<'_, Option<Outlet>> {
        self.outlet.lock().expect("no one panics holding it")
    }
}

struct Closing<'a>(&'a SessionClient);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        *self.0.outlet() = None;
    }
}

#[async_trait]
impl Peer for SessionClient {
    async fn request(&self, _: &Context, request: Request) -> Result<Response, Error> {
        let Request { method, params, .. } = request;
        let id = elicitation_id();
        let params =
            question_to_client(&method, params, self.version, &id).map_err(Error::Refused)?;
        let out = self.outlet().as_ref().map(|outlet| outlet.queue().clone());
        let out = out.ok_or_else(|| Error::Refused(refuse("the request is over".to_owned())))?;
        let answer = self.callbacks.ask(&out, &method, params.as_ref()).await;
        let result = answer.map_err(Error::Refused)?;
        Ok(Response::new(result, self.version))
    }

    fn notify(&self, notification: Notification) {
        if let Some(outlet) = &mut *self.outlet() {
            match notification.method {
                Method::Progress | Method::LogMessage => {
                    // Where the client has set no level, the server decides (all revisions with
                    // sessions, "Logging").
                    let threshold = self.callbacks.level().unwrap_or(LogLevel::Debug);
                    outlet.report(&notification, Some(threshold));
                }
                // What else a server says about a request, such as that an elicitation is done.
                _ => outlet.pass(&notification),
            }
        }
    }
}

/// For a question by address whose server gave it no id, as servers of 2026-07-28 do not.
fn elicitation_id() -> String {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system has a source of randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests;
