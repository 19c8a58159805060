//! What a server says without being asked: its questions, and its reports.
//!
//! The same over every link; a link only tells which call a message came with, where it knows, and
//! how an answer gets back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use switchboard_core::Principal;
use switchboard_mcp::{Era, Json, Method, ProtocolVersion, RequestId, RpcError, code, encode};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::caller::Caller;
use crate::calls::{Calls, Whose};
use crate::elicitations::Elicitations;
use crate::endpoint::Shared;
use crate::environment::{Environment, Events};
use crate::keeps::KeepsState;
use crate::link::{LinkError, Notices, notice};
use crate::questions::{Question, Questions};
use crate::roots;
use crate::silence::Silence;
use crate::subscribe::missed;
use crate::subscriptions::Subscriptions;

/// How long a question is held of which nobody can tell whose it is. Most calls are done by then,
/// and a server that waits much longer gives up by itself (SDKs: 60 s).
pub(crate) const HOLD: Duration = Duration::from_secs(30);

/// Takes what one server says over one link.
pub(crate) struct Unasked {
    upstream: Arc<str>,
    notices: Notices,
    events: Arc<dyn Events>,
    subscriptions: Arc<Subscriptions>,
    /// The `ListRootsResult` for when no client is there to give its own.
    roots: Option<Json>,
    /// Servers of this era ask in their results only.
    is_modern: AtomicBool,
    pub(crate) calls: Calls,
    elicitations: Elicitations,
    questions: Arc<Questions>,
    silence: Arc<Silence>,
    tasks: TaskTracker,
}

/// With what a message of a server came.
#[derive(Clone)]
pub(crate) enum Origin {
    /// On the stream of this client's call.
    Call(Arc<Caller>),
    /// On the stream of a request of our own.
    Own,
    /// With everything else.
    Shared,
}

/// A request of a server.
pub(crate) struct Asked {
    pub id: RequestId,
    pub method: Method,
    pub params: Option<Json>,
}

/// What was known of a question when it came.
struct Arrived {
    came: Instant,
    whose: Whose,
    /// Of whom it must be where it may be of several calls; `None` where of several principals.
    principal: Option<Principal>,
}

impl Unasked {
    pub(crate) fn new(shared: &Shared, notices: Notices) -> Arc<Self> {
        let Environment { events, tasks, child_variables, .. } = &shared.environment;
        Arc::new(Self {
            upstream: Arc::clone(&shared.name),
            notices,
            events: Arc::clone(events),
            subscriptions: Arc::clone(&shared.subscriptions),
            roots: roots::result(&shared.settings.roots, child_variables),
            is_modern: AtomicBool::new(false),
            calls: Calls::default(),
            elicitations: Elicitations::default(),
            questions: Arc::default(),
            silence: Arc::clone(&shared.silence),
            tasks: tasks.clone(),
        })
    }

    pub(crate) fn agree(&self, version: ProtocolVersion) {
        self.is_modern.store(version.era() == Era::Modern, Ordering::Relaxed);
    }

    pub(crate) fn is_modern(&self) -> bool {
        self.is_modern.load(Ordering::Relaxed)
    }

    /// Nobody listened for a while: whatever is followed may have changed.
    pub(crate) fn missed(&self) {
        missed(&self.notices);
        for uri in self.subscriptions.wanted() {
            self.events.resource_updated(&self.upstream, &uri);
        }
    }

    /// The server answers what nobody waits for any more; which shows that it is at work.
    pub(crate) fn answered_late(&self, id: u64) {
        self.silence.end();
        self.calls.answered(id);
    }

    /// The link is gone: nobody waits for answers any more.
    pub(crate) fn end(&self) {
        self.questions.withdraw_all();
    }

    /// Whose a question of this origin is that came at `came`.
    fn asker(&self, origin: &Origin, came: Instant) -> Whose {
        match origin {
            Origin::Call(caller) => Whose::One(Arc::clone(caller)),
            Origin::Own => Whose::Nobody,
            Origin::Shared => self.calls.asker(came),
        }
    }

