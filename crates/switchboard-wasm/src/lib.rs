//! Runs bundles of functions that strangers wrote, as WebAssembly components, without trusting them.
//!
//! A bundle is a component of the world in `wit/bundle.wit`. It has no memory but its own, calls
//! nothing but what [`Grants`] name, and is ended at its [`Limits`]. An [`Engine`] compiles it to a
//! [`Program`]; [`Program::call`] gives it one call, in an instance that is new or, where the bundle
//! says so, kept from the call before ([`Reuse`]).
//!
//! What keeps whom out:
//!
//! | what a bundle might try | what is in the way |
//! | --- | --- |
//! | read or write our memory | WebAssembly's own memory, tables and calls; guard pages |
//! | run for ever, keep a thread | epochs: it yields every millisecond and is dropped at its deadline |
//! | fill our memory | a limit for each instance and one for all (`meter`), bounds on what is copied out |
//! | fill the log, flood the caller | budgets of each call (`scope`) |
//! | reach hosts inside | granted hosts only, then [`switchboard_egress::Guard`] (`outgoing`) |
//! | read time, randomness, variables, files | not there unless granted; files never |
//! | give us machine code | only what we compiled and signed is loaded (`cache`) |
//!
//! The crate knows no MCP: arguments and results are JSON text.

mod bindings;
mod cache;
mod call;
mod clock;
mod deny;
mod engine;
mod error;
mod grants;
mod host;
mod idle;
mod imports;
mod instance;
mod lines;
mod load;
mod meter;
mod outgoing;
mod program;
mod random;
mod scope;
mod state;
mod ticker;

pub use cache::Cache;
pub use call::{Answer, Ask, Call, Limits, Reuse, Terms};
pub use engine::{Engine, EngineSettings};
pub use error::WasmError;
pub use grants::{Denied, Grants, HostGrant, HostGrantError};
pub use host::{Host, KeyValue, KeyValueError, Level, Line, Outgoing, Report, Source, Stored};
pub use program::Program;
