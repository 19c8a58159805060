//! The gateway of a run, its upstreams and its clients.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use switchboard_auth::Sealer;
use switchboard_core::{Gateway, Principal, Snapshot};
use switchboard_egress::{EgressSettings, Guard};
use switchboard_listen::{Front, lines};
use switchboard_mcp::ProtocolVersion;
use switchboard_oauth::Store;
use switchboard_process::{Options, Spawner};
use switchboard_testkit::simulation::{Book, Client, Dice, Manner, Servers};
use switchboard_upstream::{Environment, ListCache};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::fleet::{Fleet, News, Ways};

/// What all runs stand on, and none of them uses.
#[derive(Clone)]
pub(crate) struct Ground {
    spawner: Spawner,
    guard: Guard,
    logins: Store,
    _directory: Arc<tempfile::TempDir>,
}

pub(crate) struct World {
    pub(crate) book: Arc<Book>,
    pub(crate) dice: Dice,
    pub(crate) fleet: Arc<Fleet>,
    pub(crate) clients: Vec<Client>,
    pub(crate) front: Arc<Front>,
    connected: u64,
}

/// Requests under way that one client may have.
pub(crate) const IN_FLIGHT: usize = 12;

/// The principals of a run.
const PRINCIPALS: u64 = 3;

impl Ground {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = Options { state_dir: directory.path().join("children"), guard: None };
        let (spawner, _) = runtime.block_on(Spawner::start(options)).unwrap();
        Self {
            spawner,
            guard: Guard::new(&EgressSettings::default()).unwrap(),
            logins: Store::open(directory.path()).unwrap(),
            _directory: Arc::new(directory),
        }
    }

    fn environment(&self, events: News, servers: &Arc<Servers>) -> Environment {
        Environment {
            spawner: self.spawner.clone(),
            child_variables: BTreeMap::new(),
            // Nothing can be kept there, so that no run sees what another left.
            cache: ListCache::new(Path::new("/dev/null").join("lists")),
            guard: self.guard.clone(),
            logins: self.logins.clone(),
            owner: Principal::new("owner"),
            dialer: Some(Arc::new(Ways(Arc::clone(servers)))),
            tasks: TaskTracker::new(),
            events: Arc::new(events),
        }
    }
}

impl World {
    pub(crate) fn new(seed: u64, ground: &Ground, is_kept: bool) -> Self {
        let book = Book::new(is_kept);
        let mut dice = Dice::new(seed);
        let servers = Servers::new(&book, dice.fork());
        let sealer = Arc::new(Sealer::random());
        let gateway = Arc::new(Gateway::new(Snapshot::default(), sealer));
        let changed = Arc::new(Notify::new());
        let news = News {
            changed: Arc::clone(&changed),
            gateway: Arc::downgrade(&gateway),
            book: Arc::clone(&book),
        };
        let environment = ground.environment(news, &servers);
        let fleet = Arc::new(Fleet::new(&book, &gateway, environment, &servers, changed));
        let front = Front::new(gateway, TaskTracker::new(), CancellationToken::new());
        Self { book, dice, fleet, clients: Vec::new(), front: Arc::new(front), connected: 0 }
    }

    /// Another client of one of the principals.
    pub(crate) fn connect(&mut self) {
        let manner = Manner {
            number: self.connected,
            principal: self.dice.below(PRINCIPALS),
            version: self.dice.pick(&[
                ProtocolVersion::V2025_03_26,
                ProtocolVersion::NEWEST_LEGACY,
                ProtocolVersion::MODERN,
                ProtocolVersion::MODERN,
            ]),
            is_asked: self.dice.chance(600),
            ids: self.dice.below(4),
        };
        let client = self.join(manner);
        self.clients.push(client);
    }

    pub(crate) fn join(&mut self, manner: Manner) -> Client {
        self.connected += 1;
        let (near, far) = tokio::io::duplex(self.dice.pick(&[256, 4096, 1 << 16]));
        let (reader, writer) = tokio::io::split(far);
        let principal = Principal::new(&format!("p{}", manner.principal));
        let limits = lines::Limits { in_flight: IN_FLIGHT, ..lines::Limits::default() };
        let conversation = lines::serve(Arc::clone(&self.front), principal, limits, reader, writer);
        self.front.tasks.spawn(conversation);
        Client::connect(&self.book, manner, near, self.dice.fork())
    }

    /// A client that only wants to be served.
    pub(crate) fn witness(&mut self) -> Client {
        let manner = Manner {
            number: self.connected,
            principal: PRINCIPALS,
            version: ProtocolVersion::NEWEST_LEGACY,
            is_asked: true,
            ids: 0,
        };
        self.join(manner)
    }

    /// Lets time pass.
    pub(crate) async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
