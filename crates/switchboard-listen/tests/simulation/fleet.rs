//! The upstreams of a run: drawn, changed, and put into the catalog as the daemon does it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use async_trait::async_trait;
use switchboard_config::TimeSpan;
use switchboard_core::{Catalog, Gateway, Member, Peer, Snapshot};
use switchboard_testkit::simulation::{Book, Character, Dice, Servers};
use switchboard_upstream::{
    BalanceStrategy, Dialer, EndpointSettings, Environment, EraChoice, Events, MemoryConfig,
    PoolSettings, Settings, Sharing, StartPolicy, Status, Stream, Upstream,
};
use tokio::sync::Notify;

/// Names that an upstream may have.
pub(crate) const NAMES: [&str; 4] = ["a", "b", "c", "d"];

/// Lists that change together are put into one catalog; as in the daemon.
const SETTLE: Duration = Duration::from_millis(20);

pub(crate) struct Fleet {
    book: Arc<Book>,
    gateway: Arc<Gateway>,
    environment: Environment,
    servers: Arc<Servers>,
    running: Mutex<BTreeMap<String, Arc<Upstream>>>,
    /// Those that were taken out of the configuration.
    gone: Mutex<Vec<Arc<Upstream>>>,
    changed: Arc<Notify>,
}

/// Finds the simulated servers.
pub(crate) struct Ways(pub(crate) Arc<Servers>);

#[async_trait]
impl Dialer for Ways {
    async fn dial(&self, server: &str) -> io::Result<Stream> {
        let (reader, writer) = tokio::io::split(self.0.dial(server)?);
        Ok(Stream { reader: Box::new(reader), writer: Box::new(writer) })
    }
}

/// Hears of the upstreams.
pub(crate) struct News {
    pub(crate) changed: Arc<Notify>,
    pub(crate) gateway: Weak<Gateway>,
    pub(crate) book: Arc<Book>,
}

impl Events for News {
    fn lists_changed(&self, _: &str) {
        self.changed.notify_one();
    }

    fn state_changed(&self, upstream: &str, status: &Status) {
        let (state, problem) = (status.state.as_str(), status.problem.as_deref());
        self.book.note(|| format!("{upstream} {state} {}", problem.unwrap_or_default()));
    }

    fn resource_updated(&self, upstream: &str, uri: &str) {
        if let Some(gateway) = self.gateway.upgrade() {
            gateway.resource_updated(upstream, uri);
        }
    }
}

impl Fleet {
    pub(crate) fn new(
        book: &Arc<Book>,
        gateway: &Arc<Gateway>,
        environment: Environment,
        servers: &Arc<Servers>,
        changed: Arc<Notify>,
    ) -> Self {
        Self {
            book: Arc::clone(book),
            gateway: Arc::clone(gateway),
            environment,
            servers: Arc::clone(servers),
            running: Mutex::default(),
            gone: Mutex::default(),
            changed,
        }
    }

    /// Keeps the catalog up to date, for as long as it is polled.
    pub(crate) async fn follow(&self) {
        loop {
            self.changed.notified().await;
            tokio::time::sleep(SETTLE).await;
            self.publish();
        }
    }

    /// Adds an upstream, or puts another in its place.
    pub(crate) fn put(&self, name: &str, dice: &mut Dice) {
        let settings = settings(name, dice);
        for way in ways(&settings) {
            self.servers.set(&way, Character::drawn(dice));
        }
        self.book.note(|| format!("{name} is now {settings:?}"));
        let upstream = Upstream::new(name, settings, self.environment.clone()).unwrap();
        upstream.wake();
        let old = self.running.lock().unwrap().insert(name.to_owned(), upstream);
        self.publish();
        self.retire(old);
    }

    pub(crate) fn remove(&self, name: &str) {
        self.book.note(|| format!("{name} is removed"));
        let old = self.running.lock().unwrap().remove(name);
        self.publish();
        self.retire(old);
    }

    /// Gives the servers of an upstream another character, which shows when they start again.
    pub(crate) fn change(&self, name: &str, dice: &mut Dice) {
        let running = self.running.lock().unwrap().get(name).cloned();
        for way in running.iter().flat_map(|upstream| ways(upstream.settings())) {
            self.servers.set(&way, Character::drawn(dice));
        }
    }

