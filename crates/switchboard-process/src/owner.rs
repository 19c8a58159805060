//! The task that owns a child from before it exists until nothing of it is left.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::net::unix::pipe;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use crate::leader::{Leader, News};
use crate::marker::ChildId;
use crate::spawner::Shared;
use crate::thread::{Order, Started};
use crate::tree::Tree;
use crate::{Child, Command, Exit, SpawnError};

/// How long a child may take to see that its input is closed, and at most a third of the whole grace.
///
/// 2 s, as the official Python and TypeScript clients give it: servers that look at all do so at once,
/// and those that do not need the rest of the grace to tidy up.
const INPUT_GRACE: Duration = Duration::from_secs(2);

/// How long what an exited child left behind may take to follow it: most of it has seen a pipe close and is on its way.
const FOLLOW: Duration = Duration::from_millis(100);

/// How long it may then take to obey SIGTERM. Nobody waits for its answers any more, so not long.
const LEFTOVER_GRACE: Duration = Duration::from_millis(500);

/// How long killing is repeated. A process that survives this hangs in the kernel (a dead network file
/// system); it stays in the ledger, and the next start tries again.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// Pause between two rounds of SIGKILL, doubled up to the maximum; each catches what was forked during the one before.
const FIRST_KILL_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_KILL_PAUSE: Duration = Duration::from_millis(320);

/// How long the last lines of standard error may take once all writers are dead: they are in the pipe already.
const PUMP_LIMIT: Duration = Duration::from_millis(500);

/// Owns one child.
struct Owner {
    id: ChildId,
    label: String,
    leader: Leader,
    tree: Tree,
    pump: Option<JoinHandle<()>>,
    /// Carries what a sandboxed child sends to its one port, for as long as the child is there.
    _passage: Option<AbortOnDropHandle<()>>,
    stop: oneshot::Receiver<Duration>,
    exit: watch::Sender<Option<Exit>>,
}

/// How long a tree is waited for: before SIGTERM, and then before SIGKILL.
#[derive(Clone, Copy, Debug)]
struct Patience {
    before_term: Duration,
    before_kill: Duration,
}

/// Starts a child, hands out its handle, and stays until nothing of the child is left.
///
/// A task of its own, so that a caller who stops waiting cannot leave a child without an owner.
pub(crate) async fn run(
    shared: Arc<Shared>,
    command: Command,
    reply: oneshot::Sender<Result<Child, SpawnError>>,
) {
    match start(&shared, command).await {
        Ok((owner, child)) => {
            // Should the caller be gone, the handle is dropped here, and that stops the child.
            let _ = reply.send(child);
            owner.watch(&shared).await;
        }
        Err(error) => {
            // A caller that is gone does not need the reason.
            let _ = reply.send(Err(error));
        }
    }
}

/// Has the child started. There may be an owner without a handle, and it then ends the child again.
async fn start(
    shared: &Shared,
    command: Command,
) -> Result<(Owner, Result<Child, SpawnError>), SpawnError> {
    // Looked at here, in a task that is tracked: `close` either was first, and nothing starts, or waits for us.
    if shared.closing.borrow().is_some() {
        return Err(SpawnError::Closed);
    }
    let program = PathBuf::from(&command.program);
    let refused = |cause| SpawnError::Refused { program, cause };
    let news = match News::listen() {
        Ok(news) => news,
        Err(cause) => return Err(refused(cause)),
    };
    let (label, stderr) = (command.label.clone(), command.stderr.clone());
    let pace = command.stderr_pace;
    let (reply, started) = oneshot::channel();
    let order = Order::Start { command: Box::new(command), reply };
    shared.orders.send(order).await.map_err(|_| SpawnError::Closed)?;
    let Started { id, pid, started, pipes, passage } =
        started.await.map_err(|_| SpawnError::Closed)??;

    let (stop, stop_wanted) = oneshot::channel();
    let (exit, exit_seen) = watch::channel(None);
    let mut owner = Owner {
        tree: Tree::new(pid, started, id.marker()),
        leader: Leader::new(pid, news),
        id,
        label: label.clone(),
        pump: None,
        _passage: passage
            .map(|passage| AbortOnDropHandle::new(shared.tracker.spawn(passage.carry()))),
        stop: stop_wanted,
        exit,
    };
    let child = open(pipes).map_err(refused).map(|(stdin, stdout, errors)| {
        owner.pump = Some(shared.tracker.spawn(stderr.clone().pump(errors, pace)));
        let (stdin, stdout) = (Some(stdin), Some(stdout));
        Child { pid: number(pid), label, stdin, stdout, stderr, stop, exit: exit_seen }
    });
    Ok((owner, child))
}

impl Owner {
    async fn watch(mut self, shared: &Shared) {
        let mut closing = shared.closing.subscribe();
        let patience = tokio::select! {
            _ = self.leader.exited() => Patience { before_term: FOLLOW, before_kill: LEFTOVER_GRACE },
            // An error means that the handle was dropped.
            grace = &mut self.stop => Patience::within(grace.unwrap_or(Duration::ZERO)),
            grace = closing.wait_for(Option::is_some) => {
                Patience::within(grace.ok().and_then(|grace| *grace).unwrap_or(Duration::ZERO))
            }
        };
        let gone = self.end(patience).await;
        if !gone {
            tracing::error!(label = %self.label, pid = number(self.leader.pid), "child cannot be killed");
        }
        let exit = self.leader.exited().await;
        // Where there is no `/proc` this is what ends the rest of the group; elsewhere it finds nobody.
        self.tree.signal_group(Signal::KILL);
        self.leader.reap();
        if let Some(mut pump) = self.pump.take()
            && timeout(PUMP_LIMIT, &mut pump).await.is_err()
        {
            pump.abort();
        }
        if gone {
            // The thread outlives this task, which holds a sender.
            let _ = shared.orders.send(Order::Forget { id: self.id }).await;
        }
        self.exit.send_replace(Some(exit));
    }

    /// Ends the whole tree; false if some of it is still there.
    async fn end(&mut self, patience: Patience) -> bool {
        if !patience.before_kill.is_zero() {
            if self.gone_within(patience.before_term).await {
                return true;
            }
            self.tree.signal(Signal::TERM).await;
            if self.gone_within(patience.before_kill).await {
                return true;
            }
        }
        let limit = Instant::now() + KILL_LIMIT;
        let mut pause = FIRST_KILL_PAUSE;
        while Instant::now() < limit {
            self.tree.signal(Signal::KILL).await;
            if self.gone_within(pause).await {
                return true;
            }
            pause = LONGEST_KILL_PAUSE.min(pause * 2);
        }
        false
    }

    async fn gone_within(&mut self, limit: Duration) -> bool {
        let gone = async {
            self.leader.exited().await;
            self.tree.gone().await;
        };
        timeout_at(Instant::now() + limit, gone).await.is_ok()
    }
}

impl Patience {
    fn within(grace: Duration) -> Self {
        let before_term = INPUT_GRACE.min(grace / 3);
        Self { before_term, before_kill: grace - before_term }
    }
}

fn open(
    [stdin, stdout, stderr]: [OwnedFd; 3],
) -> std::io::Result<(pipe::Sender, pipe::Receiver, pipe::Receiver)> {
    Ok((
        pipe::Sender::from_owned_fd(stdin)?,
        pipe::Receiver::from_owned_fd(stdout)?,
        pipe::Receiver::from_owned_fd(stderr)?,
    ))
}

fn number(pid: Pid) -> u32 {
    pid.as_raw_nonzero().get().unsigned_abs()
}
