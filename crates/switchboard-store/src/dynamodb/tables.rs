//! The tables: found, or made.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::builders::CreateTableFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, LocalSecondaryIndex, Projection,
    ProjectionType, ScalarAttributeType, TableDescription, TableStatus,
};
use futures_util::future::try_join_all;
use switchboard_core::store::{ColumnKind, PARTITION, StoreError, Table, tables};
use tokio::time::sleep;

use crate::dynamodb::DynamodbConfig;
use crate::dynamodb::failure::{Doing, failed};

/// How long a new table may take until it can be used. Some ten seconds are usual.
const PATIENCE: Duration = Duration::from_secs(180);
const STEP: Duration = Duration::from_secs(1);

/// Where a table is in the account.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Place {
    pub(super) name: String,
    /// The columns that it has an index for. Tables that others made have fewer than ours, and an
    /// index cannot be added later
    /// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html>).
    pub(super) indexes: Vec<&'static str>,
}

/// Finds every table, or makes it where that is configured, and waits until all can be used.
///
/// # Errors
///
/// As [`Dynamodb::open`](super::Dynamodb::open).
pub(super) async fn open(
    client: &Client,
    config: &DynamodbConfig,
) -> Result<HashMap<&'static str, Place>, StoreError> {
    let places = tables::ALL.map(async |table| {
        let place = one(client, config, table).await?;
        Ok::<_, StoreError>((table.name, place))
    });
    Ok(try_join_all(places).await?.into_iter().collect())
}

async fn one(
    client: &Client,
    config: &DynamodbConfig,
    table: &'static Table,
) -> Result<Place, StoreError> {
    let name = format!("{}{}", config.table_prefix, table.dynamodb);
    let mut description = describe(client, &name).await?;
    if description.is_none() {
        if !config.initialize_tables {
            return Err(StoreError::Broken(format!(
                "the table {name} is not there; set `initialize_tables` of `dynamodb` to make it"
            )));
        }
        description = create(client, table, &name).await?;
    }
    let mut waited = Duration::ZERO;
    loop {
        if let Some(found) = description.filter(is_ready) {
            return place(table, name, &found);
        }
        if waited >= PATIENCE {
            return Err(StoreError::Unavailable(format!("the table {name} does not get ready")));
        }
        if !waited.is_zero() {
            sleep(STEP).await;
        }
        waited += STEP;
        description = describe(client, &name).await?;
    }
}

fn is_ready(description: &TableDescription) -> bool {
    // A table whose settings are being changed can be used.
    matches!(description.table_status(), Some(TableStatus::Active | TableStatus::Updating))
}

async fn describe(client: &Client, name: &str) -> Result<Option<TableDescription>, StoreError> {
    match client.describe_table().table_name(name).send().await {
        Ok(found) => Ok(found.table),
        Err(error) => {
            let service = error.as_service_error();
            if service.is_some_and(|error| error.is_resource_not_found_exception()) {
                return Ok(None);
            }
            Err(failed(Doing::Reading, name, &error))
        }
    }
}

/// What it is like right after it was made; `None` where somebody else is making it.
async fn create(
    client: &Client,
    table: &Table,
    name: &str,
) -> Result<Option<TableDescription>, StoreError> {
    let request = definition(client, table, name)
        .map_err(|error| StoreError::Broken(format!("{name}: {error}")))?;
    match request.send().await {
        Ok(made) => Ok(made.table_description),
        Err(error) => {
            let service = error.as_service_error();
            if service.is_some_and(|error| error.is_resource_in_use_exception()) {
                return Ok(None);
            }
            Err(failed(Doing::Reading, name, &error))
        }
    }
}

fn definition(
    client: &Client,
    table: &Table,
    name: &str,
) -> Result<CreateTableFluentBuilder, BuildError> {
    let key =
        |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build();
    let text = |name: &str| {
        let text = ScalarAttributeType::S;
        AttributeDefinition::builder().attribute_name(name).attribute_type(text).build()
    };
    let mut request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(text(PARTITION)?)
        .attribute_definitions(text(table.key)?)
        .key_schema(key(PARTITION, KeyType::Hash)?)
        .key_schema(key(table.key, KeyType::Range)?);
    let all = Projection::builder().projection_type(ProjectionType::All).build();
    for column in indexed(table) {
        let index = LocalSecondaryIndex::builder()
            .index_name(index(column))
            .key_schema(key(PARTITION, KeyType::Hash)?)
            .key_schema(key(column, KeyType::Range)?)
            .projection(all.clone())
            .build()?;
        request = request.attribute_definitions(text(column)?).local_secondary_indexes(index);
    }
    Ok(request)
}

/// Local secondary indexes that a table may have
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/LSI.html>).
const INDEXES: usize = 5;

/// The columns that a table of ours has an index for: texts and times, which sort as texts.
pub(super) fn indexed(table: &Table) -> impl Iterator<Item = &'static str> {
    let single = table.indexes.iter().filter_map(|index| match index {
        [column] => Some(*column),
        _ => None,
    });
    single
        .filter(|column| {
            let kind = table.column(column).map(|column| column.kind);
            matches!(kind, Some(ColumnKind::Text | ColumnKind::Time))
        })
        .take(INDEXES)
}

/// The name of the index for a column.
pub(super) fn index(column: &str) -> String {
    format!("{column}-index")
}

/// What a table offers, once it is known to be the one that is meant.
fn place(table: &Table, name: String, description: &TableDescription) -> Result<Place, StoreError> {
    let keys: Vec<_> = description.key_schema().iter().map(described).collect();
    if keys != [(PARTITION, &KeyType::Hash), (table.key, &KeyType::Range)] {
        return Err(StoreError::Broken(format!(
            "the table {name} has another key than `{PARTITION}` and `{}`",
            table.key
        )));
    }
    let offers = |column: &&str| {
        description.local_secondary_indexes().iter().any(|own| {
            let whole = own.projection().and_then(Projection::projection_type);
            own.index_name() == Some(&index(column))
                && whole == Some(&ProjectionType::All)
                && own
                    .key_schema()
                    .iter()
                    .map(described)
                    .eq([(PARTITION, &KeyType::Hash), (*column, &KeyType::Range)])
        })
    };
    let indexes = indexed(table).filter(offers).collect();
    Ok(Place { name, indexes })
}

fn described(element: &KeySchemaElement) -> (&str, &KeyType) {
    (element.attribute_name(), element.key_type())
}
