//! The bundles of the configuration: read, checked, and made upstreams among the others.
//!
//! What cannot be served changes nothing: where an older version is served, that goes on, and where
//! there is none, the upstream is there and says what is wrong.

mod trial;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use switchboard_core::{Lists, Tenant};
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
    installing: Arc<Mutex<HashMap<Digest, Installing>>>,
}

/// How it stands with a set of packages that are not there.
enum Installing {
    UnderWay,
    /// Nobody was told yet.
    Ended(Result<(), String>),
    Failed(String),
}

/// A bundle as it was last read.
struct Loaded {
    config: BundleConfig,
    source: Source,
    stamp: Stamp,
    /// The upstream that it is, if some version of it could be served.
    settings: Option<Settings>,
    remark: Remark,
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
            installing: Arc::default(),
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
        let installing = self.installing.lock().expect("no one panics holding it");
        let is_installed = installing.values().any(|it| matches!(it, Installing::Ended(_)));
        drop(installing);
        is_installed || seen.iter().any(|(source, stamp)| source.stamp() != *stamp)
    }

    async fn python(&self, config: &BundlesConfig) -> Result<Python, String> {
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
        let read = {
            let (source, shelf, with) = (source.clone(), self.shelf.clone(), with.clone());
            let reading = tokio::task::spawn_blocking(move || {
                // Looked at before it is read: what changes meanwhile is seen the next time.
                let stamp = source.stamp();
                (stamp, read(&source, &shelf, &with))
            });
            reading.await.expect("reading a bundle does not panic")
        };
        let (stamp, read) = read;
        let old = self.loaded.lock().expect("no one panics holding it").remove(name);
        let remark = old.as_ref().map(|old| old.remark.clone()).unwrap_or_default();
        let made = match read {
            Ok(content) => match python {
                Ok(python) => self.make(name, config, (content, python), &remark).await,
                Err(problem) => Err(problem.to_owned()),
            },
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
        let loaded = Loaded { config: config.clone(), source, stamp, settings, remark };
        let mut all = self.loaded.lock().expect("no one panics holding it");
        all.insert(name.to_owned(), loaded);
    }

    async fn make(
        &self,
        name: &str,
        config: &BundleConfig,
        (content, python): (Content, &Python),
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
        if matches!(manifest.runtime, Runtime::Wasm { .. }) {
            return Err("this build has no WebAssembly".to_owned());
        }
        let packages = match python.packages(&manifest, &archive) {
            Some(packages) => Some(self.installed(python, packages)?),
            None => None,
        };
        let identity = identity(&archive, (config, python), &settings);
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
        let bundle = Bundle::in_python(serving, python).await.map_err(|error| error.to_string())?;
        self.verify(&bundle, &shelved, python).await?;
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

    /// Where packages are, if they are installed; else that is begun, and the bundle is looked at again
    /// when it has ended.
    fn installed(&self, python: &Python, packages: Packages) -> Result<PathBuf, String> {
        let under_way = || "its packages are being installed".to_owned();
        let mut known = self.installing.lock().expect("no one panics holding it");
        if packages.are_there() {
            known.remove(&packages.digest);
            return Ok(packages.directory);
        }
        match known.remove(&packages.digest) {
            Some(Installing::Ended(Err(cause)) | Installing::Failed(cause)) => {
                known.insert(packages.digest, Installing::Failed(cause.clone()));
                return Err(cause);
            }
            Some(Installing::UnderWay) => {
                known.insert(packages.digest, Installing::UnderWay);
                return Err(under_way());
            }
            // Never tried, or gone since.
            Some(Installing::Ended(Ok(()))) | None => {}
        }
        known.insert(packages.digest, Installing::UnderWay);
        drop(known);
        let (python, installing) = (python.clone(), Arc::clone(&self.installing));
        self.environment.tasks.spawn(async move {
            let ended = Installing::Ended(python.install(&packages).await);
            let mut known = installing.lock().expect("no one panics holding it");
            known.insert(packages.digest, ended);
        });
        Err(under_way())
    }

    /// Has its code loaded once, which tells what a manifest cannot.
    async fn verify(
        &self,
        bundle: &Bundle,
        version: &Version,
        python: &Python,
    ) -> Result<(), String> {
        let conditions = python.conditions();
        if self.shelf.is_verified(version, &conditions) {
            return Ok(());
        }
        let problems = bundle.verify().await;
        if !problems.is_empty() {
            return Err(problems.join("; "));
        }
        self.shelf.verified(version, &conditions).map_err(|error| error.to_string())
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

/// What is in it, whichever way it says so.
async fn manifest(content: &Content, python: &Python) -> Result<Manifest, String> {
    let Content { archive, version } = content;
    match Manifest::of(archive) {
        Err(ManifestError::Missing) => python.declared_manifest(archive, version).await,
        manifest => manifest.map_err(|error| error.to_string()),
    }
}

/// What makes it another upstream: its content, and what it is started with.
fn identity(
    archive: &Archive,
    (config, python): (&BundleConfig, &Python),
    settings: &serde_json::Map<String, serde_json::Value>,
) -> String {
    let with = serde_json::json!([settings, config.grants, python.conditions()]).to_string();
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
