use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use serde_json::Value;
use switchboard_core::store::{Change, Listed, Query, Row, Store, StoreError, Table};
use switchboard_core::{Call, CallOutcome, Principal, Recorder as _, Standing, Tenant, Went};
use switchboard_mcp::Method;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{AGAIN, Audience, Complaint, Facts, Keeper, Known, Ports};
use crate::config::HistoryConfig;
use crate::redact::Redactor;

/// What was written, by tenant. Away while `away` is set.
#[derive(Default)]
struct Notebook {
    written: Mutex<BTreeMap<Tenant, Vec<Row>>>,
    transactions: Mutex<usize>,
    away: AtomicBool,
}

#[async_trait]
impl Store for Notebook {
    async fn read(
        &self,
        _: &'static Table,
        _: &Tenant,
        _: &[&str],
    ) -> Result<Vec<Row>, StoreError> {
        unimplemented!("a keeper only writes")
    }

    async fn list(&self, _: &'static Table, _: &Tenant, _: &Query) -> Result<Listed, StoreError> {
        unimplemented!("a keeper only writes")
    }

    async fn write(
        &self,
        _: &'static Table,
        tenant: &Tenant,
        changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        if self.away.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("away".into()));
        }
        *self.transactions.lock().unwrap() += 1;
        let mut written = self.written.lock().unwrap();
        let rows = written.entry(tenant.clone()).or_default();
        rows.extend(changes.into_iter().map(|change| match change {
            Change::Put(row) => row,
            other => panic!("{other:?}"),
        }));
        Ok(())
    }

    async fn add(
        &self,
        _: &'static Table,
        _: &Tenant,
        _: &str,
        _: &'static str,
        _: i64,
    ) -> Result<i64, StoreError> {
        unimplemented!("a keeper only writes")
    }

    async fn sweep(
        &self,
        _: &'static Table,
        _: &'static str,
        _: &Value,
        _: u32,
    ) -> Result<u64, StoreError> {
        unimplemented!("a keeper only writes")
    }

    async fn tenants(&self, _: &'static Table) -> Result<Vec<Tenant>, StoreError> {
        unimplemented!("a keeper only writes")
    }
}

struct Nothing;

impl Known for Nothing {
    fn facts(&self, _: &Call) -> Facts {
        Facts::default()
    }
}

/// Hears of the records of `acme`.
#[derive(Default)]
struct Watching(Mutex<Vec<String>>);

impl Audience for Watching {
    fn is_there(&self, tenant: &Tenant) -> bool {
        tenant.as_str() == "acme"
    }

    fn written(&self, tenant: &Tenant, row: &Row) {
        let name = row.text("name").unwrap();
        self.0.lock().unwrap().push(format!("{tenant} {name} {}", row.key.len()));
    }
}

fn call(tenant: &str, name: &str) -> Call {
    Call {
        principal: Principal::of(Tenant::parse(tenant).unwrap(), "ann", Standing::default()),
        method: Method::ToolsCall,
        name: name.to_owned(),
        params: None,
        outcome: CallOutcome::Abandoned,
        took: Duration::ZERO,
        went: Went::default(),
        is_shown: false,
    }
}

fn keeper(notebook: &Arc<Notebook>, config: &HistoryConfig) -> (Arc<crate::History>, Keeper) {
    heard_keeper(notebook, config, &Arc::default())
}

fn heard_keeper(
    notebook: &Arc<Notebook>,
    config: &HistoryConfig,
    watching: &Arc<Watching>,
) -> (Arc<crate::History>, Keeper) {
    let ports = Ports {
        store: Arc::clone(notebook) as Arc<dyn Store>,
        known: Arc::new(Nothing),
        audience: Arc::clone(watching) as Arc<dyn Audience>,
    };
    let clock = || UNIX_EPOCH + Duration::from_secs(1_795_000_000);
    let redactor = Redactor::new(&config.redact).unwrap();
    Keeper::new(config, redactor, ports, clock, 7)
}

