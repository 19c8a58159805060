//! Resource limits.

use libc::rlim_t;

use super::{Errno, checked};
use crate::sandbox::Limits;

#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

/// One limit. Nobody without privileges raises the second number again.
pub(super) struct Limit {
    resource: Resource,
    soft: rlim_t,
    hard: rlim_t,
}

/// The limits to set. `tasks` says whether the kernel counts only what is in the sandbox.
pub(super) fn of(limits: &Limits, tasks: bool) -> Vec<Limit> {
    let limit = |resource, value: Option<u64>| {
        value.map(|value| Limit { resource, soft: value, hard: value })
    };
    // Rounded up: no time at all would be the end of every program.
    let seconds = limits.cpu.map(|cpu| cpu.as_secs() + u64::from(cpu.subsec_nanos() > 0));
    let cpu = |soft: u64| Limit { resource: libc::RLIMIT_CPU, soft, hard: soft + 1 };
    // Memory of a program that crashes may hold what it was trusted with, and fills the disk.
    [
        limit(libc::RLIMIT_CORE, Some(0)),
        limit(libc::RLIMIT_AS, limits.memory_bytes),
        limit(libc::RLIMIT_NOFILE, limits.open_files),
        limit(libc::RLIMIT_FSIZE, limits.file_bytes),
        limit(libc::RLIMIT_NPROC, limits.tasks.filter(|_| tasks)),
        seconds.map(cpu),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Limit {
    /// A limit on `resource` that is reached at once.
    pub(super) fn nothing(resource: Resource) -> Self {
        Self { resource, soft: 0, hard: 0 }
    }

    /// Two processes or threads.
    pub(super) fn two_tasks() -> Self {
        Self { resource: libc::RLIMIT_NPROC, soft: 2, hard: 2 }
    }

    /// Sets it for this process, but not above what it is held to already. Makes system calls and nothing else.
    #[expect(unsafe_code, reason = "rustix names no limit by number")]
    pub(super) fn apply(&self) -> Result<(), Errno> {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: `limit` lives until both calls return.
        unsafe {
            checked(libc::getrlimit(self.resource, &raw mut limit).into())?;
            limit.rlim_max = self.hard.min(limit.rlim_max);
            limit.rlim_cur = self.soft.min(limit.rlim_max);
            checked(libc::setrlimit(self.resource, &raw const limit).into())?;
        }
        Ok(())
    }
}
