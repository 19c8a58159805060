//! Landlock: which files, which ports, and nobody outside.
//!
//! The rules are made by the daemon and wait in a descriptor. The child applies them with a single call,
//! of its own, because the one of the library allocates where it fails.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, NetPort, Ruleset, RulesetAttr as _,
    RulesetCreated, RulesetCreatedAttr as _, RulesetError, Scope, path_beneath_rules,
};

use super::{Errno, checked, loader};
use crate::sandbox::{Network, Sandbox};

/// The newest version that the library knows. An older kernel leaves out what it does not know.
const NEWEST: ABI = ABI::V9;

/// Every program expects it, and nothing is behind it.
const NOTHING: [&str; 1] = ["/dev/null"];

/// The rules of `sandbox` for `program`; `None` if the kernel has none.
pub(super) fn ruleset(sandbox: &Sandbox, program: &Path) -> io::Result<Option<OwnedFd>> {
    let closed = closed(sandbox.network).map_err(io::Error::other)?;
    let open = opened(closed, sandbox, program).map_err(io::Error::other)?;
    Ok(open.into())
}

/// Rules under which nothing at all is reached; what a probe applies.
pub(super) fn nothing() -> io::Result<Option<OwnedFd>> {
    Ok(closed(Network::None).map_err(io::Error::other)?.into())
}

fn closed(network: Network) -> Result<RulesetCreated, RulesetError> {
    let rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))?
        .scope(Scope::from_all(NEWEST))?;
    match network {
        Network::Any => rules,
        Network::None | Network::Port(_) => rules.handle_access(AccessNet::from_all(NEWEST))?,
    }
    .create()
}

fn opened(
    rules: RulesetCreated,
    sandbox: &Sandbox,
    program: &Path,
) -> Result<RulesetCreated, RulesetError> {
    let run = AccessFs::Execute | AccessFs::ReadFile;
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let loader = loader::of(program);
    let started = [program].into_iter().chain(loader.as_deref());
    let mut rules = rules
        .add_rules(path_beneath_rules(started, run))?
        .add_rules(path_beneath_rules(&sandbox.executable, run))?
        .add_rules(path_beneath_rules(&sandbox.readable, read))?
        .add_rules(path_beneath_rules(&sandbox.writable, write()))?
        .add_rules(path_beneath_rules(NOTHING, write()))?;
    if let Network::Port(port) = sandbox.network {
        rules = rules.add_rule(NetPort::new(port, AccessNet::ConnectTcp))?;
    }
    Ok(rules)
}

/// What may be done below a writable directory. Named one by one, so that a right of a newer version is
/// not given by accident: no devices, whose drivers are a way into the kernel, and no sockets or named
/// pipes, by which others could be reached.
fn write() -> BitFlags<AccessFs> {
    AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::MakeSym
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer
}

/// Applies the rules to this process. Makes one system call and nothing else.
#[expect(unsafe_code, reason = "the library's call allocates its errors")]
pub(super) fn restrict(rules: &OwnedFd) -> Result<(), Errno> {
    // SAFETY: takes numbers and touches no memory.
    checked(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, rules.as_raw_fd(), 0) })?;
    Ok(())
}

/// The version of Landlock in this kernel.
///
/// # Errors
///
/// `ENOSYS` if it was built without, `EOPNOTSUPP` if it was started without.
#[expect(unsafe_code, reason = "the library keeps this answer for itself")]
pub(super) fn version() -> Result<libc::c_long, Errno> {
    /// LANDLOCK_CREATE_RULESET_VERSION of linux/landlock.h.
    const ASK: libc::c_uint = 1;
    // SAFETY: without a structure to read the call touches no memory.
    checked(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0_usize,
            ASK,
        )
    })
}
