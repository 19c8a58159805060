//! The way to start children.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::keeper::Keeper;
use crate::ledger::Ledger;
use crate::marker::OwnerId;
use crate::thread::{Order, SpawnThread};
use crate::{Child, Command, Settled, SpawnError, StartError, owner, settle};

/// Orders that wait for the spawning thread. Each takes it about a millisecond; whoever finds the
/// channel full waits for that long.
const ORDER_LIMIT: usize = 32;

/// How much longer than the grace [`Spawner::close`] waits: what an owner task needs at most to kill a
/// tree and read its last words, and some more.
const CLOSE_MARGIN: Duration = Duration::from_secs(7);

/// Starts children. Clones share one thread, one ledger and one guard.
#[derive(Clone, Debug)]
pub struct Spawner {
    shared: Arc<Shared>,
}

/// Where to keep the ledger, and who guards it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Directory of the ledger; created with mode 0700 if it is missing. The guard must be given the same one.
    pub state_dir: PathBuf,
    /// Without a guard, grandchildren of a daemon that was killed live until the next start.
    pub guard: Option<GuardCommand>,
}

/// A program that calls [`guard_main`](crate::guard_main), such as `switchboard guard --state-dir DIR`.
///
/// It starts in `/` and with an empty environment, so paths are absolute.
#[derive(Clone, Debug)]
pub struct GuardCommand {
    pub program: PathBuf,
    pub args: Vec<OsString>,
}

/// What every handle and every owner task has in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) orders: mpsc::Sender<Order>,
    /// The grace children get, once no more are started.
    pub(crate) closing: watch::Sender<Option<Duration>>,
    /// Owner tasks, and the tasks that read standard error.
    pub(crate) tracker: TaskTracker,
    /// Taken by whoever closes.
    keeper: Mutex<Option<Keeper>>,
}

impl Spawner {
    /// Ends what earlier daemons left in the state directory, and gets ready to start children.
    ///
    /// # Errors
    ///
    /// When the state directory cannot be used, or the thread or the guard cannot be started.
    /// Nothing is left running then.
    pub async fn start(options: Options) -> Result<(Self, Settled), StartError> {
        let Options { state_dir, guard } = options;
        let prepared = tokio::task::spawn_blocking(move || prepare(&state_dir)).await;
        let (thread, settled) =
            prepared.map_err(|error| failed("prepare the state directory", error.into()))??;
        let (orders, thread_orders) = mpsc::channel(ORDER_LIMIT);
        std::thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || thread.run(thread_orders))
            .map_err(|cause| failed("start the thread that starts children", cause))?;

        let keeper = match guard {
            Some(command) => Some(Keeper::start(command, &orders).await?),
            None => None,
        };
        let shared = Shared {
            orders,
            closing: watch::Sender::new(None),
            tracker: TaskTracker::new(),
            keeper: Mutex::new(keeper),
        };
        Ok((Self { shared: Arc::new(shared) }, settled))
    }

    /// Starts a child.
    ///
    /// # Errors
    ///
    /// See [`SpawnError`]; [`SpawnError::is_temporary`] says whether trying again can help.
    ///
    /// # Cancel safety
    ///
    /// A child whose future was dropped is stopped as soon as it exists.
    pub async fn spawn(&self, command: Command) -> Result<Child, SpawnError> {
        let (reply, child) = oneshot::channel();
        self.shared.tracker.spawn(owner::run(Arc::clone(&self.shared), command, reply));
        child.await.unwrap_or(Err(SpawnError::Closed))
    }

    /// Starts no more children, stops those that run within `grace`, and sends the guard home.
    ///
    /// Returns the labels of children that could not be ended; there are none unless a process hangs in
    /// the kernel, or an earlier [`Child::stop`] was given more time. They stay in the ledger, and the
    /// guard is not sent home but let go, upon which it ends them.
    pub async fn close(&self, grace: Duration) -> Vec<String> {
        // Only the first call decides on the grace; later ones wait with it.
        self.shared.closing.send_if_modified(|closing| {
            let first = closing.is_none();
            closing.get_or_insert(grace);
            first
        });
        self.shared.tracker.close();
        if timeout(grace + CLOSE_MARGIN, self.shared.tracker.wait()).await.is_err() {
            tracing::error!("some children are still there");
        }
        let left = self.finish().await;
        let keeper = self.shared.keeper.lock().await.take();
        if let (Some(keeper), true) = (keeper, left.is_empty()) {
            keeper.send_guard_home().await;
        }
        left
    }

    /// Closes the ledger; the labels still in it are those of children that are still there.
    async fn finish(&self) -> Vec<String> {
        let (reply, labels) = oneshot::channel();
        // Without the thread there are no children: the kernel killed them when it ended.
        let _ = self.shared.orders.send(Order::Finish { reply }).await;
        labels.await.unwrap_or_default()
    }
}

/// Everything that touches the disk before the first child. Blocks.
fn prepare(state_dir: &Path) -> Result<(SpawnThread, Settled), StartError> {
    let doing = |what: &str| format!("{what} `{}`", state_dir.display());
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state_dir)
        .map_err(|cause| failed(doing("create the state directory"), cause))?;
    let settled = settle(state_dir)
        .map_err(|cause| failed(doing("look for what an earlier daemon left in"), cause))?;
    let owner = OwnerId::random().map_err(|cause| failed("draw a random name", cause))?;
    let ledger = Ledger::create(state_dir, owner.clone())
        .map_err(|cause| failed(doing("create the ledger of child processes in"), cause))?;
    Ok((SpawnThread { owner, ledger, children_started: 0 }, settled))
}

fn failed(doing: impl Into<String>, cause: io::Error) -> StartError {
    StartError { doing: doing.into(), cause }
}
