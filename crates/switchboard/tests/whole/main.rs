//! The whole program with real processes: its own life, and the servers and clients of others.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, and says where")]
#![expect(clippy::disallowed_methods, reason = "real processes take real time")]
#![expect(clippy::print_stdout, reason = "totals are for whoever reads the run")]

mod administration;
mod asked;
mod attacks;
mod bundles;
mod common;
mod differential;
mod durability;
mod keys;
mod lifetime;
mod managing;
mod matrix;
mod peers;
mod reliability;
mod service;
mod takeover;
