//! The life of a daemon, from its configuration to its exit.

use std::ffi::OsString;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use switchboard_admin::{Admin, Ports};
use switchboard_core::Tenant;
use switchboard_history::Keeper;
use switchboard_listen::Front;
use switchboard_listen::http::{FrontDesk, HttpListener};
use switchboard_listen::lines;
use switchboard_process::{GuardCommand, Spawner};
use switchboard_telemetry::metrics::Metrics;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::annex::Beside;
use crate::assemble::{Around, Assembled, assemble, identity, make_private, start_log};
use crate::chores::{count, let_go};
use crate::clock::now;
use crate::control;
use crate::daemon::Daemon;
use crate::end::{Signals, close, drain, wait_for_end};
use crate::handover::{self, Estate, Predecessor, Sockets};
use crate::instance_key::keys;
use crate::keep;
use crate::lock::{Lock, LockError};
use crate::login::KeyLogin;
use crate::management::Management;
use crate::middle::Middle;
use crate::notify::ServiceManager;
use crate::open::Open;
use crate::operations::{Counters, Desk};
use crate::paths::Paths;
use crate::problem::StartProblem;
use crate::reload::{read, report_plan};
use crate::seal;
use crate::sources::Sources;
use crate::unix::PrivateSocket;

/// What a daemon is started with.
pub struct Launch {
    pub paths: Paths,
    pub sources: Sources,
    /// Whether the log also goes to standard error: somebody is looking.
    pub log_to_stderr: bool,
    /// Ends what is left if this process is killed.
    pub guard: Option<GuardCommand>,
    /// Whether to take the place of the daemon that runs, if one does.
    pub takes_over: bool,
    /// The command line of a process that takes the place of this one.
    pub successor: Vec<OsString>,
    /// Called once, when clients can connect.
    pub on_ready: Box<dyn FnOnce(&Ready) + Send>,
}

/// A daemon that takes requests.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Where clients connect: `http://127.0.0.1:8765/mcp`.
    pub address: String,
    pub pid: u32,
}

/// How long a child may take to end before it is killed.
pub(crate) const CHILD_GRACE: Duration = Duration::from_secs(5);

/// How long the last answers on the control socket may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Runs a daemon until it is told to stop, or until another has taken its place.
///
/// # Errors
///
/// [`StartProblem`] when it could not start; nothing of it is left then.
pub async fn run(launch: Launch) -> Result<(), StartProblem> {
    // Before anybody is asked for anything.
    read(&launch.sources)?;
    make_private(&launch.paths.state)?;
    let claim = Claim::make(&launch).await?;
    let mut signals = Signals::take();
    let built = Box::pin(build(launch, claim)).await?;
    let Built { daemon, open, spawner, predecessor, on_ready } = built;
    let clients = listen(&daemon, open.http, open.mcp);
    let commands = obey(&daemon, open.control);

    tracing::info!(address = daemon.address, version = env!("CARGO_PKG_VERSION"), "ready");
    daemon.service_manager.tell("READY=1");
    on_ready(&Ready { address: daemon.address.clone(), pid: std::process::id() });
    daemon.fleet.wake();

    let begun = tokio::select! {
        begun = wait_for_end(&daemon, &clients, &mut signals) => begun,
        () = daemon.fleet.follow() => Instant::now(),
        () = daemon.login.follow() => Instant::now(),
        () = daemon.identity.follow() => Instant::now(),
        () = daemon.follow_tenants() => Instant::now(),
        () = daemon.follow_bundles() => Instant::now(),
    };
    drain(&daemon, &clients, predecessor, begun, &mut signals).await;
    close(&daemon, &spawner).await;
    daemon.stopped.cancel();
    daemon.accepting.wait().await;
    commands.close();
    let _ = tokio::time::timeout(GOODBYE, commands.wait()).await;
    daemon.estate().take();
    Ok(())
}

/// The place of the one daemon of the instance: free, or still another's.
struct Claim {
    lock: Lock,
    /// What the other one listens on.
    inherited: Option<Sockets>,
    predecessor: Option<Predecessor>,
}

