//! Makes an upstream of the archive of a bundle.
//!
//! There are two: one for the tenant of whoever runs the daemon, and one for all others, who share a
//! machine that is not theirs. Their code runs confined or not at all, connects to nothing that is
//! private, and gets neither files nor variables of this machine.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use switchboard_core::Tenant;
use switchboard_core::store::Store;
use switchboard_function::{
    Archive, Bundle, BundleConfig, BundlesConfig, Digest, Isolation, Manifest, ManifestError,
    Packages, Python, PythonConfig, Runtime, Serving, Shelf, Version,
};
#[cfg(feature = "wasm")]
use switchboard_function::{Values, Wasm};
use switchboard_upstream::{Environment, EraChoice, InsideConfig, Remark, Settings, StartPolicy};

use super::jobs::Jobs;

pub(super) struct Workshop {
    environment: Environment,
    /// Where components keep values, if anything is kept.
    #[cfg_attr(not(feature = "wasm"), expect(dead_code, reason = "of components alone"))]
    store: Option<Arc<dyn Store>>,
    shelf: Shelf,
    /// The directory of workers' programs, of packages, and of compiled components.
    programs: PathBuf,
    /// The variables that bundles may be granted.
    variables: BTreeMap<String, String>,
    is_for_tenants: bool,
    jobs: Jobs,
    /// The Python that was found, and for which configuration.
    python: tokio::sync::Mutex<Option<(BundlesConfig, Python)>>,
    #[cfg(feature = "wasm")]
    wasm: tokio::sync::OnceCell<Result<Wasm, String>>,
}

/// What is to be made.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    pub tenant: &'a Tenant,
    pub name: &'a str,
    pub config: &'a BundleConfig,
    pub with: &'a BundlesConfig,
    /// How long somebody waits for what has to be done first.
    pub patience: Duration,
    /// Whether somebody asks for it who may have mended what failed before.
    pub tries_again: bool,
    /// Whether programs may be started for it that are not confined.
    pub may_spawn: bool,
    /// What is in it, where the store says that of a package of the older engine's shape.
    pub configuration: Option<&'a str>,
}

/// A bundle that can be served.
pub(super) struct Made {
    pub settings: Settings,
    pub manifest: Arc<Manifest>,
}

/// Why a bundle cannot be served.
#[derive(Debug)]
pub(super) enum Unmade {
    Wrong(String),
    /// A program would have to be started that is not confined.
    Spawns,
}

/// What was read of a bundle.
pub(super) struct Content {
    pub archive: Archive,
    pub version: Version,
}

impl Content {
    /// Whether it is of our own shape, whatever the store has of it.
    fn says_itself(&self) -> bool {
        self.archive.file(switchboard_function::FILE).is_some()
    }
}

/// Under which condition a component is known to be compiled.
const COMPILED: &str = concat!("component ", env!("CARGO_PKG_VERSION"));

impl From<String> for Unmade {
    fn from(problem: String) -> Self {
        Self::Wrong(problem)
    }
}

impl std::fmt::Display for Unmade {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Wrong(problem) => formatter.write_str(problem),
            Self::Spawns => formatter.write_str("a program would be started that is not confined"),
        }
    }
}

impl Workshop {
    pub(super) fn new(
        directory: &Path,
        environment: &Environment,
        variables: &BTreeMap<String, String>,
        store: Option<Arc<dyn Store>>,
    ) -> Self {
        Self {
            environment: environment.clone(),
            store,
            shelf: Shelf::new(directory.join("versions")),
            programs: directory.join("programs"),
            variables: variables.clone(),
            is_for_tenants: false,
            jobs: Jobs::default(),
            python: tokio::sync::Mutex::default(),
            #[cfg(feature = "wasm")]
            wasm: tokio::sync::OnceCell::new(),
        }
    }

    /// The one of all other tenants.
    pub(super) fn for_tenants(
        directory: &Path,
        environment: &Environment,
        store: Option<Arc<dyn Store>>,
    ) -> Self {
        let guard = environment.guard.for_tenants();
        let environment = Environment { guard, ..environment.clone() };
        let own = Self::new(directory, &environment, &BTreeMap::new(), store);
        Self { is_for_tenants: true, ..own }
    }

    pub(super) fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    pub(super) fn jobs(&self) -> &Jobs {
        &self.jobs
    }

