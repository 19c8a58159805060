//! Namespaces of its own.
//!
//! A user namespace is what lets somebody without privileges make the others. In it the child keeps its
//! user's number, and outside it remains that user's process: the daemon, which owns the namespace,
//! signals it and reads its environment as before (user_namespaces(7), "Capabilities").
//!
//! Processes are not put into a namespace of their own: a child would be its process 1, which ignores
//! most signals and is handed orphans, and its number outside would be another than the one it knows.

use std::ffi::CStr;

use libc::c_int;
use rustix::process::{getegid, geteuid};

use super::{Errno, checked};

/// Which namespaces to make, and the lines that map the user's number onto itself.
pub(super) struct Namespaces {
    flags: c_int,
    user: Vec<u8>,
    group: Vec<u8>,
}

impl Namespaces {
    pub(super) fn new(own_network: bool) -> Self {
        let network = if own_network { libc::CLONE_NEWNET } else { 0 };
        let (user, group) = (geteuid().as_raw(), getegid().as_raw());
        Self {
            flags: libc::CLONE_NEWUSER | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | network,
            user: format!("{user} {user} 1").into_bytes(),
            group: format!("{group} {group} 1").into_bytes(),
        }
    }

    pub(super) fn own_network(&self) -> bool {
        self.flags & libc::CLONE_NEWNET != 0
    }

    /// Moves this process into them. Makes system calls and nothing else.
    ///
    /// A process of one thread is required, and after `fork` there is one. Group numbers can be mapped
    /// by anybody only once nobody can drop groups any more (user_namespaces(7), "setgroups").
    #[expect(
        unsafe_code,
        reason = "neither the standard library nor rustix unshares without a thread"
    )]
    pub(super) fn enter(&self) -> Result<(), Errno> {
        // SAFETY: takes a number and touches no memory.
        checked(unsafe { libc::unshare(self.flags) }.into())?;
        write(c"/proc/self/setgroups", b"deny")?;
        write(c"/proc/self/uid_map", &self.user)?;
        write(c"/proc/self/gid_map", &self.group)
    }
}

/// Writes `text` into a file that takes it at once or not at all.
fn write(path: &CStr, text: &[u8]) -> Result<(), Errno> {
    use rustix::fs::{Mode, OFlags, open};

    let file = open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).map_err(rustix_errno)?;
    rustix::io::write(&file, text).map_err(rustix_errno)?;
    Ok(())
}

fn rustix_errno(error: rustix::io::Errno) -> Errno {
    error.raw_os_error()
}
