//! What a bundle may take.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::{ByteSize, TimeSpan};

/// What each call, and each process that runs calls, may take at most.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How long a call may take.
    #[schemars(extend("x-minimum" = "10ms", "x-maximum" = "1h"))]
    pub time: TimeSpan,
    /// Memory of one process, or of one instance of a component.
    #[schemars(extend("x-minimum" = "1MiB", "x-maximum" = "64GiB"))]
    pub memory: ByteSize,
    /// Files that a process may have open.
    #[schemars(range(min = 16, max = 65536))]
    pub files: u32,
    /// The size of a file that it may write.
    #[schemars(extend("x-minimum" = "0B", "x-maximum" = "64GiB"))]
    pub file_size: ByteSize,
    /// Whether it may start processes.
    pub processes: bool,
    /// The size of a result.
    #[schemars(extend("x-minimum" = "1KiB", "x-maximum" = "64MiB"))]
    pub output: ByteSize,
    /// Calls at once, each in a process or an instance of its own.
    #[schemars(range(min = 1, max = 256))]
    pub workers: usize,
    /// Processes that are kept ready once there was a call.
    #[schemars(range(min = 0, max = 256))]
    pub warm: usize,
    /// After so many calls a process makes room for a new one.
    #[schemars(range(min = 1, max = 1000000))]
    pub calls: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: TimeSpan::from_secs(60),
            memory: ByteSize::from_mib(512),
            files: 256,
            file_size: ByteSize::from_mib(64),
            processes: false,
            output: ByteSize::from_mib(16),
            workers: 8,
            warm: 1,
            calls: 10_000,
        }
    }
}

impl Limits {
    /// How long a call of a function may take that has `own` limit or none.
    pub fn time_of(&self, own: Option<Duration>) -> Duration {
        own.unwrap_or(self.time.as_duration())
    }
}
