//! How much anybody may ask for: rates, quotas, and calls under way at once.
//!
//! A rule ([`LimitSettings`]) names whom it is about and what it counts for itself ([`Per`]):
//! each principal, each tenant, each tool of a principal, each address. What it allows is a
//! [`Rate`] (a token bucket, [`Buckets`]), quotas of a day or a month (a ledger that is written
//! down in batches), and a number of calls at once, which are waited for in turn.
//!
//! A credential may bring a rate of its own, which holds beside the rules ([`Limits::admit_key`]).
//!
//! Rules stand in the configuration, and a tenant may keep more in the store for its own principals
//! ([`StoredLimits`]).
//!
//! The rules are pure: the time since a fixed start and the time of the wall come in as arguments.
//! [`Limits`] is the shell around them that reads the clock of the runtime, waits for places and
//! writes to the store. What came out is a [`Verdict`], which knows how it is said in headers and
//! in JSON-RPC.

#[cfg(test)]
mod book;
mod buckets;
mod keys;
mod ledger;
mod limits;
mod pattern;
mod period;
mod places;
mod rate;
mod rules;
mod settings;
mod stored;
mod verdict;

pub use buckets::{Allowance, Buckets, Level};
pub use ledger::Flushed;
pub use limits::{Limits, Pass};
pub use pattern::{NoPattern, Pattern};
pub use rate::{NoRate, Rate, RateUnit};
pub use rules::{LimitError, Rules, network_of};
pub use settings::{LimitConfig, LimitSettings, Per};
pub use stored::{STORED_LIMIT, StoredLimits};
pub use verdict::{Notice, Unit, Verdict};
