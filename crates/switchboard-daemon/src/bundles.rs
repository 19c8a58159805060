//! The bundles of the configuration: read, checked, and made upstreams among the others.
//!
//! What cannot be served changes nothing: where an older version is served, that goes on, and where
//! there is none, the upstream is there and says what is wrong.

mod trial;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchboard_core::{Lists, Tenant};
#[cfg(feature = "wasm")]
use switchboard_function::Wasm;
use switchboard_function::{
    Archive, Bundle, BundleConfig, BundlesConfig, Digest, Manifest, ManifestError, Packages,
    Python, PythonConfig, Runtime, Serving, Shelf, SigningKeys, Source, Stamp, Version,
};
use switchboard_process::StderrRing;
use switchboard_upstream::{Environment, EraChoice, InsideConfig, Remark, Settings, StartPolicy};

use crate::config::Config;
use crate::plan::{Plan, PlannedUpstream};

pub use self::trial::Trial;

/// Bundles, and what they are made with.
pub(crate) struct Bundles {
    shelf: Shelf,
    environment: Environment,
    /// The directory of workers' programs.
    programs: PathBuf,
    /// What paths in the configuration are relative to.
    base: PathBuf,
    variables: BTreeMap<String, String>,
    loaded: Mutex<HashMap<String, Loaded>>,
    /// What takes long, by what it is about.
    jobs: Arc<Mutex<HashMap<Digest, Job>>>,
    /// The Python that was found, and for which configuration.
    python: tokio::sync::Mutex<Option<(BundlesConfig, Python)>>,
    /// Versions that nobody serves any more were cleared away.
    is_swept: AtomicBool,
    #[cfg(feature = "wasm")]
    wasm: tokio::sync::OnceCell<Result<Wasm, String>>,
}

/// How it stands with something that takes long.
enum Job {
    UnderWay,
    /// Nobody was told yet.
    Ended(Result<(), String>),
    Failed(String),
}

/// How long a version is kept that nobody serves: a daemon that makes room for us may still have calls.
const KEPT: Duration = Duration::from_hours(24);

/// How long a bundle is waited for that needs something done first: a daemon is to be up soon.
const PATIENCE: Duration = Duration::from_secs(2);

/// Under which condition a component is known to be compiled.
const COMPILED: &str = concat!("component ", env!("CARGO_PKG_VERSION"));

/// What became of a job, if it was ever begun: `Some(None)` while it is under way. One that was never
/// begun is begun by whoever asks.
#[expect(clippy::option_option, reason = "never begun, under way, and ended are three things")]
fn settled(jobs: &mut HashMap<Digest, Job>, key: Digest) -> Option<Option<Result<(), String>>> {
    let (now, outcome) = match jobs.remove(&key) {
        None => (Some(Job::UnderWay), None),
        Some(Job::UnderWay) => (Some(Job::UnderWay), Some(None)),
        Some(Job::Ended(Ok(()))) => (None, Some(Some(Ok(())))),
        Some(Job::Ended(Err(cause)) | Job::Failed(cause)) => {
            (Some(Job::Failed(cause.clone())), Some(Some(Err(cause))))
        }
    };
    if let Some(now) = now {
        jobs.insert(key, now);
    }
    outcome
}

/// A bundle as it was last read.
struct Loaded {
    config: BundleConfig,
    source: Source,
    stamp: Stamp,
    digest: Option<Digest>,
    /// What it was made with beside its configuration.
    conditions: String,
    /// The upstream that it is, if some version of it could be served.
    settings: Option<Settings>,
    remark: Remark,
}

impl Loaded {
    /// Whether nothing of it would be otherwise if it were read again.
    fn is_still(&self, config: &BundleConfig, stamp: &Stamp, conditions: &str) -> bool {
        let is_served = self.settings.is_some() && self.remark.said().is_none();
        let is_same = (&self.config, &self.stamp, &*self.conditions) == (config, stamp, conditions);
        is_served && is_same
    }
}

impl Bundles {
    pub(crate) fn new(
        state: &Path,
        base: &Path,
        environment: &Environment,
        variables: &BTreeMap<String, String>,
    ) -> Self {
        let directory = state.join("bundles");
        Self {
            shelf: Shelf::new(directory.join("versions")),
            environment: environment.clone(),
            programs: directory.join("programs"),
            base: base.to_path_buf(),
            variables: variables.clone(),
            loaded: Mutex::default(),
            jobs: Arc::default(),
            python: tokio::sync::Mutex::default(),
            is_swept: AtomicBool::new(false),
            #[cfg(feature = "wasm")]
            wasm: tokio::sync::OnceCell::new(),
        }
    }

