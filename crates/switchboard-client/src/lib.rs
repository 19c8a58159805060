//! Finds a daemon and talks to it.
//!
//! [`control`] is what is said on the daemon's control socket; the daemon answers with the same
//! types. [`mcp`] calls tools over the daemon's other socket. [`detach`] starts a daemon in the
//! background and waits for what becomes of it.
//!
//! Both sockets belong to one user (mode 0600), so there is no key here, and a wait that could be
//! endless has a limit.

pub mod control;
pub mod detach;
mod error;
pub mod mcp;
mod wire;

pub use error::ClientError;
