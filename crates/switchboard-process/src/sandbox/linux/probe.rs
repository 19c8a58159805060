//! Finds out which layers are in force, by trying.
//!
//! The version of a kernel says little: distributions carry features back, build without them, or switch
//! them off at start, and containers forbid the calls. So a process of ours applies each layer and then
//! tries what it should hold back. It is a copy of this process that makes system calls and ends.

use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use super::calls::Filters;
use super::door::{self, Door};
use super::limits::Limit;
use super::namespaces::Namespaces;
use super::{Errno, checked, files, last_errno, privileges, why};
use crate::sandbox::{Layer, LayerKind, Sandbox};

/// What a probe says whose layer went in and held nothing back. Higher than every number of the kernel
/// that fits into an exit status.
pub(super) const WITHOUT_EFFECT: Errno = 255;

/// What is in force; see [`crate::sandbox::layers`].
pub(crate) fn layers() -> Vec<Layer> {
    static FOUND: OnceLock<Vec<Layer>> = OnceLock::new();
    FOUND.get_or_init(|| LayerKind::ALL.into_iter().map(look).collect()).clone()
}

fn look(kind: LayerKind) -> Layer {
    let missing = attempt(kind).err().map(|errno| why::missing(kind, errno));
    Layer { kind, missing }
}

/// Whether the kernel counts the tasks of a user namespace by themselves (Linux 5.14): then two are not
/// too many, though the user has more outside.
pub(super) fn tasks_are_counted() -> bool {
    static COUNTED: OnceLock<bool> = OnceLock::new();
    *COUNTED.get_or_init(|| {
        let namespaces = Namespaces::new(false);
        in_a_process(|| {
            namespaces.enter()?;
            Limit::two_tasks().apply()?;
            in_a_process(|| Ok(()))
        })
        .is_ok()
    })
}

/// Builds a layer, and applies and tests it in a process of its own.
fn attempt(kind: LayerKind) -> Result<(), Errno> {
    match kind {
        LayerKind::UserNamespace => {
            let namespaces = Namespaces::new(false);
            in_a_process(|| namespaces.enter())
        }
        LayerKind::NetworkNamespace => a_network(),
        LayerKind::Privileges => in_a_process(privileges::drop_all),
        LayerKind::Files => landlock(a_directory),
        LayerKind::Ports => landlock(a_port),
        LayerKind::Scopes => landlock(a_signal),
        LayerKind::Limits => in_a_process(|| {
            Limit::nothing(libc::RLIMIT_NOFILE).apply()?;
            refused(a_directory(), libc::EMFILE)
        }),
        LayerKind::SystemCalls => {
            let mut filters = Filters::new(&Sandbox::default(), true).map_err(|_| libc::ENOSYS)?;
            in_a_process(|| {
                filters.install()?;
                refused(a_port(), libc::EPERM)
            })
        }
    }
}

/// Makes a network namespace, and a way out of it, which takes more rights than the namespace alone.
fn a_network() -> Result<(), Errno> {
    let namespaces = Namespaces::new(true);
    // In a namespace of its own every port is free.
    let (door, _doorway) = door::new(1024).map_err(|_| libc::EMFILE)?;
    in_a_process(|| {
        namespaces.enter()?;
        door.iter().try_for_each(Door::open)
    })
}

/// Applies Landlock without a single rule, and tries something that it should hold back.
fn landlock(act: fn() -> Result<(), Errno>) -> Result<(), Errno> {
    let rules: OwnedFd = files::nothing().ok().flatten().ok_or(libc::ENOSYS)?;
    in_a_process(|| {
        privileges::drop_all()?;
        files::restrict(&rules)?;
        match act() {
            // Landlock says EACCES of files and ports, and EPERM of signals.
            Err(libc::EACCES | libc::EPERM) => Ok(()),
            _ => Err(WITHOUT_EFFECT),
        }
    })
}

fn refused(result: Result<(), Errno>, expected: Errno) -> Result<(), Errno> {
    match result {
        Err(errno) if errno == expected => Ok(()),
        _ => Err(WITHOUT_EFFECT),
    }
}

/// Opens the root directory.
#[expect(unsafe_code, reason = "the number of the error is asked for, and nothing may allocate")]
fn a_directory() -> Result<(), Errno> {
    // SAFETY: the path is a constant that ends in a zero byte.
    let opened = unsafe { libc::open(c"/".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY) };
    checked(opened.into()).map(|_| ())
}

/// Takes a port of loopback, which reaches nobody.
#[expect(unsafe_code, reason = "the number of the error is asked for, and nothing may allocate")]
fn a_port() -> Result<(), Errno> {
    // SAFETY: `address` lives until the call returns, and is as long as it is said to be.
    unsafe {
        let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        checked(socket.into())?;
        let mut address: libc::sockaddr_in = std::mem::zeroed();
        address.sin_family = libc::AF_INET.cast_unsigned() as libc::sa_family_t;
        address.sin_addr.s_addr = u32::from_ne_bytes([127, 0, 0, 1]);
        let length = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        checked(libc::bind(socket, (&raw const address).cast(), length).into()).map(|_| ())
    }
}

/// Asks whether this process's parent could be signalled.
#[expect(unsafe_code, reason = "the number of the error is asked for, and nothing may allocate")]
fn a_signal() -> Result<(), Errno> {
    // SAFETY: signal 0 is sent to nobody.
    checked(unsafe { libc::kill(libc::getppid(), 0) }.into()).map(|_| ())
}

/// Runs `act` in a copy of this process and returns what came of it.
///
/// `act` makes system calls and nothing else, for the reason in [`crate::prepare`].
#[expect(unsafe_code, reason = "the standard library starts programs, not copies of this one")]
fn in_a_process(act: impl FnOnce() -> Result<(), Errno>) -> Result<(), Errno> {
    // SAFETY: the copy runs `act`, which is async-signal-safe, and ends without unwinding or running
    // anything that was registered for the end of the process.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        let status = act().err().unwrap_or(0).min(WITHOUT_EFFECT);
        // SAFETY: ends this process at once.
        unsafe { libc::_exit(status) }
    }
    checked(pid.into())?;
    let mut status = 0;
    loop {
        // SAFETY: `status` lives until the call returns; the process is ours, and nobody else waits for it.
        if unsafe { libc::waitpid(pid, &raw mut status, 0) } == pid {
            break;
        }
        match last_errno() {
            libc::EINTR => {}
            errno => return Err(errno),
        }
    }
    match (libc::WIFEXITED(status), libc::WEXITSTATUS(status)) {
        (true, 0) => Ok(()),
        (true, errno) => Err(errno),
        (false, _) => Err(WITHOUT_EFFECT),
    }
}
