//! How the calls of many clients are spread over the endpoints of one upstream.

use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::TimeSpan;
use switchboard_core::pool::{AdaptiveConfig, BreakerConfig, BudgetConfig, LimitConfig};

/// Who shares a connection to the server, and its process where it is one of ours.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sharing {
    /// Everybody.
    #[default]
    Shared,
    /// The requests of one session or connection of a client; of clients without either, those of
    /// one principal.
    PerSession,
    /// The requests of one principal.
    PerPrincipal,
    /// Everybody, until the server shows that it keeps something for its client; then as
    /// `per_session`.
    Auto,
}

impl Sharing {
    /// Whether connections belong to somebody from the beginning.
    pub(crate) fn is_by_owner(self) -> bool {
        matches!(self, Self::PerSession | Self::PerPrincipal)
    }
}

/// Equal instances of the server: more are started while all that run have calls under way.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolSettings {
    /// How many are kept running once the upstream is used.
    #[schemars(range(min = 1, max = 256))]
    pub min: usize,
    /// How many there are at most.
    #[schemars(range(min = 1, max = 256))]
    pub max: usize,
    /// How long one beyond `min` stays without calls before it is stopped.
    pub idle: TimeSpan,
}

/// Which endpoint gets a call.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BalanceStrategy {
    /// The better of two that are drawn at random: nearly as even as asking all, and no endpoint
    /// that has just become free is flooded.
    #[default]
    PowerOfTwo,
    /// One after the other.
    RoundRobin,
    /// The one with the fewest calls under way.
    LeastInFlight,
    /// The one that answered fastest lately (a moving average), and has little to do.
    WeightedResponseTime,
    /// Always the same for the same principal, or for the same value of `hash_argument`.
    ConsistentHash,
}

/// When calls to an endpoint that fails stop for a while.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerSettings {
    /// So many failures in a row open it; 0 means that a row never does. A failure is a connection
    /// that is lost or cannot be made, or a call that is not answered in time; a tool that fails,
    /// or a request that is refused, is none.
    pub failures: u32,
    /// So many failures of a hundred calls within `window` open it; 0 means that no share does.
    #[schemars(range(min = 0, max = 100))]
    pub failure_percent: u32,
    /// An answer that takes longer is slow. Absent: none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow: Option<TimeSpan>,
    /// So many slow answers of a hundred within `window` open it.
    #[schemars(range(min = 0, max = 100))]
    pub slow_percent: u32,
    /// The time over which shares are taken.
    pub window: TimeSpan,
    /// With fewer calls than this in the window, shares say nothing.
    pub minimum_calls: u32,
    /// How long it stays open the first time; each time twice as long, up to `open_limit`.
    pub open: TimeSpan,
    /// The longest it stays open.
    pub open_limit: TimeSpan,
}

/// How often a call may be sent again.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetrySettings {
    /// Of a hundred calls, how many may be sent again.
    #[schemars(range(min = 0, max = 100))]
    pub percent: u32,
    /// So many each second, whatever the number of calls.
    pub per_second: u32,
    /// The most that is saved up for a bad moment. 0 forbids it.
    pub burst: u32,
    /// Whether to believe the server's `readOnlyHint` and `idempotentHint`: a call of a tool that
    /// has one is sent again even where it may have been carried out.
    pub trust_hints: bool,
    /// Sends a call of such a tool to a second endpoint when the first has not answered for so
    /// long, and takes the answer that comes first. Absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedge_after: Option<TimeSpan>,
}

/// How many calls are under way at the server at once.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct QueueSettings {
    /// How many calls may wait for their turn; of more, the newest of whoever has the most waiting
    /// is refused as busy. 0: none waits.
    #[schemars(range(min = 0, max = 100000))]
    pub size: usize,
    /// How long a call waits for its turn.
    pub wait: TimeSpan,
    /// An answer that takes longer says that the server has too much to do, and fewer calls are
    /// sent to it at once, down to one; while it keeps up they become more again, up to
    /// `in_flight`. Absent: always up to `in_flight`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adapt_to: Option<TimeSpan>,
}

impl BreakerSettings {
    pub(crate) fn rules(&self) -> BreakerConfig {
        let share = |percent: u32| (percent > 0).then_some(percent);
        BreakerConfig {
            consecutive_failures: NonZeroU32::new(self.failures),
            window: self.window.as_duration(),
            minimum_calls: self.minimum_calls,
            failure_percent: share(self.failure_percent),
            slow_percent: self.slow.and_then(|_| share(self.slow_percent)),
            open: self.open.as_duration(),
            open_limit: self.open_limit.as_duration(),
            ..BreakerConfig::default()
        }
    }
}

impl RetrySettings {
    pub(crate) fn budget(&self) -> BudgetConfig {
        BudgetConfig { share_percent: self.percent, per_second: self.per_second, burst: self.burst }
    }
}

impl QueueSettings {
    /// The limit of calls under way, `most` at most.
    pub(crate) fn limit(&self, most: usize) -> LimitConfig {
        match self.adapt_to {
            None => LimitConfig::Fixed(most),
            Some(slow) => LimitConfig::Adaptive(AdaptiveConfig {
                min: 1,
                max: most,
                initial: most.min(ADAPTIVE_START),
                slow: slow.as_duration(),
            }),
        }
    }
}

/// Where an adaptive limit begins: more than one person's clients have under way, and few enough
/// to be found too many within seconds.
const ADAPTIVE_START: usize = 16;

impl Default for PoolSettings {
    fn default() -> Self {
        Self { min: 1, max: 4, idle: TimeSpan::from_mins(1) }
    }
}

impl Default for BreakerSettings {
    fn default() -> Self {
        let rules = BreakerConfig::default();
        let span = |duration: Duration| TimeSpan::from_secs(duration.as_secs());
        Self {
            failures: rules.consecutive_failures.map_or(0, NonZeroU32::get),
            failure_percent: rules.failure_percent.unwrap_or_default(),
            slow: None,
            slow_percent: rules.slow_percent.unwrap_or_default(),
            window: span(rules.window),
            minimum_calls: rules.minimum_calls,
            open: span(rules.open),
            open_limit: span(rules.open_limit),
        }
    }
}

impl Default for RetrySettings {
    fn default() -> Self {
        let BudgetConfig { share_percent, per_second, burst } = BudgetConfig::default();
        Self { percent: share_percent, per_second, burst, trust_hints: false, hedge_after: None }
    }
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self { size: 1_000, wait: TimeSpan::from_secs(30), adapt_to: None }
    }
}
