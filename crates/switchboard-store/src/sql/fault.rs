//! What an error of the database means for the caller.

use sqlx::error::DatabaseError;
use switchboard_core::store::StoreError;

/// Why a statement was not carried out.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Others were at the same rows; tried again, it may go through at once.
    Collided(String),
    /// The file is no database, or one that was damaged.
    Damaged(String),
    /// The same for the caller.
    Store(StoreError),
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Collided(why) => Self::Unavailable(why),
            Fault::Damaged(why) => Self::Broken(format!(
                "{why}; stop the daemon, and put a backup in the place of the file or move it away"
            )),
            Fault::Store(error) => error,
        }
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        let unavailable =
            |why: &dyn std::fmt::Display| Self::Store(StoreError::Unavailable(why.to_string()));
        match &error {
            sqlx::Error::Database(database) => of_database(&**database),
            // The pool's own words are about its settings.
            sqlx::Error::PoolTimedOut => unavailable(
                &"no connection was to be had in time: all are busy, or the server does not answer",
            ),
            // The last is what is said of a server that was cut off in the middle of a word.
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => unavailable(&error),
            _ => Self::Store(StoreError::Broken(error.to_string())),
        }
    }
}

fn of_database(error: &dyn DatabaseError) -> Fault {
    let code = error.code().unwrap_or_default();
    // A number is a result code of SQLite, five characters are an SQLSTATE of PostgreSQL.
    match code.parse::<u32>() {
        Ok(result) if code.len() < 5 => of_sqlite(result, error.message()),
        _ => of_postgres(&code, error.message()),
    }
}

/// <https://www.sqlite.org/rescode.html>; the low byte is the primary code.
fn of_sqlite(result: u32, message: &str) -> Fault {
    let told = format!("SQLite: {message} ({result})");
    // SQLITE_CONSTRAINT_DATATYPE: a sum that left the 64 bits became a float, which STRICT refuses.
    if result == 3091 {
        return Fault::Store(StoreError::Invalid("a number left its 64 bits".to_owned()));
    }
    Fault::Store(match result & 0xff {
        // SQLITE_CORRUPT, SQLITE_NOTADB.
        11 | 26 => return Fault::Damaged(told),
        // SQLITE_BUSY, SQLITE_LOCKED: for longer than we wait. SQLITE_FULL, SQLITE_IOERR, which it is
        // called where the log of a full disk cannot grow: there may be room again.
        5 | 6 | 10 | 13 => StoreError::Unavailable(told),
        // SQLITE_TOOBIG.
        18 => StoreError::Invalid(told),
        _ => StoreError::Broken(told),
    })
}

/// <https://www.postgresql.org/docs/15/errcodes-appendix.html>; two characters are the class.
fn of_postgres(code: &str, message: &str) -> Fault {
    let told = format!("PostgreSQL: {message} ({code})");
    Fault::Store(match code {
        // serialization_failure, deadlock_detected.
        "40001" | "40P01" => return Fault::Collided(told),
        // numeric_value_out_of_range.
        "22003" => StoreError::Invalid("a number left its 64 bits".to_owned()),
        // query_canceled: by the time limit; lock_not_available.
        "57014" | "55P03" => StoreError::Unavailable(told),
        // admin_shutdown, crash_shutdown, cannot_connect_now, idle_session_timeout.
        "57P01" | "57P02" | "57P03" | "57P05" => StoreError::Unavailable(told),
        // read_only_sql_transaction: a replica that is not yet, or no longer, the primary.
        "25006" => StoreError::Unavailable(told),
        // Connection exceptions; insufficient resources.
        _ if code.starts_with("08") || code.starts_with("53") => StoreError::Unavailable(told),
        _ => StoreError::Broken(told),
    })
}
