//! Bundles: read, checked, and made upstreams among the others. Those of the configuration and those
//! that were pushed are served alike; of one name, it is the configuration's.
//!
//! What cannot be served changes nothing: where an older version is served, that goes on, and where
//! there is none, the upstream is there and says what is wrong.

mod file;
mod jobs;
mod origin;
mod pushed;
mod rows;
mod trial;
mod workshop;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use switchboard_core::store::StoreError;
use switchboard_core::{Lists, Tenant};
use switchboard_function::{
    Archive, BundleConfig, BundlesConfig, Digest, Manifest, SigningKeys, Source,
};
use switchboard_process::StderrRing;
use switchboard_store::blob::S3Config;
use switchboard_upstream::{Environment, InsideConfig, Remark, Settings};
use tokio::time::Instant;

use self::origin::{Finder, Mark, Origin};
use self::pushed::{Seen, sights};
use self::workshop::{Made, Order, Unmade, Workshop, around};
use crate::config::Config;
use crate::keep::Kept;
use crate::plan::{Plan, PlannedUpstream};

pub(crate) use self::file::packages;
pub(crate) use self::pushed::definition;
pub use self::trial::Trial;

/// Bundles of all tenants, and what they are made with.
pub(crate) struct Bundles {
    /// What paths in the configuration are relative to.
    base: PathBuf,
    /// Where bundles are that were pushed, if anything is kept.
    kept: Option<Kept>,
    finder: Finder,
    own: Workshop,
    others: Workshop,
    /// As it was last read.
    terms: Mutex<Terms>,
    loaded: Mutex<HashMap<Key, Loaded>>,
    /// What the store was last seen to have.
    seen: Seen,
    /// Names that the configuration has.
    taken: Mutex<HashSet<String>>,
    /// When what is far was last looked at.
    looked: Round,
    /// When the store was last asked.
    asked: Round,
    /// When versions were last cleared away that nobody serves any more.
    swept: Round,
    /// Those that were served, and until when at least.
    served: Mutex<HashMap<Digest, Instant>>,
}

/// Whose bundle, and its name.
type Key = (Tenant, String);

/// What of the configuration bundles are made with.
#[derive(Clone, Default)]
struct Terms {
    bundles: BundlesConfig,
    s3: Option<S3Config>,
}

/// A bundle that somebody wants to be served.
#[derive(Clone)]
struct Wanted {
    config: BundleConfig,
    origin: Origin,
    /// How often its row was written, where it has one.
    revision: i64,
    /// What is in it, where the store says that of a package of the older engine's shape.
    configuration: Option<String>,
    /// Whether the store has it, and not the configuration.
    is_kept: bool,
}

/// Something that is done again after a while.
struct Round(Mutex<Option<Instant>>);

impl Round {
    /// Which is due after a while.
    fn later() -> Self {
        Self(Mutex::new(Some(Instant::now())))
    }

    /// Which is due at once.
    fn soon() -> Self {
        Self(Mutex::default())
    }

    fn is_due(&self, every: Duration) -> bool {
        let mut done = self.0.lock().expect("no one panics holding it");
        let is_due = done.is_none_or(|done| done.elapsed() >= every);
        if is_due {
            *done = Some(Instant::now());
        }
        is_due
    }
}

/// How long a version is kept that nobody serves: a daemon that makes room for us may still have calls.
const KEPT: Duration = Duration::from_hours(24);

/// How often versions are cleared away.
const SWEEP: Duration = Duration::from_hours(1);

/// How long a bundle is waited for that needs something done first: a daemon is to be up soon.
const PATIENCE: Duration = Duration::from_secs(2);

/// The same where somebody pushes it.
const PUSH_PATIENCE: Duration = Duration::from_secs(50);

/// A bundle as it was last read.
#[derive(Clone)]
struct Loaded {
    wanted: Wanted,
    mark: Mark,
    digest: Option<Digest>,
    /// What it was made with beside its configuration.
    conditions: String,
    /// The upstream that it is, if some version of it could be served.
    settings: Option<Settings>,
    remark: Remark,
}

impl Loaded {
    /// Whether nothing of it would be otherwise if it were read again.
    fn is_still(&self, wanted: &Wanted, mark: &Mark, conditions: &str) -> bool {
        let is_served = self.settings.is_some() && self.remark.said().is_none();
        let own = &self.wanted;
        let is_same = own.config == wanted.config && own.configuration == wanted.configuration;
        let is_same = is_same && (&self.mark, &*self.conditions) == (mark, conditions);
        is_served && is_same && *mark != Mark::Unknown
    }

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
        around(inside, &self.wanted.config)
    }
}

