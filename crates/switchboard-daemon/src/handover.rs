//! One daemon takes the place of another, and no connection is refused meanwhile.
//!
//! What both of them need is handed over as open descriptors (unix(7), `SCM_RIGHTS`): the lock and
//! the listening sockets. A socket that two processes have open has one queue, so a connection waits
//! there until either of them accepts it. On the control socket:
//!
//! ```text
//! successor                              predecessor
//!   reads its configuration
//!   hand_over            ──────────▶
//!                        ◀──────────     handed_over, with the descriptors
//!   gets ready for everything            serves as before
//!   take_over            ──────────▶
//!                                        accepts no more, lets go of the lock
//!                        ◀──────────     done
//!   accepts                              ends what is under way, and with it the connection
//! ```
//!
//! Up to `take_over` the predecessor is as it was: a successor that fails, or dies, changes nothing.
//! One that finds its predecessor dead goes on alone, with what it has got by then. Each of the two
//! has children, a ledger and a guard of its own, and neither ends those of the other while it lives
//! (`switchboard-process`).

mod descriptors;

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

#[cfg(target_os = "linux")]
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use switchboard_client::control::{Command, Reply};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;
use tokio::time::timeout;

use crate::daemon::Daemon;
use crate::lock::Lock;
use crate::problem::StartProblem;

/// What a daemon has that there can be only one of.
pub(crate) struct Estate {
    pub lock: Lock,
    /// As duplicates where they are listened on. None once the daemon stops.
    pub sockets: Option<Sockets>,
}

/// The listening sockets.
pub(crate) struct Sockets {
    pub http: HttpSocket,
    pub control: OwnedFd,
    pub mcp: OwnedFd,
}

pub(crate) struct HttpSocket {
    pub socket: OwnedFd,
    /// A service manager opened it, and said so where.
    pub is_given: bool,
}

/// The daemon whose place is taken.
pub(crate) struct Predecessor {
    stream: UnixStream,
    pid: Option<i32>,
}

/// How long a daemon may take to answer: it does so at once, or after a reload that is under way.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How long a successor may take to get ready. As long as people wait for a restart; until then the
/// configuration cannot be read again.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// How long a process that has closed its connection may take to end.
#[cfg(target_os = "linux")]
const EXIT_LIMIT: Timespec = Timespec { tv_sec: 2, tv_nsec: 0 };

/// The longest line of a hand-over; a problem may have a configuration's path in it.
const LINE_LIMIT: usize = 64 * 1024;

/// In this order.
const DESCRIPTORS: usize = 4;

/// Asks the daemon that listens on the control socket at `path` for what it has. `None` if there is
/// none, or it died over it; then there is nothing to take over.
pub(crate) async fn ask(path: &Path) -> Result<Option<(Predecessor, Estate)>, StartProblem> {
    let Ok(stream) = UnixStream::connect(path).await else { return Ok(None) };
    let pid = stream.peer_cred().ok().and_then(|peer| peer.pid());
    let mut predecessor = Predecessor { stream, pid };
    // An error means that it is gone already, which is heard as well.
    let _ = predecessor.say(&Command::HandOver).await;
    let mut received = Vec::new();
    match predecessor.hear(&mut received).await? {
        None => {
            predecessor.gone().await;
            Ok(None)
        }
        Some(Reply::HandedOver { is_given }) => {
            let [lock, http, control, mcp] = <[OwnedFd; DESCRIPTORS]>::try_from(received)
                .map_err(|_| failed("it did not send what it has"))?;
            let http = HttpSocket { socket: http, is_given };
            let sockets = Some(Sockets { http, control, mcp });
            Ok(Some((predecessor, Estate { lock: Lock::inherit(lock), sockets })))
        }
        Some(_) => Err(failed("it answered something else than was asked")),
    }
}

impl Predecessor {
    /// Has the daemon accept no more. From then on it is we who answer.
    pub(crate) async fn take_over(&mut self) -> Result<(), StartProblem> {
        // A daemon that is gone accepts nothing either.
        if self.say(&Command::TakeOver).await.is_err() {
            return Ok(());
        }
        match self.hear(&mut Vec::new()).await? {
            Some(Reply::Done) => tracing::info!(pid = self.pid, "took over from another daemon"),
            None => tracing::warn!(pid = self.pid, "the daemon to take over from is gone"),
            Some(_) => return Err(failed("it answered something else than was asked")),
        }
        Ok(())
    }

    /// Tells the daemon not to wait for idle clients, and waits until it has ended.
    pub(crate) async fn end(mut self) {
        let _ = self.stream.shutdown().await;
        // An error means that it has ended as well.
        let _ = self.stream.read_u8().await;
    }

    /// Waits until the process has ended, and with it everything that it had open: one socket may be
    /// closed before another.
    async fn gone(&self) {
        #[cfg(target_os = "linux")]
        if let Some(pid) = self.pid.and_then(rustix::process::Pid::from_raw)
            && let Ok(process) =
                rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
        {
            // Readable when it has ended (pidfd_open(2)). One that hangs keeps its lock as well.
            let wait = move || {
                let mut ended = [PollFd::new(&process, PollFlags::IN)];
                poll(&mut ended, Some(&EXIT_LIMIT))
            };
            let _ = tokio::task::spawn_blocking(wait).await;
        }
    }

