//! A file in the state directory: the store that needs nothing else.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use crate::error::OpenError;
use crate::sql::{Dialect, MigrateError, Pools, SqlStore, migrate};

/// Read and written by the owner only. SQLite gives the files beside it the same mode.
const MODE: u32 = 0o600;

/// How long a statement waits for another process that writes: the daemon that takes over, or a
/// command that imports.
const BUSY: Duration = Duration::from_secs(5);

/// How long a caller waits for a connection.
const TURN: Duration = Duration::from_secs(10);

/// Reading connections. A page takes about a millisecond; two cores are busy with as many.
const READERS: u32 = 4;

/// Pages of the database that a reading connection keeps, in KiB (negative: of memory). A page of
/// history is read by some dozens of them; the system keeps the file for all connections together.
const READER_CACHE: &str = "-512";

/// What the log of changes shrinks to again after it was long.
const LOG_LIMIT: &str = "67108864";

/// Opens the database of that file; makes it where there is none.
pub(crate) async fn open(path: &Path) -> Result<SqlStore, OpenError> {
    make_private(path)?;
    // WAL: readers and the writer do not wait for each other. NORMAL: what is written survives the
    // end of the process, `kill -9` included; a power cut may take the last moments, and never the
    // database.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY)
        .pragma("journal_size_limit", LOG_LIMIT)
        .statement_cache_capacity(200);
    let pool = |connections: u32| {
        SqlitePoolOptions::new()
            .max_connections(connections)
            .min_connections(1)
            .acquire_timeout(TURN)
            .idle_timeout(None)
            .max_lifetime(None)
    };
    // The first connection makes the file a database and sets its journal, before any reader.
    let writer = pool(1).connect_with(options.clone()).await;
    let writer = writer.map_err(|error| refused(path, error))?;
    let readers: SqlitePool = {
        let options = options.pragma("query_only", "ON").pragma("cache_size", READER_CACHE);
        pool(READERS).connect_lazy_with(options)
    };
    let pools = Pools::Sqlite { writer, readers };
    migrate(&pools, &Dialect::Sqlite).await.map_err(|error| not_migrated(path, error))?;
    Ok(SqlStore::new(pools, Dialect::Sqlite))
}

/// Makes the file before SQLite does, which would make it for everybody to read.
fn make_private(path: &Path) -> Result<(), OpenError> {
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(MODE).open(path);
    let file = made.map_err(OpenError::io("open", path))?;
    let metadata = file.metadata().map_err(OpenError::io("look at", path))?;
    if metadata.mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others could read this file; its mode is narrowed");
        file.set_permissions(fs::Permissions::from_mode(MODE))
            .map_err(OpenError::io("narrow", path))?;
    }
    Ok(())
}

fn refused(path: &Path, error: sqlx::Error) -> OpenError {
    not_migrated(path, error.into())
}

fn not_migrated(path: &Path, error: MigrateError) -> OpenError {
    let place = format!("the database `{}`", path.display());
    match error {
        MigrateError::Newer { found, known } => OpenError::Newer { place, found, known },
        MigrateError::Damaged(cause) => OpenError::Damaged { path: path.to_owned(), cause },
        MigrateError::Store(error) => OpenError::of(&place, error),
    }
}
