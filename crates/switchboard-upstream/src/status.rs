//! What is told of an upstream: to the catalog, and to people.

use std::sync::Arc;
use std::time::Duration;

use switchboard_core::Lists;
use tokio::time::Instant;

/// What the catalog needs to know.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// `None` until the server has listed once.
    pub lists: Option<Arc<Lists>>,
    /// Whether the first lists are on their way.
    pub learning: bool,
}

/// What people want to know.
#[derive(Clone, Debug)]
pub struct Status {
    pub state: State,
    /// Since when it is in this state.
    pub since: Instant,
    /// The process, where it is ours.
    pub pid: Option<u32>,
    /// The agreed revision and the name of the software, once it answered.
    pub version: Option<&'static str>,
    pub software: Option<String>,
    /// How often the server was started, apart from the first time.
    pub restarts: u64,
    /// Why it last failed; gone when it works again.
    pub problem: Option<String>,
}

/// One of the endpoints of an upstream.
#[derive(Clone, Debug)]
pub struct EndpointStatus {
    pub name: Arc<str>,
    pub status: Status,
    /// Calls under way.
    pub in_flight: usize,
    /// `closed`, `open` or `half-open`.
    pub breaker: &'static str,
    /// What an answer took lately.
    pub response_time: Option<Duration>,
}

/// Where an upstream is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum State {
    /// Not running, because nobody needs it.
    Dormant,
    Starting,
    Ready,
    /// Failed; tried again after a wait, or when it is next needed.
    Waiting,
    /// Stopped with the daemon, or removed from the configuration.
    Stopped,
}

impl State {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dormant => "dormant",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Waiting => "waiting",
            Self::Stopped => "stopped",
        }
    }
}