    async fn say(&mut self, command: &Command) -> io::Result<()> {
        self.stream.write_all(&line(command)).await
    }

    /// The next reply and the descriptors that came with it; `None` if the daemon is gone.
    async fn hear(&mut self, received: &mut Vec<OwnedFd>) -> Result<Option<Reply>, StartProblem> {
        let heard = timeout(ANSWER_LIMIT, self.read(received)).await;
        let heard = heard.map_err(|_| failed("it does not answer"))?;
        // Reset: gone, with something of ours unread.
        let Ok(Some(line)) = heard else { return Ok(None) };
        match serde_json::from_slice(&line) {
            Ok(Reply::Problem(problem)) => Err(StartProblem::from_wire(problem)),
            Ok(reply) => Ok(Some(reply)),
            Err(error) => Err(failed(&error.to_string())),
        }
    }

    async fn read(&mut self, received: &mut Vec<OwnedFd>) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            if line.len() > LINE_LIMIT {
                return Err(io::ErrorKind::InvalidData.into());
            }
            if descriptors::receive(&self.stream, &mut line, received).await? == 0 {
                return Ok(None);
            }
        }
        Ok(Some(line))
    }
}

/// Answers [`Command::HandOver`]: the other end of [`ask`] and of [`Predecessor::take_over`].
pub(crate) async fn give(
    daemon: &Arc<Daemon>,
    mut reader: impl AsyncBufRead + Unpin,
    writer: &mut OwnedWriteHalf,
) -> Result<(), StartProblem> {
    let stopping = || {
        StartProblem::new("not-answering", "the daemon is stopping")
            .hint("try again when it has stopped")
    };
    let prepared = async {
        // One change after another: the successor has read the configuration that we would read.
        let alone = daemon.changing.lock().await;
        let is_given = send(daemon, writer).await?.ok_or_else(stopping)?;
        tracing::info!(is_given, "another process gets ready to take over");
        let mut word = String::new();
        let heard = timeout(READY_LIMIT, reader.read_line(&mut word)).await;
        match heard.map(|read| serde_json::from_str(read.map_or("", |_| &word))) {
            Ok(Ok(Command::TakeOver)) => Ok(Some(alone)),
            Ok(_) => {
                tracing::warn!("it does not take over");
                Ok(None)
            }
            Err(_) => Err(failed("its successor took too long to get ready")),
        }
    };
    let alone = tokio::select! {
        biased;
        prepared = prepared => prepared?,
        () = daemon.stop.cancelled() => return Err(stopping()),
    };
    let Some(alone) = alone else { return Ok(()) };
    if daemon.stop.is_cancelled() {
        return Err(stopping());
    }
    let pid = writer.as_ref().peer_cred().ok().and_then(|peer| peer.pid());
    pass_on(daemon, pid).await;
    drop(alone);
    // The successor may be gone; then the service manager starts another, or somebody does.
    let _ = writer.write_all(&line(&Reply::Done)).await;
    let mut nothing = String::new();
    tokio::select! {
        () = daemon.stopped.cancelled() => {}
        // The successor ends, or is told to: whoever it is waits for us.
        _ = reader.read_line(&mut nothing) => {
            daemon.hurry.cancel();
            daemon.stopped.cancelled().await;
        }
    }
    Ok(())
}

/// Sends the descriptors; `None` when there is nothing to send any more.
async fn send(daemon: &Daemon, writer: &mut OwnedWriteHalf) -> Result<Option<bool>, StartProblem> {
    let copies = {
        let estate = daemon.estate();
        let Some(Estate { lock, sockets: Some(sockets) }) = &*estate else { return Ok(None) };
        let Sockets { http, control, mcp } = sockets;
        let all = [lock.as_fd(), http.socket.as_fd(), control.as_fd(), mcp.as_fd()];
        let copies: io::Result<Vec<_>> = all.iter().map(BorrowedFd::try_clone_to_owned).collect();
        copies.map(|copies| (copies, http.is_given))
    };
    let (copies, is_given) = copies.map_err(|error| failed(&error.to_string()))?;
    let all: Vec<_> = copies.iter().map(OwnedFd::as_fd).collect();
    let line = line(&Reply::HandedOver { is_given });
    let sent = descriptors::send(writer.as_ref(), &line, &all).await;
    sent.map_err(|error| failed(&error.to_string()))?;
    Ok(Some(is_given))
}

/// Lets go of everything that there can be only one of. When this returns, no command is accepted
/// any more; HTTP and MCP are about to be no more.
async fn pass_on(daemon: &Daemon, pid: Option<i32>) {
    daemon.passed_on.cancel();
    daemon.accepting.wait().await;
    daemon.estate().take();
    if let Some(pid) = pid {
        // By us, since the service manager believes its main process only (systemd.service(5),
        // `NotifyAccess`).
        daemon.service_manager.tell(&format!("MAINPID={pid}"));
    }
}

fn line(message: &impl serde::Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("a message is JSON");
    line.push(b'\n');
    line
}

fn failed(cause: &str) -> StartProblem {
    StartProblem::new("handover-failed", "the running daemon could not be taken over from")
        .because(cause)
        .hint("it runs on; `switchboard stop`, then `switchboard start` does without it")
}
