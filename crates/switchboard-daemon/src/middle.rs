//! What stands between listeners and servers, the same for the gateways of all tenants.

use std::path::Path;
use std::sync::Arc;

use switchboard_core::limit::{Limits, Rules};
use switchboard_core::{Access, Gateway, Policy, Recorder, Seal, Snapshot, Tenant};
use switchboard_history::{History, Keeper, Ports, Redactor, Veil};
use switchboard_policy::{Base, Mistakes, Policies, stored_texts};

use crate::config::Config;
use crate::keep::Kept;
use crate::problem::StartProblem;
use crate::records::Catalogs;
use crate::run::now;
use crate::watchers::{Watchers, Witnesses};

/// What gateways are made of.
pub(crate) struct Middle {
    pub seal: Arc<dyn Seal>,
    pub limits: Arc<Limits>,
    pub policies: Arc<Policies>,
    pub history: Option<Arc<History>>,
    /// Tells the recorder what calls are about.
    pub catalogs: Arc<Catalogs>,
    /// Writes what is recorded, once it is run.
    pub keeper: Option<Keeper>,
    /// Those who watch what happens.
    pub watchers: Arc<Watchers>,
    /// Everybody who takes note of calls; nobody where nothing is kept and nobody can watch.
    recorder: Option<Arc<dyn Recorder>>,
}

impl Middle {
    /// # Errors
    ///
    /// [`StartProblem`] for what the configuration has wrong; [`crate::plan()`] finds it before.
    pub(crate) fn new(
        config: &Config,
        directory: &Path,
        seal: Arc<dyn Seal>,
        kept: Option<&Kept>,
    ) -> Result<Self, StartProblem> {
        let catalogs = Arc::<Catalogs>::default();
        let redactor = || Redactor::new(&config.history.redact).map_err(invalid);
        let veil = Veil::new(&config.history, redactor()?);
        let watchers = Arc::new(Watchers::new(veil, Arc::clone(&catalogs)));
        let (history, keeper) = match kept.filter(|_| config.history.enabled) {
            None => (None, None),
            Some(kept) => {
                let ports = Ports {
                    store: Arc::clone(&kept.store),
                    known: Arc::clone(&catalogs) as _,
                    audience: Arc::clone(&watchers) as _,
                };
                let mut random = [0; 2];
                getrandom::fill(&mut random).expect("the system has a source of randomness");
                let random = u16::from_ne_bytes(random);
                let (history, keeper) =
                    Keeper::new(&config.history, redactor()?, ports, now, random);
                (Some(history), Some(keeper))
            }
        };
        let recorder = kept.map(|_| {
            let (history, watchers) = (history.clone(), Arc::clone(&watchers));
            Arc::new(Witnesses { history, watchers }) as Arc<dyn Recorder>
        });
        let rules = Rules::new(&config.limits).map_err(invalid)?;
        let base = Base::configured(&config.policy, directory).map_err(|error| policy(&error))?;
        Ok(Self {
            seal,
            limits: Arc::new(Limits::new(rules, now())),
            policies: Arc::new(Policies::new(base)),
            history,
            catalogs,
            keeper,
            watchers,
            recorder,
        })
    }

    /// A gateway that has nothing to offer yet.
    pub(crate) fn gateway(&self) -> Gateway {
        let gateway = Gateway::new(Snapshot::default(), Arc::clone(&self.seal));
        let gateway = gateway.with_limits(Arc::clone(&self.limits));
        match &self.recorder {
            Some(recorder) => gateway.recorded_by(Arc::clone(recorder)),
            None => gateway,
        }
    }

    /// Who may use what `tenant` is served.
    pub(crate) fn access(&self, tenant: &Tenant) -> Access {
        let policy = Arc::clone(&self.policies) as Arc<dyn Policy>;
        Access { tenant: tenant.clone(), policy: Some(policy) }
    }

    /// Lets the rules of another configuration hold.
    ///
    /// # Errors
    ///
    /// [`StartProblem`]; nothing is changed then.
    pub(crate) fn replace(&self, config: &Config, directory: &Path) -> Result<(), StartProblem> {
        let rules = Rules::new(&config.limits).map_err(invalid)?;
        let base = Base::configured(&config.policy, directory).map_err(|error| policy(&error))?;
        self.limits.publish(rules);
        self.policies.replace_base(base);
        Ok(())
    }

    /// Lets the policies hold that `tenant` keeps. Where they cannot be read the tenant is shut:
    /// what they forbid is not known.
    pub(crate) async fn learn_policies(&self, kept: &Kept, tenant: &Tenant) {
        let texts = stored_texts(&*kept.store, tenant).await;
        let why = match texts {
            Ok(texts) => match self.policies.with_tenant(tenant, &texts) {
                Ok(()) => return,
                Err(mistakes) => mistakes.to_string(),
            },
            Err(error) => error.to_string(),
        };
        tracing::error!(%tenant, why, "the policies of a tenant cannot be read; it is shut");
        self.policies.shut(tenant);
    }
}

fn invalid(error: impl std::fmt::Display) -> StartProblem {
    StartProblem::new("config-invalid", error.to_string()).hint("switchboard config check")
}

fn policy(mistakes: &Mistakes) -> StartProblem {
    StartProblem::new("policy-invalid", "the policies cannot be read").because(mistakes)
}