    fn retire(&self, old: Option<Arc<Upstream>>) {
        let Some(old) = old else { return };
        self.gone.lock().unwrap().push(Arc::clone(&old));
        self.environment.tasks.spawn(async move { old.stop().await });
    }

    pub(crate) fn running(&self) -> Vec<Arc<Upstream>> {
        self.running.lock().unwrap().values().cloned().collect()
    }

    /// All that ever ran.
    pub(crate) fn all(&self) -> Vec<Arc<Upstream>> {
        let gone = self.gone.lock().unwrap();
        gone.iter().cloned().chain(self.running()).collect()
    }

    /// Ends all; returns when nothing of them is left.
    pub(crate) async fn stop(&self) {
        for upstream in self.running() {
            upstream.stop().await;
        }
        self.environment.tasks.close();
        self.environment.tasks.wait().await;
    }

    pub(crate) fn tasks(&self) -> usize {
        self.environment.tasks.len()
    }

    fn publish(&self) {
        let running = self.running.lock().unwrap();
        let members = running.values().map(|upstream| {
            let view = upstream.view();
            Member {
                name: Arc::clone(upstream.name()),
                prefix: upstream.prefix().clone(),
                filter: upstream.filter(),
                peer: Arc::clone(upstream) as Arc<dyn Peer>,
                lists: view.lists,
                learning: view.learning,
            }
        });
        let catalog = Catalog::build(members.collect());
        self.gateway.publish(Snapshot {
            catalog,
            list_wait: Duration::from_secs(2),
            ..Snapshot::default()
        });
    }
}

/// The servers that an upstream has.
fn ways(settings: &Settings) -> Vec<String> {
    let ways = settings.ways();
    ways.iter().filter_map(|way| Some(way.memory.as_ref()?.server.clone())).collect()
}

fn settings(name: &str, dice: &mut Dice) -> Settings {
    let server = |way: u64| Some(MemoryConfig { server: format!("{name}{way}") });
    let mut settings = Settings {
        start: dice.pick(&[StartPolicy::Lazy, StartPolicy::Eager]),
        era: dice.pick(&[EraChoice::Auto]),
        start_timeout: TimeSpan::from_secs(8),
        timeout: TimeSpan::from_secs(10),
        timeout_total: TimeSpan::from_secs(30),
        idle_stop: dice.chance(200).then(|| TimeSpan::from_secs(20)),
        in_flight: dice.pick(&[1, 2, 4, 16]),
        instances: 2,
        balance: dice.pick(&[
            BalanceStrategy::PowerOfTwo,
            BalanceStrategy::RoundRobin,
            BalanceStrategy::LeastInFlight,
            BalanceStrategy::WeightedResponseTime,
            BalanceStrategy::ConsistentHash,
        ]),
        hash_argument: dice.chance(500).then(|| "token".to_owned()),
        ..Settings::default()
    };
    settings.queue.size = dice.pick(&[0, 2, 8]);
    settings.queue.wait = TimeSpan::from_secs(5);
    settings.queue.adapt_to = dice.chance(200).then(|| TimeSpan::from_secs(2));
    settings.breaker.failures = 3;
    settings.breaker.open = TimeSpan::from_secs(1);
    settings.breaker.open_limit = TimeSpan::from_secs(8);
    settings.breaker.slow = dice.chance(200).then(|| TimeSpan::from_secs(3));
    settings.retry.trust_hints = dice.chance(300);
    settings.retry.hedge_after = dice.chance(300).then(|| TimeSpan::from_millis(500));
    match dice.below(6) {
        0 | 1 => settings.memory = server(0),
        2 => {
            settings.memory = server(0);
            settings.pool = Some(PoolSettings { min: 1, max: 3, idle: TimeSpan::from_secs(10) });
        }
        3 => {
            settings.memory = server(0);
            settings.sharing = dice.pick(&[Sharing::PerSession, Sharing::PerPrincipal]);
        }
        ways => {
            let endpoint = |way| EndpointSettings { memory: server(way), ..Default::default() };
            settings.endpoints = (0..ways - 2).map(endpoint).collect();
        }
    }
    settings
}
