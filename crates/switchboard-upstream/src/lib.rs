//! How we reach servers.
//!
//! Bottom up: a [`link`] carries messages to one server over one kind of transport (a file for
//! each: [`stdio`], [`http`], [`websocket`]; what those share that are two streams is in [`duplex`]); a
//! [`session`] speaks one era of MCP over a link; an [`Upstream`] keeps a session open between
//! clients and calls, opens it when it is first needed, replaces it when it breaks, and knows what
//! the server offers.
//!
//! The other way round, what a server says on its own account arrives in [`unasked`], which finds
//! the client it is for ([`calls`]) and asks or tells it ([`caller`]).

mod backoff;
mod cache;
mod caller;
mod calls;
mod declared;
mod duplex;
mod elicitations;
mod freshness;
mod handshake;
mod home;
mod http;
mod level;
mod link;
mod listen;
mod listing;
mod login;
mod open;
mod outbox;
mod owner;
mod questions;
mod queue;
mod retry;
mod roots;
mod session;
mod settings;
mod stdio;
mod subscribe;
mod subscriptions;
mod timeout;
mod tool_headers;
mod unasked;
mod upstream;
mod websocket;

pub use cache::ListCache;
pub use http::{HttpConfig, SseConfig};
pub use roots::Root;
pub use settings::{EraChoice, Settings, StartPolicy};
pub use stdio::StdioConfig;
pub use upstream::{Environment, Events, State, Status, Upstream, View};
pub use websocket::WebSocketConfig;
