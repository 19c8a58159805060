//! Load and faults for a whole daemon, and what must hold all the while: every request is answered
//! once, every child is owned, and nothing is kept of clients that have gone.
//!
//! [`Load`] is clients over every listener, [`Census`] what `/proc` and the ledgers say, [`Daemon`]
//! a daemon that can be killed and is back. [`chaos`] and [`soak`] put them together; they are the
//! work of `cargo xtask chaos` and `cargo xtask soak`, and the tests of the whole program use the
//! parts.

mod census;
pub mod chaos;
mod daemon;
mod latencies;
mod load;
pub mod neighbours;
pub mod postgres;
pub mod soak;

use std::io::Write as _;

pub use census::{Census, Resources};
pub use daemon::{Daemon, MARK, Server};
pub use latencies::Latencies;
pub use load::{Aim, KINDS, Load, Tally, one_call};

/// Prints one line; nobody reads where that fails.
fn say(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}
