//! The one interface that traffic crosses.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use switchboard_mcp::{ClientCapabilities, Json, LogLevel, Method, Needle, ProtocolVersion};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::error::Error;
use crate::limit::Notice;
use crate::lists::Kind;
use crate::principal::Principal;
use crate::record::Trail;

/// Anything that answers MCP requests: an upstream server, the gateway itself and, for what a
/// server sends about a request that is still open, the client.
///
/// What a call needs to know about its caller travels in [`Context`]; new facts become fields
/// there, never parameters here.
#[async_trait]
pub trait Peer: Send + Sync {
    /// Answers `request`.
    ///
    /// # Errors
    ///
    /// [`Error::may_be_sent_again`] says whether the request was certainly not carried out. A tool
    /// that ran and failed is a [`Response`], not an error.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives up the request; the far end is told where the protocol can.
    async fn request(&self, context: &Context, request: Request) -> Result<Response, Error>;

    /// Takes a one-way message without waiting: whoever sends it may be serving others as well, so
    /// a peer that is slow to take messages loses them rather than holding the sender up.
    fn notify(&self, notification: Notification) {
        let _ = notification;
    }

    /// A client is shown what this peer was last known to list of `kind`: the moment to find out
    /// whether it is still so. Called on the way of the request, so it must not wait.
    fn listed(&self, kind: Kind) {
        let _ = kind;
    }
}

/// Who is calling, and what holds for the request on every hop.
#[derive(Clone)]
pub struct Context {
    pub principal: Principal,
    /// The revision the answer is for.
    pub version: ProtocolVersion,
    pub caller: CallerId,
    /// What the client said it can do: for this request, or for its session.
    pub capabilities: ClientCapabilities,
    /// The client of this request. It takes what the server reports on the way, and answers what
    /// the server asks back: `sampling/createMessage`, `elicitation/create`, `roots/list`. `None`
    /// where nobody is there for either.
    pub client: Option<Arc<dyn Peer>>,
    /// Whether the client wants to hear of progress.
    pub wants_progress: bool,
    /// From which level on the client asked for log messages; `None` where it did not ask.
    pub log_level: Option<LogLevel>,
    /// What outlasts the request; `None` over stateless HTTP.
    pub session: Option<Session>,
    /// The endpoint that a request has to go to, where what it is about is kept there and nowhere
    /// else: a task, or a question that this request answers.
    pub endpoint: Option<Arc<str>>,
    /// When the answer is of no more use, where it waited or was sent before.
    pub deadline: Option<Instant>,
    /// Where the client is in the network; `None` where it came over a socket of this machine.
    pub address: Option<IpAddr>,
    /// Hears what the limits say of the request.
    pub notice: Option<Arc<Notice>>,
    /// Hears where the call goes; `None` where no record is kept of it.
    pub trail: Option<Arc<Trail>>,
    /// Whether whoever brought the request shows it itself to those who watch.
    pub is_shown: bool,
}

impl Context {
    /// A request of which nobody hears anything but the answer.
    pub fn new(principal: Principal, version: ProtocolVersion) -> Self {
        Self {
            principal,
            version,
            caller: CallerId::unique(),
            capabilities: ClientCapabilities::none(),
            client: None,
            wants_progress: false,
            log_level: None,
            session: None,
            endpoint: None,
            deadline: None,
            address: None,
            notice: None,
            trail: None,
            is_shown: false,
        }
    }

    /// The same for a request that has to be answered at `end`, or before that already.
    #[must_use]
    pub fn by(&self, end: Instant) -> Self {
        let deadline = self.deadline.map_or(end, |deadline| deadline.min(end));
        Self { deadline: Some(deadline), ..self.clone() }
    }

    /// The same for a request about something that is kept at `endpoint`.
    #[must_use]
    pub fn at(&self, endpoint: Option<&str>) -> Self {
        Self { endpoint: endpoint.map(Arc::from), ..self.clone() }
    }
}

/// A session or a connection of a client, for whoever keeps something for it alone.
#[derive(Clone, Debug)]
pub struct Session {
    id: CallerId,
    over: CancellationToken,
}

impl Session {
    /// The session of the requests that have the id `id`, until `over` is cancelled.
    pub fn new(id: CallerId, over: CancellationToken) -> Self {
        Self { id, over }
    }

    /// Tells it from every other.
    pub fn id(&self) -> CallerId {
        self.id
    }

    /// Resolves when it is over.
    pub async fn over(&self) {
        self.over.cancelled().await;
    }

    pub fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }
}

/// Tells clients apart: two requests have the same one where they came over the same session, so
/// that what concerns the one may be said to the other. A request of 2026-07-28 has its own.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct CallerId(u64);

impl CallerId {
    pub fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// A request, with the parameters as the client sent them; the gateway seldom has to look inside.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub params: Option<Json>,
    /// The tool, prompt or resource that is meant, taken out of `params` because routing needs it.
    /// Whoever passes the request on may put another name here; what is in `params` is replaced by
    /// it where the request is written.
    pub name: Option<String>,
}

/// A result as its server wrote it.
#[derive(Clone, Debug)]
pub struct Response {
    pub result: Json,
    /// The revision of who wrote it, for the translation into the client's.
    pub version: ProtocolVersion,
    /// Which endpoint it comes from, where its upstream has several.
    pub endpoint: Option<Arc<str>>,
}

#[derive(Clone, Debug)]
pub struct Notification {
    pub method: Method,
    pub params: Option<Json>,
}

impl Response {
    pub fn new(result: Json, version: ProtocolVersion) -> Self {
        Self { result, version, endpoint: None }
    }

    /// Whether this is the answer of a tool that ran and failed.
    pub fn is_tool_error(&self) -> bool {
        // Nearly all results do without the member, and a search is cheaper than a parse.
        static IS_ERROR: Needle = Needle::new("\"isError\"");
        IS_ERROR.is_in(&self.result)
            && self.result.members().ok().and_then(|m| m.read("isError")) == Some(true)
    }
}
