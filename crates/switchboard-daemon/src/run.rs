//! The life of a daemon, from its configuration to its exit.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use switchboard_admin::{Admin, Ports};
use switchboard_auth::{Key, KeyFile, Keys, WayName};
use switchboard_client::control::{Reloaded, Reply, Status};
use switchboard_client::detach::{self, Report};
use switchboard_core::{Area, Gateway, Kind, Tenant};
use switchboard_history::HistoryConfig;
use switchboard_listen::Front;
use switchboard_listen::http::{FrontDesk, HttpListener};
use switchboard_listen::lines;
use switchboard_process::{GuardCommand, Options, Spawner, allowed_environment};
use switchboard_telemetry::log::{self, Reloadable};
use switchboard_telemetry::metrics::Metrics;
use switchboard_upstream::{Environment, ListCache};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::annex::Beside;
use crate::config::{Config, LogFormat};
use crate::control;
use crate::end::{Signals, close, drain, wait_for_end};
use crate::fleet::{self, Fleet, Scoped};
use crate::handover::{self, Estate, Predecessor, Sockets};
use crate::identity::{Identity, Surroundings};
use crate::keep::{self, Kept};
use crate::lock::{Lock, LockError};
use crate::login::KeyLogin;
use crate::management::Management;
use crate::middle::Middle;
use crate::notify::ServiceManager;
use crate::open::Open;
use crate::operations::{Counters, Desk};
use crate::outside::{Outside, owner};
use crate::paths::Paths;
use crate::plan::{Plan, plan};
use crate::problem::StartProblem;
use crate::seal;
use crate::sources::Sources;
use crate::tenants::{Kit, Tenants};
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

/// What the parts of a running daemon share.
pub(crate) struct Daemon {
    pub paths: Paths,
    pub sources: Sources,
    pub gateway: Arc<Gateway>,
    pub fleet: Arc<Fleet>,
    /// All but the default one; known once there are listeners.
    pub tenants: OnceLock<Arc<Tenants>>,
    /// The management surface; there once there are listeners.
    pub admin: OnceLock<Arc<Admin>>,
    pub middle: Arc<Middle>,
    pub kept: Kept,
    /// What tenants' parts are made of, as those of the default one are.
    pub environment: Environment,
    /// Cancelled when nothing more is to be recorded.
    pub recorded: CancellationToken,
    /// Writes what is kept of calls and limits.
    pub keeping: TaskTracker,
    /// Knows the key of the instance.
    pub login: Arc<KeyLogin>,
    /// Knows everybody.
    pub identity: Arc<Identity>,
    /// As it was last read.
    pub config: Mutex<Config>,
    /// As the process was started; what cannot change is compared with this.
    pub started_with: Config,
    /// Held while the configuration or the key is changed: one change after another.
    pub changing: tokio::sync::Mutex<()>,
    pub log: Reloadable,
    pub address: String,
    pub metrics: Metrics,
    pub started: Instant,
    /// Cancelled when the daemon is to end.
    pub stop: CancellationToken,
    /// Cancelled when everything has ended but the answer to whoever asked for it.
    pub stopped: CancellationToken,
    /// Cancelled when another process has taken our place.
    pub passed_on: CancellationToken,
    /// Cancelled when idle clients are not to be waited for.
    pub hurry: CancellationToken,
    /// Those who accept connections on our own sockets.
    pub accepting: TaskTracker,
    /// `None` when another process has taken our place.
    pub estate: Mutex<Option<Estate>>,
    /// The command line of a process that takes our place.
    pub successor: Vec<OsString>,
    pub service_manager: ServiceManager,
}

/// How long a child may take to end before it is killed.
pub(crate) const CHILD_GRACE: Duration = Duration::from_secs(5);

