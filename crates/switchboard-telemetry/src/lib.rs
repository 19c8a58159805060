//! What the daemon tells about itself: [`log`] for people, [`metrics`] for machines.
//!
//! Neither may disturb the work: a log line that cannot be written is counted and forgotten, and
//! recording a call costs a few atomic additions. Time comes in as an argument or a [`Clock`].

use std::sync::Arc;
use std::time::SystemTime;

pub mod log;
pub mod metrics;

/// Says what time it is; tests turn it by hand.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;
