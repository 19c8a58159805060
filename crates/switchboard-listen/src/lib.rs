//! How clients reach us.
//!
//! A listener turns bytes into requests with a caller ([`Front`] does what is the same for all of
//! them), asks the gateway, and turns the answers into bytes: [`http`] for streamable HTTP, HTTP+SSE
//! and `WebSocket`, [`lines`] for everything that is a stream of lines (unix socket, standard input
//! and output). All but streamable HTTP are carriers of one thing, a [`conversation`].

mod alone;
mod at_once;
mod bounds;
mod callback;
mod conversation;
mod front;
pub mod http;
pub mod lines;
mod meter;
mod outlet;
mod park;
mod rate;
mod replay;
mod shares;
pub mod stdio;
mod steady;
mod subscription;
mod watched;

pub use alone::{Alone, Asker, answer_alone};
pub use bounds::Bounds;
pub use front::Front;
pub use meter::Meter;