    /// Sees to it that a request of the server is answered; `reply` sends a message to the server.
    pub(crate) fn request(
        self: &Arc<Self>,
        asked: Asked,
        origin: &Origin,
        reply: impl FnOnce(Vec<u8>) + Send + 'static,
    ) {
        // It is at work on a call.
        self.silence.end();
        let question = match self.at_once(&asked.method, origin) {
            Some(outcome) => return reply(encode::outcome(&asked.id, &outcome)),
            None => self.questions.open(&asked.id),
        };
        let question = match question {
            Ok(question) => question,
            Err(error) => return reply(encode::error(Some(&asked.id), &error)),
        };
        let this = Arc::clone(self);
        // Looked at before anything else that the server says: an answer may come right behind it.
        let arrived = this.arrived(origin);
        self.tasks.spawn(async move {
            let id = asked.id.clone();
            if let Some(outcome) = this.put(asked, arrived, &question).await {
                reply(on_one_line(encode::outcome(&id, &outcome)));
            }
        });
    }

    /// The answer to what no client has to be asked for.
    fn at_once(&self, method: &Method, origin: &Origin) -> Option<Result<Json, RpcError>> {
        match method {
            Method::Ping => Some(Ok(Json::empty_object())),
            Method::CreateMessage | Method::Elicit | Method::RootsList if !self.is_modern() => {
                matches!(self.asker(origin, Instant::now()), Whose::Nobody)
                    .then(|| self.outside(method))
            }
            other => Some(Err(undeclared(other))),
        }
    }

    /// A server whose lists change has reasons of its own, unless it is at work for a client.
    fn look_at_change(&self, origin: &Origin) {
        let is_in_call = match origin {
            Origin::Call(_) => true,
            Origin::Own => false,
            Origin::Shared => !matches!(self.calls.whose(), Whose::Nobody),
        };
        if is_in_call {
            self.events.keeps_state(&self.upstream, KeepsState::Lists);
        }
    }

    /// The answer to a question that belongs to no call.
    fn outside(&self, method: &Method) -> Result<Json, RpcError> {
        if *method == Method::RootsList {
            self.events.keeps_state(&self.upstream, KeepsState::Roots);
        }
        match &self.roots {
            Some(roots) if *method == Method::RootsList => Ok(roots.clone()),
            _ => Err(RpcError::new(
                code::METHOD_NOT_FOUND,
                format!("`{method}` is only answered while a call is open that it belongs to"),
            )),
        }
    }

    fn arrived(&self, origin: &Origin) -> Arrived {
        let came = Instant::now();
        let whose = self.asker(origin, came);
        let principal = match whose {
            Whose::Several => self.calls.principal(came),
            Whose::Nobody | Whose::One(_) => None,
        };
        Arrived { came, whose, principal }
    }

    /// Whose a question is, as far as that can be found out: by waiting, among the calls of one
    /// principal; of several it is never guessed.
    async fn settled(&self, arrived: Arrived) -> Whose {
        let Arrived { came, whose, principal } = arrived;
        let (Whose::Several, Some(principal)) = (&whose, principal) else { return whose };
        match tokio::time::timeout(HOLD, self.calls.settled(came)).await {
            Ok(Whose::One(caller)) if *caller.principal() != principal => Whose::Several,
            Ok(whose) => whose,
            Err(_) => Whose::Several,
        }
    }