/// What was found out about a bundle that is to be kept.
pub(crate) struct Judged {
    pub digest: Digest,
    pub manifest: Arc<Manifest>,
}

/// Why a bundle is not to be kept.
pub(crate) enum Rejected {
    Wrong(String),
    /// It needs the right to start programs.
    Spawns,
}

impl Bundles {
    pub(crate) fn new(
        (state, base): (&Path, &Path),
        kept: Option<Kept>,
        environment: &Environment,
        variables: &BTreeMap<String, String>,
    ) -> Self {
        let directory = state.join("bundles");
        let store = kept.as_ref().map(|kept| Arc::clone(&kept.store));
        Self {
            base: base.to_path_buf(),
            kept,
            finder: Finder::default(),
            others: Workshop::for_tenants(&directory.join("tenants"), environment, store.clone()),
            own: Workshop::new(&directory, environment, variables, store),
            terms: Mutex::default(),
            loaded: Mutex::default(),
            seen: Seen::default(),
            taken: Mutex::default(),
            looked: Round::later(),
            asked: Round::later(),
            swept: Round::soon(),
            served: Mutex::default(),
        }
    }

    /// Adds the bundles of the default tenant to `plan`, those that changed in their new version.
    pub(crate) async fn join(&self, config: &Config, plan: &mut Plan) {
        let terms = Terms { bundles: config.bundles.clone(), s3: config.blobs.s3.clone() };
        *self.terms.lock().expect("no one panics holding it") = terms.clone();
        let tenant = Tenant::default();
        let pushed = self.pushed(&tenant).await;
        let sights = pushed.as_ref().ok().map(sights);
        let mut wanted = pushed.unwrap_or_else(|error| {
            tracing::warn!(%error, "which bundles were pushed cannot be told");
            self.known_as_pushed(&tenant)
        });
        let taken = taken(config, plan);
        wanted.retain(|name, _| !taken.contains(name));
        *self.taken.lock().expect("no one panics holding it") = taken;
        let configured = |config, origin, configuration| Wanted {
            config,
            origin,
            configuration,
            revision: 0,
            is_kept: false,
        };
        for (name, configuration) in &plan.packages {
            let origin = self.package(name, config).await;
            let configuration = Some(configuration.clone());
            wanted.insert(name.clone(), configured(BundleConfig::default(), origin, configuration));
        }
        for (name, bundle) in &config.bundle {
            let origin = self.finder.find(&bundle.source, &self.base, terms.s3.as_ref()).await;
            wanted.insert(name.clone(), configured(bundle.clone(), origin, None));
        }
        self.load_all(&tenant, wanted, &terms).await;
        self.add(&tenant, plan);
        if let Some(sights) = sights {
            self.seen.note(&tenant, sights);
        }
    }

    /// Whether the configuration has something of that name, which comes first.
    pub(crate) fn is_configured(&self, name: &str) -> bool {
        self.taken.lock().expect("no one panics holding it").contains(name)
    }

    /// Where a package is that `bundles.configuration` names.
    async fn package(&self, name: &str, config: &Config) -> Origin {
        let file = config.bundles.configuration.as_deref().unwrap_or(Path::new(""));
        let beside = self.base.join(file.parent().unwrap_or(Path::new("")));
        let places = [beside.join(name), beside.join(format!("{name}.zip"))];
        if let Some(place) = places.iter().find(|place| place.exists()) {
            return Origin::Here(Source::new(place.clone()));
        }
        match &self.kept {
            Some(kept) => {
                let key = format!("{name}.zip");
                Origin::Object { bucket: Arc::clone(&kept.blobs), address: key.clone(), key }
            }
            None => Origin::Nowhere(format!("there is no `{}`", places[1].display())),
        }
    }

    /// Adds the bundles of another tenant to `plan`.
    ///
    /// # Errors
    ///
    /// The store cannot be read; nothing was changed then.
    pub(crate) async fn join_tenant(
        &self,
        tenant: &Tenant,
        plan: &mut Plan,
    ) -> Result<(), StoreError> {
        let mut wanted = self.pushed(tenant).await?;
        let sights = sights(&wanted);
        wanted.retain(|name, _| !plan.upstreams.contains_key(name));
        let terms = self.terms();
        self.load_all(tenant, wanted, &terms).await;
        self.add(tenant, plan);
        self.seen.note(tenant, sights);
        Ok(())
    }