    /// Adds the bundles of `config` to `plan`, those that changed in their new version.
    pub(crate) async fn join(&self, config: &Config, plan: &mut Plan) {
        let wanted: Vec<_> = config.bundle.iter().filter(|(_, bundle)| !bundle.disabled).collect();
        if !wanted.is_empty() {
            let python = self.python(&config.bundles).await;
            let (python, with) = (python.as_ref().map_err(String::as_str), &config.bundles);
            let loading =
                wanted.iter().map(|(name, bundle)| self.load(name, bundle, (python, with)));
            futures_util::future::join_all(loading).await;
        }
        self.sweep().await;
        let mut loaded = self.loaded.lock().expect("no one panics holding it");
        loaded.retain(|name, _| wanted.iter().any(|(wanted, _)| *wanted == name));
        for (name, bundle) in &mut *loaded {
            let settings = bundle.settings.clone().unwrap_or_else(|| bundle.broken(name));
            let planned = PlannedUpstream { settings, from: None };
            plan.upstreams.insert(name.clone(), planned);
        }
    }

    /// Whether some source looks otherwise than when it was read. Blocks.
    pub(crate) fn have_changed(&self) -> bool {
        let seen: Vec<_> = {
            let loaded = self.loaded.lock().expect("no one panics holding it");
            loaded.values().map(|it| (it.source.clone(), it.stamp.clone())).collect()
        };
        let jobs = self.jobs.lock().expect("no one panics holding it");
        let is_done = jobs.values().any(|it| matches!(it, Job::Ended(_)));
        drop(jobs);
        is_done || seen.iter().any(|(source, stamp)| source.stamp() != *stamp)
    }

    /// Clears away what earlier daemons served. Once: what this one served before may have calls.
    async fn sweep(&self) {
        if self.is_swept.swap(true, Ordering::Relaxed) {
            return;
        }
        let kept: Vec<Digest> = {
            let loaded = self.loaded.lock().expect("no one panics holding it");
            loaded.values().filter_map(|it| it.digest).collect()
        };
        let shelf = self.shelf.clone();
        let swept = tokio::task::spawn_blocking(move || shelf.sweep(|it| kept.contains(it), KEPT));
        if let Err(error) = swept.await.expect("it does not panic") {
            tracing::warn!(%error, "old versions of bundles are left");
        }
    }

    async fn python(&self, config: &BundlesConfig) -> Result<Python, String> {
        let mut known = self.python.lock().await;
        if let Some((_, python)) = known.as_ref().filter(|(of, _)| of == config) {
            return Ok(python.clone());
        }
        let python = self.find_python(config).await?;
        *known = Some((config.clone(), python.clone()));
        Ok(python)
    }

    async fn find_python(&self, config: &BundlesConfig) -> Result<Python, String> {
        let Environment { spawner, tasks, child_variables, guard, .. } = &self.environment;
        let python = PythonConfig {
            interpreter: config.python.clone(),
            directory: self.programs.clone(),
            environment: child_variables.clone(),
            isolation: config.sandbox,
            index: config.index.clone(),
            guard: guard.clone(),
        };
        Python::find(python, spawner.clone(), tasks.clone()).await
    }

    /// Reads one bundle, and keeps what it is now, or what it was where it cannot be served.
    async fn load(
        &self,
        name: &str,
        config: &BundleConfig,
        (python, with): (Result<&Python, &str>, &BundlesConfig),
    ) {
        let source = Source::new(self.base.join(&config.source));
        // Looked at before it is read: what changes meanwhile is seen the next time.
        let stamp = {
            let source = source.clone();
            let looking = tokio::task::spawn_blocking(move || source.stamp());
            looking.await.expect("looking does not panic")
        };
        let conditions = conditions(python, with);
        let old = {
            let mut loaded = self.loaded.lock().expect("no one panics holding it");
            if loaded.get(name).is_some_and(|old| old.is_still(config, &stamp, &conditions)) {
                return;
            }
            loaded.remove(name)
        };
        let read = {
            let (source, shelf, with) = (source.clone(), self.shelf.clone(), with.clone());
            let reading = tokio::task::spawn_blocking(move || read(&source, &shelf, &with));
            reading.await.expect("reading a bundle does not panic")
        };
        let digest = read.as_ref().ok().map(|content| content.version.digest);
        let digest = digest.or_else(|| old.as_ref()?.digest);
        let remark = old.as_ref().map(|old| old.remark.clone()).unwrap_or_default();
        let made = match read {
            Ok(content) => self.make(name, config, (content, python), &remark).await,
            Err(problem) => Err(problem),
        };
        let settings = match made {
            Ok(settings) => {
                remark.clear();
                Some(settings)
            }
            Err(problem) => {
                tracing::warn!(bundle = name, problem, "a bundle cannot be served");
                let is_old = old.as_ref().is_some_and(|old| old.settings.is_some());
                remark.say(match is_old {
                    true => format!("what is there now cannot be served: {problem}"),
                    false => problem,
                });
                old.and_then(|old| old.settings)
            }
        };
        let config = config.clone();
        let loaded = Loaded { config, source, stamp, digest, conditions, settings, remark };
        let mut all = self.loaded.lock().expect("no one panics holding it");
        all.insert(name.to_owned(), loaded);
    }

