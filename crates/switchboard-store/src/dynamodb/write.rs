//! Changes, carried out together.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, ConditionCheck, Delete, Put, PutRequest, ReturnValue,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update, WriteRequest,
};
use serde_json::{Map, Value};
use switchboard_core::store::{ATOMIC, Change, Condition, PARTITION, Row, StoreError, Table, Test};

use crate::dynamodb::expression::Placeholders;
use crate::dynamodb::failure::{Doing, back_off, coded, failed};
use crate::dynamodb::fold::{Effect, Folded, Presence, fold};
use crate::dynamodb::store::{Attributes, Scope};
use crate::dynamodb::{tables, value};
use crate::shape;

/// How many items one request may put without a transaction
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchWriteItem.html>).
const BATCH: usize = 25;

/// How often a request is sent again because others were at the same items, or part of it was left.
const TRIES: u32 = 12;

/// An attribute that no item has: what an update takes away that changes nothing.
const NOTHING: &str = "$nothing";

/// Carries out `changes`.
///
/// # Errors
///
/// As [`Store::write`](switchboard_core::store::Store::write).
pub(super) async fn write(scope: Scope<'_>, changes: Vec<Change>) -> Result<(), StoreError> {
    shape::changes(scope.table, &changes)?;
    if changes.len() > ATOMIC
        && let Some(rows) = distinct_puts(&changes)
    {
        // Half the price of transactions, and what is imported comes that way.
        return put_all(scope, &rows).await;
    }
    let mut changes = changes.into_iter();
    loop {
        let together: Vec<_> = changes.by_ref().take(ATOMIC).collect();
        if together.is_empty() {
            return Ok(());
        }
        let folded = fold(scope.table, together)?;
        match &*folded {
            [only] if only.is_unconditional() => alone(scope, only).await?,
            folded => together_or_not(scope, folded).await?,
        }
    }
}

/// Adds to a number, which a row that is not there has as zero.
///
/// # Errors
///
/// As [`Store::add`](switchboard_core::store::Store::add).
pub(super) async fn add(
    scope: Scope<'_>,
    key: &str,
    column: &'static str,
    by: i64,
) -> Result<i64, StoreError> {
    shape::counter(scope.table, key, column)?;
    let name = &scope.place.name;
    let answer = scope
        .client
        .update_item()
        .table_name(name)
        .set_key(Some(scope.key(key)))
        .update_expression("ADD #column :by")
        .expression_attribute_names("#column", column)
        .expression_attribute_values(":by", AttributeValue::N(by.to_string()))
        // Of `UpdatedNew`, moto leaves out what was added zero to.
        .return_values(ReturnValue::AllNew)
        .send()
        .await
        .map_err(|error| failed(Doing::Writing, name, &error))?;
    let sum = answer.attributes().and_then(|attributes| attributes.get(column)?.as_n().ok());
    sum.and_then(|sum| value::integer(sum)).ok_or_else(|| {
        StoreError::Broken(format!("`{column}` of `{key}` in {name} is no whole number"))
    })
}

/// The rows, where all changes are puts and none is of the same key as another.
fn distinct_puts(changes: &[Change]) -> Option<Vec<&Row>> {
    let mut keys = HashSet::new();
    let rows = changes.iter().map(|change| match change {
        Change::Put(row) if keys.insert(row.key.as_str()) => Some(row),
        _ => None,
    });
    rows.collect()
}

async fn put_all(scope: Scope<'_>, rows: &[&Row]) -> Result<(), StoreError> {
    let name = &scope.place.name;
    for rows in rows.chunks(BATCH) {
        let mut requests = Vec::new();
        for row in rows {
            let put = PutRequest::builder().set_item(Some(item(scope, row)?)).build();
            let put = put.map_err(unbuilt)?;
            requests.push(WriteRequest::builder().put_request(put).build());
        }
        let mut left = HashMap::from([(name.clone(), requests)]);
        for attempt in 0.. {
            let request = scope.client.batch_write_item().set_request_items(Some(left));
            let answer =
                request.send().await.map_err(|error| failed(Doing::Writing, name, &error))?;
            left = answer.unprocessed_items.unwrap_or_default();
            if left.is_empty() {
                break;
            }
            if attempt >= TRIES {
                return Err(StoreError::Unavailable(format!("{name} is written to too much")));
            }
            back_off(attempt).await;
        }
    }
    Ok(())
}

