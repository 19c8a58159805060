//! The handle to a running child.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use tokio::net::unix::pipe;
use tokio::sync::{oneshot, watch};

use crate::StderrRing;

/// A running child and its pipes.
///
/// Whoever holds this owns the child: dropping it kills the child and everything it started, at once
/// and without asking. [`stop`](Self::stop) asks first.
#[derive(Debug)]
pub struct Child {
    pub(crate) pid: u32,
    pub(crate) label: String,
    pub(crate) stdin: Option<pipe::Sender>,
    pub(crate) stdout: Option<pipe::Receiver>,
    pub(crate) stderr: StderrRing,
    /// Tells the owner task to stop the child within so much time; its end tells that nobody wants the child any more.
    pub(crate) stop: oneshot::Sender<Duration>,
    pub(crate) exit: watch::Receiver<Option<Exit>>,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By a signal with this number.
    Signal(i32),
    /// Nobody knows: somebody else took the news from the system, or the runtime stopped first.
    Unknown,
}

impl Child {
    /// The process id, which is also the number of the child's process group.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn label(&self) -> &str {
        &self.label
    }

    /// Hands out the child's standard input, once. Dropping it is how a child learns that there is no more.
    pub fn take_stdin(&mut self) -> Option<pipe::Sender> {
        self.stdin.take()
    }

    /// Hands out the child's standard output, once.
    pub fn take_stdout(&mut self) -> Option<pipe::Receiver> {
        self.stdout.take()
    }

    /// What the child writes to standard error.
    pub fn stderr(&self) -> &StderrRing {
        &self.stderr
    }

    /// Waits for the child to end, for whatever reason. Any number may wait, also after this handle is gone.
    ///
    /// When it resolves nothing the child started is left, and [`stderr`](Self::stderr) is complete.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub fn exited(&self) -> impl Future<Output = Exit> + Send + 'static {
        let mut exit = self.exit.clone();
        async move {
            // The sender goes without a word only when the runtime drops its tasks.
            exit.wait_for(Option::is_some)
                .await
                .ok()
                .and_then(|exit| *exit)
                .unwrap_or(Exit::Unknown)
        }
    }

    /// Ends the child and everything it started, and returns when none of it is left.
    ///
    /// In the order the MCP specification gives for stdio (2025-06-18, lifecycle, shutdown): closes
    /// standard input; after 2 s, or a third of `grace` if that is less, SIGTERM to everything the child
    /// started; at the end of `grace` SIGKILL. Who took standard input drops it first, or the first wait
    /// is for nothing.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing: the child is stopped all the same.
    pub async fn stop(mut self, grace: Duration) -> Exit {
        self.stdin = None;
        let exited = self.exited();
        // Nobody there to tell: the child has ended already.
        let _ = self.stop.send(grace);
        exited.await
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(libc::SIGKILL) => write!(f, "was killed (signal 9)"),
            Self::Signal(number) => write!(f, "was ended by signal {number}"),
            Self::Unknown => write!(f, "ended"),
        }
    }
}
