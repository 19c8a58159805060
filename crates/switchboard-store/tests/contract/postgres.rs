//! PostgreSQL: the server of this machine, or the one that `SWITCHBOARD_TEST_POSTGRES` names.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use switchboard_config::Secret;
use switchboard_core::store::Store;
use switchboard_store::{PostgresConfig, StoreConfig, open};

use crate::suite::Backend;

/// Each test has a schema of its own.
pub(crate) struct Postgres {
    url: String,
}

impl Postgres {
    pub(crate) fn new() -> Self {
        Self { url: url() }
    }
}

/// The server that tests use.
pub(crate) fn url() -> String {
    #[expect(clippy::disallowed_methods, reason = "tests have no configuration")]
    let configured = std::env::var("SWITCHBOARD_TEST_POSTGRES");
    configured.unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned())
}

fn schema(data: &str) -> String {
    let mut schema = format!("sb{}_{data}", std::process::id());
    schema.truncate(63);
    schema
}

#[async_trait]
impl Backend for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    async fn open(&self, data: &str) -> Arc<dyn Store> {
        let url = Secret::new(&*self.url);
        let postgres = PostgresConfig { url, schema: schema(data), connections: 4 };
        let config = StoreConfig { postgres: Some(postgres), ..StoreConfig::default() };
        open(&config, "".as_ref()).await.unwrap_or_else(|error| {
            panic!(
                "the tests need PostgreSQL: start it, or name another in SWITCHBOARD_TEST_POSTGRES \
                 ({error})"
            )
        })
    }

    async fn remove(&self, data: &str) {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        let drop = format!("DROP SCHEMA IF EXISTS {} CASCADE", schema(data));
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}
