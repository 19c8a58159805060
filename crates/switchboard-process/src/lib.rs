//! Child processes: started, watched and ended as groups, so that none is left behind.
//!
//! The promise is *children alive = children owned*, and five mechanisms keep it, each for what the
//! one before cannot reach:
//!
//! | what goes wrong | what ends the processes |
//! |---|---|
//! | a child is stopped, dropped or exits by itself | its owner task, which signals the whole process group |
//! | a grandchild left the group (`setsid`) | the owner task again, by the [marker](CHILD_VARIABLE) in its environment |
//! | the daemon is killed | the kernel, by the parent-death signal of each child |
//! | the daemon is killed and there are grandchildren | the [guard](guard_main), a process that waits for just that |
//! | the guard was killed as well | the next start, which [settles](settle()) the ledger of the dead daemon |
//!
//! Linux has all five. Other Unix systems have the first one: there is no parent-death signal, and no
//! `/proc` in which the other mechanisms could tell our processes from those of strangers.
//!
//! A child that nobody trusts is started in a [`sandbox`].
//!
//! What is out of reach everywhere: a process that left its group *and* cleared its environment, and
//! one that changed its user. This crate knows no MCP: what flows through the pipes is for others.

mod child;
mod command;
mod environment;
mod error;
mod guard;
mod keeper;
mod leader;
mod ledger;
mod lookup;
mod marker;
mod owner;
mod prepare;
mod process;
pub mod sandbox;
mod settle;
mod spawner;
mod stderr;
mod thread;
mod tree;

pub use child::{Child, Exit};
pub use command::Command;
pub use environment::allowed_environment;
pub use error::{SpawnError, StartError};
pub use guard::guard_main;
pub use marker::{CHILD_VARIABLE, OWNER_VARIABLE};
pub use settle::{Leftover, Settled, settle};
pub use spawner::{GuardCommand, Options, Spawner};
pub use stderr::{Follow, Followed, StderrLine, StderrRing};
