//! What a new process does between `fork` and `exec`.
//!
//! The closures here run in a copy of a process with many threads, of which only one exists: a lock held
//! by another is held for ever. So they make system calls and nothing else; not even an error may
//! allocate (signal-safety(7)).

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Pid, getpid};

use crate::sandbox::Prepared;

/// Makes the child the head of a group of its own that dies with the daemon and inherits nothing of it.
///
/// Leaving the daemon's namespaces changes the child's rights, upon which the kernel may forget the wish
/// to die with somebody (PR_SET_PDEATHSIG(2const)), and the last layer of a sandbox forbids to utter it.
/// So it stands between the two.
pub(crate) fn child(command: &mut Command, mut sandbox: Option<Prepared>) {
    let daemon = getpid();
    command.process_group(0);
    before_exec(command, move || {
        reset_signals();
        close_descriptors_on_exec();
        if let Some(sandbox) = &sandbox {
            sandbox.separate()?;
        }
        die_with(daemon)?;
        if let Some(sandbox) = &mut sandbox {
            sandbox.confine()?;
        }
        Ok(())
    });
}

/// Detaches the guard from everything that may happen to the daemon.
///
/// A session of its own: neither the terminal nor a signal to the daemon's group reaches it. Signals
/// that are ignored stay so through `exec` (signal(7)), hence there is no moment in which they could kill it.
pub(crate) fn guard(command: &mut Command) {
    before_exec(command, || {
        rustix::process::setsid()?;
        reset_signals();
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM] {
            set_disposition(signal, libc::SIG_IGN);
        }
        close_descriptors_on_exec();
        Ok(())
    });
}

#[expect(
    unsafe_code,
    reason = "the standard library has no safe way to run code between fork and exec"
)]
fn before_exec(
    command: &mut Command,
    step: impl FnMut() -> io::Result<()> + Send + Sync + 'static,
) {
    // SAFETY: both callers, above, pass closures that only make async-signal-safe calls: no allocation,
    // no lock, and errors are plain numbers.
    unsafe {
        command.pre_exec(step);
    }
}

/// Asks the kernel to kill this process when the thread that started it ends (PR_SET_PDEATHSIG(2const)).
///
/// If the daemon died before the request was made nobody will ever send the signal. Then we have
/// another parent by now, and end here.
#[cfg(target_os = "linux")]
fn die_with(daemon: Pid) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    match rustix::process::getppid() == Some(daemon) {
        true => Ok(()),
        false => Err(io::Error::from_raw_os_error(libc::ESRCH)),
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with(_: Pid) -> io::Result<()> {
    Ok(())
}

/// Gives the child the signals a program expects: none blocked, none ignored.
///
/// Both are inherited: a daemon started by `nohup`, or by a shell in the background, ignores signals that
/// an upstream needs in order to stop, and Rust programs ignore `SIGPIPE`.
#[expect(unsafe_code, reason = "rustix leaves signal masks to libc")]
fn reset_signals() {
    // 64 is the highest there is on any system; what is none, or the C library's own, is refused.
    for signal in 1..=64 {
        set_disposition(signal, libc::SIG_DFL);
    }
    // SAFETY: `empty` is initialised by `sigemptyset` before it is read, and both calls are async-signal-safe.
    unsafe {
        let mut empty = std::mem::zeroed();
        libc::sigemptyset(&raw mut empty);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const empty, std::ptr::null_mut());
    }
}

/// `SIGKILL` and `SIGSTOP` refuse, which is as well.
#[expect(unsafe_code, reason = "rustix leaves signal dispositions to libc")]
fn set_disposition(signal: libc::c_int, disposition: libc::sighandler_t) {
    // SAFETY: the disposition is one of the two constants, so no handler is installed; the call is async-signal-safe.
    unsafe {
        libc::signal(signal, disposition);
    }
}

/// Marks every descriptor but the three standard ones as closed on `exec`.
///
/// Ours are marked when they are opened. Those the daemon was started with are not, nor are those of a
/// careless library, and one descriptor too many keeps a port bound or the guard waiting.
#[expect(
    unsafe_code,
    reason = "neither the standard library nor rustix marks descriptors it did not open"
)]
fn close_descriptors_on_exec() {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: marks descriptors, and touches no memory. By number: libc has no function for it everywhere.
        let marked = unsafe {
            libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC)
        };
        if marked == 0 {
            return;
        }
    }
    // Linux before 5.11, and other systems. 1024 is the soft limit on descriptors practically everywhere.
    for descriptor in 3..1024 {
        // SAFETY: changes a flag of a descriptor, or fails because there is none.
        unsafe {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}
