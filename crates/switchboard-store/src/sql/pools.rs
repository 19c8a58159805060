//! Connections and transactions, and values on their way in and out.

use serde_json::Value;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgPool};
use sqlx::sqlite::{SqliteArguments, SqlitePool};
use sqlx::{
    Arguments as _, AssertSqlSafe, ColumnIndex, Decode, Executor, Postgres, Row, Sqlite, Type,
};
use switchboard_core::store::{ColumnKind, StoreError};

use super::fault::Fault;
use super::statement::{Bound, Statement};

/// The connections to one database.
#[derive(Clone, Debug)]
pub(crate) enum Pools {
    /// SQLite has one writer at a time. Where that is one connection, writers wait in its queue in
    /// the order in which they came, and not in SQLite's, which has none and gives up.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(PgPool),
}

/// Changes that are carried out together. Dropped without [`Self::commit`], none of them is.
pub(crate) enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

impl Pools {
    /// Reads.
    pub(crate) async fn fetch(&self, statement: Statement) -> Result<Vec<Vec<Value>>, Fault> {
        match self {
            Self::Sqlite { readers, .. } => fetch_sqlite(readers, statement).await,
            Self::Postgres(pool) => fetch_postgres(pool, statement).await,
        }
    }

    pub(crate) async fn begin(&self) -> Result<Transaction, Fault> {
        Ok(match self {
            // IMMEDIATE: another process may write as well, and a transaction that becomes a
            // writer in its middle is refused then instead of waiting.
            Self::Sqlite { writer, .. } => Transaction::Sqlite(begin_sqlite(writer).await?),
            Self::Postgres(pool) => Transaction::Postgres(pool.begin().await?),
        })
    }
}

/// SQLite rolls back by itself where the disk is full or fails ("Response To Errors Within A
/// Transaction" in its documentation of BEGIN). sqlx then still counts a transaction on that
/// connection, and begins none there ever again; another connection takes its place.
async fn begin_sqlite(
    writer: &SqlitePool,
) -> Result<sqlx::Transaction<'static, Sqlite>, sqlx::Error> {
    const BEGIN: &str = "BEGIN IMMEDIATE";
    match writer.begin_with(BEGIN).await {
        Err(sqlx::Error::InvalidSavePointStatement) => {
            writer.acquire().await?.close().await?;
            writer.begin_with(BEGIN).await
        }
        begun => begun,
    }
}

impl Transaction {
    /// How many rows it touched.
    pub(crate) async fn execute(&mut self, statement: Statement) -> Result<u64, Fault> {
        let sql = AssertSqlSafe(statement.sql);
        Ok(match self {
            Self::Sqlite(transaction) => {
                let query = sqlx::query_with(sql, sqlite_arguments(statement.values)?);
                query.execute(&mut **transaction).await?.rows_affected()
            }
            Self::Postgres(transaction) => {
                let query = sqlx::query_with(sql, postgres_arguments(statement.values)?);
                query.execute(&mut **transaction).await?.rows_affected()
            }
        })
    }

    pub(crate) async fn fetch(&mut self, statement: Statement) -> Result<Vec<Vec<Value>>, Fault> {
        match self {
            Self::Sqlite(transaction) => fetch_sqlite(&mut **transaction, statement).await,
            Self::Postgres(transaction) => fetch_postgres(&mut **transaction, statement).await,
        }
    }

    pub(crate) async fn commit(self) -> Result<(), Fault> {
        match self {
            Self::Sqlite(transaction) => transaction.commit().await?,
            Self::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }
}

async fn fetch_sqlite<'e>(
    executor: impl Executor<'e, Database = Sqlite>,
    statement: Statement,
) -> Result<Vec<Vec<Value>>, Fault> {
    let sql = AssertSqlSafe(statement.sql);
    let query = sqlx::query_with(sql, sqlite_arguments(statement.values)?);
    let rows = query.fetch_all(executor).await?;
    rows.iter().map(|row| decoded(row, &statement.returns)).collect()
}

