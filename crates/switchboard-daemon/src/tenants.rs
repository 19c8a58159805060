//! The tenants beside the default one: who they are, and what serves them.
//!
//! A tenant is what the store has of it. What serves it, a gateway and a fleet of its own, is put
//! together when it is first addressed and taken apart when nobody has addressed it for a while, so
//! that a thousand tenants cost what those cost that are there.

mod opening;
mod unknown;

use std::collections::HashMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use switchboard_core::store::{ATOMIC, Change, Mark, Query, Row, Store, StoreError, Table, tables};
use switchboard_core::{Gateway, OWNER, Principal, Standing, Tenant};
use switchboard_listen::Front;
use switchboard_listen::http::NoFront;
use switchboard_telemetry::metrics::Metrics;
use switchboard_upstream::{Environment, ListCache, Settings};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bundles::Bundles;
use crate::config::TenantsConfig;
use crate::fleet::{self, Fleet, Scoped};
use crate::keep::Kept;
use crate::middle::Middle;
use crate::plan::{Plan, PlannedUpstream};
use crate::rules;
use crate::tenants::opening::{Open, Opening};
use crate::tenants::unknown::Unknown;

/// All tenants but the default one.
pub(crate) struct Tenants {
    kit: Kit,
    store: Arc<dyn Store>,
    config: TenantsConfig,
    /// What serves those that were addressed, or will when it is put together.
    open: Open<Residence>,
    unknown: Unknown,
}

/// What the parts of every tenant are made of.
pub(crate) struct Kit {
    /// Of the default tenant: what is the same for all is taken from it.
    pub environment: Environment,
    /// Where the files of tenants are.
    pub directory: PathBuf,
    pub metrics: Metrics,
    pub middle: Arc<Middle>,
    pub kept: Kept,
    pub bundles: Arc<Bundles>,
    /// Of the default tenant.
    pub front: Arc<Front>,
    pub list_wait: Duration,
    /// How long the calls of a server may take that was removed or replaced.
    pub drain: Duration,
}

/// What serves one tenant.
pub(crate) struct Residence {
    pub gateway: Arc<Gateway>,
    pub fleet: Arc<Fleet>,
    pub front: Arc<Front>,
    /// Held while it is found out what is to run.
    planning: tokio::sync::Mutex<()>,
    used: Mutex<Instant>,
    ended: CancellationToken,
}

/// Rows read at once.
const PAGE: u32 = 500;

/// How often it is looked who is not used any more, at most; else twice in the time that decides.
const ROUND: Duration = Duration::from_secs(30);

impl Tenants {
    pub(crate) fn new(kit: Kit, config: TenantsConfig) -> Self {
        let store = Arc::clone(&kit.kept.store);
        Self { kit, store, config, open: Open::default(), unknown: Unknown::default() }
    }

    /// What serves `tenant`, put together if it is not yet; `None` where there is no such tenant.
    pub(crate) async fn residence(
        &self,
        tenant: &Tenant,
    ) -> Result<Option<Arc<Residence>>, StoreError> {
        let opening = Opening::of(&self.open, tenant);
        let asked = Instant::now();
        let settled = match opening.cell().get() {
            Some(residence) => Ok(residence),
            None if self.unknown.has(tenant) => return Ok(None),
            None => opening.cell().get_or_try_init(|| self.settle(tenant)).await,
        };
        match settled {
            Ok(residence) => {
                residence.touch();
                Ok(Some(Arc::clone(residence)))
            }
            Err(Unsettled::Unknown) => {
                self.unknown.note(tenant, asked);
                Ok(None)
            }
            Err(Unsettled::Store(error)) => Err(error),
        }
    }

    /// Something is kept of `tenant` now, or another thing than before.
    pub(crate) fn changed(&self, tenant: &Tenant) {
        self.unknown.forget(tenant);
    }

    /// Brings what serves `tenant` up to what the store says, if it is served at all.
    pub(crate) async fn refresh(&self, tenant: &Tenant) -> Result<(), StoreError> {
        let residence = self.open().get(tenant).and_then(|cell| cell.get().cloned());
        let Some(residence) = residence else { return Ok(()) };
        // One after the other, so that what was read last is what holds.
        let _alone = residence.planning.lock().await;
        residence.apply(&self.plan(tenant).await?, self.kit.list_wait);
        Ok(())
    }

