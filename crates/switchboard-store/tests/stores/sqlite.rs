//! The file: whose it is, what becomes of it in a crash, and what is done with one that is not ours.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

use sqlx::{Connection as _, Row as _, SqliteConnection};
use switchboard_core::store::tables::{CALLS, FUNCTIONS};
use switchboard_core::store::{Change, Query, Row};
use switchboard_store::{OpenError, StoreConfig, open};
use tempfile::TempDir;

use crate::{acme, one, sqlite_in};

async fn connect(directory: &Path) -> SqliteConnection {
    let url = format!("sqlite://{}", directory.join("store.db").display());
    SqliteConnection::connect(&url).await.unwrap()
}

async fn execute(directory: &Path, sql: &'static str) {
    let mut connection = connect(directory).await;
    sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn refused(directory: &Path) -> OpenError {
    match open(&StoreConfig::default(), directory).await {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn the_files_are_for_their_owner_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let store = sqlite_in(directory.path()).await;
    store.write(&FUNCTIONS, &acme(), vec![Change::Insert(Row::new("a"))]).await.unwrap();
    let mut files = 0;
    for file in fs::read_dir(&directory).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600, "{}", file.path().display());
        files += 1;
    }
    assert_eq!(files, 3, "the database and its log");
}

#[tokio::test]
async fn a_damaged_file_is_named_and_left_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let junk =
        b"this is a text and no database at all, and it is longer than a header. ".repeat(99);
    fs::write(&path, &junk).unwrap();
    let error = refused(directory.path()).await;
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
    let told = error.to_string();
    assert!(told.contains("store.db") && told.contains("backup"), "{told}");
    assert_eq!(fs::read(&path).unwrap(), junk);
}

#[tokio::test]
async fn a_file_whose_pages_are_torn_is_named() {
    let directory = TempDir::new().unwrap();
    drop(sqlite_in(directory.path()).await);
    execute(directory.path(), "PRAGMA wal_checkpoint(TRUNCATE)").await;
    let path = directory.path().join("store.db");
    let mut bytes = fs::read(&path).unwrap();
    // The header says what it is; the first page of the schema is gone.
    bytes[100..4096].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let error = refused(directory.path()).await;
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
}

#[tokio::test]
async fn tables_of_a_newer_build_are_left_alone() {
    let directory = TempDir::new().unwrap();
    drop(sqlite_in(directory.path()).await);
    execute(directory.path(), "UPDATE schema SET version = 1000").await;
    let error = refused(directory.path()).await;
    assert!(matches!(error, OpenError::Newer { found: 1000, .. }), "{error:?}");
    let told = error.to_string();
    assert!(told.contains("version 1000") && told.contains("store.db"), "{told}");
}

#[tokio::test]
async fn what_an_older_build_did_not_have_is_added() {
    let directory = TempDir::new().unwrap();
    let store = sqlite_in(directory.path()).await;
    let row = Row::new("a").with("name", "github");
    store.write(&CALLS, &acme(), vec![Change::Insert(row.clone())]).await.unwrap();
    drop(store);
    execute(
        directory.path(),
        "DROP TABLE mcp_functions; DROP INDEX mcp_function_calls_subject; \
         DROP INDEX mcp_function_calls_subject_status; \
         ALTER TABLE mcp_function_calls DROP COLUMN trace_id; \
         ALTER TABLE mcp_function_calls DROP COLUMN subject; UPDATE schema SET version = 0",
    )
    .await;
    let store = sqlite_in(directory.path()).await;
    assert_eq!(one(&*store, &CALLS, "a").await, Some(row.clone()));
    let with = row.with("subject", "ann").with("trace_id", "t");
    store.write(&CALLS, &acme(), vec![Change::Put(with.clone())]).await.unwrap();
    let listed = store.list(&CALLS, &acme(), &Query::first(9).by(Some("subject"), true)).await;
    assert_eq!(listed.unwrap().rows, [with]);
    store.write(&FUNCTIONS, &acme(), vec![Change::Insert(Row::new("a"))]).await.unwrap();
}

/// Rows that the child writes together.
const TOGETHER: usize = 10;

/// After how many writes the child is killed.
const WRITES: usize = 40;

/// Where the child writes; it has no other way to be told.
const DIRECTORY: &str = "SWITCHBOARD_TEST_DIRECTORY";

#[tokio::test]
async fn what_was_written_survives_a_kill() {
    let directory = TempDir::new().unwrap();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "sqlite::the_one_that_is_killed", "--nocapture"])
        .env(DIRECTORY, directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let kept = lines.filter(|line| line.contains("kept")).take(WRITES).count();
    // Without a warning, in the middle of whatever it does.
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(kept, WRITES, "the child ended by itself");

    let store = sqlite_in(directory.path()).await;
    let query = Query { counts: true, ..Query::first(1) };
    let total = store.list(&CALLS, &acme(), &query).await.unwrap().total.unwrap();
    let total = usize::try_from(total).unwrap();
    assert!(total >= WRITES * TOGETHER, "{total} rows are left of {}", WRITES * TOGETHER);
    assert_eq!(total % TOGETHER, 0, "half of a write is there");
    let mut connection = connect(directory.path()).await;
    let found = sqlx::query("PRAGMA integrity_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(found.get::<String, _>(0), "ok");
}

#[tokio::test]
#[ignore = "runs for ever: it is the child of another test, which kills it"]
async fn the_one_that_is_killed() {
    #[expect(
        clippy::disallowed_methods,
        reason = "the runner of tests takes no arguments for them"
    )]
    let directory = std::env::var(DIRECTORY).expect("another test starts this one");
    let store = sqlite_in(Path::new(&directory)).await;
    for write in 0.. {
        let row =
            |number| Row::new(format!("{write:010}{number:010}")).with("content", "x".repeat(500));
        let rows = (0..TOGETHER).map(row).map(Change::Insert).collect();
        store.write(&CALLS, &acme(), rows).await.unwrap();
        if writeln!(std::io::stdout(), "\nkept {write}").is_err() {
            return;
        }
    }
}
