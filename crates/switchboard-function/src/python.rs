//! Functions in Python: in worker processes, never in this one.
//!
//! A worker has one call at a time, so what becomes of it is what becomes of the call: a call that
//! takes too long, or that nobody waits for any more, is ended with its worker, and its neighbours
//! have others.

mod confine;
mod interpreter;
mod packages;
mod requirements;
mod wire;
mod worker;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use switchboard_core::Tenant;
use switchboard_egress::Guard;
use switchboard_mcp::Json;
use switchboard_process::{Command, Spawner, StderrRing};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use self::confine::Confinement;
pub use self::interpreter::Interpreter;
pub use self::packages::Packages;
use self::wire::{Reply, Setup};
use self::worker::Worker;
use crate::archive::Archive;
use crate::digest::Digest;
use crate::host::HostRule;
use crate::manifest::{Limits, Manifest, ManifestError};
use crate::proxy::Proxy;
use crate::runtime::{Call, Failure, Runs};
use crate::shelf::Version;

/// What Python bundles run in.
#[derive(Clone, Debug)]
pub struct PythonConfig {
    /// The interpreter: a path, or a name on the `PATH` of `environment`.
    pub interpreter: PathBuf,
    /// Where the program of the workers is put.
    pub directory: PathBuf,
    /// What every child gets.
    pub environment: BTreeMap<String, OsString>,
    pub isolation: Isolation,
    /// Where packages come from, if not from where `pip` takes them.
    pub index: Option<String>,
    /// Judges where bundles connect to.
    pub guard: Guard,
}

/// How bundles are kept to themselves.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, schemars::JsonSchema, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// By what this machine has for it; `switchboard doctor` says what that is.
    #[default]
    Auto,
    /// Not at all where something of it is missing: no call runs then.
    Required,
    /// By nothing. The code may do whatever the daemon's user may.
    Off,
}

/// Starts workers for bundles.
#[derive(Clone)]
pub struct Python {
    config: PythonConfig,
    spawner: Spawner,
    tasks: TaskTracker,
    /// The program of the workers.
    program: PathBuf,
    interpreter: Interpreter,
}

/// The program of the workers.
const WORKER: &str = include_str!("python/worker.py");

/// How long a worker may take to import the modules of its bundle.
const START: Duration = Duration::from_secs(20);

/// Bytes a second that are taken of what code prints: whoever prints without end waits, and not those
/// beside it.
const LOG_PACE: u32 = 1 << 20;

/// How long a worker beyond those that are kept ready stays without calls.
const IDLE: Duration = Duration::from_secs(5 * 60);

/// Of the memory that a worker may have, how much it may have had before it makes room for another:
/// one that is near its limit fails where a new one would not.
const WORN: u64 = 4;

