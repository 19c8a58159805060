//! What stands between listeners and servers, the same for the gateways of all tenants.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use switchboard_core::limit::{Limits, Rules, StoredLimits};
use switchboard_core::{Access, Gateway, Policy, Recorder, Seal, Snapshot, Tenant};
use switchboard_history::{History, Keeper, Ports, Redactor, Veil};
use switchboard_policy::{Base, Mistakes, Policies, stored_texts};

use crate::clock::now;
use crate::config::Config;
use crate::keep::Kept;
use crate::problem::StartProblem;
use crate::records::Catalogs;
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
    learnt: Learnt,
}

/// What was last read of what tenants keep, so that nothing is made of the same twice.
#[derive(Default)]
struct Learnt {
    /// Of policies and of limits; `None` where it is not known.
    digests: Mutex<HashMap<Tenant, [Option<u64>; 2]>>,
    hasher: RandomState,
    /// Held while a tenant's are read and put into effect, so that what was read before a change
    /// does not come after it. A tenant has one of them by its hash.
    turns: [tokio::sync::Mutex<()>; 16],
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
            learnt: Learnt::default(),
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
        self.limits.publish(&rules);
        self.policies.replace_base(base);
        Ok(())
    }

    /// Lets the policies and limits hold that `tenant` keeps; whether other policies hold than
    /// before.
    ///
    /// Where the policies cannot be read that are there, or were never read before, the tenant is
    /// shut: what they forbid is not known. Where the store is away later, what was read goes on to
    /// hold.
    pub(crate) async fn learn(&self, kept: &Kept, tenant: &Tenant) -> bool {
        let _alone = self.learnt.turn(tenant).lock().await;
        self.learn_limits(kept, tenant).await;
        self.learn_policies(kept, tenant).await
    }

    async fn learn_policies(&self, kept: &Kept, tenant: &Tenant) -> bool {
        let why = match stored_texts(&*kept.store, tenant).await {
            Ok(texts) => {
                let digest = self.learnt.hasher.hash_one(&texts);
                if !self.learnt.is_new(tenant, POLICIES, digest) {
                    return false;
                }
                match self.policies.with_tenant(tenant, &texts) {
                    Ok(()) => return true,
                    Err(mistakes) => mistakes.to_string(),
                }
            }
            Err(error) if self.learnt.knows(tenant, POLICIES) => {
                tracing::warn!(%tenant, %error, "the policies of a tenant cannot be read again");
                return false;
            }
            Err(error) => error.to_string(),
        };
        tracing::error!(%tenant, why, "the policies of a tenant cannot be read; it is shut");
        self.policies.shut(tenant);
        true
    }

    async fn learn_limits(&self, kept: &Kept, tenant: &Tenant) {
        let stored = match StoredLimits::read(&*kept.store, tenant).await {
            Ok(stored) => stored,
            Err(error) => {
                tracing::warn!(%tenant, %error, "the limits of a tenant cannot be read");
                return;
            }
        };
        if !self.learnt.is_new(tenant, LIMITS, stored.digest(&self.learnt.hasher)) {
            return;
        }
        let (rules, problems) = stored.rules(tenant);
        for problem in problems {
            tracing::warn!(%tenant, problem, "a limit of a tenant does not hold");
        }
        self.limits.keep(tenant, &rules);
    }

    /// Forgets the limits of tenants that are not served: `is_served` knows those that are.
    pub(crate) fn forget_limits(&self, is_served: impl Fn(&Tenant) -> bool) {
        let mut digests = self.learnt.digests();
        for (_, known) in digests.iter_mut().filter(|(tenant, _)| !is_served(tenant)) {
            known[LIMITS] = None;
        }
        self.limits.retain(is_served);
    }

    /// Forgets everything of a tenant that there is no more.
    pub(crate) async fn forget(&self, tenant: &Tenant) {
        let _alone = self.learnt.turn(tenant).lock().await;
        self.learnt.digests().remove(tenant);
        self.limits.retain(|other| other != tenant);
        self.policies.without_tenant(tenant);
    }
}

/// The places of digests.
const POLICIES: usize = 0;
const LIMITS: usize = 1;

impl Learnt {
    /// Whether what was read is something else than before; it is what was read then.
    fn is_new(&self, tenant: &Tenant, what: usize, digest: u64) -> bool {
        let mut digests = self.digests();
        let known = &mut digests.entry(tenant.clone()).or_default()[what];
        known.replace(digest) != Some(digest)
    }

    fn turn(&self, tenant: &Tenant) -> &tokio::sync::Mutex<()> {
        let places = self.turns.len() as u64;
        let place = usize::try_from(self.hasher.hash_one(tenant) % places);
        &self.turns[place.expect("there are few")]
    }

    fn knows(&self, tenant: &Tenant, what: usize) -> bool {
        self.digests().get(tenant).is_some_and(|digests| digests[what].is_some())
    }

    fn digests(&self) -> MutexGuard<'_, HashMap<Tenant, [Option<u64>; 2]>> {
        self.digests.lock().expect("no one panics holding it")
    }
}

fn invalid(error: impl std::fmt::Display) -> StartProblem {
    StartProblem::new("config-invalid", error.to_string()).hint("switchboard config check")
}

fn policy(mistakes: &Mistakes) -> StartProblem {
    StartProblem::new("policy-invalid", "the policies cannot be read").because(mistakes)
}