/// One change without a condition: sent twice, it is the same.
async fn alone(scope: Scope<'_>, change: &Folded) -> Result<(), StoreError> {
    let (client, name) = (scope.client, &scope.place.name);
    let key = scope.key(&change.key);
    match &change.effect {
        Effect::Nothing => Ok(()),
        Effect::Whole(row) => {
            let put = client.put_item().table_name(name).set_item(Some(item(scope, row)?));
            put.send().await.map(drop).map_err(|error| failed(Doing::Writing, name, &error))
        }
        Effect::Columns(columns) => {
            let mut placeholders = Placeholders::default();
            let expression = update(scope.table, columns, &mut placeholders)?;
            let (names, values) = placeholders.into_parts();
            let update = client
                .update_item()
                .table_name(name)
                .set_key(Some(key))
                .update_expression(expression)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values);
            update.send().await.map(drop).map_err(|error| failed(Doing::Writing, name, &error))
        }
        Effect::Gone => {
            let delete = client.delete_item().table_name(name).set_key(Some(key));
            delete.send().await.map(drop).map_err(|error| failed(Doing::Writing, name, &error))
        }
    }
}

/// All of them, or none.
async fn together_or_not(scope: Scope<'_>, changes: &[Folded]) -> Result<(), StoreError> {
    let name = &scope.place.name;
    let mut items = Vec::with_capacity(changes.len());
    for change in changes {
        items.push(part(scope, change)?);
    }
    for attempt in 0..TRIES {
        let request = scope.client.transact_write_items().set_transact_items(Some(items.clone()));
        let Err(error) = request.send().await else { return Ok(()) };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
            error.as_service_error()
        else {
            return Err(failed(Doing::Writing, name, &error));
        };
        if let Some(why) = refusal(scope, changes, cancelled.cancellation_reasons()) {
            return Err(why);
        }
        back_off(attempt).await;
    }
    Err(StoreError::Unavailable(format!("others change the same rows of {name} all the time")))
}

/// Why a transaction was not carried out; `None` where the same may succeed at once.
fn refusal(
    scope: Scope<'_>,
    changes: &[Folded],
    reasons: &[CancellationReason],
) -> Option<StoreError> {
    changes.iter().zip(reasons).find_map(|(change, reason)| match reason.code()? {
        "None" | "TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded" => {
            None
        }
        "ConditionalCheckFailed" => {
            let was_there = reason.item().is_some_and(|item| !item.is_empty());
            Some(change.refused(scope.table, was_there))
        }
        code => {
            let place = format!("`{}` of {}", change.key, scope.place.name);
            Some(coded(Doing::Writing, &place, Some(code), reason.message()))
        }
    })
}