/// How often old records are let go of.
const LET_GO: Duration = Duration::from_secs(60);

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
    let (config, wanted) = read(&sources)?;
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
    let Assembled { fleet, gateway, spawner, environment } =
        assemble(&around, &middle, guard).await?;
    middle.learn(&kept, &Tenant::default()).await;
    let login = Arc::new(KeyLogin::new(keys));
    let identity = Arc::new(identity(&around, &kept, &environment, &login).await?);
    report_plan(&wanted);
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
    if let Some(keeper) = keeper {
        daemon.keeping.spawn(keeper.run(daemon.recorded.clone()));
    }
    daemon.keeping.spawn(let_go(Arc::clone(&daemon)));
    daemon.keeping.spawn(count(Arc::clone(&daemon)));
    Ok(Built { daemon, open, spawner, predecessor, on_ready })
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

/// The configuration, and what it asks for.
fn read(sources: &Sources) -> Result<(Config, Plan), StartProblem> {
    let config = sources.load().map_err(StartProblem::configuration)?.value;
    let wanted =
        plan(&config, &sources.file, &sources.variables).map_err(StartProblem::configuration)?;
    Ok((config, wanted))
}

/// Lets go of old records and of tokens that are over, until nothing more is kept.
async fn let_go(daemon: Arc<Daemon>) {
    let store = &*daemon.kept.store;
    loop {
        let config = daemon.config.lock().expect("no one panics holding it").history.clone();
        if config.enabled {
            match switchboard_history::retain(store, &config, now()).await {
                Ok(0) => {}
                Ok(deleted) => tracing::info!(deleted, "old records of calls were let go of"),
                Err(error) => tracing::warn!(%error, "old records of calls could not be let go of"),
            }
        }
        match daemon.identity.current().auth.tokens.sweep().await {
            Ok(0) => {}
            Ok(deleted) => tracing::debug!(deleted, "tokens that are over were let go of"),
            Err(error) => tracing::warn!(%error, "tokens that are over could not be let go of"),
        }
        tokio::select! {
            () = daemon.recorded.cancelled() => return,
            () = tokio::time::sleep(LET_GO) => {}
        }
    }
}

/// Brings what was used of quotas to the store, until nothing more is counted.
async fn count(daemon: Arc<Daemon>) {
    daemon.middle.limits.run(&*daemon.kept.store, now, daemon.recorded.clone()).await;
}

/// What parts are put together for.
pub(crate) struct Around<'a> {
    pub paths: &'a Paths,
    pub sources: &'a Sources,
    pub config: &'a Config,
    pub metrics: &'a Metrics,
}

/// Everything between the listeners and the servers.
pub(crate) struct Assembled {
    pub fleet: Arc<Fleet>,
    pub gateway: Arc<Gateway>,
    pub spawner: Spawner,
    pub environment: Environment,
}

pub(crate) async fn assemble(
    around: &Around<'_>,
    middle: &Middle,
    guard: Option<GuardCommand>,
) -> Result<Assembled, StartProblem> {
    let Around { paths, sources, config, metrics } = around;
    let options = Options { state_dir: paths.children(), guard };
    let (spawner, settled) = Spawner::start(options).await.map_err(|error| {
        let cause = format!("{error}: {}", error.cause);
        StartProblem::new("process-ledger", "children cannot be recorded").because(cause)
    })?;
    for leftover in &settled.killed {
        tracing::warn!(
            pid = leftover.pid,
            upstream = leftover.label,
            "ended a child that an earlier daemon left"
        );
    }
    let variables: BTreeMap<_, _> =
        sources.variables.iter().map(|(name, value)| (name.clone(), value.into())).collect();
    let gateway = Arc::new(middle.gateway());
    let scoped = Scoped::new((*metrics).clone(), &Tenant::default());
    let tenant = Tenant::default();
    let report = fleet::Report::new(scoped, (&gateway, &tenant), &middle.watchers);
    let (egress, state) = (config.egress.clone(), paths.state.clone());
    let outside = tokio::task::spawn_blocking(move || Outside::open(&egress, &state)).await;
    let Outside { guard, logins } = outside.expect("opening does not panic")?;
    let environment = Environment {
        spawner: spawner.clone(),
        child_variables: allowed_environment(&variables),
        cache: ListCache::new(paths.lists()),
        guard,
        logins,
        owner: owner(),
        dialer: None,
        tasks: TaskTracker::new(),
        events: Arc::clone(&report) as _,
    };
    let behind = (Arc::clone(&gateway), middle.access(&tenant));
    let fleet = Fleet::new(behind, environment.clone(), report);
    Ok(Assembled { fleet, gateway, spawner, environment })
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
        scheme: daemon.started_with.http.scheme(),
    }
}

