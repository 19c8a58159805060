//! What was called: a record of every call, kept, looked up and compared.
//!
//! [`History`] takes note of calls on their way and never makes one wait; [`Keeper`] is the task
//! behind it, which puts secrets out of sight, cuts what is long, and writes many records at once
//! ([`record`]). What waits is bounded in number and in bytes; what does not fit is counted.
//! [`shown`] is what those see of a call who watch it happen. [`lookup`] reads records again, [`retention`] lets go of old ones.
//!
//! Nothing here knows a kind of store, or a clock: the time is an argument.

mod config;
mod ids;
mod keeper;
mod lookup;
mod queue;
mod record;
mod redact;
mod retention;
mod shown;

pub use config::{HistoryConfig, RedactConfig};
pub use ids::{bound, started};
pub use keeper::{Audience, Facts, Keeper, Known, Ports};
pub use lookup::{Page, difference, page, show};
pub use queue::{History, Losses};
pub use redact::{BadPattern, Redactor};
pub use retention::retain;
pub use shown::{Shown, Sight, Veil};
