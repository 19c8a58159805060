//! The control socket: one JSON object a line, a [`Command`] there, [`Reply`]s back.
//!
//! Only the daemon's user can open the socket (mode 0600), so nothing here carries a credential.

mod client;

use serde::{Deserialize, Serialize};

pub use self::client::{Client, ControlError, Replies};

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
}

/// What the daemon answers.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    Done,
    Status(Box<Status>),
    Reloaded(Reloaded),
    Key { key: String, previous_valid_until: Option<u64> },
    Line { text: String },
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
    pub uptime_seconds: u64,
    pub tools: usize,
    pub prompts: usize,
    pub resources: usize,
    pub upstreams: Vec<UpstreamStatus>,
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
}
