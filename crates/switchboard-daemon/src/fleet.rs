//! The upstreams that run, and the catalog made of what they list.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use switchboard_admin::Event;
use switchboard_client::control::{
    EndpointExplained, EndpointStatus, Reloaded, RouteExplained, UpstreamStatus,
};
use switchboard_core::{
    Access, Area, Catalog, Common, Context, Error, Filter, Gateway, Kind, Lists, Member, Peer,
    Request, Snapshot, Tenant,
};
use switchboard_mcp::{Json, Method, ProtocolVersion};
use switchboard_process::StderrRing;
use switchboard_telemetry::metrics::{Metrics, Standing, UpstreamMetrics};
use switchboard_upstream::{
    Environment, Events, Group, GroupMember, GroupSettings, Sharing, State, Status, Upstream,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::leaving::Leaving;
use crate::management;
use crate::measured::Measured;
use crate::outside::owner;
use crate::plan::Plan;
use crate::watchers::Watchers;

/// All upstreams, by name.
pub(crate) struct Fleet {
    gateway: Arc<Gateway>,
    access: Access,
    environment: Environment,
    report: Arc<Report>,
    running: Mutex<Running>,
    leaving: Arc<Leaving>,
}

/// The meters of one tenant's upstreams: theirs are called `TENANT/NAME`, those of the default
/// tenant `NAME`.
#[derive(Clone)]
pub(crate) struct Scoped {
    metrics: Metrics,
    scope: String,
}

impl Scoped {
    pub(crate) fn new(metrics: Metrics, tenant: &Tenant) -> Self {
        let scope = if tenant.is_default() { String::new() } else { format!("{tenant}/") };
        Self { metrics, scope }
    }

    fn upstream(&self, name: &str) -> UpstreamMetrics {
        if self.scope.is_empty() {
            return self.metrics.upstream(name);
        }
        self.metrics.upstream(&format!("{}{name}", self.scope))
    }

    /// Forgets the upstreams of the tenant that are not `kept`.
    fn retain(&self, kept: impl Fn(&str) -> bool) {
        self.metrics.retain_upstreams(|label| match label.strip_prefix(self.scope.as_str()) {
            // No upstream has the sign in its name.
            Some(name) if !name.contains('/') => kept(name),
            _ => true,
        });
    }
}

struct Running {
    upstreams: BTreeMap<String, Vessel>,
    groups: BTreeMap<String, Arc<Group>>,
    list_wait: Duration,
    /// The last conflicts that were logged, so that they are logged once.
    conflicts: Vec<String>,
}

#[derive(Clone)]
struct Vessel {
    upstream: Arc<Upstream>,
    peer: Arc<dyn Peer>,
    /// Cancelled when nobody has `peer` any more.
    let_go: CancellationToken,
}

impl Vessel {
    fn new(upstream: Arc<Upstream>, metrics: UpstreamMetrics) -> Self {
        let let_go = CancellationToken::new();
        let inner = Arc::clone(&upstream) as Arc<dyn Peer>;
        let peer = Measured::new(inner, metrics, let_go.clone().drop_guard());
        Self { upstream, peer: Arc::new(peer), let_go }
    }
}

/// Lists that change together are put into one catalog.
const SETTLE: Duration = Duration::from_millis(20);

/// Passes on what upstreams report.
pub(crate) struct Report {
    changed: Notify,
    metrics: Scoped,
    watchers: Arc<Watchers>,
    tenant: Tenant,
    /// The gateway holds the upstreams, which hold this.
    gateway: Weak<Gateway>,
    /// As does the fleet, which is made of what holds this.
    fleet: OnceLock<Weak<Fleet>>,
}

impl Report {
    pub(crate) fn new(
        metrics: Scoped,
        (gateway, tenant): (&Arc<Gateway>, &Tenant),
        watchers: &Arc<Watchers>,
    ) -> Arc<Self> {
        Arc::new(Self {
            changed: Notify::new(),
            metrics,
            watchers: Arc::clone(watchers),
            tenant: tenant.clone(),
            gateway: Arc::downgrade(gateway),
            fleet: OnceLock::new(),
        })
    }

    /// Tells those who watch in which state a server is now.
    fn announce(&self, upstream: &str) {
        if !self.watchers.are_there(&self.tenant) {
            return;
        }
        let fleet = self.fleet.get().and_then(Weak::upgrade);
        if let Some(upstream) = fleet.and_then(|fleet| fleet.find(upstream)) {
            let state = management::state(describe(&upstream));
            self.watchers.announce(&self.tenant, Event::Server(state));
        }
    }
}

impl Events for Report {
    fn lists_changed(&self, _: &str) {
        self.changed.notify_one();
    }

    fn state_changed(&self, upstream: &str, status: &Status) {
        // The last word of one that was removed or replaced, whose series is another's or gone.
        if status.state == State::Stopped {
            return;
        }
        let metrics = self.metrics.upstream(upstream);
        metrics.set_state(status.state.as_str());
        if status.state == State::Starting && status.restarts > 0 {
            metrics.restarted();
        }
        self.announce(upstream);
    }

    fn resource_updated(&self, upstream: &str, uri: &str) {
        if let Some(gateway) = self.gateway.upgrade() {
            gateway.resource_updated(upstream, uri);
        }
    }
}

impl Fleet {
    pub(crate) fn new(
        (gateway, access): (Arc<Gateway>, Access),
        environment: Environment,
        report: Arc<Report>,
        grace: Duration,
    ) -> Arc<Self> {
        let running = Running {
            upstreams: BTreeMap::new(),
            groups: BTreeMap::new(),
            list_wait: Duration::ZERO,
            conflicts: Vec::new(),
        };
        let running = Mutex::new(running);
        let leaving = Leaving::new(grace);
        let fleet = Arc::new(Self { gateway, access, environment, report, running, leaving });
        let _ = fleet.report.fleet.set(Arc::downgrade(&fleet));
        fleet
    }

    /// Makes the upstreams those of `plan`. What did not change is not touched; what is no longer
    /// there ends in the background when the calls that it still has have ended, and what takes its
    /// place tells those of changes who followed its resources.
    pub(crate) fn apply(&self, plan: &Plan, list_wait: Duration) -> Reloaded {
        let mut report = Reloaded::default();
        let mut leaving: Vec<Vessel> = Vec::new();
        {
            let mut running = self.running.lock().expect("no one panics holding it");
            running.list_wait = list_wait;
            let gone: Vec<_> = running
                .upstreams
                .iter()
                .filter(|(name, vessel)| {
                    let planned = plan.upstreams.get(*name).map(|planned| &planned.settings);
                    planned != Some(vessel.upstream.settings())
                })
                .map(|(name, _)| name.clone())
                .collect();
            for name in &gone {
                leaving.extend(running.upstreams.remove(name));
                if !plan.upstreams.contains_key(name) {
                    report.removed.push(name.clone());
                }
            }
            for (name, planned) in &plan.upstreams {
                if running.upstreams.contains_key(name) {
                    report.unchanged.push(name.clone());
                    continue;
                }
                let known =
                    if gone.contains(name) { &mut report.changed } else { &mut report.added };
                known.push(name.clone());
                let settings = planned.settings.clone();
                let made = Upstream::new(name, settings, self.environment.clone());
                let Ok(upstream) = made else {
                    tracing::error!(upstream = name, "no names of tools can be made of its name");
                    continue;
                };
                if let Some(old) = leaving.iter().find(|old| **old.upstream.name() == **name) {
                    upstream.succeed(&old.upstream);
                }
                let metrics = self.report.metrics.upstream(name);
                running.upstreams.insert(name.clone(), Vessel::new(upstream, metrics));
            }
            running.regroup(&plan.groups);
        }
        self.report.metrics.retain(|name| plan.upstreams.contains_key(name));
        self.publish();
        for Vessel { upstream, let_go, .. } in leaving {
            let fleet = self.report.fleet.get().cloned().unwrap_or_default();
            self.leaving.see_off(upstream, let_go, move |old| {
                // Of who came after it was replaced.
                let heir = fleet.upgrade().and_then(|fleet| fleet.find(old.name()));
                heir.inspect(|heir| heir.succeed(old));
            });
        }
        report
    }

    /// Starts what is to run before anybody asks for it.
    pub(crate) fn wake(&self) {
        for vessel in self.vessels() {
            if vessel.upstream.wants_to_run() {
                vessel.upstream.wake();
            }
        }
    }

    /// Keeps the catalog up to date, for as long as it is polled.
    pub(crate) async fn follow(&self) {
        loop {
            self.report.changed.notified().await;
            tokio::time::sleep(SETTLE).await;
            self.publish();
        }
    }

    /// Ends all upstreams, with those that are leaving; returns when nothing of them is left.
    pub(crate) async fn stop(&self) {
        self.leaving.hurry();
        let stopping: Vec<_> = self
            .vessels()
            .into_iter()
            .map(|vessel| self.environment.tasks.spawn(async move { vessel.upstream.stop().await }))
            .collect();
        for stopped in stopping {
            // A task that was ended from outside has nothing left to stop.
            let _ = stopped.await;
        }
        self.leaving.end().await;
    }

    /// Takes what was counted of the upstreams away; they are stopped and do not come back.
    pub(crate) fn forget(&self) {
        self.report.metrics.retain(|_| false);
    }

    /// Has the lists read again, of all that run or of the one of that name.
    pub(crate) fn read_again(&self, name: Option<&str>) {
        for vessel in self.vessels() {
            if name.is_none_or(|name| name == &**vessel.upstream.name()) {
                vessel.upstream.read_again();
            }
        }
    }

    pub(crate) fn status(&self) -> Vec<UpstreamStatus> {
        self.vessels().iter().map(|vessel| describe(&vessel.upstream)).collect()
    }

    /// Those that are in no plan any more and have calls under way.
    pub(crate) fn leaving(&self) -> Vec<UpstreamStatus> {
        self.leaving.all().iter().map(|upstream| describe(upstream)).collect()
    }

    pub(crate) fn find(&self, name: &str) -> Option<Arc<Upstream>> {
        let running = self.running.lock().expect("no one panics holding it");
        running.upstreams.get(name).map(|vessel| Arc::clone(&vessel.upstream))
    }

    /// Brings what the upstreams count by themselves into the metrics.
    pub(crate) fn measure(&self) {
        for vessel in self.vessels() {
            let upstream = &vessel.upstream;
            let counts = upstream.counts();
            let open = upstream.endpoints().iter().filter(|it| it.breaker != "closed").count();
            let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
            self.report.metrics.upstream(upstream.name()).show(Standing {
                queued: gauge(counts.queue.waiting),
                full: counts.queue.full,
                displaced: counts.queue.displaced,
                late: counts.queue.late,
                retries: counts.retries,
                retries_denied: counts.retries_denied,
                breakers_open: gauge(open),
            });
        }
    }

    /// What an upstream wrote to its standard error, or one of its endpoints (`NAME.2`).
    pub(crate) fn stderr(&self, name: &str) -> Option<StderrRing> {
        match name.split_once('.') {
            Some((upstream, _)) => self.find(upstream)?.stderr(Some(name)),
            None => self.find(name)?.stderr(None),
        }
    }

    /// Where a call of `tool`, as clients know it, would go now that the owner makes.
    ///
    /// # Errors
    ///
    /// What the call would get.
    pub(crate) fn explain(&self, tool: &str, arguments: &str) -> Result<RouteExplained, Error> {
        let snapshot = self.gateway.snapshot();
        let route = snapshot.catalog.route(Kind::Tools, tool)?;
        // It may have left since the catalog was made.
        let gone = || Error::NotFound { what: Kind::Tools.noun(), name: tool.to_owned() };
        let behind = self.behind(&route.peer).ok_or_else(gone)?;
        let own_name = route.own_name;
        let arguments = serde_json::from_str(arguments)
            .map_err(|error| Error::Invalid(format!("the arguments are not JSON: {error}")))?;
        let params = Json::encode(&Call { name: &own_name, arguments });
        let request = Request {
            method: Method::ToolsCall,
            params: Some(params),
            name: Some(own_name.clone()),
        };
        let context = Context::new(owner(), ProtocolVersion::NEWEST_LEGACY);
        let (upstream, sharing, explanation) = match &behind {
            Behind::Upstream(upstream) => {
                let sharing = sharing(upstream.settings().sharing);
                (upstream.name(), sharing, upstream.explain(&context, &request))
            }
            Behind::Group(group) => {
                (group.name(), sharing(Sharing::Shared), group.explain(&context, &request))
            }
        };
        let endpoints = explanation.endpoints.into_iter().map(|it| EndpointExplained {
            name: it.name.to_string(),
            place: it.place,
            reason: it.reason,
        });
        Ok(RouteExplained {
            tool: tool.to_owned(),
            upstream: upstream.to_string(),
            own_name,
            sharing: sharing.to_owned(),
            balance: explanation.strategy.to_owned(),
            endpoints: endpoints.collect(),
        })
    }

    /// What stands behind a peer of the catalog.
    fn behind(&self, peer: &Arc<dyn Peer>) -> Option<Behind> {
        let running = self.running.lock().expect("no one panics holding it");
        let vessel = running.upstreams.values().find(|it| Arc::ptr_eq(&it.peer, peer));
        let upstream = vessel.map(|vessel| Behind::Upstream(Arc::clone(&vessel.upstream)));
        let is_it = |group: &&Arc<Group>| {
            let group = Arc::clone(group) as Arc<dyn Peer>;
            Arc::ptr_eq(&group, peer)
        };
        let group = || running.groups.values().find(is_it).cloned().map(Behind::Group);
        upstream.or_else(group)
    }

    fn vessels(&self) -> Vec<Vessel> {
        let running = self.running.lock().expect("no one panics holding it");
        running.upstreams.values().cloned().collect()
    }

    fn publish(&self) {
        // Held while the snapshot is built and swapped, so that an older one never comes last.
        let mut running = self.running.lock().expect("no one panics holding it");
        let catalog = Catalog::build(running.members());
        if catalog.conflicts() != running.conflicts {
            running.conflicts = catalog.conflicts().to_vec();
            for conflict in &running.conflicts {
                tracing::warn!(conflict, "two things have one name");
            }
        }
        let (access, list_wait) = (self.access.clone(), running.list_wait);
        let (watchers, tenant) = (&self.report.watchers, &self.access.tenant);
        let is_news = watchers.are_there(tenant)
            && !catalog.changed_since(&self.gateway.snapshot().catalog).is_empty();
        self.gateway.publish(Snapshot { catalog, list_wait, access });
        if is_news {
            watchers.changed(tenant, Area::Cache);
        }
    }
}

/// Who answers calls of a tool.
enum Behind {
    Upstream(Arc<Upstream>),
    Group(Arc<Group>),
}

impl Running {
    /// Makes the groups those of the plan, in front of the upstreams that there are now.
    fn regroup(&mut self, planned: &BTreeMap<String, GroupSettings>) {
        let mut groups = BTreeMap::new();
        for (name, settings) in planned {
            let vessels = settings.upstreams.iter().filter_map(|name| self.upstreams.get(name));
            let member = |vessel: &Vessel| GroupMember {
                upstream: Arc::clone(&vessel.upstream),
                peer: Arc::clone(&vessel.peer),
            };
            let members: Vec<_> = vessels.map(member).collect();
            let old = self.groups.remove(name);
            let old = old.filter(|old| old.settings() == settings && old.has(&members));
            let group = old.unwrap_or_else(|| {
                Group::new(name, settings.clone(), members).expect("the plan checked the prefix")
            });
            groups.insert(name.clone(), group);
        }
        self.groups = groups;
    }

    /// Everybody in the catalog: what is common to a group is the group's, and no longer that of
    /// its members.
    fn members(&self) -> Vec<Member> {
        let mut grouped: BTreeMap<&str, (usize, Arc<Common>)> = BTreeMap::new();
        let mut groups = Vec::with_capacity(self.groups.len());
        for group in self.groups.values() {
            let common = group.relearn();
            for (place, name) in group.member_names().enumerate() {
                grouped.insert(&**name, (place, Arc::clone(&common)));
            }
            groups.push(group_member(group, &common));
        }
        let members = self.upstreams.iter().map(|(name, vessel)| {
            let member = member(vessel);
            match grouped.get(name.as_str()) {
                Some((place, common)) => {
                    let rest = |lists: Arc<Lists>| Arc::new(common.rest(*place, &lists));
                    Member { lists: member.lists.map(rest), ..member }
                }
                None => member,
            }
        });
        members.chain(groups).collect()
    }
}

/// The parameters of `tools/call`.
#[derive(Serialize)]
struct Call<'a> {
    name: &'a str,
    arguments: &'a RawValue,
}

