//! How long a page of history takes among a million calls.
//!
//! `cargo run -p switchboard-store --example million` fills a SQLite file and a schema of PostgreSQL
//! (`SWITCHBOARD_TEST_POSTGRES`, or the server of this machine) with 1,000,000 calls of 50 tools and
//! one that is rarely called, asks for pages of 50 through the port, prints the median and the
//! longest of each, and takes everything away again. The aim is 20 ms.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on fails")]

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use switchboard_client::control::CallFilter;
use switchboard_config::Secret;
use switchboard_core::Tenant;
use switchboard_core::store::tables::CALLS;
use switchboard_core::store::{Mark, Query, Store, Test};
use switchboard_history::{Page, page};
use switchboard_store::{PostgresConfig, StoreConfig, open};
use tokio::time::Instant;

const ROWS: u32 = 1_000_000;
const PAGE: u32 = 50;
const ROUNDS: usize = 20;

/// A call every so many seconds, from this one on: the ids are times, as those of recorded calls are.
const FIRST: u64 = 1_740_000_000;
const STEP: u64 = 20;

/// The id of the call of that number.
fn id(number: u64) -> String {
    format!("{:016}0000", (FIRST + number * STEP) * 1_000_000)
}

/// One statement fills both: `series` is what counts from 0, and `text(n)` pads to 20 digits.
fn fill(table: &str, series: &str, text: &str, time: &str, json: &str) -> String {
    format!(
        "INSERT INTO {table} (partition_key, mcp_function_call_uuid, name, mcp_type, arguments, \
         content, status, time_spent, updated_by, created_at, updated_at, subject, upstream, duration, \
         method) \
         SELECT CASE WHEN n % 10 = 0 THEN 'other' ELSE 'acme' END, {text}, \
         CASE WHEN n % 50000 = 7 THEN 'rare__tool' ELSE 'server__tool_' || (n % 50) END, 'tool', \
         {json}, 'a result of some length, as a tool would give it: ' || n, \
         CASE WHEN n % 20 = 3 THEN 'failed' ELSE 'completed' END, n % 5000, 'ann', {time}, {time}, \
         'user:' || (n % 100), CASE WHEN n % 50000 = 7 THEN 'rare' ELSE 'server_' || (n % 13) END, n, \
         'tools/call' {series}"
    )
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        sqlite().await;
        postgres().await;
    });
}

fn say(line: &str) {
    // Nobody reads: nobody is to be told.
    let _ = writeln!(std::io::stdout(), "{line}");
}

async fn sqlite() {
    let directory = tempfile::TempDir::new().unwrap();
    let store = open(&StoreConfig::default(), directory.path()).await.unwrap();
    let sql = fill(
        "mcp_function_calls",
        "FROM (WITH RECURSIVE s(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM s WHERE n < 999999) \
         SELECT n FROM s)",
        "printf('%016d', (1740000000 + n * 20) * 1000000) || '0000'",
        "strftime('%Y-%m-%dT%H:%M:%S', 1740000000 + n * 20, 'unixepoch') || printf('.%06dZ', n % 1000000)",
        "'{\"number\":' || n || '}'",
    );
    let start = Instant::now();
    execute_sqlite(directory.path(), sql).await;
    let size = directory.path().join("store.db").metadata().unwrap().len() >> 20;
    say(&format!("sqlite: {ROWS} rows in {:.0?}, {size} MiB", start.elapsed()));
    measure("sqlite", store).await;
}

async fn execute_sqlite(directory: &Path, sql: String) {
    let url = format!("sqlite://{}", directory.join("store.db").display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    sqlx::raw_sql("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn postgres() {
    #[expect(clippy::disallowed_methods, reason = "an example has no configuration")]
    let url = std::env::var("SWITCHBOARD_TEST_POSTGRES")
        .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned());
    let schema = format!("million{}", std::process::id());
    let postgres =
        PostgresConfig { url: Secret::new(&*url), schema: schema.clone(), connections: 4 };
    let config = StoreConfig { postgres: Some(postgres), ..StoreConfig::default() };
    let store = open(&config, Path::new("")).await.unwrap();
    let sql = fill(
        &format!("{schema}.mcp_function_calls"),
        "FROM generate_series(0, 999999) AS s(n)",
        "lpad(((1740000000 + n * 20) * 1000000::bigint)::text, 16, '0') || '0000'",
        "to_char(to_timestamp(1740000000 + n * 20) AT TIME ZONE 'UTC', \
         'YYYY-MM-DD\"T\"HH24:MI:SS') || '.' || lpad((n % 1000000)::text, 6, '0') || 'Z'",
        "jsonb_build_object('number', n)",
    );
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let start = Instant::now();
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    let analyze = format!("ANALYZE {schema}.mcp_function_calls");
    sqlx::raw_sql(AssertSqlSafe(analyze)).execute(&mut connection).await.unwrap();
    say(&format!("postgres: {ROWS} rows in {:.0?}", start.elapsed()));
    measure("postgres", store).await;
    let drop = format!("DROP SCHEMA {schema} CASCADE");
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
}

async fn measure(kind: &str, store: Arc<dyn Store>) {
    let tenant = Tenant::parse("acme").unwrap();
    for (what, query) in pages() {
        let mut times = Vec::new();
        let mut rows = 0;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            rows = store.list(&CALLS, &tenant, &query).await.unwrap().rows.len();
            times.push(start.elapsed());
        }
        report(kind, what, rows, times);
    }
    for (what, filter) in lookups() {
        let wanted = Page { filter: &filter, after: None, limit: PAGE };
        let mut times = Vec::new();
        let mut rows = 0;
        for _ in 0..ROUNDS {
            let start = Instant::now();
            rows = page(&*store, &tenant, wanted, now()).await.unwrap().calls.len();
            times.push(start.elapsed());
        }
        report(kind, what, rows, times);
    }
    let start = Instant::now();
    let tenants = store.tenants(&CALLS).await.unwrap().len();
    report(kind, "the tenants", tenants, vec![start.elapsed()]);
}

