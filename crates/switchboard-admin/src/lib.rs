//! The management surface: GraphQL as the older daemon engine had it and a modern one beside it,
//! REST with an OpenAPI description, the activity feed, and facts about tenants.
//!
//! [`Admin::respond`] takes a request with who sent it and which tenant it addresses, and gives an
//! answer; there is no listener in here. What is managed is in the store, behind the ports of the
//! core; what only a running daemon knows or can do is behind [`Operations`]; who may is for the
//! policy to decide. All surfaces go through `desk`, where every right is asked for: an answer in
//! GraphQL and one in REST cannot disagree about who may have it.
//!
//! # The feed and MCP's HTTP+SSE
//!
//! A client that opens a stream does not say whether it wants the activity feed or MCP's transport of
//! 2024-11-05, so the path decides. `/sse` at the root is the transport. `/{endpoint_id}/sse` is the
//! feed, as it always was for the clients of those paths, and the transport of that tenant is below
//! `/{endpoint_id}/mcp`.

mod access;
mod admin;
mod body;
mod desk;
mod explained;
mod facts;
mod fault;
mod feed;
mod graphql;
mod live;
mod mask;
mod moment;
mod operations;
mod page;
mod record;
mod rest;
mod scalar;
mod seats;

pub use admin::Admin;
pub use body::Body;
pub use desk::Ports;
pub use explained::{
    ExplainWish, Explained, ExplainedAnswer, ExplainedPlace, ExplainedPolicy, ExplainedPrincipal,
    ExplainedTrouble,
};
pub use fault::Fault;
pub use feed::{Activity, Whose};
pub use live::Event;
pub use moment::Moment;
pub use operations::{
    CacheFacts, Checked, Document, Facts, Inspected, KeyWish, LoginChange, LoginChanged, Offer,
    Operations, Package, Refused, ServerPhase, ServerState, Tool, UserChange,
};
pub use scalar::JsonCamelCase;
