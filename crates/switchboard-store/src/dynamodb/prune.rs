//! Rows of one tenant that go: found by a query, along an index where one fits.

use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use switchboard_core::store::{Condition, PARTITION, Row, StoreError};

use crate::dynamodb::expression::Placeholders;
use crate::dynamodb::failure::{Doing, failed};
use crate::dynamodb::list::request;
use crate::dynamodb::plan::{self, Plan};
use crate::dynamodb::store::Scope;
use crate::dynamodb::value;
use crate::shape;

/// How many rows are deleted at once, as in a sweep.
const AT_ONCE: usize = 8;

/// Deletes rows that meet all conditions.
///
/// # Errors
///
/// As [`Store::prune`](switchboard_core::store::Store::prune).
pub(super) async fn prune(
    scope: Scope<'_>,
    conditions: &[Condition],
    limit: u32,
) -> Result<u64, StoreError> {
    shape::conditions(scope.table, conditions)?;
    let plan = Plan::unordered(scope.table, scope.place, conditions);
    if plan.span.is_empty() {
        return Ok(0);
    }
    let limit = u64::from(limit);
    let (mut deleted, mut start) = (0, None);
    loop {
        let answer = request(scope, &plan)?
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| failed(Doing::Reading, &scope.place.name, &error))?;
        let mut going = Vec::new();
        for item in answer.items() {
            let row = value::row(scope.table, item)?;
            if plan.rest.iter().all(|condition| plan::holds(scope.table, &row, condition)) {
                going.push(row);
            }
        }
        let left = usize::try_from(limit - deleted).unwrap_or(usize::MAX);
        deleted += stream::iter(going.into_iter().take(left))
            .map(|row| delete(scope, row, conditions))
            .buffer_unordered(AT_ONCE)
            .try_fold(0, async |sum, one| Ok(sum + u64::from(one)))
            .await?;
        start = answer.last_evaluated_key;
        if start.is_none() || deleted >= limit {
            return Ok(deleted);
        }
    }
}

/// Deletes an item that still is what was asked for; whether it was. What is asked of the key holds
/// as long as the item is there.
async fn delete(scope: Scope<'_>, row: Row, conditions: &[Condition]) -> Result<bool, StoreError> {
    let mut placeholders = Placeholders::default();
    let mut still = vec![format!("attribute_exists({})", placeholders.name(PARTITION))];
    for condition in conditions.iter().filter(|it| it.column != scope.table.key) {
        still.push(placeholders.condition(scope.table, condition)?);
    }
    let (names, values) = placeholders.into_parts();
    let request = scope
        .client
        .delete_item()
        .table_name(&scope.place.name)
        .set_key(Some(scope.key(&row.key)))
        .condition_expression(still.join(" AND "))
        .set_expression_attribute_names(names)
        .set_expression_attribute_values(values);
    carried_out(request, &scope.place.name).await
}

/// Whether the item was still as the condition of the request wants it, and is gone now.
pub(super) async fn carried_out(
    request: DeleteItemFluentBuilder,
    table: &str,
) -> Result<bool, StoreError> {
    match request.send().await {
        Ok(_) => Ok(true),
        Err(error) => {
            let service = error.as_service_error();
            if service.is_some_and(|error| error.is_conditional_check_failed_exception()) {
                return Ok(false);
            }
            Err(failed(Doing::Writing, table, &error))
        }
    }
}
