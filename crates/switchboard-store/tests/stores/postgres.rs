//! The server: away and back again, and what is done with tables that are not ours.

use std::net::SocketAddr;
use std::sync::Arc;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use switchboard_config::Secret;
use switchboard_core::store::tables::{CALLS, FUNCTIONS, USAGE};
use switchboard_core::store::{Change, Query, Row, Store, StoreError};
use switchboard_store::{OpenError, PostgresConfig, StoreConfig, open};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::{acme, one};

fn server() -> String {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    let configured = std::env::var("SWITCHBOARD_TEST_POSTGRES");
    configured.unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned())
}

/// A schema of this test; dropped by [`Schema::drop`].
struct Schema(String);

impl Schema {
    fn new(name: &str) -> Self {
        Self(format!("sb{}_{name}", std::process::id()))
    }

    fn config(&self, url: &str) -> StoreConfig {
        let (url, schema) = (Secret::new(url), self.0.clone());
        let postgres = Some(PostgresConfig { url, schema, connections: 3 });
        StoreConfig { postgres, ..StoreConfig::default() }
    }

    async fn open(&self, url: &str) -> Arc<dyn Store> {
        open(&self.config(url), "".as_ref()).await.unwrap_or_else(|error| {
            panic!(
                "the tests need PostgreSQL: start it, or name another in SWITCHBOARD_TEST_POSTGRES \
                 ({error})"
            )
        })
    }

    async fn execute(&self, sql: &str) {
        let mut connection = PgConnection::connect(&server()).await.unwrap();
        let sql = format!("SET search_path = {}; {sql}", self.0);
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    async fn drop(self) {
        self.execute(&format!("DROP SCHEMA {} CASCADE", self.0)).await;
    }
}

/// Carries bytes between clients and the server until it is told to stop.
struct Relay {
    address: SocketAddr,
    tasks: JoinSet<()>,
}

impl Relay {
    async fn at(address: SocketAddr, target: String) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut client, _) = listener.accept().await.unwrap();
                let target = target.clone();
                connections.spawn(async move {
                    let mut server = TcpStream::connect(target).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Self { address, tasks }
    }

    /// Closes the door and every connection.
    async fn stop(mut self) -> SocketAddr {
        self.tasks.shutdown().await;
        self.address
    }
}

/// Host and port of the server, and its URL at another address.
fn target(address: SocketAddr) -> (String, String) {
    let url = server();
    let (scheme, rest) = url.split_once("://").unwrap();
    let (user, rest) = rest.split_once('@').unwrap_or(("postgres", rest));
    let (host, database) = rest.split_once('/').unwrap_or((rest, "postgres"));
    let host = if host.contains(':') { host.to_owned() } else { format!("{host}:5432") };
    (host, format!("{scheme}://{user}@{address}/{database}"))
}

#[tokio::test]
async fn a_server_that_goes_away_and_comes_back_is_used_again() {
    let schema = Schema::new("away");
    let nowhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let relay = Relay::at(nowhere, target(nowhere).0).await;
    let store = schema.open(&target(relay.address).1).await;
    store.write(&FUNCTIONS, &acme(), vec![Change::Insert(Row::new("a"))]).await.unwrap();

    let address = relay.stop().await;
    let read = store.read(&FUNCTIONS, &acme(), &["a"]).await;
    assert!(matches!(read, Err(StoreError::Unavailable(_))), "{read:?}");
    let write = store.write(&FUNCTIONS, &acme(), vec![Change::Put(Row::new("b"))]).await;
    assert!(matches!(write, Err(StoreError::Unavailable(_))), "{write:?}");
    let opened = open(&schema.config(&target(address).1), "".as_ref()).await.map(drop);
    assert!(matches!(opened, Err(OpenError::Unavailable { .. })), "{opened:?}");

    let relay = Relay::at(address, target(address).0).await;
    assert_eq!(one(&*store, &FUNCTIONS, "a").await, Some(Row::new("a")));
    store.write(&FUNCTIONS, &acme(), vec![Change::Put(Row::new("b"))]).await.unwrap();
    drop(store);
    relay.stop().await;
    schema.drop().await;
}

#[tokio::test]
async fn connections_that_the_server_ended_are_replaced() {
    let schema = Schema::new("ended");
    let store = schema.open(&server()).await;
    for round in 0..5 {
        // Those that have just asked for something of this schema.
        schema
            .execute(&format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                 WHERE pid <> pg_backend_pid() AND query LIKE '%{}%'",
                schema.0
            ))
            .await;
        store.add(&USAGE, &acme(), "a", "used", 1).await.unwrap();
        let row = one(&*store, &USAGE, "a").await.unwrap();
        assert_eq!(row.integer("used"), Some(round + 1));
    }
    schema.drop().await;
}

#[tokio::test]
async fn tables_of_a_newer_build_are_left_alone() {
    let schema = Schema::new("newer");
    drop(schema.open(&server()).await);
    schema.execute("UPDATE schema SET version = 1000").await;
    let opened = open(&schema.config(&server()), "".as_ref()).await.map(drop);
    assert!(matches!(opened, Err(OpenError::Newer { found: 1000, .. })), "{opened:?}");
    schema.drop().await;
}

#[tokio::test]
async fn what_an_older_build_did_not_have_is_added() {
    let schema = Schema::new("older");
    let store = schema.open(&server()).await;
    let row = Row::new("a").with("name", "github");
    store.write(&CALLS, &acme(), vec![Change::Insert(row.clone())]).await.unwrap();
    drop(store);
    schema
        .execute(
            "DROP TABLE mcp_functions; ALTER TABLE mcp_function_calls DROP COLUMN subject; \
             UPDATE schema SET version = 0",
        )
        .await;
    let store = schema.open(&server()).await;
    assert_eq!(one(&*store, &CALLS, "a").await, Some(row));
    let listed = store.list(&CALLS, &acme(), &Query::first(9).by(Some("subject"), true)).await;
    assert_eq!(listed.unwrap().rows.len(), 1);
    store.write(&FUNCTIONS, &acme(), vec![Change::Insert(Row::new("a"))]).await.unwrap();
    drop(store);
    schema.drop().await;
}

#[tokio::test]
async fn several_that_open_at_once_make_the_tables_once() {
    let schema = Schema::new("at_once");
    let url = server();
    let stores = futures_util::future::join_all((0..6).map(|_| schema.open(&url))).await;
    stores[0].write(&FUNCTIONS, &acme(), vec![Change::Insert(Row::new("a"))]).await.unwrap();
    for store in &stores {
        assert_eq!(one(&**store, &FUNCTIONS, "a").await, Some(Row::new("a")));
    }
    drop(stores);
    schema.drop().await;
}