impl Claim {
    async fn make(launch: &Launch) -> Result<Self, StartProblem> {
        let paths = &launch.paths;
        if launch.takes_over
            && let Some((predecessor, estate)) = handover::ask(&paths.control_socket()).await?
        {
            let Estate { lock, sockets: inherited } = estate;
            return Ok(Self { lock, inherited, predecessor: Some(predecessor) });
        }
        let lock = Lock::take(&paths.lock()).map_err(|error| lock_problem(&error, paths))?;
        Ok(Self { lock, inherited: None, predecessor: None })
    }
}

/// A daemon that has everything but listeners that accept.
struct Built {
    daemon: Arc<Daemon>,
    open: Open,
    spawner: Spawner,
    predecessor: Option<Predecessor>,
    on_ready: Box<dyn FnOnce(&Ready) + Send>,
}

async fn build(launch: Launch, claim: Claim) -> Result<Built, StartProblem> {
    let Launch { paths, sources, log_to_stderr, guard, takes_over: _, successor, on_ready } =
        launch;
    let Claim { lock, inherited, mut predecessor } = claim;
    // Another daemon does not read it again once it was asked, so this is what it has, or newer.
    let (config, mut wanted) = read(&sources)?;
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), now());
    let log = start_log(&config, Some(&paths), log_to_stderr, &metrics)?;
    let keys = keys(&config, &paths).await?;
    let passed_on = CancellationToken::new();
    let mut open = Open::new(&config, &paths, inherited, &passed_on).await?;
    let sockets = Some(open.copies()?);
    let kept = keep::open(&config, &paths).await?;
    let seal = seal::open(&paths, now()).await?;
    let mut middle = Middle::new(&config, sources.directory(), seal, Some(&kept))?;
    let keeper = middle.keeper.take();
    let middle = Arc::new(middle);
    let around = Around { paths: &paths, sources: &sources, config: &config, metrics: &metrics };
    let Assembled { fleet, gateway, spawner, environment, bundles } =
        assemble(&around, (&middle, Some(&kept)), guard).await?;
    middle.learn(&kept, &Tenant::default()).await;
    let login = Arc::new(KeyLogin::new(keys));
    let identity = Arc::new(identity(&around, &kept, &environment, &login).await?);
    report_plan(&wanted);
    bundles.join(&config, &mut wanted).await;
    fleet.apply(&wanted, config.daemon.list_wait.as_duration());
    if let Some(predecessor) = &mut predecessor
        && let Err(problem) = predecessor.take_over().await
    {
        spawner.close(CHILD_GRACE).await;
        return Err(problem);
    }
    open.claim();
    // For people only.
    let _ = lock.sign();
    let daemon = Arc::new(Daemon {
        address: format!("{}://{}/mcp", config.http.scheme(), open.http.address()),
        service_manager: ServiceManager::new(sources.variables.get("NOTIFY_SOCKET").cloned()),
        config: Mutex::new(config.clone()),
        started_with: config,
        changing: tokio::sync::Mutex::new(()),
        login,
        identity,
        started: Instant::now(),
        stop: CancellationToken::new(),
        stopped: CancellationToken::new(),
        passed_on,
        hurry: CancellationToken::new(),
        accepting: TaskTracker::new(),
        tenants: OnceLock::new(),
        admin: OnceLock::new(),
        recorded: CancellationToken::new(),
        keeping: TaskTracker::new(),
        bundles,
        middle,
        kept,
        environment,
        estate: Mutex::new(Some(Estate { lock, sockets })),
        successor,
        paths,
        sources,
        gateway,
        fleet,
        log,
        metrics,
    });
    let _ = daemon.middle.catalogs.gateway.set(Arc::downgrade(&daemon.gateway));
    begin_chores(&daemon, keeper);
    Ok(Built { daemon, open, spawner, predecessor, on_ready })
}