    /// Puts a question to the client it belongs to; `None` where the server wants no answer now.
    async fn put(
        &self,
        asked: Asked,
        arrived: Arrived,
        question: &Question,
    ) -> Option<Result<Json, RpcError>> {
        let whose = self.settled(arrived);
        let caller = tokio::select! {
            biased;
            () = question.withdrawn() => return None,
            whose = whose => match whose {
                Whose::One(caller) => caller,
                Whose::Nobody => return Some(self.outside(&asked.method)),
                Whose::Several => {
                    tracing::warn!(
                        upstream = &*self.upstream,
                        method = %asked.method,
                        "a question of the server was refused: calls of several clients are open"
                    );
                    return Some(Err(ambiguous(&asked.method)));
                }
            },
        };
        if let Err(missing) = caller.covers(&asked.method, asked.params.as_ref()) {
            // Directories that somebody configured are better than none.
            let configured = self.roots.clone().filter(|_| asked.method == Method::RootsList);
            return Some(configured.ok_or_else(|| caller.refuse(missing)));
        }
        self.elicitations.asked(&caller, &asked.method, asked.params.as_ref());
        tokio::select! {
            biased;
            () = question.withdrawn() => None,
            answer = caller.ask(asked.method, asked.params) => Some(answer),
            () = self.calls.end_of(caller.id()) => Some(Err(RpcError::new(
                code::INTERNAL,
                "the call that this belongs to has ended",
            ))),
        }
    }

    /// The refusal of a request that `caller` made.
    pub(crate) fn refused(&self, caller: Option<&Arc<Caller>>, error: RpcError) -> LinkError {
        if let Some(caller) = caller {
            self.elicitations.required(caller, &error);
        }
        LinkError::Refused(error)
    }

    /// Passes a notification on to whom it concerns.
    pub(crate) fn notification(&self, method: Method, params: Option<Json>, origin: &Origin) {
        if let Some(notice) = notice(&method) {
            self.look_at_change(origin);
            // Full means one like it is waiting.
            let _ = self.notices.try_send(notice);
            return;
        }
        match method {
            Method::Progress => {
                self.silence.end();
                self.progress(params);
            }
            Method::Cancelled => {
                if let Some(params) = &params {
                    self.questions.withdraw(params);
                }
            }
            Method::Acknowledged => {}
            Method::ResourceUpdated => self.updated(params.as_ref()),
            Method::ElicitationComplete => self.elicitations.complete(params),
            method => self.report(method, params, origin),
        }
    }

    /// Progress carries the id of its request as token, because that is what we gave.
    fn progress(&self, params: Option<Json>) {
        let members = params.as_ref().and_then(|params| params.members().ok());
        let token = members.and_then(|members| members.read::<u64>("progressToken"));
        if let Some(caller) = token.and_then(|token| self.calls.of(token)) {
            caller.progress(params);
        }
    }

    fn updated(&self, params: Option<&Json>) {
        let uri = params.and_then(|params| params.members().ok()?.read::<String>("uri"));
        // What nobody asked for is told nobody: it would drive out what somebody did.
        if let Some(uri) = uri.filter(|uri| self.subscriptions.covers(uri)) {
            self.events.resource_updated(&self.upstream, &uri);
        }
    }

    /// Log messages, and what we do not know. What nobody can be told to own is lost rather than
    /// shown to another.
    fn report(&self, method: Method, params: Option<Json>, origin: &Origin) {
        let whose = match origin {
            Origin::Call(caller) => Whose::One(Arc::clone(caller)),
            Origin::Own => Whose::Nobody,
            Origin::Shared => self.calls.whose(),
        };
        match whose {
            Whose::One(caller) => caller.report(method, params),
            Whose::Nobody | Whose::Several => {
                tracing::debug!(upstream = &*self.upstream, %method, "a report of no certain call");
            }
        }
    }
}

/// Line ends in JSON stand between tokens only, where a space means the same; clients may write
/// them, and some links end a message at one.
fn on_one_line(mut message: Vec<u8>) -> Vec<u8> {
    for byte in message.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
    message
}

fn undeclared(method: &Method) -> RpcError {
    RpcError::new(
        code::METHOD_NOT_FOUND,
        format!("the client did not declare the capability for `{method}`"),
    )
}

fn ambiguous(method: &Method) -> RpcError {
    RpcError::new(
        code::INTERNAL,
        format!(
            "cannot tell which call this `{method}` belongs to: calls of several clients are open"
        ),
    )
}
