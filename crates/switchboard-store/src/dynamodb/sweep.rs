//! What reaches beyond one tenant: walks through a whole table.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::scan::ScanOutput;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::Value;
use switchboard_core::Tenant;
use switchboard_core::store::{Condition, PARTITION, StoreError, Table, Test};

use crate::dynamodb::expression::Placeholders;
use crate::dynamodb::failure::{Doing, failed};
use crate::dynamodb::prune::carried_out;
use crate::dynamodb::store::Attributes;
use crate::dynamodb::tables::Place;
use crate::shape;

/// How many rows are deleted at once. A batch would take fewer requests for the same price, but no
/// condition: a row that was given more time meanwhile would go.
const AT_ONCE: usize = 8;

/// Deletes rows whose column is below a bound.
///
/// # Errors
///
/// As [`Store::sweep`](switchboard_core::store::Store::sweep).
pub(super) async fn sweep(
    client: &Client,
    table: &'static Table,
    place: &Place,
    (column, bound): (&'static str, &Value),
    limit: u32,
) -> Result<u64, StoreError> {
    shape::bound(table, column, bound)?;
    let is_old = Condition { column, test: Test::Below(bound.clone()) };
    let (mut deleted, mut start) = (0, None);
    loop {
        let mut placeholders = Placeholders::default();
        let filter = placeholders.condition(table, &is_old)?;
        let keys = format!("{}, {}", placeholders.name(PARTITION), placeholders.name(table.key));
        let (names, values) = placeholders.into_parts();
        let scan = scan(client, place, start)
            .filter_expression(filter)
            .projection_expression(keys)
            .set_expression_attribute_names(names)
            .set_expression_attribute_values(values);
        let answer = send(scan, place).await?;
        let left = usize::try_from(u64::from(limit) - deleted).unwrap_or(usize::MAX);
        let keys = answer.items.unwrap_or_default().into_iter().take(left);
        deleted += stream::iter(keys)
            .map(|key| delete(client, table, place, key, &is_old))
            .buffer_unordered(AT_ONCE)
            .try_fold(0, async |sum, one| Ok(sum + u64::from(one)))
            .await?;
        start = answer.last_evaluated_key;
        if start.is_none() || deleted >= u64::from(limit) {
            return Ok(deleted);
        }
    }
}

/// Deletes an item that is still as it was found; whether it was.
async fn delete(
    client: &Client,
    table: &'static Table,
    place: &Place,
    key: Attributes,
    is_old: &Condition,
) -> Result<bool, StoreError> {
    let mut placeholders = Placeholders::default();
    let condition = placeholders.condition(table, is_old)?;
    let (names, values) = placeholders.into_parts();
    let request = client
        .delete_item()
        .table_name(&place.name)
        .set_key(Some(key))
        .condition_expression(condition)
        .set_expression_attribute_names(names)
        .set_expression_attribute_values(values);
    carried_out(request, &place.name).await
}

/// Whose rows there are. The whole table is read for it: there is no list of partitions.
///
/// # Errors
///
/// As [`Store::tenants`](switchboard_core::store::Store::tenants).
pub(super) async fn tenants(
    client: &Client,
    table: &Table,
    place: &Place,
) -> Result<Vec<Tenant>, StoreError> {
    let (mut found, mut start) = (BTreeSet::new(), None);
    loop {
        let scan = scan(client, place, start)
            .projection_expression("#partition")
            .expression_attribute_names("#partition", PARTITION);
        let answer = send(scan, place).await?;
        for item in answer.items() {
            let partition = item.get(PARTITION).and_then(|partition| partition.as_s().ok());
            found.extend(partition.cloned());
        }
        start = answer.last_evaluated_key;
        if start.is_none() {
            break;
        }
    }
    let tenants = found.iter().filter_map(|partition| {
        let tenant = Tenant::parse(partition);
        if let Err(error) = &tenant {
            tracing::warn!(table = table.name, %error, "rows of a partition that is no tenant are left alone");
        }
        tenant.ok()
    });
    Ok(tenants.collect())
}

fn scan(client: &Client, place: &Place, start: Option<Attributes>) -> ScanFluentBuilder {
    client.scan().table_name(&place.name).consistent_read(true).set_exclusive_start_key(start)
}

async fn send(scan: ScanFluentBuilder, place: &Place) -> Result<ScanOutput, StoreError> {
    scan.send().await.map_err(|error| failed(Doing::Reading, &place.name, &error))
}