    /// Takes apart what serves `tenant`, or all; who was served. It is put together anew when it is
    /// addressed.
    pub(crate) async fn purge(&self, tenant: Option<&Tenant>) -> Vec<Tenant> {
        let mut leaving = Vec::new();
        self.open().retain(|own, cell| match cell.get() {
            Some(residence) if tenant.is_none_or(|tenant| tenant == own) => {
                leaving.push((own.clone(), Arc::clone(residence)));
                false
            }
            _ => true,
        });
        for (tenant, residence) in &leaving {
            residence.end().await;
            self.kit.bundles.leave(tenant);
        }
        leaving.into_iter().map(|(tenant, _)| tenant).collect()
    }

    /// Takes apart what serves `tenant` and deletes everything that is kept of it: first what
    /// somebody could come in with, last what says that there is such a tenant, so that one that
    /// was not deleted to the end can be deleted again.
    ///
    /// # Errors
    ///
    /// What could not be deleted, in words for the log.
    pub(crate) async fn remove(&self, tenant: &Tenant) -> Result<(), StoreError> {
        for table in [&tables::KEYS, &tables::USERS, &tables::TOKENS] {
            self.clear(table, tenant).await?;
        }
        self.purge(Some(tenant)).await;
        let last = [&tables::POLICIES, &tables::TENANTS];
        let is_last = |table: &&Table| last.iter().any(|it| it.name == table.name);
        for table in tables::ALL.into_iter().filter(|table| !is_last(table)) {
            self.clear(table, tenant).await?;
        }
        // What it remembers of servers, and its logins there.
        let home = home(&self.kit.directory, tenant);
        let removed = tokio::fs::remove_dir_all(&home).await;
        if let Err(error) = removed.or_else(gone) {
            let error = format!("`{}` cannot be removed: {error}", home.display());
            return Err(StoreError::Broken(error));
        }
        for table in last {
            self.clear(table, tenant).await?;
        }
        self.kit.middle.forget(tenant).await;
        Ok(())
    }