#[tokio::test(start_paused = true)]
async fn records_are_written_together_and_by_tenant() {
    let notebook = Arc::new(Notebook::default());
    let (history, keeper) = keeper(&notebook, &HistoryConfig::default());
    let end = CancellationToken::new();
    let running = TaskTracker::new().spawn(keeper.run(end.clone()));
    for index in 0..500 {
        history.record(call(if index % 2 == 0 { "acme" } else { "other" }, "tool"));
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    {
        let written = notebook.written.lock().unwrap();
        let counts: Vec<_> = written.values().map(Vec::len).collect();
        assert_eq!((counts, *notebook.transactions.lock().unwrap()), (vec![250, 250], 2));
        let ids: std::collections::BTreeSet<_> =
            written.values().flatten().map(|row| row.key.clone()).collect();
        assert_eq!(ids.len(), 500);
    }
    // Whoever wants to read need not wait for the window.
    history.record(call("acme", "read"));
    history.settle(Duration::from_millis(1)).await;
    assert_eq!(*notebook.transactions.lock().unwrap(), 3);
    // What comes just before the end is not lost.
    history.record(call("acme", "last"));
    end.cancel();
    running.await.unwrap();
    let acme = Tenant::parse("acme").unwrap();
    let last = notebook.written.lock().unwrap()[&acme].last().unwrap().clone();
    assert_eq!(last.text("name"), Some("last"));
    assert_eq!(history.losses().count(), 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_store_cannot_take_waits_and_what_does_not_fit_is_counted() {
    let notebook = Arc::new(Notebook::default());
    notebook.away.store(true, Ordering::Relaxed);
    let config = HistoryConfig { queue: 10, ..HistoryConfig::default() };
    let (history, keeper) = keeper(&notebook, &config);
    let end = CancellationToken::new();
    let running = TaskTracker::new().spawn(keeper.run(end.clone()));
    history.record(call("acme", "first"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..25 {
        history.record(call("acme", "tool"));
    }
    // One of the ten places is the first one's, which the store does not take.
    assert_eq!(history.losses().count(), 16);
    tokio::time::sleep(Duration::from_secs(60)).await;
    notebook.away.store(false, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(notebook.written.lock().unwrap().values().map(Vec::len).sum::<usize>(), 10);
    // A store that is away for good does not keep the daemon.
    notebook.away.store(true, Ordering::Relaxed);
    history.record(call("acme", "lost"));
    end.cancel();
    let ended = tokio::time::timeout(Duration::from_secs(60), running).await;
    assert!(ended.is_ok_and(|ended| ended.is_ok()));
    assert_eq!(history.losses().count(), 17);
}

#[tokio::test(start_paused = true)]
async fn what_is_written_is_told_to_those_who_watch() {
    let (notebook, watching) = (Arc::new(Notebook::default()), Arc::<Watching>::default());
    notebook.away.store(true, Ordering::Relaxed);
    let (history, keeper) = heard_keeper(&notebook, &HistoryConfig::default(), &watching);
    let end = CancellationToken::new();
    let running = TaskTracker::new().spawn(keeper.run(end.clone()));
    history.record(call("acme", "one"));
    history.record(call("other", "two"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(watching.0.lock().unwrap().is_empty(), "it is not on record yet");
    notebook.away.store(false, Ordering::Relaxed);
    history.settle(Duration::from_secs(60)).await;
    assert_eq!(*watching.0.lock().unwrap(), ["acme one 20"]);
    end.cancel();
    running.await.unwrap();
}

#[test]
fn the_log_tells_of_losses_at_once_and_then_of_many_together() {
    let (mut complaint, begun) = (Complaint::default(), Instant::now());
    assert_eq!(complaint.due(3, begun), Some(3));
    assert_eq!(complaint.due(2, begun + AGAIN / 2), None);
    assert_eq!(complaint.due(4, begun + AGAIN), Some(6));
}
