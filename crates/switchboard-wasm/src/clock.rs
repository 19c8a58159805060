//! The time that a guest sees.
//!
//! With the grant it is the time. Without, the clock of the wall shows the second in which the call
//! began and the other one nothing: neither moves, so neither measures. Dates in answers stay right,
//! and programs that ask for the time when they start do not fail.

use std::time::Duration;

use tokio::time::Instant;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

use crate::grants::Denied;
use crate::scope::Current;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(crate) struct Clock {
    current: Current,
    is_granted: bool,
    /// When the instance was made.
    zero: Instant,
}

impl Clock {
    pub(crate) fn new(current: Current, is_granted: bool) -> Self {
        Self { current, is_granted, zero: Instant::now() }
    }

    fn resolution(&self) -> Duration {
        if self.is_granted { Duration::from_nanos(1) } else { SECOND }
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        self.resolution()
    }

    fn now(&self) -> Duration {
        let Some(scope) = self.current.scope() else { return Duration::ZERO };
        if self.is_granted {
            return scope.start() + scope.elapsed();
        }
        scope.deny(Denied::Clock);
        Duration::from_secs(scope.start().as_secs())
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        u64::try_from(self.resolution().as_nanos()).expect("a second or less")
    }

    fn now(&self) -> u64 {
        if self.is_granted {
            return u64::try_from(self.zero.elapsed().as_nanos()).expect("584 years");
        }
        self.current.deny(Denied::Clock);
        0
    }
}
