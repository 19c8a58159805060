//! `[upstream.NAME]`.

mod group;
mod health;
mod pool;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::TimeSpan;

use crate::http::{HttpConfig, SseConfig};
use crate::inside::InsideConfig;
use crate::memory::MemoryConfig;
use crate::roots::Root;
use crate::stdio::StdioConfig;
use crate::websocket::WebSocketConfig;

pub use self::group::GroupSettings;
pub use self::health::HealthSettings;
pub use self::pool::{
    BalanceStrategy, BreakerSettings, PoolSettings, QueueSettings, RetrySettings, Sharing,
};

/// One MCP server. Exactly one of `stdio`, `http`, `sse`, `websocket` and `endpoints` says how it is
/// reached.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// A program that is started and spoken to over its standard input and output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdio: Option<StdioConfig>,
    /// An address that speaks streamable HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpConfig>,
    /// An address that speaks HTTP+SSE, as servers of 2024-11-05 do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sse: Option<SseConfig>,
    /// An address that speaks MCP over a WebSocket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub websocket: Option<WebSocketConfig>,
    /// A server inside this process, which no file can name.
    #[serde(skip)]
    pub memory: Option<MemoryConfig>,
    /// A peer inside this process, which no file can name either.
    #[serde(skip)]
    pub inside: Option<InsideConfig>,
    /// Several ways to servers that do the same: each with one of `stdio`, `http`, `sse` and
    /// `websocket`. Calls are spread over them (`balance`), and go to another one where one fails.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<EndpointSettings>,
    /// What stands before the names of this server's tools and prompts (`prefix__tool`). The name of
    /// the server if absent; `""` shows bare names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// When the server is started: `lazy`, when it is first needed, or `eager`, with the daemon.
    pub start: StartPolicy,
    /// Which revisions to speak: `auto` asks the server; `legacy` is 2025-11-25 and before,
    /// `modern` 2026-07-28. Fixing it saves the question at the first start.
    pub era: EraChoice,
    /// How long the server may take to start and to answer the opening. 60 s: `npx` and `uvx`
    /// install on first use.
    pub start_timeout: TimeSpan,
    /// How long a call may take without a sign of progress. 5 min: builds and searches run for
    /// minutes, and a client gives up by itself when it wants to.
    pub timeout: TimeSpan,
    /// How long a call may take in all, however much progress it reports.
    pub timeout_total: TimeSpan,
    /// Stops the server after it was not used for so long; it starts again when it is needed.
    /// Absent means never: a server that stays up answers at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_stop: Option<TimeSpan>,
    /// How many calls may be under way at this server at once; more wait (`queue`).
    #[schemars(range(min = 1, max = 100000))]
    pub in_flight: usize,
    /// What becomes of calls beyond `in_flight`.
    pub queue: QueueSettings,
    /// Who shares a connection to the server: `shared`, everybody; `per_session`, the requests of
    /// one session of a client; `per_principal`, those of one principal; `auto`, everybody until
    /// the server shows that it keeps something for its client, and then each session. For servers
    /// that keep something between calls that others must not see.
    pub sharing: Sharing,
    /// How many instances there are at most that belong to one session or principal; of more, the
    /// one that was not used for longest makes room.
    #[schemars(range(min = 1, max = 10000))]
    pub instances: usize,
    /// Runs several instances of the server, so that one that can do only one thing at a time does
    /// not keep everybody waiting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolSettings>,
    /// Which of several endpoints or instances gets a call.
    pub balance: BalanceStrategy,
    /// For `balance = "consistent_hash"`: the argument of a call that decides, such as `repo`.
    /// Absent: the principal does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash_argument: Option<String>,
    /// How it is found out that a server does not answer any more that nobody calls.
    pub health: HealthSettings,
    /// When calls stop for a while to what fails.
    pub breaker: BreakerSettings,
    /// What is sent again where it failed.
    pub retry: RetrySettings,
    /// Shows only the tools that match one of these patterns (`*`, `?`, `[a-z]`).
    pub include_tools: Vec<String>,
    /// Hides the tools that match one of these patterns, unless `include_tools` names them.
    pub exclude_tools: Vec<String>,
    /// Directories that the server may work in: absolute paths, or with `~/`. They answer
    /// `roots/list` where no client is there that has roots of its own.
    pub roots: Vec<Root>,
    /// Keeps the entry without using it.
    pub disabled: bool,
    /// Whether `health` stays good while this server is down.
    pub optional: bool,
}