    /// Forgets the bundles of a tenant that is not served any more.
    pub(crate) fn leave(&self, tenant: &Tenant) {
        self.loaded().retain(|(own, _), _| own != tenant);
        self.seen.forget(tenant);
    }

    /// The tenants of which some source looks otherwise than when it was read, and where something was
    /// done that bundles waited for, those of which some bundle could not be served.
    pub(crate) async fn changed(&self) -> BTreeSet<Tenant> {
        let looks_far = self.looked.is_due(self.terms().bundles.refresh_remote.as_duration());
        let have_ended = [self.own.jobs(), self.others.jobs()].map(jobs::Jobs::have_ended);
        let seen: Vec<_> = {
            let loaded = self.loaded();
            let near = loaded.iter().filter(|(_, it)| looks_far || !it.wanted.origin.is_far());
            near.map(|((tenant, _), it)| {
                (tenant.clone(), it.wanted.origin.clone(), it.mark.clone())
            })
            .collect()
        };
        let mut changed = BTreeSet::new();
        if have_ended.contains(&true) {
            let loaded = self.loaded();
            let troubled = loaded.iter().filter(|(_, it)| it.remark.said().is_some());
            changed.extend(troubled.map(|((tenant, _), _)| tenant.clone()));
        }
        for (tenant, origin, mark) in seen {
            if !changed.contains(&tenant) {
                let now = origin.look().await;
                let is_other = now != mark && now != Mark::Unknown;
                // What stays out of sight is looked for now and then.
                if is_other && (mark != Mark::Unknown || looks_far) {
                    changed.insert(tenant);
                }
            }
        }
        changed
    }

    /// Has what failed be tried again, and Python looked for.
    pub(crate) async fn forget(&self) {
        self.own.forget().await;
        self.others.forget().await;
    }

    /// Whether a bundle could be served, without serving it.
    pub(crate) async fn judge(
        &self,
        (tenant, name): (&Tenant, &str),
        config: &BundleConfig,
        (content, signature): (Bytes, Option<&str>),
        may_spawn: bool,
    ) -> Result<Judged, Rejected> {
        let terms = self.terms();
        let with = &terms.bundles;
        let keys = signing_keys(with).map_err(Rejected::Wrong)?;
        let (caps, signature) = (with.caps(), signature.map(str::to_owned));
        let reading = tokio::task::spawn_blocking(move || {
            Archive::signed(&content, ("signature", signature.as_deref()), &caps, &keys)
        });
        let archive = reading.await.expect("reading does not panic");
        let archive = archive.map_err(|error| Rejected::Wrong(error.to_string()))?;
        let digest = archive.digest();
        let workshop = self.workshop(tenant);
        let content = workshop.unpack(archive).await.map_err(Rejected::Wrong)?;
        let order = Order {
            tenant,
            name,
            config,
            with,
            patience: PUSH_PATIENCE,
            tries_again: true,
            may_spawn,
            configuration: None,
        };
        let made = Box::pin(workshop.make(order, content, &Remark::default())).await;
        match made {
            Ok(Made { manifest, .. }) => Ok(Judged { digest, manifest }),
            Err(Unmade::Wrong(problem)) => Err(Rejected::Wrong(problem)),
            Err(Unmade::Spawns) => Err(Rejected::Spawns),
        }
    }

    /// Whether the store is to be asked again what was pushed.
    pub(crate) fn is_time_to_ask(&self, every: Duration) -> bool {
        self.asked.is_due(every)
    }

    /// How many bytes an archive may have.
    pub(crate) fn package_limit(&self) -> u64 {
        self.terms().bundles.packed.bytes()
    }

    /// Clears away versions that nobody serves, now and then: those of earlier daemons, those that were
    /// pushed and refused, and those whose last call is long over.
    pub(crate) async fn sweep(&self) {
        if !self.swept.is_due(SWEEP) {
            return;
        }
        let kept: Vec<Digest> = {
            let mut served = self.served.lock().expect("no one panics holding it");
            let now = Instant::now();
            served.extend(self.loaded().values().filter_map(|it| Some((it.digest?, now))));
            served.retain(|_, seen| seen.elapsed() < KEPT);
            served.keys().copied().collect()
        };
        for workshop in [&self.own, &self.others] {
            let (shelf, kept) = (workshop.shelf().clone(), kept.clone());
            let sweeping =
                tokio::task::spawn_blocking(move || shelf.sweep(|it| kept.contains(it), KEPT));
            if let Err(error) = sweeping.await.expect("it does not panic") {
                tracing::warn!(%error, "old versions of bundles are left");
            }
        }
    }