/// A change as a part of a transaction.
fn part(scope: Scope<'_>, change: &Folded) -> Result<TransactWriteItem, StoreError> {
    let mut placeholders = Placeholders::default();
    let condition = condition(scope.table, change, &mut placeholders)?;
    let (name, key) = (&scope.place.name, scope.key(&change.key));
    let old = ReturnValuesOnConditionCheckFailure::AllOld;
    let builder = TransactWriteItem::builder();
    let is_check = matches!(change.effect, Effect::Nothing)
        || (change.effect == Effect::Gone && change.expects == Some(Presence::Absent));
    let built = match &change.effect {
        // What is made and deleted again must not have been there, and that is all.
        _ if is_check => {
            let (names, values) = placeholders.into_parts();
            let check = ConditionCheck::builder()
                .table_name(name)
                .set_key(Some(key))
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .return_values_on_condition_check_failure(old);
            builder.condition_check(check.build().map_err(unbuilt)?)
        }
        Effect::Whole(row) => {
            let (names, values) = placeholders.into_parts();
            let put = Put::builder()
                .table_name(name)
                .set_item(Some(item(scope, row)?))
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .return_values_on_condition_check_failure(old);
            builder.put(put.build().map_err(unbuilt)?)
        }
        Effect::Columns(columns) => {
            let expression = update(scope.table, columns, &mut placeholders)?;
            let (names, values) = placeholders.into_parts();
            let update = Update::builder()
                .table_name(name)
                .set_key(Some(key))
                .update_expression(expression)
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .return_values_on_condition_check_failure(old);
            builder.update(update.build().map_err(unbuilt)?)
        }
        Effect::Nothing | Effect::Gone => {
            let (names, values) = placeholders.into_parts();
            let delete = Delete::builder()
                .table_name(name)
                .set_key(Some(key))
                .set_condition_expression(condition)
                .set_expression_attribute_names(names)
                .set_expression_attribute_values(values)
                .return_values_on_condition_check_failure(old);
            builder.delete(delete.build().map_err(unbuilt)?)
        }
    };
    Ok(built.build())
}

/// What has to hold of the item.
fn condition(
    table: &Table,
    change: &Folded,
    placeholders: &mut Placeholders,
) -> Result<Option<String>, StoreError> {
    let mut all = Vec::new();
    if let Some(presence) = change.expects {
        let name = placeholders.name(PARTITION);
        all.push(match presence {
            Presence::There => format!("attribute_exists({name})"),
            Presence::Absent => format!("attribute_not_exists({name})"),
        });
    }
    for (column, was) in &change.was {
        let condition = Condition { column, test: Test::Is(was.clone()) };
        all.push(placeholders.condition(table, &condition)?);
    }
    Ok((!all.is_empty()).then(|| all.join(" AND ")))
}

/// The item of a whole row; what is null has no attribute.
fn item(scope: Scope<'_>, row: &Row) -> Result<Attributes, StoreError> {
    let mut item = scope.key(&row.key);
    for (column, value) in &row.columns {
        if let Some(attribute) = attribute(scope.table, column, value)? {
            item.insert(column.clone(), attribute);
        }
    }
    Ok(item)
}

/// Sets and takes away columns, and leaves all other attributes, those of others among them.
fn update(
    table: &Table,
    columns: &Map<String, Value>,
    placeholders: &mut Placeholders,
) -> Result<String, StoreError> {
    let (mut set, mut remove) = (Vec::new(), Vec::new());
    for (column, value) in columns {
        let name = placeholders.name(column);
        match attribute(table, column, value)? {
            Some(attribute) => set.push(format!("{name} = {}", placeholders.value(attribute))),
            None => remove.push(name),
        }
    }
    if set.is_empty() && remove.is_empty() {
        // A transaction takes no update that says nothing.
        remove.push(placeholders.name(NOTHING));
    }
    let clause = |word: &str, parts: &[String]| match parts {
        [] => String::new(),
        parts => format!("{word} {} ", parts.join(", ")),
    };
    Ok(format!("{}{}", clause("SET", &set), clause("REMOVE", &remove)))
}

/// `None` for null.
fn attribute(
    table: &Table,
    column: &str,
    value: &Value,
) -> Result<Option<AttributeValue>, StoreError> {
    if value.is_null() {
        return Ok(None);
    }
    if value == "" && tables::indexed(table).any(|indexed| indexed == column) {
        // <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/HowItWorks.NamingRulesDataTypes.html>
        return Err(StoreError::Invalid(format!(
            "`{column}` of {} is empty, and DynamoDB takes no empty text into an index",
            table.name
        )));
    }
    Ok(Some(value::encode(value::kind(table, column)?, value)))
}

/// Something that we always give was not given.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unbuilt(error: BuildError) -> StoreError {
    StoreError::Broken(error.to_string())
}
