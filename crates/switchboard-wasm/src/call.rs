//! What is asked of a bundle, on which terms, and what comes back.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::value::RawValue;

use crate::grants::Grants;
use crate::host::Host;

/// One call.
pub struct Call {
    pub ask: Ask,
    /// Warm instances serve calls with the very same terms only, so keep one `Arc` for each bundle.
    pub terms: Arc<Terms>,
    pub host: Arc<dyn Host>,
    /// The time of day at which the call begins.
    pub now: SystemTime,
}

/// Which function, and with what.
#[derive(Clone, Debug)]
pub enum Ask {
    /// The arguments are a JSON object.
    Tool {
        name: String,
        arguments: String,
    },
    Resource {
        uri: String,
    },
    /// The arguments are a JSON object.
    Prompt {
        name: String,
        arguments: String,
    },
}

/// What a bundle gave back.
#[derive(Debug)]
pub struct Answer {
    /// A JSON object.
    pub json: Box<RawValue>,
}

/// What whoever installed a bundle decided about it.
#[derive(Clone, Debug)]
pub struct Terms {
    pub grants: Grants,
    pub limits: Limits,
    pub reuse: Reuse,
    /// A JSON object, which the bundle reads by the import `settings`.
    pub settings: String,
}

impl Default for Terms {
    /// Nothing granted, a new instance for each call.
    fn default() -> Self {
        Self {
            grants: Grants::default(),
            limits: Limits::default(),
            reuse: Reuse::Never,
            settings: "{}".to_owned(),
        }
    }
}

/// Whether an instance serves more than one call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reuse {
    /// What one call leaves in memory is out of reach for the next.
    Never,
    /// For bundles that take long to start. What one call leaves in memory the next one finds,
    /// whoever makes it.
    Calls(NonZeroU32),
}

/// Where a call ends.
#[derive(Clone, Debug)]
pub struct Limits {
    /// All linear memories of the instance together.
    pub memory_bytes: usize,
    /// All tables of the instance together.
    pub table_elements: usize,
    /// From the first instruction to the answer, with what the guest waits for. The wait for a place
    /// comes before.
    pub deadline: Duration,
    /// The text of the answer. It also bounds, with some room, what one import takes at once.
    pub output_bytes: usize,
    /// What goes to the log in one call; the rest is counted and dropped.
    pub log_bytes: usize,
    /// Requests under way at once.
    pub requests: usize,
}

impl Default for Limits {
    /// 256 MiB: an interpreter and data to work on. 100,000 elements: a table has one for each function
    /// that is pointed to, and those of interpreters fit several times. 30 s: what clients wait. 4 MiB:
    /// beyond what a model reads. 64 KiB of log: a stack trace, and what led to it. 8 requests: as many
    /// as browsers have to one host, and some.
    fn default() -> Self {
        Self {
            memory_bytes: 256 << 20,
            table_elements: 100_000,
            deadline: Duration::from_secs(30),
            output_bytes: 4 << 20,
            log_bytes: 64 << 10,
            requests: 8,
        }
    }
}
