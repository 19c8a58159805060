//! Processes as the system shows them: who is alive, in which group, since when, with which environment.
//!
//! A process id alone names nobody: once its process is reaped the number may be given to a stranger.
//! Together with the start time it is a name for as long as the machine runs.

use rustix::process::{Pid, Signal};

#[cfg_attr(target_os = "linux", path = "process/linux.rs")]
#[cfg_attr(not(target_os = "linux"), path = "process/other.rs")]
mod system;

/// One process, at the moment it was looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Process {
    pub(crate) pid: Pid,
    pub(crate) group: i32,
    /// Clock ticks from the start of the machine to the start of the process (proc(5), `stat` field 22).
    pub(crate) started: u64,
    /// Not a zombie: it can still do something.
    pub(crate) alive: bool,
}

impl Process {
    /// Looks at one process.
    pub(crate) fn find(pid: Pid) -> Option<Self> {
        system::find(pid)
    }

    /// Looks at every process there is. Not one moment's picture: look again to be sure that none is left.
    pub(crate) fn all() -> Vec<Self> {
        system::all()
    }

    /// Its variables at `exec`; empty for a process that is gone or may not be read.
    pub(crate) fn environ(&self) -> Vec<u8> {
        system::environ(self.pid)
    }

    /// Sends `signal` to this very process, and to no other that got its number since.
    pub(crate) fn signal(&self, signal: Signal) {
        system::signal(self, signal);
    }
}

/// Names the time between two starts of the machine, within which start times can be compared.
pub(crate) fn boot_id() -> String {
    system::boot_id()
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