    /// Puts an archive where its code is run.
    pub(super) async fn unpack(&self, archive: Archive) -> Result<Content, String> {
        let shelf = self.shelf.clone();
        let putting = tokio::task::spawn_blocking(move || {
            let version = shelf.put(&archive).map_err(|error| error.to_string())?;
            Ok(Content { archive, version })
        });
        putting.await.expect("unpacking does not panic")
    }

    /// What bundles are made with beside their own configuration.
    pub(super) async fn conditions(&self, with: &BundlesConfig) -> String {
        let python = self.python(with).await;
        let python = python.as_ref().map_or_else(Clone::clone, Python::conditions);
        format!("{python} {with:?}")
    }

    /// Has Python looked for again, and what failed tried again.
    pub(super) async fn forget(&self) {
        *self.python.lock().await = None;
        self.jobs.forget_failures();
    }

    pub(super) async fn make(
        &self,
        order: Order<'_>,
        content: Content,
        remark: &Remark,
    ) -> Result<Made, Unmade> {
        let config = order.config;
        self.check_grants(config, order.may_spawn)?;
        let python = self.python(order.with).await;
        let python = python.as_ref().map_err(String::as_str);
        // What is in it is asked of its code where nothing else says it.
        let starts = Manifest::of(&content.archive).map_or_else(
            |error| matches!(error, ManifestError::Missing),
            |manifest| matches!(manifest.runtime, Runtime::Python { .. }),
        );
        if starts && !order.may_spawn && self.isolation(order.with) != Isolation::Required {
            return Err(Unmade::Spawns);
        }
        let manifest = match order.configuration.filter(|_| !content.says_itself()) {
            Some(text) => Manifest::older(text, &content.archive).map_err(|it| it.to_string())?,
            None => manifest(&content, python).await?,
        };
        let Content { archive, version } = content;
        let settings = settled(&manifest, config)?;
        let conditions = match (&manifest.runtime, python) {
            (Runtime::Python { .. }, Ok(python)) => python.conditions(),
            (Runtime::Python { .. }, Err(problem)) => return Err(problem.to_owned().into()),
            (Runtime::Wasm { .. }, _) => COMPILED.to_owned(),
        };
        let packages = python.ok().and_then(|it| Some((it, it.packages(&manifest, &archive)?)));
        let packages = match packages {
            // `pip` is not confined.
            Some(_) if self.is_for_tenants => {
                let why = "what a bundle of a tenant requires has to be in its archive";
                return Err(why.to_owned().into());
            }
            Some((python, packages)) => Some(self.installed(python, packages, order).await?),
            None => None,
        };
        // What of it can be run may be another thing where it is said to have another content.
        let said = Digest::of(manifest.configuration.as_deref().unwrap_or_default().as_bytes());
        let conditions = format!("{conditions} {said}");
        let identity = identity(&archive, (config, &conditions), &settings);
        let shown_version = version_name(&archive, &manifest);
        let manifest = Arc::new(manifest);
        let serving = Serving {
            name: order.name.to_owned(),
            tenant: order.tenant.clone(),
            version,
            manifest: Arc::clone(&manifest),
            settings,
            environment: self.granted(config),
            grants: config.grants.clone(),
            packages,
        };
        let shelved = serving.version.clone();
        let bundle = match (&serving.manifest.runtime, python) {
            (Runtime::Python { .. }, Ok(python)) => {
                let made = Bundle::in_python(serving, python).await;
                made.map_err(|error| error.to_string())?
            }
            _ => self.component(serving, order).await?,
        };
        self.verify(&bundle, &shelved, &conditions).await?;
        let inside = InsideConfig {
            kind: bundle.kind(),
            identity,
            lists: Arc::clone(bundle.lists()),
            log: bundle.log().clone(),
            version: shown_version,
            peer: bundle,
            remark: remark.clone(),
        };
        let prefix = config.prefix.clone().or_else(|| manifest.is_older.then(String::new));
        let settings = Settings { prefix, ..around(inside, config) };
        Ok(Made { settings, manifest })
    }

