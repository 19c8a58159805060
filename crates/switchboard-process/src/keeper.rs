//! Keeps the guard running.

use std::io::Write as _;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::task::TaskTracker;

use crate::guard::DONE;
use crate::leader::{Leader, News};
use crate::thread::{GuardProcess, Order};
use crate::{GuardCommand, StartError};

/// Pause before a guard that died is started again: a guard that cannot run costs a process a second, not a core.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a guard that was sent home may take. It only has to wake up.
const FAREWELL_LIMIT: Duration = Duration::from_secs(2);

/// The task that owns the guard.
#[derive(Debug)]
pub(crate) struct Keeper {
    done: oneshot::Sender<()>,
    tracker: TaskTracker,
}

/// The running guard. Dropping it closes the pipe, and that makes the guard settle.
#[derive(Debug)]
struct Guard {
    leader: Leader,
    process: GuardProcess,
}

impl Keeper {
    /// Starts the guard, and the task that keeps it running.
    ///
    /// The task has no strong sender: the spawning thread is to end when nobody can hold a child any more.
    pub(crate) async fn start(
        command: GuardCommand,
        orders: &mpsc::Sender<Order>,
    ) -> Result<Self, StartError> {
        let guard = Guard::start(&command, orders).await.map_err(|cause| StartError {
            doing: format!("start the guard `{}`", command.program.display()),
            cause,
        })?;
        let (done, seen) = oneshot::channel();
        let tracker = TaskTracker::new();
        tracker.spawn(keep(command, guard, orders.downgrade(), seen));
        tracker.close();
        Ok(Self { done, tracker })
    }

    /// Tells the guard that there is nothing left to guard, and waits for it to end.
    pub(crate) async fn send_guard_home(self) {
        // A task that is gone has no guard any more.
        let _ = self.done.send(());
        self.tracker.wait().await;
    }
}

async fn keep(
    command: GuardCommand,
    mut guard: Guard,
    orders: mpsc::WeakSender<Order>,
    mut done: oneshot::Receiver<()>,
) {
    loop {
        tokio::select! {
            // Dropped without a word: nobody knows what is left, so the pipe closes and the guard looks.
            word = &mut done => return guard.finish(word.is_ok()).await,
            exit = guard.leader.exited() => tracing::warn!(%exit, "the guard is gone; starting another"),
        }
        guard.leader.reap();
        guard = loop {
            tokio::select! {
                _ = &mut done => return,
                () = sleep(PAUSE) => {}
            }
            let Some(orders) = orders.upgrade() else { return };
            match Guard::start(&command, &orders).await {
                Ok(guard) => break guard,
                Err(error) => tracing::warn!(%error, "the guard cannot be started; trying again"),
            }
        };
    }
}

impl Guard {
    async fn start(command: &GuardCommand, orders: &mpsc::Sender<Order>) -> std::io::Result<Self> {
        let news = News::listen()?;
        let (reply, process) = oneshot::channel();
        let order = Order::StartGuard { command: command.clone(), reply };
        let gone = |_| std::io::Error::other("the thread that starts processes is gone");
        orders.send(order).await.map_err(|_| gone(()))?;
        let process = process.await.map_err(|_| gone(()))??;
        Ok(Self { leader: Leader::new(process.pid, news), process })
    }

    async fn finish(self, nothing_left: bool) {
        let Self { mut leader, process: GuardProcess { mut stdin, .. } } = self;
        if nothing_left {
            // A few bytes never fill a pipe. A guard that is dead already needs no word.
            let _ = stdin.write_all(DONE.as_bytes());
        }
        drop(stdin);
        if timeout(FAREWELL_LIMIT, leader.exited()).await.is_ok() {
            leader.reap();
        }
    }
}