/// What programs look at for a proxy: curl reads the small ones only, others the capital ones.
const PROXY_VARIABLES: &[&str] =
    &["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];

impl Python {
    /// Finds the interpreter, and puts the program of the workers where it finds that.
    ///
    /// # Errors
    ///
    /// There is no interpreter that can be used, or the directory cannot be; for people.
    pub async fn find(
        config: PythonConfig,
        spawner: Spawner,
        tasks: TaskTracker,
    ) -> Result<Self, String> {
        let interpreter = Interpreter::find(&config, &spawner).await?;
        let directory = config.directory.clone();
        let put = tokio::task::spawn_blocking(move || put_program(&directory)).await;
        let program = put
            .expect("it does not panic")
            .map_err(|error| format!("`{}` cannot be used: {error}", config.directory.display()))?;
        Ok(Self { config, spawner, tasks, program, interpreter })
    }

    pub fn interpreter(&self) -> &Interpreter {
        &self.interpreter
    }

    /// What a verdict on a bundle depends on beside its content.
    pub fn conditions(&self) -> String {
        let Interpreter { executable, version, .. } = &self.interpreter;
        format!("{} {version} {:?}", executable.display(), self.config.isolation)
    }

    /// The manifest of a bundle of the older engine that says in one of its modules what is in it
    /// (`MCP_CONFIGURATION`).
    ///
    /// # Errors
    ///
    /// What is wrong with it, for people; among it that there is none.
    pub async fn declared_manifest(
        &self,
        archive: &Archive,
        version: &Version,
    ) -> Result<Manifest, String> {
        let modules = declaring(archive);
        if modules.is_empty() {
            return Err(ManifestError::Missing.to_string());
        }
        let asked = self.ask_manifest(version, &modules).await;
        let text = asked.map_err(|failure| {
            format!("`{}` cannot be asked what is in it: {failure}", modules.join("`, `"))
        })?;
        let text = text.ok_or_else(|| ManifestError::Missing.to_string())?;
        Manifest::older(&text, archive).map_err(|error| error.to_string())
    }

    async fn ask_manifest(
        &self,
        version: &Version,
        modules: &[String],
    ) -> Result<Option<String>, Failure> {
        let limits = Limits::default();
        let confinement = self.confinement(version, Vec::new(), None);
        let command = self.command("manifest", version, StderrRing::default());
        let mut worker = self.start(command, &confinement, &limits).await?;
        let setup = wire::manifest(&version.code, modules);
        let reply = tokio::time::timeout(START, worker.ask(&setup, &|_| {})).await;
        match reply.map_err(|_| Failure::TimedOut(START))?? {
            Reply::Manifest(manifest) => Ok(manifest),
            Reply::Failed(failure) => Err(failure),
            _ => Err(Failure::NotStarted("it answers something else".to_owned())),
        }
    }

    /// The workers of a version; none is started.
    ///
    /// # Errors
    ///
    /// Its door to the network cannot be opened.
    pub(crate) async fn workers(&self, running: Running) -> io::Result<Arc<Workers>> {
        let setup = Setup::of(&running).line();
        let Running { manifest, hosts, name, version, readable, packages, .. } = &running;
        let proxy = match hosts.is_empty() {
            true => None,
            false => {
                let guard = self.config.guard.clone();
                Some(Proxy::start(name, hosts.clone(), guard, &self.tasks).await?)
            }
        };
        let port = proxy.as_ref().map(Proxy::port);
        let readable = readable.iter().chain(packages).cloned().collect();
        let confinement = self.confinement(version, readable, port);
        let places = Semaphore::new(manifest.limits.workers.max(1));
        let python = self.clone();
        let limits = manifest.limits.clone();
        let free = Mutex::default();
        Ok(Arc::new_cyclic(|own| Workers {
            python,
            setup,
            limits,
            places,
            free,
            running,
            confinement,
            proxy,
            own: own.clone(),
        }))
    }

    fn confinement(
        &self,
        version: &Version,
        mut readable: Vec<PathBuf>,
        port: Option<u16>,
    ) -> Confinement {
        readable.push(version.code.clone());
        Confinement {
            isolation: self.config.isolation,
            interpreter: self.interpreter.clone(),
            program: self.program.clone(),
            readable,
            port,
        }
    }

    /// Starts a worker that has a directory of its own to write to.
    async fn start(
        &self,
        mut command: Command,
        confinement: &Confinement,
        limits: &Limits,
    ) -> Result<Worker, Failure> {
        let not_started = |error: io::Error| Failure::NotStarted(error.to_string());
        let scratch = tempfile::TempDir::with_prefix("bundle-").map_err(not_started)?;
        for name in ["TMPDIR", "TMP", "TEMP", "HOME"] {
            command.env.insert(name.to_owned(), scratch.path().into());
        }
        command.sandbox = confinement.sandbox(limits, scratch.path());
        let worker = Worker::start(&self.spawner, command, limits).await?;
        Ok(worker.with(scratch))
    }

    fn command(&self, label: &str, version: &Version, log: StderrRing) -> Command {
        let mut command = Command::new(label, self.interpreter.executable.as_os_str());
        // Isolated from the user's directories and variables (-I), from what else is installed (-S),
        // and writing nothing beside the code (-B).
        command.args = ["-I", "-S", "-B"].into_iter().map(OsString::from).collect();
        command.args.push(self.program.clone().into());
        command.env = self.config.environment.clone();
        command.cwd = Some(version.code.clone());
        command.stderr = log;
        command.stderr_pace = Some(LOG_PACE);
        command
    }
}

/// A version that is to run, and with what.
pub(crate) struct Running {
    pub name: String,
    pub tenant: Tenant,
    pub version: Version,
    pub manifest: Arc<Manifest>,
    /// What is set of it.
    pub settings: Map<String, Value>,
    /// Variables that it gets beside those of every child.
    pub environment: BTreeMap<String, OsString>,
    /// Where it may connect to.
    pub hosts: Vec<HostRule>,
    /// What it may read beside its own files.
    pub readable: Vec<PathBuf>,
    /// What it requires of others.
    pub packages: Option<PathBuf>,
    pub log: StderrRing,
}

/// The workers of one version.
pub(crate) struct Workers {
    python: Python,
    /// What each is told first.
    setup: Vec<u8>,
    limits: Limits,
    /// One for each call at once.
    places: Semaphore,
    /// Those without a call, the one that was used last at the end.
    free: Mutex<Vec<Worker>>,
    running: Running,
    confinement: Confinement,
    /// Its door to the network, where it has one.
    proxy: Option<Proxy>,
    own: std::sync::Weak<Self>,
}

#[async_trait]
impl Runs for Workers {
    async fn run(&self, call: Call<'_>) -> Result<Json, Failure> {
        let end = Instant::now() + call.time;
        let late = |_| Failure::TimedOut(call.time);
        // Nobody closes it.
        let place = tokio::time::timeout_at(end, self.places.acquire()).await.map_err(late)?;
        let mut worker = match self.take() {
            Some(worker) => worker,
            // Where it hangs while it starts, that is the time of the call as well.
            None => tokio::time::timeout_at(end, self.start()).await.map_err(late)??.0,
        };
        let line = wire::call(&call);
        let reply = tokio::time::timeout_at(end, worker.ask(&line, call.progress)).await;
        // From here on a worker that is not put back is ended as it is dropped, with all that it
        // started.
        let (outcome, used) = match reply.map_err(late)?? {
            Reply::Result { result, memory } => (Ok(result), memory),
            Reply::Failed(failure) => (Err(failure), worker.memory),
            Reply::Ready(_) | Reply::Manifest(_) | Reply::Progress(_) => {
                return Err(Failure::Died("broke the protocol".to_owned()));
            }
        };
        worker.memory = used;
        self.put_back(worker);
        drop(place);
        outcome
    }

    async fn verify(&self) -> Vec<String> {
        match self.start().await {
            Ok((_, problems)) => problems,
            Err(failure) => vec![failure.to_string()],
        }
    }
}

impl Workers {
    /// A worker that waits for a call, if there is one that lives.
    fn take(&self) -> Option<Worker> {
        let mut free = self.free.lock().expect("no one panics holding it");
        while let Some(worker) = free.pop() {
            if worker.lives() {
                return Some(worker);
            }
        }
        None
    }

    /// A new worker, with what of the functions is not there.
    async fn start(&self) -> Result<(Worker, Vec<String>), Failure> {
        let Running { name, version, log, environment, .. } = &self.running;
        let mut command = self.python.command(name, version, log.clone());
        command.env.extend(environment.clone());
        for name in self.proxy.iter().flat_map(|_| PROXY_VARIABLES) {
            let address = self.proxy.as_ref().map(Proxy::address).unwrap_or_default();
            command.env.insert((*name).to_owned(), address.into());
        }
        let started = async {
            let starting = self.python.start(command, &self.confinement, &self.limits);
            let mut worker = starting.await?;
            match worker.ask(&self.setup, &|_| {}).await? {
                Reply::Ready(problems) => Ok((worker, problems)),
                Reply::Failed(failure) => Err(Failure::NotStarted(failure.to_string())),
                _ => Err(Failure::NotStarted("it answers something else".to_owned())),
            }
        };
        let started = tokio::time::timeout(START, started).await;
        started.unwrap_or_else(|_| {
            let limit = START.as_secs();
            Err(Failure::NotStarted(format!("its modules are not imported within {limit} s")))
        })
    }

    fn put_back(&self, mut worker: Worker) {
        worker.calls += 1;
        let is_worn = worker.calls >= self.limits.calls
            || worker.memory > self.limits.memory.bytes() / 4 * (WORN - 1);
        if is_worn || !worker.lives() {
            return;
        }
        worker.last_used = Instant::now();
        let is_first = {
            let mut free = self.free.lock().expect("no one panics holding it");
            free.push(worker);
            free.len() == self.limits.warm + 1
        };
        if is_first {
            self.python.tasks.spawn(sweep(self.own.clone()));
        }
    }

    /// Ends those that were not used for long, beyond those that are kept; whether more are left.
    fn shrink(&self) -> bool {
        let mut free = self.free.lock().expect("no one panics holding it");
        let spare = free.len().saturating_sub(self.limits.warm);
        // Those at the front were not used for longest.
        let idle = free.iter().take(spare).take_while(|it| it.last_used.elapsed() >= IDLE).count();
        let ended: Vec<Worker> = free.drain(..idle).collect();
        let is_left = free.len() > self.limits.warm;
        drop(free);
        drop(ended);
        is_left
    }
}

/// Looks after workers that are too many, until there are none.
async fn sweep(workers: std::sync::Weak<Workers>) {
    loop {
        tokio::time::sleep(IDLE / 4).await;
        let Some(workers) = workers.upgrade() else { return };
        if !workers.shrink() {
            return;
        }
    }
}

/// Puts the program of the workers into a directory, under its digest: a daemon of another version has
/// another.
fn put_program(directory: &Path) -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let digest = Digest::of(WORKER.as_bytes());
    let program = directory.join(format!("worker-{}.py", digest.short()));
    let new = directory.join(format!(".worker-{}", std::process::id()));
    std::fs::write(&new, WORKER)?;
    std::fs::rename(&new, &program)?;
    Ok(program)
}

/// The modules at the top of a bundle that speak of a configuration.
fn declaring(archive: &Archive) -> Vec<String> {
    let speaks = |name: &&str| {
        let content = archive.file(name).unwrap_or_default();
        memchr::memmem::find(content, b"MCP_CONFIGURATION").is_some()
    };
    let module = |name: &str| {
        let name = name.strip_suffix("/__init__.py").or_else(|| name.strip_suffix(".py"))?;
        (!name.contains('/')).then(|| name.to_owned())
    };
    archive.names().filter(speaks).filter_map(module).collect()
}

/// The directory that modules are looked up in.
pub(crate) fn module_path(code: &Path, path: &str) -> PathBuf {
    if path == "." { code.to_path_buf() } else { code.join(path) }
}