/// Just after the last of the calls.
fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(FIRST + STEP * u64::from(ROWS))
}

/// What `switchboard history` is asked for.
fn lookups() -> Vec<(&'static str, CallFilter)> {
    let text = |text: &str| Some(text.to_owned());
    let week = |filter: CallFilter| {
        let since = (FIRST + STEP * 500_000) * 1_000_000;
        CallFilter { since: Some(since), until: Some(since + 7 * 86_400_000_000), ..filter }
    };
    let tool = || CallFilter { name: text("server__tool_7"), ..CallFilter::default() };
    vec![
        ("history", CallFilter::default()),
        ("history of a tool", tool()),
        ("history of a tool, of a week", week(tool())),
        ("history of a week", week(CallFilter::default())),
        ("history of a subject", CallFilter { subject: text("user:7"), ..CallFilter::default() }),
        ("history of what failed", CallFilter { status: text("failed"), ..CallFilter::default() }),
        ("history of a server", CallFilter { upstream: text("server_7"), ..CallFilter::default() }),
    ]
}

/// What people ask for, and what it is called.
fn pages() -> Vec<(&'static str, Query)> {
    let named = |name: &str| Query::first(PAGE).only("name", Test::Is(name.into()));
    let time = |text: &str| Value::from(format!("2025-0{text}T00:00:00.000000Z"));
    let between = |query: Query| {
        query
            .only("updated_at", Test::From(time("5-01")))
            .only("updated_at", Test::Below(time("5-08")))
    };
    let middle = |query: Query, value: Value| Query {
        after: Some(Mark { value, key: id(500_000) }),
        ..query
    };
    let often = || named("server__tool_7");
    let of = |column, value: &str| {
        Query::first(PAGE).only(column, Test::Is(value.into())).by(None, true)
    };
    let failed = |query: Query| query.only("status", Test::Is("failed".into())).by(None, true);
    let completed = |query: Query| query.only("status", Test::Is("completed".into()));
    let by_id = |query: Query| {
        let id = |number| Value::from(id(number));
        query.only(CALLS.key, Test::From(id(500_000))).only(CALLS.key, Test::Below(id(500_180)))
    };
    vec![
        ("newest, by key", Query::first(PAGE).by(None, true)),
        ("newest, by time", Query::first(PAGE).by(Some("updated_at"), true)),
        ("of a tool, newest by key", often().by(None, true)),
        ("of a tool, from the middle by key", middle(often().by(None, true), Value::Null)),
        ("of a tool, newest by time", often().by(Some("updated_at"), true)),
        (
            "of a tool, from the middle by time",
            middle(often().by(Some("updated_at"), true), time("6-15")),
        ),
        ("of a tool, a week by key", between(often()).by(None, true)),
        ("of a tool, a week by time", between(often()).by(Some("updated_at"), true)),
        ("of a rare tool, newest by time", named("rare__tool").by(Some("updated_at"), true)),
        ("of a rare tool, newest by key", named("rare__tool").by(None, true)),
        ("of a rare server, newest by key", of("upstream", "rare")),
        ("of a subject, newest by key", of("subject", "user:7")),
        ("failed, newest by key", of("status", "failed")),
        ("failed of a tool, newest by key", failed(named("server__tool_3"))),
        ("failed of a tool that never does", failed(often())),
        ("failed of a subject that never does", failed(of("subject", "user:7"))),
        ("failed of a server, newest by key", failed(of("upstream", "server_7"))),
        ("completed of a rare tool", completed(named("rare__tool").by(None, true))),
        ("completed of a rare server", completed(of("upstream", "rare"))),
        ("completed of a subject", completed(of("subject", "user:7"))),
        (
            "of a tool and a subject",
            often().by(None, true).only("subject", Test::Is("user:7".into())),
        ),
        ("a week by key", between(Query::first(PAGE)).by(None, true)),
        ("of a subject, a week by key", between(of("subject", "user:7"))),
        ("of a server, a week by key", between(of("upstream", "server_7"))),
        ("completed, a week by key", completed(between(Query::first(PAGE))).by(None, true)),
        ("an hour of ids, of a server", by_id(of("upstream", "server_7"))),
        ("page 1,000", Query { skip: 50_000, ..Query::first(PAGE) }),
        ("of a tool, with the count", Query { counts: true, ..often().by(None, true) }),
    ]
}

fn report(kind: &str, what: &str, rows: usize, mut times: Vec<Duration>) {
    times.sort_unstable();
    let milliseconds = |time: &Duration| time.as_secs_f64() * 1000.0;
    let (median, longest) =
        (milliseconds(&times[times.len() / 2]), milliseconds(&times[times.len() - 1]));
    say(&format!(
        "{kind}: {what:36} {rows:3} rows  median {median:7.2} ms  longest {longest:7.2} ms"
    ));
}