/// One of several ways to servers that do the same.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct EndpointSettings {
    /// A program that is started and spoken to over its standard input and output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdio: Option<StdioConfig>,
    /// An address that speaks streamable HTTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpConfig>,
    /// An address that speaks HTTP+SSE, as servers of 2024-11-05 do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sse: Option<SseConfig>,
    /// An address that speaks MCP over a WebSocket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub websocket: Option<WebSocketConfig>,
    /// A server inside this process, which no file can name.
    #[serde(skip)]
    pub memory: Option<MemoryConfig>,
    /// How much of the calls it gets beside the others. 1 if absent.
    #[schemars(range(min = 1, max = 1000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
}

/// When a server is started.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StartPolicy {
    /// When it is first needed.
    #[default]
    Lazy,
    /// With the daemon.
    Eager,
}

/// Which era of the protocol to speak with a server.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EraChoice {
    /// Ask the server.
    #[default]
    Auto,
    /// `initialize`, 2025-11-25 and before.
    Legacy,
    /// 2026-07-28.
    Modern,
}

impl Settings {
    /// The keys that say how the server is reached, of those that are set. One is right, unless
    /// there are `endpoints`.
    ///
    /// Another kind is a field, its row here, its arm in `open::connect`, and its part of
    /// `cache::fingerprint`.
    pub fn kinds(&self) -> Vec<&'static str> {
        if !self.endpoints.is_empty() {
            let mut kinds = Vec::new();
            for kind in self.ways().iter().flat_map(Self::kinds) {
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
            return kinds;
        }
        let kinds = [
            ("stdio", self.stdio.is_some()),
            ("http", self.http.is_some()),
            ("sse", self.sse.is_some()),
            ("websocket", self.websocket.is_some()),
            ("memory", self.memory.is_some()),
            (self.inside.as_ref().map_or("inside", |inside| inside.kind), self.inside.is_some()),
        ];
        kinds.into_iter().filter_map(|(key, is_set)| is_set.then_some(key)).collect()
    }
}

impl Settings {
    /// The settings of each way to the server: of one upstream with one way.
    pub fn ways(&self) -> Vec<Self> {
        if self.endpoints.is_empty() {
            return vec![self.clone()];
        }
        let way = |endpoint: &EndpointSettings| {
            let EndpointSettings { stdio, http, sse, websocket, memory, .. } = endpoint.clone();
            Self { stdio, http, sse, websocket, memory, endpoints: Vec::new(), ..self.clone() }
        };
        self.endpoints.iter().map(way).collect()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stdio: None,
            http: None,
            sse: None,
            websocket: None,
            memory: None,
            inside: None,
            endpoints: Vec::new(),
            prefix: None,
            start: StartPolicy::Lazy,
            era: EraChoice::Auto,
            start_timeout: TimeSpan::from_secs(60),
            timeout: TimeSpan::from_mins(5),
            timeout_total: TimeSpan::from_mins(60),
            idle_stop: None,
            in_flight: 1_000,
            queue: QueueSettings::default(),
            sharing: Sharing::Shared,
            instances: 64,
            pool: None,
            balance: BalanceStrategy::PowerOfTwo,
            hash_argument: None,
            health: HealthSettings::default(),
            breaker: BreakerSettings::default(),
            retry: RetrySettings::default(),
            include_tools: Vec::new(),
            exclude_tools: Vec::new(),
            roots: Vec::new(),
            disabled: false,
            optional: false,
        }
    }
}
