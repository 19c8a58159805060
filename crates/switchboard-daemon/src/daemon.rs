//! What the parts of a running daemon share, and what they ask of it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use switchboard_admin::Admin;
use switchboard_client::control::Status;
use switchboard_client::detach::{self, Report};
use switchboard_core::store::tables;
use switchboard_core::{Gateway, Kind, Tenant};
use switchboard_listen::Front;
use switchboard_telemetry::log::Reloadable;
use switchboard_telemetry::metrics::Metrics;
use switchboard_upstream::Environment;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::bundles::Bundles;
use crate::config::Config;
use crate::control;
use crate::fleet::Fleet;
use crate::handover::Estate;
use crate::identity::Identity;
use crate::keep::Kept;
use crate::login::KeyLogin;
use crate::middle::Middle;
use crate::notify::ServiceManager;
use crate::paths::Paths;
use crate::problem::StartProblem;
use crate::sources::Sources;
use crate::tenants::{Kit, Tenants};

/// What the parts of a running daemon share.
pub(crate) struct Daemon {
    pub paths: Paths,
    pub sources: Sources,
    pub gateway: Arc<Gateway>,
    pub fleet: Arc<Fleet>,
    /// Those of all tenants.
    pub bundles: Arc<Bundles>,
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

impl Daemon {
    /// What answers for `tenant`, if it is served now.
    pub(crate) fn served_gateway(&self, tenant: &Tenant) -> Option<Arc<Gateway>> {
        match tenant.is_default() {
            true => Some(Arc::clone(&self.gateway)),
            false => self.tenants.get()?.gateway(tenant),
        }
    }

    /// Puts the other tenants beside the one that `front` serves.
    pub(crate) fn settle(&self, front: &Arc<Front>) -> Arc<Tenants> {
        let kit = Kit {
            environment: self.environment.clone(),
            directory: self.paths.state.join("tenants"),
            metrics: self.metrics.clone(),
            middle: Arc::clone(&self.middle),
            kept: self.kept.clone(),
            bundles: Arc::clone(&self.bundles),
            front: Arc::clone(front),
            list_wait: self.started_with.daemon.list_wait.as_duration(),
            drain: self.started_with.daemon.drain.as_duration(),
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
    pub(crate) async fn follow_tenants(&self) {
        match self.tenants.get() {
            Some(tenants) => {
                tokio::join!(
                    tenants.follow(),
                    tenants.learn(&self.gateway),
                    self.follow_external(),
                );
            }
            None => std::future::pending().await,
        }
    }

    /// Asks servers again whose tools are kept as functions, for as long as it is polled.
    async fn follow_external(&self) {
        loop {
            tokio::time::sleep(self.started_with.tenants.sync.as_duration()).await;
            let Some(admin) = self.admin.get() else { continue };
            for tenant in self.with_external().await {
                if let Err(fault) = admin.sync_again(&crate::outside::owner(), &tenant).await {
                    tracing::warn!(%fault, %tenant, "servers elsewhere are not asked again");
                }
            }
        }
    }

    /// The tenants that may have such servers: all, or those that are served, where looking for all is
    /// a walk through the whole store.
    async fn with_external(&self) -> Vec<Tenant> {
        let store = &self.kept.store;
        if store.walks() {
            return self.tenants.get().map(|tenants| tenants.served()).unwrap_or_default();
        }
        store.tenants(&tables::MODULES).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "servers elsewhere are not asked again");
            Vec::new()
        })
    }

    /// Waits for other changes to be done. Once another process has taken our place it is too late
    /// for any.
    pub(crate) async fn change(&self) -> Result<tokio::sync::MutexGuard<'_, ()>, StartProblem> {
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
            leaving: self.fleet.leaving(),
            conflicts: snapshot.catalog.conflicts().to_vec(),
        }
    }
}