/// Who may call.
async fn identity(
    around: &Around<'_>,
    kept: &Kept,
    environment: &Environment,
    login: &Arc<KeyLogin>,
) -> Result<Identity, StartProblem> {
    let surroundings = Surroundings {
        store: Arc::clone(&kept.store),
        guard: environment.guard.clone(),
        tasks: environment.tasks.clone(),
        instance: Arc::clone(login) as _,
        secret_file: around.paths.state.join("tokens.key"),
    };
    let config = around.config.auth.beside(around.sources.directory());
    Identity::new(config, surroundings).await
}

impl Daemon {
    /// What answers for `tenant`, if it is served now.
    pub(crate) fn served_gateway(&self, tenant: &Tenant) -> Option<Arc<Gateway>> {
        match tenant.is_default() {
            true => Some(Arc::clone(&self.gateway)),
            false => self.tenants.get()?.gateway(tenant),
        }
    }

    /// Puts the other tenants beside the one that `front` serves.
    fn settle(&self, front: &Arc<Front>) -> Arc<Tenants> {
        let kit = Kit {
            environment: self.environment.clone(),
            directory: self.paths.state.join("tenants"),
            metrics: self.metrics.clone(),
            middle: Arc::clone(&self.middle),
            kept: self.kept.clone(),
            front: Arc::clone(front),
            list_wait: self.started_with.daemon.list_wait.as_duration(),
        };
        let tenants = Arc::new(Tenants::new(kit, self.started_with.tenants.clone()));
        let _ = self.middle.catalogs.tenants.set(Arc::downgrade(&tenants));
        Arc::clone(self.tenants.get_or_init(|| tenants))
    }

    /// What answers for `tenant`.
    pub(crate) async fn gateway_of(&self, tenant: &Tenant) -> Result<Arc<Gateway>, StartProblem> {
        if tenant.is_default() {
            return Ok(Arc::clone(&self.gateway));
        }
        let unknown = || {
            StartProblem::new("tenant-unknown", format!("there is no tenant `{tenant}`"))
                .hint("a tenant is there once something is kept for it")
        };
        let tenants = self.tenants.get().ok_or_else(unknown)?;
        let residence = tenants.residence(tenant).await.map_err(|error| {
            StartProblem::new("store-failed", "the store cannot be read").because(error)
        })?;
        Ok(Arc::clone(&residence.ok_or_else(unknown)?.gateway))
    }

    /// Keeps the other tenants in order, for as long as it is polled.
    async fn follow_tenants(&self) {
        match self.tenants.get() {
            Some(tenants) => {
                tokio::join!(tenants.follow(), tenants.learn(&self.gateway));
            }
            None => std::future::pending().await,
        }
    }

    /// Reads the configuration again and changes what differs, or nothing.
    pub(crate) async fn reload(&self) -> Result<Reloaded, StartProblem> {
        self.service_manager.reloading();
        let report = self.try_reload().await;
        self.service_manager.tell("READY=1");
        report
    }

    async fn try_reload(&self) -> Result<Reloaded, StartProblem> {
        let _alone = self.change().await?;
        let (config, wanted) = read(&self.sources)?;
        let keys = keys(&config, &self.paths).await?;
        let people = config.auth.beside(self.sources.directory());
        let identity = self.identity.prepare(people).await?;
        self.log.set_filter(&config.log.level).map_err(|error| {
            StartProblem::new("config-invalid", "log.level is not valid").because(error)
        })?;
        self.middle.replace(&config, self.sources.directory())?;
        self.login.replace(keys);
        if let Some(identity) = identity {
            self.identity.replace(identity).await;
        }
        if !config.auth.order.contains(&WayName::InstanceKey) {
            self.login.close();
        }
        let mut report = self.fleet.apply(&wanted, config.daemon.list_wait.as_duration());
        self.fleet.wake();
        report.needs_restart = needs_restart(&self.started_with, &config);
        self.tell_changes(&report, &config);
        *self.config.lock().expect("no one panics holding it") = config;
        report_plan(&wanted);
        tracing::info!(
            added = report.added.len(),
            removed = report.removed.len(),
            changed = report.changed.len(),
            "reloaded"
        );
        Ok(report)
    }

