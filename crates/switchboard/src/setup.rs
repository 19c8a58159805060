//! What `up`, `undo`, `connect`, `disconnect` and `doctor` have in common.
//!
//! The way of an import, and the module for each step:
//!
//! ```text
//! files of clients ─▶ survey   a verdict on every server: own, a project's, left out
//!      existing ────────┘      what the configuration has already
//!                     plan     the chosen ones: a whole file by its name, or one by one
//!                     edit     the text of the configuration with them, secrets apart
//!                     change   written, with a way back
//!                     import   these steps in one, and what the daemon says to the result
//! ```

pub(crate) mod change;
pub(crate) mod check;
pub(crate) mod client;
pub(crate) mod edit;
pub(crate) mod existing;
pub(crate) mod import;
pub(crate) mod name;
pub(crate) mod plan;
pub(crate) mod probe;
pub(crate) mod secret;
pub(crate) mod show;
pub(crate) mod survey;

mod surroundings;

pub(crate) use surroundings::{
    absolute, endpoint_name, file_failure, home, key, now_running, program,
};