    async fn make(
        &self,
        name: &str,
        config: &BundleConfig,
        (content, python): (Content, Result<&Python, &str>),
        remark: &Remark,
    ) -> Result<Settings, String> {
        let manifest = manifest(&content, python).await?;
        let Content { archive, version } = content;
        let mut problems = manifest.ungranted(&config.grants);
        let settings = manifest.settle(&config.settings).unwrap_or_else(|more| {
            problems.extend(more);
            serde_json::Map::new()
        });
        if !problems.is_empty() {
            return Err(problems.join("; "));
        }
        let is_python = matches!(manifest.runtime, Runtime::Python { .. });
        let conditions = match python {
            Ok(python) if is_python => python.conditions(),
            Err(problem) if is_python => return Err(problem.to_owned()),
            _ => COMPILED.to_owned(),
        };
        let packages = python.ok().and_then(|it| Some((it, it.packages(&manifest, &archive)?)));
        let packages = match packages {
            Some((python, packages)) => Some(self.installed(python, packages).await?),
            None => None,
        };
        let identity = identity(&archive, (config, &conditions), &settings);
        let is_older = manifest.is_older;
        let serving = Serving {
            name: name.to_owned(),
            tenant: Tenant::default(),
            version,
            manifest: Arc::new(manifest),
            settings,
            environment: self.granted(config),
            grants: config.grants.clone(),
            packages,
        };
        let shelved = serving.version.clone();
        let bundle = match python {
            Ok(python) if is_python => {
                let made = Bundle::in_python(serving, python).await;
                made.map_err(|error| error.to_string())?
            }
            _ => self.component(serving).await?,
        };
        self.verify(&bundle, &shelved, &conditions).await?;
        let inside = InsideConfig {
            kind: bundle.kind(),
            identity,
            lists: Arc::clone(bundle.lists()),
            log: bundle.log().clone(),
            version: version_name(&archive, bundle.manifest()),
            peer: bundle,
            remark: remark.clone(),
        };
        let prefix = config.prefix.clone().or_else(|| is_older.then(String::new));
        Ok(Settings { prefix, ..around(inside, config) })
    }

    /// Where packages are, once they are installed.
    async fn installed(&self, python: &Python, packages: Packages) -> Result<PathBuf, String> {
        let directory = packages.directory.clone();
        if !packages.are_there() {
            let python = python.clone();
            let key = packages.digest;
            let work = async move { python.install(&packages).await };
            self.finished(key, "its packages are being installed", work).await?;
        }
        Ok(directory)
    }

    /// Has something done that may take long, for which nobody waits long: where it is not done soon, it
    /// goes on, and the bundle is looked at again when it has ended.
    async fn finished(
        &self,
        key: Digest,
        what: &str,
        work: impl Future<Output = Result<(), String>> + Send + 'static,
    ) -> Result<(), String> {
        let jobs = || self.jobs.lock().expect("no one panics holding it");
        if let Some(outcome) = settled(&mut jobs(), key) {
            return outcome.unwrap_or_else(|| Err(what.to_owned()));
        }
        let own = Arc::clone(&self.jobs);
        let working = self.environment.tasks.spawn(async move {
            let outcome = work.await;
            let mut jobs = own.lock().expect("no one panics holding it");
            jobs.insert(key, Job::Ended(outcome));
        });
        // Where it is not done, or fell over, it is said to be under way.
        let _ = tokio::time::timeout(PATIENCE, working).await;
        let outcome = settled(&mut jobs(), key).flatten();
        outcome.unwrap_or_else(|| Err(what.to_owned()))
    }