    /// Tells those who watch what another configuration has changed.
    fn tell_changes(&self, report: &Reloaded, config: &Config) {
        let Reloaded { added, removed, changed, .. } = report;
        let servers = [added, removed, changed].into_iter().any(|names| !names.is_empty());
        let limits = self.config.lock().expect("no one panics holding it").limits != config.limits;
        // Policies stand in files of their own, which were read anew.
        let areas = [(Area::Servers, servers), (Area::Limits, limits), (Area::Policies, true)];
        for (area, _) in areas.into_iter().filter(|(_, is_so)| *is_so) {
            self.middle.watchers.changed(&Tenant::default(), area);
        }
    }

    pub(crate) async fn rotate_key(&self, grace_seconds: u64) -> Result<Reply, StartProblem> {
        let _alone = self.change().await?;
        if self.config.lock().expect("no one panics holding it").auth.api_key.is_some() {
            return Err(StartProblem::new(
                "key-configured",
                "the key comes from the configuration",
            )
            .hint("change `auth.api_key` there, then `switchboard reload`"));
        }
        let file = KeyFile::new(self.paths.key());
        let grace = Duration::from_secs(grace_seconds);
        let rotated = tokio::task::spawn_blocking(move || file.rotate(now(), grace)).await;
        let rotated = rotated.expect("rotating does not panic").map_err(key_problem)?;
        self.login.replace(rotated.stored.keys());
        self.middle.watchers.changed(&Tenant::default(), Area::Keys);
        let until =
            rotated.previous_expires.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        Ok(Reply::Key {
            key: rotated.stored.key().expose().to_owned(),
            previous_valid_until: until.map(|until| until.as_secs()),
        })
    }

    /// Waits for other changes to be done. Once another process has taken our place it is too late
    /// for any.
    async fn change(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, StartProblem> {
        let alone = self.changing.lock().await;
        if self.passed_on.is_cancelled() {
            return Err(control::replaced());
        }
        Ok(alone)
    }

    /// Starts a process that takes our place: as we were started, but from `program`.
    pub(crate) async fn renew(
        &self,
        program: PathBuf,
        limit: Duration,
    ) -> Result<Report, StartProblem> {
        let launch = detach::Launch {
            program,
            args: self.successor.clone(),
            directory: std::env::current_dir().unwrap_or_else(|_| "/".into()),
            variables: Vec::new(),
            removed: &[],
            limit,
            stderr: detach::Stderr::Shared,
        };
        detach::detach(&launch).await.map_err(|error| {
            let problem = StartProblem::new("start-failed", error.to_string());
            match std::error::Error::source(&error) {
                Some(cause) => problem.because(cause),
                None => problem.hint("the log of the service manager tells more"),
            }
        })
    }

    pub(crate) fn estate(&self) -> std::sync::MutexGuard<'_, Option<Estate>> {
        self.estate.lock().expect("no one panics holding it")
    }

    /// How long calls under way may take when the daemon ends.
    pub(crate) fn grace(&self) -> Duration {
        self.config.lock().expect("no one panics holding it").daemon.drain.as_duration()
    }