    /// Deletes all rows of `tenant`. What somebody else deletes meanwhile is deleted, too.
    async fn clear(&self, table: &'static Table, tenant: &Tenant) -> Result<(), StoreError> {
        let some = u32::try_from(ATOMIC).expect("a small number");
        loop {
            // Their keys are all that is needed of them.
            let query = Query { omits_large: true, ..Query::first(some) };
            let listed = self.store.list(table, tenant, &query).await?;
            if listed.rows.is_empty() {
                return Ok(());
            }
            let changes = listed.rows.into_iter().map(|row| Change::Delete(row.key)).collect();
            match self.store.write(table, tenant, changes).await {
                Ok(()) | Err(StoreError::Missing { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the store has anything of `tenant`.
    pub(crate) async fn exists(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        if !self.store.read(&tables::TENANTS, tenant, &[tables::TENANT]).await?.is_empty() {
            return Ok(true);
        }
        // Those of the older engine are known by what they have. Records of calls do not count:
        // whoever asks in vain for a tenant is on record too.
        let counts =
            |table: &&Table| ![tables::CALLS.name, tables::USAGE.name].contains(&table.name);
        for table in tables::ALL.into_iter().filter(counts) {
            if !self.store.list(table, tenant, &Query::first(1)).await?.rows.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What answers for `tenant`, if it is served now.
    pub(crate) fn gateway(&self, tenant: &Tenant) -> Option<Arc<Gateway>> {
        Some(Arc::clone(&self.open().get(tenant)?.get()?.gateway))
    }

    /// Takes apart what has not been used for a while, for as long as it is polled.
    pub(crate) async fn follow(&self) {
        let round = (self.config.idle.as_duration() / 2).clamp(Duration::from_millis(50), ROUND);
        loop {
            tokio::time::sleep(round).await;
            for (tenant, residence) in self.leaving() {
                residence.end().await;
                self.kit.bundles.leave(&tenant);
            }
        }
    }

    /// Lets policies and limits hold that were changed by another daemon on the same store, for as
    /// long as it is polled.
    ///
    /// Both are read one tenant after the other, so that a thousand tenants are a trickle of
    /// questions to the store and no burst.
    pub(crate) async fn learn(&self, default: &Gateway) {
        loop {
            tokio::time::sleep(self.config.refresh.as_duration()).await;
            self.learn_one(&Tenant::default(), default).await;
            let served: Vec<_> = {
                let open = self.open();
                open.iter()
                    .filter_map(|(own, cell)| Some((own.clone(), cell.get()?.clone())))
                    .collect()
            };
            for (tenant, residence) in served {
                self.learn_one(&tenant, &residence.gateway).await;
                self.renew_bundles(&tenant).await;
            }
            // Under the lock, so that nobody puts one together that is just forgotten.
            let open = self.open();
            let is_served = |own: &Tenant| own.is_default() || open.contains_key(own);
            self.kit.middle.forget_limits(is_served);
        }
    }

    /// Serves what was pushed by way of another daemon.
    async fn renew_bundles(&self, tenant: &Tenant) {
        let renewed = match self.kit.bundles.is_outdated(tenant).await {
            Ok(false) => Ok(()),
            Ok(true) => self.refresh(tenant).await,
            Err(error) => Err(error),
        };
        if let Err(error) = renewed {
            tracing::warn!(%error, %tenant, "whether bundles were pushed cannot be told");
        }
    }

    async fn learn_one(&self, tenant: &Tenant, gateway: &Gateway) {
        if self.kit.middle.learn(&self.kit.kept, tenant).await {
            gateway.access_changed();
        }
    }

    /// Ends all; returns when nothing of them is left.
    pub(crate) async fn stop(&self) {
        let open = std::mem::take(&mut *self.open());
        let residences = open.into_values().filter_map(|cell| cell.get().cloned());
        let ending = residences.map(|residence| async move { residence.end().await });
        futures_util::future::join_all(ending).await;
    }

    async fn settle(&self, tenant: &Tenant) -> Result<Arc<Residence>, Unsettled> {
        if !self.exists(tenant).await? {
            return Err(Unsettled::Unknown);
        }
        self.kit.middle.learn(&self.kit.kept, tenant).await;
        let plan = self.plan(tenant).await?;
        let residence = self.build(tenant).map_err(|error| {
            let error = format!("what belongs to tenant `{tenant}` cannot be opened: {error}");
            Unsettled::Store(StoreError::Unavailable(error))
        })?;
        residence.apply(&plan, self.kit.list_wait);
        tracing::info!(%tenant, servers = plan.upstreams.len(), "a tenant is served");
        Ok(residence)
    }

    fn build(&self, tenant: &Tenant) -> Result<Arc<Residence>, String> {
        let Kit { environment, directory, metrics, middle, front, .. } = &self.kit;
        let home = home(directory, tenant);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&home);
        made.map_err(|error| format!("`{}`: {error}", home.display()))?;
        let logins = switchboard_oauth::Store::open(&home).map_err(|error| error.to_string())?;
        let gateway = Arc::new(middle.gateway());
        let scoped = Scoped::new(metrics.clone(), tenant);
        let report = fleet::Report::new(scoped, (&gateway, tenant), &middle.watchers);
        let standing = Standing { roles: vec![OWNER.into()], ..Standing::default() };
        let environment = Environment {
            cache: ListCache::new(home.join("lists")),
            logins,
            owner: Principal::of(tenant.clone(), "owner", standing),
            events: Arc::clone(&report) as _,
            guard: environment.guard.for_tenants(),
            ..environment.clone()
        };
        let tasks = environment.tasks.clone();
        let behind = (Arc::clone(&gateway), middle.access(tenant));
        let fleet = Fleet::new(behind, environment, report, self.kit.drain);
        let ended = CancellationToken::new();
        let draining = front.draining.child_token();
        let front = Arc::new(front.beside(Arc::clone(&gateway), draining));
        tasks.spawn({
            let (fleet, ended) = (Arc::clone(&fleet), ended.clone());
            async move {
                tokio::select! {
                    () = fleet.follow() => {}
                    () = ended.cancelled() => {}
                }
            }
        });
        let used = Mutex::new(Instant::now());
        let planning = tokio::sync::Mutex::default();
        Ok(Arc::new(Residence { gateway, fleet, front, planning, used, ended }))
    }

    /// What the store says that is to run for `tenant`; what of it cannot is left out.
    async fn plan(&self, tenant: &Tenant) -> Result<Plan, StoreError> {
        let mut plan = Plan::default();
        let mut query = Query::first(PAGE);
        loop {
            let listed = self.store.list(&tables::SERVERS, tenant, &query).await?;
            for row in &listed.rows {
                match server(row) {
                    Ok(Some(settings)) => {
                        let planned = PlannedUpstream { settings, from: None };
                        plan.upstreams.insert(row.key.clone(), planned);
                    }
                    Ok(None) => {}
                    Err(problem) => {
                        tracing::warn!(%tenant, server = row.key, problem, "cannot be run");
                    }
                }
            }
            let Some(last) = listed.rows.last().filter(|_| listed.has_more) else { break };
            query.after = Some(Mark { value: serde_json::Value::Null, key: last.key.clone() });
        }
        self.kit.bundles.join_tenant(tenant, &mut plan).await?;
        Ok(plan)
    }

    /// Those whose time is over, and beyond the most that are served at once those that were not
    /// used for longest; nobody finds them any more.
    fn leaving(&self) -> Vec<(Tenant, Arc<Residence>)> {
        let idle = self.config.idle.as_duration();
        let mut open = self.open();
        let mut idlest: Vec<_> = open
            .iter()
            .filter_map(|(tenant, cell)| {
                let residence = Arc::clone(cell.get()?);
                let used = *residence.used.lock().expect("no one panics holding it");
                residence.is_quiet().then(|| (used, tenant.clone(), residence))
            })
            .collect();
        idlest.sort_by_key(|(used, ..)| *used);
        let served = open.values().filter(|cell| cell.initialized()).count();
        let surplus = served.saturating_sub(self.config.served);
        let mut leaving = Vec::new();
        for (place, (used, tenant, residence)) in idlest.into_iter().enumerate() {
            if place < surplus || used.elapsed() >= idle {
                open.remove(&tenant);
                leaving.push((tenant, residence));
            }
        }
        leaving
    }

    /// Those that are served now.
    pub(crate) fn served(&self) -> Vec<Tenant> {
        self.open().keys().cloned().collect()
    }

    fn open(&self) -> std::sync::MutexGuard<'_, HashMap<Tenant, Arc<OnceCell<Arc<Residence>>>>> {
        self.open.lock().expect("no one panics holding it")
    }
}

#[async_trait]
impl switchboard_listen::http::Tenants for Tenants {
    async fn front(&self, tenant: &Tenant) -> Result<Arc<Front>, NoFront> {
        match self.residence(tenant).await {
            Ok(Some(residence)) => Ok(Arc::clone(&residence.front)),
            Ok(None) => Err(NoFront::Unknown),
            Err(error) => {
                tracing::error!(%error, %tenant, "what serves a tenant cannot be told");
                Err(NoFront::Unavailable)
            }
        }
    }
}

/// Why a tenant is not served.
enum Unsettled {
    Unknown,
    Store(StoreError),
}

impl From<StoreError> for Unsettled {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Residence {
    fn apply(&self, plan: &Plan, list_wait: Duration) {
        self.fleet.apply(plan, list_wait);
        self.fleet.wake();
    }

    fn touch(&self) {
        *self.used.lock().expect("no one panics holding it") = Instant::now();
    }

    /// Whether no client has anything open: whoever has holds the front, beside us and the
    /// listener.
    fn is_quiet(&self) -> bool {
        Arc::strong_count(&self.front) <= 2
    }

    async fn end(&self) {
        self.front.draining.cancel();
        self.ended.cancel();
        self.fleet.stop().await;
        self.fleet.forget();
    }
}

/// Where the files of `tenant` are. `+` is in no name, so no two tenants have the same.
fn home(directory: &Path, tenant: &Tenant) -> PathBuf {
    directory.join(tenant.as_str().replace('#', "+"))
}

/// What is not there needs no removing.
fn gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// The settings of a server of a tenant; `None` where it is switched off. Its texts are taken as
/// they are: what stands for variables and files in the configuration of the daemon would let a
/// tenant read those of the daemon.
fn server(row: &Row) -> Result<Option<Settings>, String> {
    let body = row.get("body").cloned().unwrap_or_default();
    let settings: Settings = serde_json::from_value(body).map_err(|error| error.to_string())?;
    rules::upstream(&row.key, &settings).map_err(|mistake| mistake.diagnostic.to_string())?;
    Ok((!settings.disabled).then_some(settings))
}
