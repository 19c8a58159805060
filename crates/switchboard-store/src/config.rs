//! `[store]`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::Secret;
use switchboard_core::store::Store;
#[cfg(feature = "dynamodb")]
use switchboard_core::store::StoreError;

use crate::dynamodb::DynamodbConfig;
use crate::error::OpenError;
use crate::{postgres, sqlite};

/// Where things are kept: servers, keys and users of tenants, functions, settings, the history of
/// calls. At most one of `sqlite`, `postgres` and `dynamodb`; `sqlite` if none is there.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// A file of this machine. It needs nothing else, and a daemon alone needs no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sqlite: Option<SqliteConfig>,
    /// A PostgreSQL server, 13 or newer, which several daemons may share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres: Option<PostgresConfig>,
    /// DynamoDB, which several daemons may share, and where the AI MCP Daemon Engine has its data.
    /// Only in builds with the feature `dynamodb`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dynamodb: Option<DynamodbConfig>,
}

/// A file of this machine.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct SqliteConfig {
    /// The file; `store.db` in the state directory if absent. It has to be on a disk of this
    /// machine: SQLite's log does not work over a network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

/// A PostgreSQL server.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PostgresConfig {
    /// Where it is: `postgres://user:password@host:5432/database`. With `?sslmode=verify-full` the
    /// server has to prove who it is.
    pub url: Secret,
    /// The schema that has the tables; made where there is none and the user may. Lower case
    /// letters, digits and `_`.
    pub schema: String,
    /// Connections open at once; more callers wait. 10: a server commonly takes 100, and a daemon
    /// is rarely alone with it.
    #[schemars(range(min = 1, max = 1000))]
    pub connections: u32,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            url: Secret::new("postgres://switchboard@127.0.0.1:5432/switchboard"),
            schema: "switchboard".to_owned(),
            connections: 10,
        }
    }
}

/// The file of the database in the state directory.
const FILE: &str = "store.db";

/// Opens the store that is configured, and brings its tables up to date.
///
/// # Errors
///
/// [`OpenError`]; nothing was changed then.
pub fn open<'a>(
    config: &'a StoreConfig,
    state_dir: &'a Path,
) -> BoxFuture<'a, Result<Arc<dyn Store>, OpenError>> {
    // Boxed so that all of it is compiled here, and not where it is awaited.
    Box::pin(open_kind(config, state_dir))
}

async fn open_kind(config: &StoreConfig, state_dir: &Path) -> Result<Arc<dyn Store>, OpenError> {
    match (&config.sqlite, &config.postgres, &config.dynamodb) {
        (None, Some(postgres), None) => Ok(Arc::new(postgres::open(postgres).await?)),
        (None, None, Some(dynamodb)) => open_dynamodb(dynamodb).await,
        (sqlite, None, None) => {
            let path = sqlite.as_ref().and_then(|sqlite| sqlite.path.as_deref());
            // A path that is not absolute is meant from the state directory, as the default is.
            let path = state_dir.join(path.unwrap_or(Path::new(FILE)));
            Ok(Arc::new(sqlite::open(&path).await?))
        }
        (sqlite, postgres, dynamodb) => {
            let kinds = [
                ("`sqlite`", sqlite.is_some()),
                ("`postgres`", postgres.is_some()),
                ("`dynamodb`", dynamodb.is_some()),
            ];
            let there: Vec<_> = kinds.iter().filter(|kind| kind.1).map(|kind| kind.0).collect();
            Err(OpenError::Configuration(format!(
                "`store` has {}; things are kept in one place: remove the others",
                there.join(" and ")
            )))
        }
    }
}

#[cfg(feature = "dynamodb")]
async fn open_dynamodb(config: &DynamodbConfig) -> Result<Arc<dyn Store>, OpenError> {
    match crate::dynamodb::Dynamodb::open(config).await {
        Ok(store) => Ok(Arc::new(store)),
        Err(StoreError::Invalid(why)) => Err(OpenError::Configuration(why)),
        Err(error) => Err(OpenError::of("DynamoDB", error)),
    }
}

#[cfg(not(feature = "dynamodb"))]
async fn open_dynamodb(_: &DynamodbConfig) -> Result<Arc<dyn Store>, OpenError> {
    Err(OpenError::NotBuilt)
}