    pub(crate) fn status(&self) -> Status {
        let snapshot = self.gateway.snapshot();
        let draining = self.stop.is_cancelled();
        Status {
            instance: self.paths.instance.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            state: if draining { "draining" } else { "ready" }.to_owned(),
            address: self.address.clone(),
            config: self.sources.file.display().to_string(),
            is_supervised: self.service_manager.is_there(),
            uptime_seconds: self.started.elapsed().as_secs(),
            tools: snapshot.catalog.count(Kind::Tools),
            prompts: snapshot.catalog.count(Kind::Prompts),
            resources: snapshot.catalog.count(Kind::Resources),
            upstreams: self.fleet.status(),
            conflicts: snapshot.catalog.conflicts().to_vec(),
        }
    }
}

/// The tables that only a new process can act on.
fn needs_restart(old: &Config, new: &Config) -> Vec<String> {
    let without_level =
        |config: &Config| crate::config::LogConfig { level: String::new(), ..config.log.clone() };
    let mut keys = Vec::new();
    if old.http != new.http {
        keys.push("http".to_owned());
    }
    // Open connections and what was judged for them stay as they are.
    if old.egress != new.egress {
        keys.push("egress".to_owned());
    }
    if without_level(old) != without_level(new) {
        keys.push("log".to_owned());
    }
    let tables = [
        ("store", old.store != new.store),
        ("blobs", old.blobs != new.blobs),
        ("vault", old.vault != new.vault),
        ("tenants", old.tenants != new.tenants),
    ];
    keys.extend(tables.iter().filter(|(_, differs)| *differs).map(|(key, _)| (*key).to_owned()));
    // What is kept of old records is looked up each time.
    let kept = |config: &Config| HistoryConfig {
        keep: HistoryConfig::default().keep,
        keep_calls: 0,
        ..config.history.clone()
    };
    if kept(old) != kept(new) {
        keys.push("history".to_owned());
    }
    if old.daemon.drain != new.daemon.drain {
        keys.push("daemon.drain".to_owned());
    }
    keys
}

fn report_plan(plan: &Plan) {
    for note in &plan.notes {
        tracing::warn!(note, "import");
    }
}

pub(crate) fn start_log(
    config: &Config,
    paths: Option<&Paths>,
    stderr: bool,
    metrics: &Metrics,
) -> Result<Reloadable, StartProblem> {
    let file = paths.map(|paths| log::FileConfig {
        max_bytes: config.log.file_size.bytes(),
        max_age: config.log.file_age.as_duration(),
        keep: config.log.files,
        ..log::FileConfig::new(paths.log())
    });
    let format = match config.log.format {
        LogFormat::Text => log::Format::Text,
        LogFormat::Json => log::Format::Json,
    };
    log::init(log::LogConfig {
        format,
        filter: config.log.level.clone(),
        file,
        stderr,
        colour: false,
        clock: Arc::new(now),
        lost: metrics.lost_lines(),
    })
    .map_err(|error| {
        StartProblem::new(error.code(), "the log cannot be written")
            .because(&error)
            .hint(error.hint())
    })
}

async fn keys(config: &Config, paths: &Paths) -> Result<Keys, StartProblem> {
    if let Some(configured) = &config.auth.api_key {
        let key = Key::configured(configured.expose()).map_err(key_problem)?;
        return Ok(Keys::only(&key));
    }
    let file = KeyFile::new(paths.key());
    let opened = tokio::task::spawn_blocking(move || file.open_or_create()).await;
    let opened = opened.expect("opening does not panic").map_err(key_problem)?;
    if let switchboard_auth::Origin::Repaired { mode } = opened.origin {
        tracing::warn!(
            was = format!("{mode:o}"),
            "others could read the key file; its mode is 0600 now"
        );
    }
    Ok(opened.stored.keys())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn key_problem(error: switchboard_auth::KeyError) -> StartProblem {
    StartProblem::new(error.code(), error.to_string()).hint(error.hint())
}

pub(crate) fn make_private(directory: &Path) -> Result<(), StartProblem> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let make = || {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))
    };
    make().map_err(|error| {
        StartProblem::new("state-unusable", format!("cannot use `{}`", directory.display()))
            .because(error)
            .hint("SWITCHBOARD_STATE_DIR names another directory")
    })
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

#[expect(clippy::disallowed_methods, reason = "this is where the time comes in")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
