//! No privileges, now or later.

use super::{Errno, checked};

/// The third version of capset(2), whose sets have 64 bits in two halves. libc does not name it.
const VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up all capabilities for good. Makes system calls and nothing else.
///
/// A namespace of its own gives a process all capabilities over that namespace, and root has them
/// anyway. Together with `no_new_privs` an empty set stays empty: `exec` then gives only what the process
/// has already, to root and to programs with the set-user-ID bit too (capabilities(7), prctl(2)).
#[expect(unsafe_code, reason = "rustix cannot change these between fork and exec")]
pub(super) fn drop_all() -> Result<(), Errno> {
    // SAFETY: takes numbers and touches no memory.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
    let header = Header { version: VERSION_3, pid: 0 };
    let nothing = [Half::default(); 2];
    // SAFETY: both live until the call returns and have the layout of capset(2) for this version.
    checked(unsafe { libc::syscall(libc::SYS_capset, &raw const header, nothing.as_ptr()) })?;
    Ok(())
}
