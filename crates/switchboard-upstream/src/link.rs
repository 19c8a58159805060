//! Below the protocol: requests there, answers back.

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use switchboard_core::Kind;
use switchboard_mcp::{Json, Malformed, Method, Naming, ProtocolVersion, RpcError};
use tokio::sync::{mpsc, watch};

use crate::caller::Caller;

/// One open way to a server. Any number of requests may be under way on it.
#[async_trait]
pub(crate) trait Link: Send + Sync {
    /// Sends a request and waits for its answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future frees the slot and tells the server, unless the request is `initialize`,
    /// which must not be cancelled (2025-11-25, "Cancellation").
    async fn ask(&self, call: Call<'_>) -> Result<Json, LinkError>;

    /// Sends a notification.
    async fn tell(&self, method: &Method) -> Result<(), LinkError>;

    /// Says which revision was agreed on, for what later messages must carry.
    fn agree(&self, version: ProtocolVersion);

    /// Whether nothing can be asked any more; true some time before [`Self::lost`] tells why.
    fn is_over(&self) -> bool;

    /// Resolves with the reason when the link is gone. Any number may wait.
    async fn lost(&self) -> String;

    /// Ends the link and what hangs on it; returns when nothing of it is left.
    async fn close(&self);

    /// Whether a request that has no answer means that the server is slow, and not that it does not
    /// know the request: over HTTP each has a response of its own.
    fn answers_everything(&self) -> bool {
        false
    }

    /// Another link to the same server, for one that took no `initialize` over this one.
    ///
    /// # Errors
    ///
    /// Why there is none, for people.
    async fn otherwise(&self) -> Result<Arc<dyn Link>, String> {
        Err("it is reached in no other way".to_owned())
    }

    /// The process at the other end, where it is ours.
    fn pid(&self) -> Option<u32> {
        None
    }
}

/// A request on its way to a server.
pub(crate) struct Call<'a> {
    pub method: &'a Method,
    pub params: Option<&'a Json>,
    pub naming: Naming<'a>,
    pub envelope: &'a [(&'static str, Cow<'a, str>)],
    /// The client that the request is for; `None` for a request of our own.
    pub caller: Option<&'a Arc<Caller>>,
    /// For a `subscriptions/listen`: where its acknowledgement goes.
    pub acknowledged: Option<Acknowledged>,
    /// Headers that repeat arguments, where the link has headers.
    pub headers: &'a [(String, String)],
}

/// Holds the parameters of `notifications/subscriptions/acknowledged` once it came.
pub(crate) type Acknowledged = Arc<watch::Sender<Option<Json>>>;

impl<'a> Call<'a> {
    /// A request of our own.
    pub(crate) fn new(method: &'a Method, params: Option<&'a Json>) -> Self {
        Self {
            method,
            params,
            naming: Naming::Same,
            envelope: &[],
            caller: None,
            acknowledged: None,
            headers: &[],
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// Certainly not carried out.
    #[error("{0}")]
    NotSent(String),
    /// Certainly not carried out: nothing is there that takes such a message. Over HTTP this is how
    /// a server that speaks otherwise shows itself.
    #[error("{0}")]
    NotTaken(String),
    /// Certainly not carried out: the server is there, and does not let this in.
    #[error("{0}")]
    Declined(String),
    /// Certainly not carried out: the server wants another login.
    #[error("{0}")]
    Unauthorized(String),
    /// Certainly not carried out: the server says that it has too much to do.
    #[error("{0}")]
    Busy(String),
    /// Certainly not carried out: too many wait.
    #[error("{0}")]
    Full(String),
    /// May have been carried out.
    #[error("{0}")]
    Lost(String),
    /// May have been carried out: the server is there, and says that it failed, or nothing that is
    /// an answer.
    #[error("{0}")]
    Failed(String),
    /// The server refused in its own words.
    #[error("{0}")]
    Refused(RpcError),
    /// The request cannot be written down.
    #[error("{0}")]
    Malformed(#[from] Malformed),
}

impl LinkError {
    /// Whether the server said something, whatever that is.
    pub(crate) fn is_answer(&self) -> bool {
        match self {
            Self::NotTaken(_)
            | Self::Declined(_)
            | Self::Busy(_)
            | Self::Failed(_)
            | Self::Refused(_) => true,
            Self::NotSent(_) | Self::Unauthorized(_) | Self::Full(_) => false,
            Self::Lost(_) | Self::Malformed(_) => false,
        }
    }
}

/// What a server says without being asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Notice {
    Changed(Kind),
}

/// Where notices go. Bounded; one that does not fit is lost, and the one before it does the same.
pub(crate) type Notices = mpsc::Sender<Notice>;

/// Tells what a notification of a server means to us.
pub(crate) fn notice(method: &Method) -> Option<Notice> {
    match method {
        Method::ToolsChanged => Some(Notice::Changed(Kind::Tools)),
        Method::PromptsChanged => Some(Notice::Changed(Kind::Prompts)),
        Method::ResourcesChanged => Some(Notice::Changed(Kind::Resources)),
        _ => None,
    }
}
