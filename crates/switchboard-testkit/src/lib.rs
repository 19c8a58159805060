//! What tests of several crates share: a server that misbehaves on command ([`Fake`]), a raw HTTP
//! client that sends exactly what a test wrote ([`raw`]), a runner for tests that are their own
//! child processes ([`suite`]), conversations written down as data ([`transcript`]), servers that
//! fail by chance ([`faulty`]), an identity provider ([`issuer`]), and load and faults for a whole daemon ([`campaign`]).
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod behaviour;
pub mod campaign;
pub mod client;
mod fake;
pub mod faulty;
pub mod issuer;
mod journal;
mod line;
pub mod matrix;
pub mod messages;
mod peer;
pub mod raw;
mod reference;
mod relay;
pub mod simulation;
pub mod suite;
mod tools;
pub mod transcript;
mod web;

pub use behaviour::{Behaviour, Discover, Opening, Pages, Speaks};
pub use fake::Fake;
pub use peer::Scripted;
pub use reference::Reference;
pub use relay::relay;