/// What is done beside serving, for as long as the daemon keeps anything.
fn begin_chores(daemon: &Arc<Daemon>, keeper: Option<Keeper>) {
    if let Some(keeper) = keeper {
        daemon.keeping.spawn(keeper.run(daemon.recorded.clone()));
    }
    daemon.keeping.spawn(let_go(Arc::clone(daemon)));
    daemon.keeping.spawn(count(Arc::clone(daemon)));
}

/// Takes commands; the last of those who accept on our own sockets.
fn obey(daemon: &Arc<Daemon>, socket: PrivateSocket) -> TaskTracker {
    let commands = TaskTracker::new();
    daemon.accepting.spawn({
        let daemon = Arc::clone(daemon);
        let (tasks, stopped) = (commands.clone(), daemon.stopped.clone());
        socket.serve(tasks, stopped, move |s| control::serve(Arc::clone(&daemon), s))
    });
    daemon.accepting.close();
    commands
}

/// What is listened on, and what is under way there.
pub(crate) struct Clients {
    pub front: Arc<Front>,
    /// Cancelled to take no more connections.
    pub closed: CancellationToken,
}

fn listen(daemon: &Arc<Daemon>, listener: HttpListener, mcp_socket: PrivateSocket) -> Clients {
    let (tasks, draining) = (TaskTracker::new(), CancellationToken::new());
    let front = Front::new(Arc::clone(&daemon.gateway), tasks.clone(), draining);
    let front = Arc::new(front.with_meter(Arc::new(Counters::new(daemon.metrics.clone()))));
    let closed = CancellationToken::new();
    // Not when another process has taken our place: what is asked is whether this instance works.
    let stopping = daemon.stop.clone();
    let operations = Desk::new(
        Arc::clone(&daemon.gateway),
        Arc::clone(&daemon.fleet),
        daemon.metrics.clone(),
        stopping,
    );
    let losses = daemon.middle.history.as_ref().map(|history| history.losses());
    let operations = Arc::new(operations.with_losses(losses));
    // Whoever comes over the socket takes of the same as whoever comes over HTTP.
    let limits = lines::Limits { bounds: Some(listener.bounds()), ..lines::Limits::default() };
    let login = Arc::clone(&daemon.identity) as _;
    let tenants = daemon.settle(&front);
    let annex = Arc::new(beside(daemon, &tasks));
    let desk =
        FrontDesk { tenants, annex, ..FrontDesk::new(Arc::clone(&front), login, operations) };
    let http = listener.serve(daemon.started_with.http.clone(), desk, closed.clone());
    tasks.spawn(http);
    daemon.accepting.spawn({
        let (front, owner) = (Arc::clone(&front), daemon.login.owner());
        mcp_socket.serve(tasks, closed.clone(), move |stream| {
            let (front, owner) = (Arc::clone(&front), owner.clone());
            let (reader, writer) = stream.into_split();
            lines::serve(front, owner, limits.clone(), reader, writer)
        })
    });
    Clients { front, closed }
}

/// What is served beside MCP.
fn beside(daemon: &Arc<Daemon>, tasks: &TaskTracker) -> Beside {
    let ports = Ports {
        store: Arc::clone(&daemon.kept.store),
        blobs: Arc::clone(&daemon.kept.blobs),
        operations: Arc::new(Management::new(daemon)),
        policy: Arc::clone(&daemon.middle.policies) as _,
        clock: now,
        tasks: tasks.clone(),
    };
    let admin = Arc::clone(daemon.admin.get_or_init(|| Arc::new(Admin::new(ports))));
    daemon.middle.watchers.attend(&admin);
    Beside {
        identity: Arc::clone(&daemon.identity),
        admin,
        watchers: Arc::clone(&daemon.middle.watchers),
        limits: Arc::clone(&daemon.middle.limits),
        scheme: daemon.started_with.http.scheme(),
    }
}

fn lock_problem(error: &LockError, paths: &Paths) -> StartProblem {
    match error {
        LockError::Held { .. } => StartProblem::new("already-running", error.to_string())
            .hint("`switchboard status` shows it, `--name` starts another"),
        LockError::Io(cause) => {
            StartProblem::new("state-unusable", format!("cannot use `{}`", paths.lock().display()))
                .because(cause)
        }
    }
}
