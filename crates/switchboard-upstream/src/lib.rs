//! How we reach servers.
//!
//! Bottom up: a [`link`] carries messages to one server over one kind of transport (a file for
//! each: [`stdio`], [`http`], [`websocket`]; what those share that are two streams is in [`duplex`]); a
//! [`session`] speaks one era of MCP over a link; an [`endpoint`] keeps a session open between
//! clients and calls, opens it when it is first needed, replaces it when it breaks, and knows what
//! the server offers; an [`Upstream`] has one endpoint or several ([`roster`]), lets calls in and
//! spreads them.
//!
//! The other way round, what a server says on its own account arrives in [`unasked`], which finds
//! the client it is for ([`calls`]) and asks or tells it ([`caller`]).

mod again;
mod backoff;
mod cache;
mod caller;
mod calls;
mod choice;
mod declared;
mod duplex;
mod elicitations;
mod endpoint;
mod environment;
mod freshness;
mod gathering;
mod group;
mod handshake;
mod hints;
mod home;
mod http;
mod inside;
mod keeps;
mod level;
mod link;
mod listen;
mod listing;
mod login;
mod memory;
mod names;
mod open;
mod outbox;
mod owner;
mod questions;
mod queue;
mod random;
mod retries;
mod retry;
mod roots;
mod roster;
mod seat;
mod session;
mod settings;
mod silence;
mod status;
mod stdio;
mod subscribe;
mod subscriptions;
mod timeout;
mod tool_headers;
mod two_way;
mod unasked;
mod upstream;
mod websocket;

pub use cache::ListCache;
pub use choice::{ExplainedEndpoint, Explanation};
pub use environment::{Environment, Events};
pub use group::{Group, GroupMember};
pub use http::{HttpConfig, SseConfig};
pub use inside::{InsideConfig, Remark};
pub use keeps::KeepsState;
pub use memory::{Dialer, MemoryConfig, Stream};
pub use roots::Root;
pub use settings::{
    BalanceStrategy, BreakerSettings, EndpointSettings, EraChoice, GroupSettings, HealthSettings,
    PoolSettings, QueueSettings, RetrySettings, Settings, Sharing, StartPolicy,
};
pub use status::{EndpointStatus, State, Status, View};
pub use stdio::StdioConfig;
pub use upstream::{Counts, Upstream};
pub use websocket::WebSocketConfig;
