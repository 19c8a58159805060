//! The control socket: one JSON object a line, a [`Command`] there, [`Reply`]s back.
//!
//! Only the daemon's user can open the socket (mode 0600), so nothing here carries a credential.

mod calls;
mod client;
mod manage;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::detach::Report;

pub use self::calls::{CallFilter, RecordedCall, RecordedCalls, Replayed};
pub use self::client::{Client, ControlError, Replies};
pub use self::manage::{ManageBody, ManageRequest, Managed};

/// What can be asked of a running daemon.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// Answered with [`Reply::Status`].
    Status,
    /// Answered with [`Reply::Done`] when the daemon is about to exit: all calls have ended and no
    /// child is left.
    Stop,
    /// Reads the configuration again. Answered with [`Reply::Reloaded`], or with
    /// [`Reply::Problem`] and nothing changed.
    Reload,
    /// Makes a new key; the old one stays valid for `grace_seconds`. Answered with [`Reply::Key`].
    RotateKey { grace_seconds: u64 },
    /// What an upstream wrote to standard error: the last `lines`, then what follows if `follow`.
    /// Answered with [`Reply::Line`] for each and [`Reply::Done`] at the end.
    UpstreamLog { upstream: String, lines: usize, follow: bool },
    /// Where a call of `tool`, by the name that clients know, would go now. `arguments` are those of
    /// the call, a JSON object as text. Answered with [`Reply::Explained`].
    Explain { tool: String, arguments: String },
    /// Calls that were recorded, the newest first, of the default tenant where none is named; `after`
    /// is what the page before gave. Answered with [`Reply::Calls`].
    Calls {
        #[serde(default)]
        tenant: Option<String>,
        #[serde(default)]
        filter: CallFilter,
        #[serde(default)]
        after: Option<String>,
        limit: u32,
    },
    /// One of them. Answered with [`Reply::Call`].
    Call {
        #[serde(default)]
        tenant: Option<String>,
        id: String,
    },
    /// Makes one of them again, at the upstream `against` where one is named. Answered with
    /// [`Reply::Replayed`].
    Replay {
        #[serde(default)]
        tenant: Option<String>,
        id: String,
        #[serde(default)]
        against: Option<String>,
    },
    /// A request of the management surface, made by whoever runs the daemon. Answered with
    /// [`Reply::Managed`].
    Manage(ManageRequest),
    /// Asked by a process that is to take the daemon's place. Answered with [`Reply::HandedOver`],
    /// which brings the lock and the listening sockets as descriptors (unix(7), `SCM_RIGHTS`). The
    /// daemon goes on as before until it hears [`Command::TakeOver`] on the same connection.
    HandOver,
    /// Answered with [`Reply::Done`] when the daemon accepts no more commands. It ends what is under
    /// way, and the connection with itself.
    TakeOver,
    /// Has the daemon start its successor itself, which a service manager then takes for the same
    /// service. Answered with [`Reply::Renewed`].
    Renew { program: PathBuf, limit_seconds: u64 },
}

/// What the daemon answers.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    Done,
    Status(Box<Status>),
    Reloaded(Reloaded),
    Key {
        key: String,
        previous_valid_until: Option<u64>,
    },
    Line {
        text: String,
    },
    Explained(RouteExplained),
    Calls(RecordedCalls),
    Call(Box<RecordedCall>),
    Replayed(Box<Replayed>),
    Managed(Managed),
    /// `is_given`: a service manager opened the socket for HTTP.
    HandedOver {
        is_given: bool,
    },
    Renewed {
        report: Report,
    },
    Problem(Problem),
}

/// What went wrong, in parts that can be shown in any form.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Problem {
    /// The page under `docs/errors/`.
    pub code: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Where a call would go, and why.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct RouteExplained {
    pub tool: String,
    pub upstream: String,
    /// What the upstream calls the tool.
    pub own_name: String,
    /// As in the configuration.
    pub sharing: String,
    pub balance: String,
    /// Each endpoint, in the order in which they would be asked.
    pub endpoints: Vec<EndpointExplained>,
}

/// Whether an endpoint would be asked.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct EndpointExplained {
    pub name: String,
    /// From 1; `None`: it would not be asked.
    pub place: Option<usize>,
    pub reason: String,
}

/// What a reload changed, by the names of the upstreams.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Reloaded {
    pub added: Vec<String>,
    pub removed: Vec<String>,
    /// Their configuration changed, so they were replaced.
    pub changed: Vec<String>,
    pub unchanged: Vec<String>,
    /// Keys that only a restart puts into effect, such as the address.
    pub needs_restart: Vec<String>,
}

/// The state of a daemon, measured when it is asked for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Status {
    pub instance: String,
    pub version: String,
    pub pid: u32,
    /// `ready` or `draining`.
    pub state: String,
    /// Where clients connect: `http://127.0.0.1:8765/mcp`.
    pub address: String,
    pub config: String,
    /// A service manager started it, and is told how it is.
    #[serde(default)]
    pub is_supervised: bool,
    pub uptime_seconds: u64,
    pub tools: usize,
    pub prompts: usize,
    pub resources: usize,
    pub upstreams: Vec<UpstreamStatus>,
    /// Servers that a reload removed or replaced, and that still have calls under way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaving: Vec<UpstreamStatus>,
    /// Names that could not be shown as they are, and why.
    pub conflicts: Vec<String>,
}

/// The state of one upstream.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct UpstreamStatus {
    pub name: String,
    /// `stdio` or `http`.
    pub kind: String,
    /// `dormant`, `starting`, `ready`, `waiting` or `stopped`.
    pub state: String,
    pub since_seconds: u64,
    pub pid: Option<u32>,
    /// The revision of MCP agreed on.
    pub revision: Option<String>,
    pub software: Option<String>,
    pub restarts: u64,
    pub in_flight: usize,
    /// `None` until the server has listed once.
    pub tools: Option<usize>,
    pub optional: bool,
    /// Why it does not work, in words for people.
    pub problem: Option<String>,
    /// What to know of it besides, in words for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Its endpoints, where it has several, or where calls to the one are stopped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<EndpointStatus>,
}

/// The state of one of the endpoints of an upstream.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct EndpointStatus {
    pub name: String,
    /// As of an upstream.
    pub state: String,
    pub pid: Option<u32>,
    pub restarts: u64,
    pub in_flight: usize,
    /// The circuit breaker: `closed`, `open` or `half-open`.
    pub breaker: String,
    /// What an answer took lately.
    pub response_milliseconds: Option<f64>,
    pub problem: Option<String>,
}
