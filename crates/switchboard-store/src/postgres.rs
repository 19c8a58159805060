//! A PostgreSQL server, where a team runs one.

use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use crate::config::PostgresConfig;
use crate::error::OpenError;
use crate::sql::{Dialect, MigrateError, Pools, SqlStore, migrate};

/// How long a caller waits for a connection, and a new connection for the server.
const TURN: Duration = Duration::from_secs(5);

/// How long a connection is kept that nobody uses.
const IDLE: Duration = Duration::from_secs(300);

/// How long a connection is kept at all: after it, whatever stands between us and the server (a
/// name that points elsewhere now, a balancer) is asked anew.
const LIFETIME: Duration = Duration::from_secs(30 * 60);

/// Opens the tables in the schema of that server; makes what is missing.
pub(crate) async fn open(config: &PostgresConfig) -> Result<SqlStore, OpenError> {
    let schema = config.schema.clone();
    if !is_name(&schema) {
        return Err(OpenError::Configuration(format!(
            "`{schema}` is no name for `store.postgres.schema`; it takes 1 to 63 lower case letters, \
             digits and `_`, and begins with a letter"
        )));
    }
    let options = options(config.url.expose())?;
    let place = format!("PostgreSQL at {}:{}", options.get_host(), options.get_port());
    let options = options.application_name("switchboard").options([
        // A plan is made for the values at hand. One plan for all would be made for the average
        // tenant, and there is none: one may have a million calls and the next three.
        ("plan_cache_mode", "force_custom_plan"),
        ("statement_timeout", "30s"),
        ("idle_in_transaction_session_timeout", "60s"),
    ]);
    let pool = PgPoolOptions::new()
        .max_connections(config.connections)
        .acquire_timeout(TURN)
        .idle_timeout(IDLE)
        .max_lifetime(LIFETIME)
        // A connection that broke while nobody used it is found out here, and replaced.
        .test_before_acquire(true)
        .connect_lazy_with(options);
    let pools = Pools::Postgres(pool);
    let dialect = Dialect::Postgres { schema };
    migrate(&pools, &dialect).await.map_err(|error| match error {
        MigrateError::Newer { found, known } => {
            OpenError::Newer { place: place.clone(), found, known }
        }
        MigrateError::Damaged(cause) => OpenError::Refused { place: place.clone(), cause },
        MigrateError::Store(error) => OpenError::of(&place, error),
    })?;
    Ok(SqlStore::new(pools, dialect))
}

/// What the parser says may quote the address, and with it the password; and it takes any scheme.
fn options(url: &str) -> Result<PgConnectOptions, OpenError> {
    let ours = url.starts_with("postgres://") || url.starts_with("postgresql://");
    PgConnectOptions::from_str(url).ok().filter(|_| ours).ok_or_else(|| {
        OpenError::Configuration(
            "`store.postgres.url` is no address such as `postgres://user@db.example.com/switchboard`"
                .to_owned(),
        )
    })
}

/// A name that needs no quotes anywhere: people type it into `psql`.
fn is_name(schema: &str) -> bool {
    schema.len() <= 63
        && schema.starts_with(|first: char| first.is_ascii_lowercase())
        && schema.chars().all(|own| own.is_ascii_lowercase() || own.is_ascii_digit() || own == '_')
}
