//! A gateway with the server of the examples behind it, whose names and addresses stay as they are.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use switchboard_auth::Sealer;
use switchboard_core::{Catalog, Gateway, Member, Peer, Principal, Snapshot};
use switchboard_egress::{EgressSettings, Guard};
use switchboard_mcp::ProtocolVersion;
use switchboard_oauth::Store;
use switchboard_process::{Options, Spawner};
use switchboard_testkit::transcript::Server;
use switchboard_upstream::{
    Environment, Events, ListCache, Settings, Status, StdioConfig, Upstream,
};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

pub(crate) struct Back {
    pub gateway: Arc<Gateway>,
    pub server: Server,
    upstream: Arc<Upstream>,
    spawner: Spawner,
    publishing: JoinSet<()>,
    _directory: tempfile::TempDir,
}

/// What the daemon does with the news of a server.
#[derive(Default)]
struct News {
    listed: Notify,
    changes: watch::Sender<u64>,
    gateway: OnceLock<Arc<Gateway>>,
}

impl Events for News {
    fn lists_changed(&self, _: &str) {
        self.listed.notify_one();
        self.changes.send_modify(|count| *count += 1);
    }

    fn state_changed(&self, _: &str, _: &Status) {}

    fn resource_updated(&self, upstream: &str, uri: &str) {
        if let Some(gateway) = self.gateway.get() {
            gateway.resource_updated(upstream, uri);
        }
    }
}

impl Back {
    pub(crate) async fn open(version: ProtocolVersion) -> Self {
        let server = Server::start(version);
        let directory = tempfile::tempdir().unwrap();
        let options = Options { state_dir: directory.path().join("state"), guard: None };
        let (spawner, _) = Spawner::start(options).await.unwrap();
        let news = Arc::new(News::default());
        let environment = Environment {
            dialer: None,
            spawner: spawner.clone(),
            child_variables: BTreeMap::new(),
            cache: ListCache::new(directory.path().join("lists")),
            guard: Guard::new(&EgressSettings::default()).unwrap(),
            logins: Store::open(directory.path()).unwrap(),
            owner: Principal::new("owner"),
            tasks: TaskTracker::new(),
            events: Arc::clone(&news) as Arc<dyn Events>,
        };
        let upstream = Upstream::new("sample", settings(&server), environment).unwrap();
        upstream.wake();
        while upstream.view().lists.is_none() {
            let heard = tokio::time::timeout(Duration::from_secs(30), news.listed.notified()).await;
            assert!(heard.is_ok(), "{:?}", upstream.status());
        }
        let gateway = Arc::new(Gateway::new(snapshot(&upstream), Arc::new(Sealer::random())));
        let _ = news.gateway.set(Arc::clone(&gateway));
        let mut publishing = JoinSet::new();
        publishing.spawn(publish(news, Arc::clone(&upstream), Arc::clone(&gateway)));
        Self { gateway, server, upstream, spawner, publishing, _directory: directory }
    }

    pub(crate) async fn close(mut self) {
        self.publishing.shutdown().await;
        self.upstream.stop().await;
        assert!(self.spawner.close(Duration::from_secs(1)).await.is_empty());
    }
}

/// Lists that changed become a new catalog, as in the daemon.
async fn publish(news: Arc<News>, upstream: Arc<Upstream>, gateway: Arc<Gateway>) {
    let mut changes = news.changes.subscribe();
    changes.mark_unchanged();
    while changes.changed().await.is_ok() {
        gateway.publish(snapshot(&upstream));
    }
}

fn snapshot(upstream: &Arc<Upstream>) -> Snapshot {
    let member = Member {
        name: "sample".into(),
        prefix: upstream.prefix().clone(),
        filter: upstream.filter(),
        peer: Arc::clone(upstream) as Arc<dyn Peer>,
        lists: upstream.view().lists,
        learning: false,
    };
    Snapshot {
        catalog: Catalog::build(vec![member]),
        list_wait: Duration::ZERO,
        ..Snapshot::default()
    }
}

fn settings(server: &Server) -> Settings {
    let (command, args) = server.command();
    let args = serde_json::from_value(serde_json::json!(args)).unwrap();
    let child = StdioConfig { command, args, env: BTreeMap::new(), cwd: None };
    Settings { stdio: Some(child), prefix: Some(String::new()), ..Settings::default() }
}