async fn fetch_postgres<'e>(
    executor: impl Executor<'e, Database = Postgres>,
    statement: Statement,
) -> Result<Vec<Vec<Value>>, Fault> {
    let sql = AssertSqlSafe(statement.sql);
    let query = sqlx::query_with(sql, postgres_arguments(statement.values)?);
    let rows = query.fetch_all(executor).await?;
    rows.iter().map(|row| decoded(row, &statement.returns)).collect()
}

fn sqlite_arguments(values: Vec<Bound>) -> Result<SqliteArguments, Fault> {
    let mut arguments = SqliteArguments::default();
    for value in values {
        let added = match value {
            Bound::Text(text) => arguments.add(text),
            Bound::Integer(number) => arguments.add(number),
            Bound::Boolean(flag) => arguments.add(flag),
            // What `json_each` takes apart again.
            Bound::Texts(texts) => arguments.add(Value::from(texts).to_string()),
        };
        added.map_err(not_bound)?;
    }
    Ok(arguments)
}

fn postgres_arguments(values: Vec<Bound>) -> Result<PgArguments, Fault> {
    let mut arguments = PgArguments::default();
    for value in values {
        let added = match value {
            Bound::Text(text) => arguments.add(text),
            Bound::Integer(number) => arguments.add(number),
            Bound::Boolean(flag) => arguments.add(flag),
            Bound::Texts(texts) => arguments.add(texts),
        };
        added.map_err(not_bound)?;
    }
    Ok(arguments)
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that `map_err` calls")]
fn not_bound(error: BoxDynError) -> Fault {
    Fault::Store(StoreError::Invalid(format!("a value cannot be sent to the database: {error}")))
}

fn decoded<'r, R>(row: &'r R, kinds: &[ColumnKind]) -> Result<Vec<Value>, Fault>
where
    R: Row,
    usize: ColumnIndex<R>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    bool: Decode<'r, R::Database> + Type<R::Database>,
{
    let value = |(number, kind): (usize, &ColumnKind)| -> Result<Value, Fault> {
        Ok(match kind {
            ColumnKind::Text | ColumnKind::Time => row.try_get::<Option<String>, _>(number)?.into(),
            ColumnKind::Integer => row.try_get::<Option<i64>, _>(number)?.into(),
            ColumnKind::Boolean => row.try_get::<Option<bool>, _>(number)?.into(),
            ColumnKind::Json => match row.try_get::<Option<String>, _>(number)? {
                Some(text) => serde_json::from_str(&text).map_err(|error| {
                    Fault::Store(StoreError::Broken(format!(
                        "what should be JSON is none: {error}"
                    )))
                })?,
                None => Value::Null,
            },
        })
    };
    kinds.iter().enumerate().map(value).collect()
}

#[cfg(test)]
mod tests {
    use sqlx::Executor as _;
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};

    use super::begin_sqlite;

    #[tokio::test]
    async fn a_transaction_that_sqlite_rolled_back_does_not_end_all_writing() {
        let directory = tempfile::TempDir::new().unwrap();
        let file = SqliteConnectOptions::new().filename(directory.path().join("store.db"));
        let options = SqlitePoolOptions::new().max_connections(1);
        let writer = options.connect_with(file.create_if_missing(true)).await.unwrap();
        writer.execute("CREATE TABLE kept (value)").await.unwrap();
        for _ in 0..3 {
            let mut transaction = begin_sqlite(&writer).await.unwrap();
            transaction.execute("INSERT INTO kept VALUES (1)").await.unwrap();
            // What SQLite does by itself on a disk that is full.
            transaction.execute("ROLLBACK").await.unwrap();
            drop(transaction);
        }
        let mut transaction = begin_sqlite(&writer).await.unwrap();
        transaction.execute("INSERT INTO kept VALUES (2)").await.unwrap();
        transaction.commit().await.unwrap();
        let kept: i64 =
            sqlx::query_scalar("SELECT sum(value) FROM kept").fetch_one(&writer).await.unwrap();
        assert_eq!(kept, 2);
    }
}