    #[cfg(feature = "wasm")]
    async fn component(&self, serving: Serving) -> Result<Arc<Bundle>, String> {
        let wasm = self.wasm.get_or_init(|| async {
            let (guard, directory) = (self.environment.guard.clone(), self.programs.clone());
            let opening = move || Wasm::new(guard, &directory, crate::clock::now);
            tokio::task::spawn_blocking(opening).await.expect("opening does not panic")
        });
        let wasm = wasm.await.as_ref().map_err(String::clone)?;
        let (manifest, version) = (Arc::clone(&serving.manifest), serving.version.clone());
        if !self.shelf.is_verified(&version, COMPILED) {
            let (own, shelved) = (wasm.clone(), version.clone());
            let work = async move { own.compile(&manifest, &shelved).await };
            self.finished(version.digest, "its component is being compiled", work).await?;
        }
        Bundle::in_wasm(serving, wasm).await
    }

    #[cfg(not(feature = "wasm"))]
    #[expect(clippy::unused_async, reason = "as the other one")]
    async fn component(&self, _: Serving) -> Result<Arc<Bundle>, String> {
        Err("this build runs no WebAssembly: it was made without `--features full`".to_owned())
    }

    /// Has what failed be tried again, and Python looked for.
    pub(crate) async fn forget(&self) {
        *self.python.lock().await = None;
        let mut jobs = self.jobs.lock().expect("no one panics holding it");
        jobs.retain(|_, job| !matches!(job, Job::Failed(_)));
    }

    /// Has its code loaded once, which tells what a manifest cannot.
    async fn verify(
        &self,
        bundle: &Bundle,
        version: &Version,
        conditions: &str,
    ) -> Result<(), String> {
        if self.shelf.is_verified(version, conditions) {
            return Ok(());
        }
        let problems = bundle.verify().await;
        if !problems.is_empty() {
            return Err(problems.join("; "));
        }
        self.shelf.verified(version, conditions).map_err(|error| error.to_string())
    }

    /// The variables that a bundle gets.
    fn granted(&self, config: &BundleConfig) -> BTreeMap<String, OsString> {
        let names = config.grants.environment.iter();
        let value = |name: &String| Some((name.clone(), self.variables.get(name)?.into()));
        names.filter_map(value).collect()
    }
}

impl Loaded {
    /// What stands for a bundle of which no version can be served.
    fn broken(&self, name: &str) -> Settings {
        let inside = InsideConfig {
            kind: "bundle",
            identity: format!("broken {name}"),
            peer: Arc::new(switchboard_function::Nothing),
            lists: Arc::new(Lists::default()),
            log: StderrRing::default(),
            version: String::new(),
            remark: self.remark.clone(),
        };
        around(inside, &self.config)
    }
}

/// What was read of a bundle.
struct Content {
    archive: Archive,
    version: Version,
}

fn read(source: &Source, shelf: &Shelf, config: &BundlesConfig) -> Result<Content, String> {
    let keys = SigningKeys::parse(&config.signing_keys)
        .map_err(|key| format!("`bundles.signing_keys` has what is no key: `{key}`"))?;
    let archive = source.read(&config.caps(), &keys).map_err(|error| error.to_string())?;
    let version = shelf.put(&archive).map_err(|error| error.to_string())?;
    Ok(Content { archive, version })
}

/// What bundles are made with beside their own configuration.
fn conditions(python: Result<&Python, &str>, config: &BundlesConfig) -> String {
    let python = python.map_or_else(str::to_owned, Python::conditions);
    format!("{python} {config:?}")
}

/// What is in it, whichever way it says so.
async fn manifest(content: &Content, python: Result<&Python, &str>) -> Result<Manifest, String> {
    let Content { archive, version } = content;
    match Manifest::of(archive) {
        Err(ManifestError::Missing) => python?.declared_manifest(archive, version).await,
        manifest => manifest.map_err(|error| error.to_string()),
    }
}

/// What makes it another upstream: its content, and what it is started with.
fn identity(
    archive: &Archive,
    (config, conditions): (&BundleConfig, &str),
    settings: &serde_json::Map<String, serde_json::Value>,
) -> String {
    let with = serde_json::json!([settings, config.grants, conditions]).to_string();
    format!("{} {}", archive.digest(), Digest::of(with.as_bytes()))
}

/// What people call the version: as it says itself, and so much of its digest as tells it apart.
fn version_name(archive: &Archive, manifest: &Manifest) -> String {
    let digest = archive.digest().short();
    match &manifest.version {
        Some(version) => format!("{version} ({digest})"),
        None => digest,
    }
}

/// The upstream that a bundle is. The time of a call is a matter of the bundle's own limits.
fn around(inside: InsideConfig, config: &BundleConfig) -> Settings {
    Settings {
        inside: Some(inside),
        era: EraChoice::Modern,
        start: StartPolicy::Eager,
        optional: config.optional,
        timeout: switchboard_config::TimeSpan::from_mins(61),
        timeout_total: switchboard_config::TimeSpan::from_mins(61),
        ..Settings::default()
    }
}