    async fn python(&self, with: &BundlesConfig) -> Result<Python, String> {
        let mut known = self.python.lock().await;
        if let Some((_, python)) = known.as_ref().filter(|(of, _)| of == with) {
            return Ok(python.clone());
        }
        let Environment { spawner, tasks, child_variables, guard, .. } = &self.environment;
        let python = PythonConfig {
            interpreter: with.python.clone(),
            directory: self.programs.clone(),
            environment: child_variables.clone(),
            isolation: self.isolation(with),
            index: with.index.clone(),
            guard: guard.clone(),
        };
        let python = Python::find(python, spawner.clone(), tasks.clone()).await?;
        *known = Some((with.clone(), python.clone()));
        Ok(python)
    }

    /// The code of a tenant is a stranger's, whatever else is configured.
    fn isolation(&self, with: &BundlesConfig) -> Isolation {
        if self.is_for_tenants { Isolation::Required } else { with.sandbox }
    }

    /// Who may hand out what is on this machine might as well start programs there.
    fn check_grants(&self, config: &BundleConfig, may_spawn: bool) -> Result<(), Unmade> {
        let grants = &config.grants;
        if grants.files.is_empty() && grants.environment.is_empty() {
            return Ok(());
        }
        if self.is_for_tenants {
            let why =
                "files and variables of this machine are granted to bundles of its owner only";
            return Err(why.to_owned().into());
        }
        if may_spawn { Ok(()) } else { Err(Unmade::Spawns) }
    }

    /// Where packages are, once they are installed.
    async fn installed(
        &self,
        python: &Python,
        packages: Packages,
        order: Order<'_>,
    ) -> Result<PathBuf, String> {
        let directory = packages.directory.clone();
        if !packages.are_there() {
            let python = python.clone();
            if order.tries_again {
                self.jobs.forget_failure(packages.digest);
            }
            let about = (packages.digest, "its packages are being installed");
            let work = async move { python.install(&packages).await };
            let with = (&self.environment.tasks, order.patience);
            self.jobs.finish(about, with, work).await?;
        }
        Ok(directory)
    }

    #[cfg(feature = "wasm")]
    async fn component(&self, serving: Serving, order: Order<'_>) -> Result<Arc<Bundle>, String> {
        let wasm = self.wasm.get_or_init(|| async {
            let (guard, directory) = (self.environment.guard.clone(), self.programs.clone());
            let opening = move || Wasm::new(guard, &directory, crate::clock::now);
            let opened = tokio::task::spawn_blocking(opening).await;
            let values = self.store.clone().map(Values::new);
            opened.expect("opening does not panic").map(|wasm| wasm.keeping(values))
        });
        let wasm = wasm.await.as_ref().map_err(String::clone)?;
        let (manifest, version) = (Arc::clone(&serving.manifest), serving.version.clone());
        if !self.shelf.is_verified(&version, COMPILED) {
            let (own, shelved) = (wasm.clone(), version.clone());
            if order.tries_again {
                self.jobs.forget_failure(version.digest);
            }
            let about = (version.digest, "its component is being compiled");
            let work = async move { own.compile(&manifest, &shelved).await };
            self.jobs.finish(about, (&self.environment.tasks, order.patience), work).await?;
        }
        Bundle::in_wasm(serving, wasm).await
    }

    #[cfg(not(feature = "wasm"))]
    #[expect(clippy::unused_async, reason = "as the other one")]
    async fn component(&self, _: Serving, _: Order<'_>) -> Result<Arc<Bundle>, String> {
        Err("this build runs no WebAssembly: it was made without `--features full`".to_owned())
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

/// What is in it, whichever way it says so.
pub(super) async fn manifest(
    content: &Content,
    python: Result<&Python, &str>,
) -> Result<Manifest, String> {
    let Content { archive, version } = content;
    match Manifest::of(archive) {
        Err(ManifestError::Missing) => python?.declared_manifest(archive, version).await,
        manifest => manifest.map_err(|error| error.to_string()),
    }
}

/// What is set of it, where all that it wants is granted.
fn settled(manifest: &Manifest, config: &BundleConfig) -> Result<Map<String, Value>, String> {
    let mut problems = manifest.ungranted(&config.grants);
    let settings = manifest.settle(&config.settings).unwrap_or_else(|more| {
        problems.extend(more);
        Map::new()
    });
    if problems.is_empty() { Ok(settings) } else { Err(problems.join("; ")) }
}

/// What makes it another upstream: its content, and what it is started with.
fn identity(
    archive: &Archive,
    (config, conditions): (&BundleConfig, &str),
    settings: &Map<String, Value>,
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
pub(super) fn around(inside: InsideConfig, config: &BundleConfig) -> Settings {
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
