//! The configuration read anew, and what differs changed under way.

use switchboard_auth::WayName;
use switchboard_client::control::Reloaded;
use switchboard_core::{Area, Tenant};
use switchboard_history::HistoryConfig;

use crate::config::Config;
use crate::daemon::Daemon;
use crate::instance_key::keys;
use crate::plan::{Plan, plan};
use crate::problem::StartProblem;
use crate::sources::Sources;

/// The configuration, and what it asks for.
pub(crate) fn read(sources: &Sources) -> Result<(Config, Plan), StartProblem> {
    let config = sources.load().map_err(StartProblem::configuration)?.value;
    let wanted =
        plan(&config, &sources.file, &sources.variables).map_err(StartProblem::configuration)?;
    Ok((config, wanted))
}

impl Daemon {
    /// Reads the configuration again and changes what differs, or nothing.
    pub(crate) async fn reload(&self) -> Result<Reloaded, StartProblem> {
        self.service_manager.reloading();
        let report = self.try_reload().await;
        self.service_manager.tell("READY=1");
        report
    }

    async fn try_reload(&self) -> Result<Reloaded, StartProblem> {
        let _alone = self.change().await?;
        let (config, mut wanted) = read(&self.sources)?;
        self.bundles.forget().await;
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
        // After everything that may refuse: what is read now is what is served.
        self.bundles.join(&config, &mut wanted).await;
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

    /// Serves bundles anew whose sources change, for as long as it is polled.
    pub(crate) async fn follow_bundles(&self) {
        loop {
            let refresh = {
                let config = self.config.lock().expect("no one panics holding it");
                config.bundles.refresh.as_duration()
            };
            tokio::time::sleep(refresh).await;
            self.bundles.sweep().await;
            let mut changed = self.bundles.changed().await;
            if self.were_pushed().await {
                changed.insert(Tenant::default());
            }
            for tenant in changed {
                if let Err(problem) = self.renew_bundles_of(&tenant).await {
                    tracing::warn!(problem, %tenant, "bundles cannot be served anew");
                }
            }
        }
    }

    /// Reads the bundles of a tenant again.
    pub(crate) async fn renew_bundles_of(&self, tenant: &Tenant) -> Result<(), String> {
        match self.tenants.get() {
            _ if tenant.is_default() => {
                self.renew_bundles().await.map_err(|problem| problem.to_string())
            }
            Some(tenants) => tenants.refresh(tenant).await.map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    /// Whether somebody pushed a bundle by way of another daemon. Asked as often as for policies.
    async fn were_pushed(&self) -> bool {
        let every = self.started_with.tenants.refresh.as_duration();
        if !self.bundles.is_time_to_ask(every) {
            return false;
        }
        self.bundles.is_outdated(&Tenant::default()).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "whether bundles were pushed cannot be told");
            false
        })
    }

    /// Reads the bundles again; everything else stays as it was last read.
    async fn renew_bundles(&self) -> Result<(), StartProblem> {
        let _alone = self.change().await?;
        let config = self.config.lock().expect("no one panics holding it").clone();
        let file = &self.sources.file;
        let mut wanted =
            plan(&config, file, &self.sources.variables).map_err(StartProblem::configuration)?;
        self.bundles.join(&config, &mut wanted).await;
        let report = self.fleet.apply(&wanted, config.daemon.list_wait.as_duration());
        self.fleet.wake();
        self.tell_changes(&report, &config);
        Ok(())
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

pub(crate) fn report_plan(plan: &Plan) {
    for note in &plan.notes {
        tracing::warn!(note, "import");
    }
}
