//! Makes the tables what their descriptions say.
//!
//! A table, column or index that a description has and the database has not is added: that is all
//! that most versions need. What more a version needs is a step in `STEPS`. The number of steps that
//! a database has seen is its version, in the table `schema`; one that has seen steps we do not know
//! is left alone, because we cannot know what they meant.

use serde_json::Value;
use switchboard_core::store::{ColumnKind, PARTITION, StoreError, Table, tables};

use super::dialect::{Dialect, quoted};
use super::fault::Fault;
use super::paths::usual;
use super::pools::{Pools, Transaction};
use super::statement::{Bound, Statement};

/// What was done to bring a database from the version of its number to the next, in SQL that both
/// databases understand. The first is that its tables exist.
const STEPS: &[&str] = &[""];

/// Why the tables are not as described.
#[derive(Debug)]
pub(crate) enum MigrateError {
    /// A newer build has been here.
    Newer {
        found: i64,
        known: i64,
    },
    /// What is there is no database, or one that was damaged.
    Damaged(String),
    Store(StoreError),
}

impl From<Fault> for MigrateError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Damaged(why) => Self::Damaged(why),
            fault => Self::Store(fault.into()),
        }
    }
}

impl From<sqlx::Error> for MigrateError {
    fn from(error: sqlx::Error) -> Self {
        Fault::from(error).into()
    }
}

/// Brings the database up to date: all or nothing, and only one process at a time.
pub(crate) async fn migrate(pools: &Pools, dialect: &Dialect) -> Result<(), MigrateError> {
    let mut transaction = pools.begin().await?;
    let mut run = Run { transaction: &mut transaction, dialect };
    run.lock().await?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    let found = run.version().await?;
    if found > known {
        return Err(MigrateError::Newer { found, known });
    }
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or_default()) {
        if !step.is_empty() {
            run.execute((*step).to_owned()).await?;
        }
    }
    for table in tables::ALL {
        run.bring_up(table).await?;
    }
    if found != known {
        let table = dialect.table(SCHEMA);
        run.execute(format!("DELETE FROM {table}")).await?;
        let insert = format!("INSERT INTO {table} (version) VALUES ($1)");
        run.with(insert, vec![Bound::Integer(Some(known))]).await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// The table that has the version.
const SCHEMA: &str = "schema";

/// The advisory lock under which PostgreSQL is migrated; any number that others do not use.
const LOCK: i64 = 0x7377_6974_6368;

struct Run<'a> {
    transaction: &'a mut Transaction,
    dialect: &'a Dialect,
}

impl Run<'_> {
    /// SQLite has one writer anyway.
    async fn lock(&mut self) -> Result<(), Fault> {
        if let Dialect::Postgres { schema } = self.dialect {
            let create = format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(schema));
            // An index over millions of rows takes longer than a statement otherwise may.
            self.execute("SET LOCAL statement_timeout = '1h'".to_owned()).await?;
            let lock = "SELECT pg_advisory_xact_lock($1)".to_owned();
            self.with(lock, vec![Bound::Integer(Some(LOCK))]).await?;
            // Asked for only where it is missing: it needs a right that a schema of one's own
            // does not.
            if !self.has_schema(schema).await? {
                self.execute(create).await?;
            }
        }
        Ok(())
    }

    async fn has_schema(&mut self, schema: &str) -> Result<bool, Fault> {
        let sql = "SELECT nspname::text FROM pg_namespace WHERE nspname = $1".to_owned();
        let found = self.texts(sql, vec![Bound::Text(Some(schema.to_owned()))]).await?;
        Ok(!found.is_empty())
    }

    async fn version(&mut self) -> Result<i64, Fault> {
        let table = self.dialect.table(SCHEMA);
        let kind = self.dialect.column_type(ColumnKind::Integer);
        let options = self.dialect.table_options();
        let create =
            format!("CREATE TABLE IF NOT EXISTS {table} (version {kind} NOT NULL){options}");
        if self.columns(SCHEMA).await?.is_empty() {
            self.execute(create).await?;
        }
        let select = Statement {
            sql: format!("SELECT version FROM {table}"),
            values: Vec::new(),
            returns: vec![ColumnKind::Integer],
        };
        let rows = self.transaction.fetch(select).await?;
        Ok(rows.first().and_then(|row| row.first()).and_then(Value::as_i64).unwrap_or_default())
    }

    async fn bring_up(&mut self, table: &'static Table) -> Result<(), Fault> {
        let there = self.columns(table.name).await?;
        let name = self.dialect.table(table.name);
        let own = |kind| self.dialect.column_type(kind);
        if there.is_empty() {
            let text = own(ColumnKind::Text);
            let (partition, key) = (quoted(PARTITION), quoted(table.key));
            let columns: String = table
                .columns
                .iter()
                .map(|column| format!("{} {}, ", quoted(column.name), own(column.kind)))
                .collect();
            let options = self.dialect.table_options();
            let create = format!(
                "CREATE TABLE {name} ({partition} {text} NOT NULL, {key} {text} NOT NULL, {columns}\
                 PRIMARY KEY ({partition}, {key})){options}"
            );
            self.execute(create).await?;
        } else {
            let missing = |name: &str| !there.iter().any(|own| own == name);
            for column in table.columns.iter().filter(|column| missing(column.name)) {
                let (own, kind) = (quoted(column.name), self.dialect.column_type(column.kind));
                self.execute(format!("ALTER TABLE {name} ADD COLUMN {own} {kind}")).await?;
            }
        }
        for columns in table.indexes {
            self.execute(self.dialect.index(table, PARTITION, columns, None)).await?;
        }
        if let Some(usual) = usual(table) {
            for with in usual.with {
                let (columns, only) = (usual.index(with), usual.excluded());
                self.execute(self.dialect.index(table, PARTITION, &columns, Some(&only))).await?;
            }
        }
        Ok(())
    }

    /// The columns that a table has; none where there is no such table.
    async fn columns(&mut self, table: &str) -> Result<Vec<String>, Fault> {
        let name = Bound::Text(Some(table.to_owned()));
        let (sql, values) = match self.dialect {
            Dialect::Sqlite => ("SELECT name FROM pragma_table_info($1)", vec![name]),
            Dialect::Postgres { schema } => (
                "SELECT column_name::text FROM information_schema.columns \
                 WHERE table_name = $1 AND table_schema = $2",
                vec![name, Bound::Text(Some(schema.clone()))],
            ),
        };
        self.texts(sql.to_owned(), values).await
    }

    async fn texts(&mut self, sql: String, values: Vec<Bound>) -> Result<Vec<String>, Fault> {
        let statement = Statement { sql, values, returns: vec![ColumnKind::Text] };
        let rows = self.transaction.fetch(statement).await?;
        let texts = rows.into_iter().flatten().filter_map(|value| match value {
            Value::String(text) => Some(text),
            _ => None,
        });
        Ok(texts.collect())
    }

    async fn execute(&mut self, sql: String) -> Result<(), Fault> {
        self.with(sql, Vec::new()).await
    }

    async fn with(&mut self, sql: String, values: Vec<Bound>) -> Result<(), Fault> {
        let statement = Statement { sql, values, returns: Vec::new() };
        self.transaction.execute(statement).await?;
        Ok(())
    }
}