    /// Reads the bundles that are wanted of a tenant; others that it had are forgotten.
    async fn load_all(&self, tenant: &Tenant, wanted: BTreeMap<String, Wanted>, terms: &Terms) {
        let is_wanted = |name: &String| wanted.get(name).is_some_and(|it| !it.config.disabled);
        self.loaded().retain(|(own, name), _| own != tenant || is_wanted(name));
        let used = wanted.into_iter().filter(|(_, it)| !it.config.disabled);
        let loading = used.map(|(name, wanted)| self.load((tenant.clone(), name), wanted, terms));
        futures_util::future::join_all(loading).await;
    }

    fn add(&self, tenant: &Tenant, plan: &mut Plan) {
        for ((own, name), bundle) in &*self.loaded() {
            if own == tenant {
                let settings = bundle.settings.clone().unwrap_or_else(|| bundle.broken(name));
                plan.upstreams.insert(name.clone(), PlannedUpstream { settings, from: None });
            }
        }
    }

    /// Reads one bundle, and keeps what it is now, or what it was where it cannot be served.
    async fn load(&self, key: Key, wanted: Wanted, terms: &Terms) {
        let (tenant, name) = (&key.0, &key.1);
        // Looked at before it is read: what changes meanwhile is seen the next time.
        let mark = wanted.origin.look().await;
        let workshop = self.workshop(tenant);
        let conditions = workshop.conditions(&terms.bundles).await;
        let old = {
            let loaded = self.loaded();
            if loaded.get(&key).is_some_and(|old| old.is_still(&wanted, &mark, &conditions)) {
                return;
            }
            loaded.get(&key).cloned()
        };
        let remark = old.as_ref().map(|old| old.remark.clone()).unwrap_or_default();
        let with = &terms.bundles;
        let order = Order {
            tenant,
            name,
            config: &wanted.config,
            with,
            patience: PATIENCE,
            tries_again: false,
            may_spawn: true,
            configuration: wanted.configuration.as_deref(),
        };
        let (digest, made) = read_and_make(workshop, order, &wanted.origin, &remark).await;
        // What could not be read may be read later, and looks no different then.
        let is_here = matches!(wanted.origin, Origin::Here(_));
        let mark = if digest.is_none() && !is_here { Mark::Unknown } else { mark };
        let digest = digest.or_else(|| old.as_ref()?.digest);
        let settings = match made {
            Ok(made) => {
                remark.clear();
                Some(made.settings)
            }
            Err(problem) => {
                tracing::warn!(bundle = name, %tenant, problem, "a bundle cannot be served");
                let is_old = old.as_ref().is_some_and(|old| old.settings.is_some());
                remark.say(match is_old {
                    true => format!("what is there now cannot be served: {problem}"),
                    false => problem,
                });
                old.and_then(|old| old.settings)
            }
        };
        let loaded = Loaded { wanted, mark, digest, conditions, settings, remark };
        self.loaded().insert(key, loaded);
    }

    fn workshop(&self, tenant: &Tenant) -> &Workshop {
        if tenant.is_default() { &self.own } else { &self.others }
    }

    fn terms(&self) -> Terms {
        self.terms.lock().expect("no one panics holding it").clone()
    }

    fn loaded(&self) -> MutexGuard<'_, HashMap<Key, Loaded>> {
        self.loaded.lock().expect("no one panics holding it")
    }
}

/// The names that nothing may have that is pushed.
fn taken(config: &Config, plan: &Plan) -> HashSet<String> {
    let own = config.upstream.keys().chain(config.bundle.keys()).chain(config.group.keys());
    own.chain(plan.upstreams.keys()).chain(plan.packages.keys()).cloned().collect()
}

/// The digest of what was read, if it was, and what was made of it.
async fn read_and_make(
    workshop: &Workshop,
    order: Order<'_>,
    origin: &Origin,
    remark: &Remark,
) -> (Option<Digest>, Result<Made, String>) {
    let read = async {
        let keys = signing_keys(order.with)?;
        workshop.unpack(origin.read(order.with.caps(), keys).await?).await
    };
    match read.await {
        Ok(content) => {
            let digest = content.version.digest;
            let made = Box::pin(workshop.make(order, content, remark)).await;
            (Some(digest), made.map_err(|unmade| unmade.to_string()))
        }
        Err(problem) => (None, Err(problem)),
    }
}

fn signing_keys(with: &BundlesConfig) -> Result<SigningKeys, String> {
    SigningKeys::parse(&with.signing_keys)
        .map_err(|key| format!("`bundles.signing_keys` has what is no key: `{key}`"))
}
