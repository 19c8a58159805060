//! Waits for one child process of ours without reaping it.
//!
//! A dead process keeps its number until its parent reaps it, and the group it heads keeps that number
//! as well. So as long as we do not reap the leader, a signal to its group cannot reach strangers.

use std::io;

use rustix::process::{
    Pid, WaitId, WaitIdOptions, WaitIdStatus, WaitOptions, waitid, waitpgid, waitpid,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Exit;

/// Wakes up when some child of this process has changed. Taken before the child exists, so that no news is lost.
#[derive(Debug)]
pub(crate) struct News(Signal);

/// A child process that is ours to reap.
#[derive(Debug)]
pub(crate) struct Leader {
    pub(crate) pid: Pid,
    news: News,
    exit: Option<Exit>,
}

impl News {
    /// # Errors
    ///
    /// When the system gives us no more descriptors.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self(signal(SignalKind::child())?))
    }
}

impl Leader {
    pub(crate) fn new(pid: Pid, news: News) -> Self {
        Self { pid, news, exit: None }
    }

    /// Waits until the process has ended. Says the same again when asked again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn exited(&mut self) -> Exit {
        loop {
            if let Some(exit) = self.exit.or_else(|| look(self.pid)) {
                self.exit = Some(exit);
                return exit;
            }
            if self.news.0.recv().await.is_none() {
                return Exit::Unknown;
            }
        }
    }

    /// Lets go of the number of a process that has ended, and of dead members of its group that fell to us.
    ///
    /// They do fall to us where the daemon is process 1 of a container.
    pub(crate) fn reap(self) {
        reap(self.pid);
    }
}

/// Reaps `pid`, and every dead child of ours in the group of that number.
pub(crate) fn reap(pid: Pid) {
    while matches!(waitpgid(pid, WaitOptions::NOHANG), Ok(Some(_))) {}
    // Usually gone by now; it was not if it moved to another group. No such child is what we want.
    let _ = waitpid(Some(pid), WaitOptions::NOHANG);
}

fn look(pid: Pid) -> Option<Exit> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::Pid(pid), options) {
        Ok(status) => status.as_ref().map(exit_of),
        Err(rustix::io::Errno::INTR) => None,
        // Not our child any more: somebody else in this process reaped it.
        Err(_) => Some(Exit::Unknown),
    }
}

fn exit_of(status: &WaitIdStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Unknown,
    }
}