fn sharing(sharing: Sharing) -> &'static str {
    match sharing {
        Sharing::Shared => "shared",
        Sharing::PerSession => "per_session",
        Sharing::PerPrincipal => "per_principal",
        Sharing::Auto => "auto",
    }
}

fn member(vessel: &Vessel) -> Member {
    let view = vessel.upstream.view();
    Member {
        name: Arc::clone(vessel.upstream.name()),
        prefix: vessel.upstream.prefix().clone(),
        filter: vessel.upstream.filter(),
        peer: Arc::clone(&vessel.peer),
        lists: view.lists,
        learning: view.learning,
    }
}

fn group_member(group: &Arc<Group>, common: &Common) -> Member {
    Member {
        name: Arc::clone(group.name()),
        prefix: group.prefix().clone(),
        // What its members hide is not among what they have in common.
        filter: Filter::default(),
        peer: Arc::clone(group) as Arc<dyn Peer>,
        lists: Some(Arc::new(common.lists.clone())),
        learning: false,
    }
}

fn describe(upstream: &Upstream) -> UpstreamStatus {
    let status = upstream.status();
    let settings = upstream.settings();
    UpstreamStatus {
        name: upstream.name().to_string(),
        kind: settings.kinds().join("+"),
        state: status.state.as_str().to_owned(),
        since_seconds: status.since.elapsed().as_secs(),
        pid: status.pid,
        revision: status.version.map(str::to_owned),
        software: status.software,
        restarts: status.restarts,
        in_flight: upstream.in_flight(),
        tools: upstream.view().lists.map(|lists| lists.tools.len()),
        optional: settings.optional,
        problem: status.problem.or_else(|| settings.inside.as_ref()?.remark.said()),
        note: note(upstream),
        endpoints: endpoints(upstream),
    }
}

/// What somebody should know who shares it, in words for people.
fn note(upstream: &Upstream) -> Option<String> {
    let how = upstream.keeps_state()?.as_str();
    Some(if upstream.is_set_apart() {
        format!("each session has its own, because {how}")
    } else {
        format!("may keep state for one client (sharing = \"per_session\" or \"auto\"): {how}")
    })
}

/// Each endpoint, where there is more to tell than of the upstream.
fn endpoints(upstream: &Upstream) -> Vec<EndpointStatus> {
    let endpoints = upstream.endpoints();
    if let [only] = &endpoints[..]
        && only.breaker == "closed"
    {
        return Vec::new();
    }
    let describe = |it: switchboard_upstream::EndpointStatus| EndpointStatus {
        name: it.name.to_string(),
        state: it.status.state.as_str().to_owned(),
        pid: it.status.pid,
        restarts: it.status.restarts,
        in_flight: it.in_flight,
        breaker: it.breaker.to_owned(),
        response_milliseconds: it.response_time.map(|time| time.as_secs_f64() * 1_000.0),
        problem: it.status.problem,
    };
    endpoints.into_iter().map(describe).collect()
}
