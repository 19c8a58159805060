//! Who may do what: Cedar policies behind the port [`switchboard_core::Policy`].
//!
//! A policy is a text that is checked against a schema when it is loaded ([`Text`], [`Mistakes`]).
//! What the operator configured holds everywhere; what a tenant keeps in its store holds in that
//! tenant, for its own principals, and can neither reach another nor give away what is the
//! operator's ([`Policies`]).
//!
//! Decisions fail closed. A `permit` that cannot be evaluated permits nothing; a `forbid` that
//! cannot be evaluated forbids, unlike in Cedar by itself, where it would be skipped: a rule that
//! reads an argument which is not there must not be got around by leaving the argument out.
//!
//! What a list shows is decided without arguments: a rule about arguments hides nothing that some
//! arguments would allow (`seen.rs`).

mod answer;
mod arguments;
mod base;
mod config;
mod entities;
mod explain;
mod kept;
mod load;
mod mistake;
mod names;
mod policies;
mod question;
mod rules;
mod schema;
mod seen;
mod stored;
mod text;
mod value;

pub use answer::{Answer, NotListed};
pub use base::Base;
pub use config::PolicyConfig;
pub use explain::{Explanation, Ruling, Trouble};
pub use load::validate;
pub use mistake::{Mistake, Mistakes};
pub use policies::Policies;
pub use question::{NoQuestion, Question};
pub use stored::stored_texts;
pub use text::{Place, Text};
