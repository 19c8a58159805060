//! Pages of rows.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use futures_util::future::try_join_all;
use serde_json::Value;
use switchboard_core::store::{Condition, Listed, Mark, PARTITION, Query, Row, StoreError, Test};

use crate::dynamodb::expression::Placeholders;
use crate::dynamodb::failure::{Doing, failed};
use crate::dynamodb::page::{Sorted, Window};
use crate::dynamodb::plan::{self, Plan, Side};
use crate::dynamodb::store::{Attributes, Scope};
use crate::dynamodb::value::{self, stored_time};
use crate::dynamodb::{read, tables};
use crate::shape;

/// The most rows that are asked for at once. The service answers 1 MB at a time anyway.
const PAGE_LIMIT: u64 = 10_000;

/// Questions that are asked side by side: a page of a hundred values in four rounds.
const AT_ONCE: usize = 25;

/// A key that comes before all others, which an empty one would if it could be named.
const FIRST: &str = "\0";

/// The rows that `query` asks for.
///
/// # Errors
///
/// As [`Store::list`](switchboard_core::store::Store::list).
pub(super) async fn list(scope: Scope<'_>, query: &Query) -> Result<Listed, StoreError> {
    shape::query(scope.table, query)?;
    if let Some(keys) = plan::named(scope.table, &query.conditions) {
        return among(scope, query, &keys).await;
    }
    let order = query.order;
    if order.column.is_some_and(|column| !scope.place.indexes.contains(&column)) {
        return sorted_here(scope, query).await;
    }
    let mut window = Window::of(query);
    match order.column {
        None => {
            let plan = Plan::by_key(scope.table, scope.place, &query.conditions);
            let after =
                query.after.as_ref().map(|mark| Mark { value: Value::Null, ..mark.clone() });
            collect(scope, &plan, (after.as_ref(), order.descends), &mut window).await?;
        }
        Some(column) => by_column(scope, query, column, &mut window).await?,
    }
    let total = match query.counts {
        true => Some(count(scope, &query.conditions).await?),
        false => None,
    };
    Ok(window.into_page(query, total))
}

/// The row with the greatest `by` for each value of a column; so many are asked for at once.
///
/// No index has both columns. Of rows whose keys are times it is the one with the greatest key, which
/// is one question to the index of the column, where there is one, that is answered with one row. Only
/// where that is a row with another key, as the older engine's are, is it looked for in the order of
/// `by`, among the rows of all values.
pub(super) async fn latest(
    scope: Scope<'_>,
    column: &'static str,
    values: &[&str],
    by: &'static str,
) -> Result<Vec<Row>, StoreError> {
    let of = async |value: &str| {
        let query = Query::first(1).only(column, Test::Is(value.into())).only(by, Test::Present);
        shape::query(scope.table, &query)?;
        let mut window = Window::one();
        let plan = Plan::by_key(scope.table, scope.place, &query.conditions);
        collect(scope, &plan, (None, true), &mut window).await?;
        let greatest = window.into_page(&query, None).rows;
        match greatest.first() {
            Some(row) if !is_time(&row.key) => {
                Ok(list(scope, &query.by(Some(by), true)).await?.rows)
            }
            _ => Ok::<_, StoreError>(greatest),
        }
    };
    // No store has a value with NUL in it.
    let possible: Vec<_> = values.iter().filter(|value| !value.contains('\0')).collect();
    let mut rows = Vec::with_capacity(possible.len());
    for some in possible.chunks(AT_ONCE) {
        let found = try_join_all(some.iter().map(|value| of(value))).await?;
        rows.extend(found.into_iter().flatten());
    }
    Ok(rows)
}

/// Whether a key says when its row was made: a UUID of version 7
/// (<https://www.rfc-editor.org/rfc/rfc9562#section-5.7>).
fn is_time(key: &str) -> bool {
    key.len() == 36 && key.as_bytes()[14] == b'7'
}

/// In the order of a column: rows without a value first, which are not in its index, and then those
/// of the index; or the other way round. To find those without a value costs a walk through all rows
/// of the tenant; a condition on the column that they cannot meet saves it.
async fn by_column(
    scope: Scope<'_>,
    query: &Query,
    column: &'static str,
    window: &mut Window,
) -> Result<(), StoreError> {
    let (descends, mark) = (query.order.descends, query.after.as_ref());
    let without: Vec<_> = query
        .conditions
        .iter()
        .cloned()
        .chain([Condition { column, test: Test::Is(Value::Null) }])
        .collect();
    let nulls = Plan::by_key(scope.table, scope.place, &without);
    let values = Plan::by_index(scope.table, column, &query.conditions);
    let mut parts = [(nulls, true), (values, false)];
    if descends {
        parts.reverse();
    }
    for (plan, is_nulls) in parts {
        if is_nulls && !plan::allows_null(&query.conditions, column) {
            continue;
        }
        let after = match mark {
            // In this part.
            Some(mark) if mark.value.is_null() == is_nulls => Some(mark),
            // In the other one: this one comes after it, or is behind.
            Some(_) if is_nulls != descends => continue,
            _ => None,
        };
        collect(scope, &plan, (after, descends), window).await?;
    }
    Ok(())
}

/// Lets rows come by until there are as many as wanted, or no more.
async fn collect(
    scope: Scope<'_>,
    plan: &Plan<'_>,
    (after, descends): (Option<&Mark>, bool),
    window: &mut Window,
) -> Result<(), StoreError> {
    if plan.span.is_empty() || window.room() == 0 {
        return Ok(());
    }
    let mut start = match after {
        None => None,
        Some(mark) => match start(scope, plan, mark, descends).await? {
            Start::Here(start) => Some(start),
            Start::AtTheBeginning => None,
            Start::Nowhere => return Ok(()),
        },
    };
    // As many as are wanted, in the hope that most of them meet the conditions; then more and more.
    let mut limit = window.room();
    loop {
        let limit_now = i32::try_from(limit.min(PAGE_LIMIT)).unwrap_or(i32::MAX);
        let answer = request(scope, plan)?
            .scan_index_forward(!descends)
            .limit(limit_now)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| failed(Doing::Reading, &scope.place.name, &error))?;
        for item in answer.items() {
            let row = value::row(scope.table, item)?;
            if plan.rest.iter().all(|condition| plan::holds(scope.table, &row, condition)) {
                window.add(row);
                if window.room() == 0 {
                    return Ok(());
                }
            }
        }
        start = answer.last_evaluated_key;
        if start.is_none() {
            return Ok(());
        }
        limit = limit.saturating_mul(4);
    }
}

/// Where a walk goes on.
enum Start {
    Here(Attributes),
    AtTheBeginning,
    Nowhere,
}

/// The place after a mark, whether the row is still there or not. One outside of what is asked for is
/// refused ("the provided starting key is outside query boundaries"; moto takes it), so it is judged
/// here.
async fn start(
    scope: Scope<'_>,
    plan: &Plan<'_>,
    mark: &Mark,
    descends: bool,
) -> Result<Start, StoreError> {
    let value = match (plan.index, &mark.value) {
        (None, _) => mark.key.clone(),
        // In the order of the key, with an index in which all have one value.
        (Some(_), Value::Null) => plan.span.is.clone().unwrap_or_default(),
        (Some(column), value) => stored(scope, column, value, &mark.key).await?,
    };
    match (plan.span.side(&value), descends) {
        (Side::Within, _) => {}
        (Side::Before, false) | (Side::After, true) => return Ok(Start::AtTheBeginning),
        (Side::After, false) | (Side::Before, true) => return Ok(Start::Nowhere),
    }
    let possible = |text: &str| if text.is_empty() { FIRST.to_owned() } else { text.to_owned() };
    let mut start = scope.key(&possible(&mark.key));
    if let Some(column) = plan.index {
        start.insert(column.to_owned(), AttributeValue::S(possible(&value)));
    }
    Ok(Start::Here(start))
}

/// The value of a mark as it is in the index. A time may be written there in another way than ours,
/// and its row says in which.
async fn stored(
    scope: Scope<'_>,
    column: &str,
    value: &Value,
    key: &str,
) -> Result<String, StoreError> {
    let text = value.as_str().unwrap_or_default();
    if !plan::is_time(scope.table, column) {
        return Ok(text.to_owned());
    }
    if shape::possible(key) {
        let answer = scope
            .client
            .get_item()
            .table_name(&scope.place.name)
            .set_key(Some(scope.key(key)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| failed(Doing::Reading, &scope.place.name, &error))?;
        if let Some(item) = answer.item()
            && value::row(scope.table, item)?.get(column) == Some(value)
            && let Some(AttributeValue::S(own)) = item.get(column)
        {
            return Ok(own.clone());
        }
    }
    Ok(stored_time(text))
}

pub(super) fn request(scope: Scope<'_>, plan: &Plan<'_>) -> Result<QueryFluentBuilder, StoreError> {
    let mut placeholders = Placeholders::default();
    let whose = (PARTITION, scope.tenant.as_str());
    let (keys, filter) = plan.expressions(scope.table, whose, &mut placeholders)?;
    let (names, values) = placeholders.into_parts();
    Ok(scope
        .client
        .query()
        .table_name(&scope.place.name)
        .set_index_name(plan.index.map(tables::index))
        .key_condition_expression(keys)
        .set_filter_expression(filter)
        .set_expression_attribute_names(names)
        .set_expression_attribute_values(values)
        .consistent_read(true))
}

/// How many rows meet all conditions. Only the service's count travels where it can judge them all.
async fn count(scope: Scope<'_>, conditions: &[Condition]) -> Result<u64, StoreError> {
    let plan = Plan::unordered(scope.table, scope.place, conditions);
    if plan.span.is_empty() {
        return Ok(0);
    }
    if !plan.rest.is_empty() {
        let mut window = Window::counting();
        collect(scope, &plan, (None, false), &mut window).await?;
        return Ok(window.passed);
    }
    let (mut total, mut start) = (0, None);
    loop {
        let answer = request(scope, &plan)?
            .select(Select::Count)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| failed(Doing::Reading, &scope.place.name, &error))?;
        total += u64::try_from(answer.count()).unwrap_or_default();
        start = answer.last_evaluated_key;
        if start.is_none() {
            return Ok(total);
        }
    }
}

/// A query that names keys is about rows that are read by them.
async fn among(scope: Scope<'_>, query: &Query, keys: &[&str]) -> Result<Listed, StoreError> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    keys.dedup();
    let mut sorted = Sorted::new(query);
    for row in read::rows(scope, &keys).await? {
        if query.conditions.iter().all(|condition| plan::holds(scope.table, &row, condition)) {
            sorted.add(row);
        }
    }
    Ok(sorted.into_page())
}

/// The order of a column that the table has no index for: one that others made, before there was
/// one. All rows are read, and no more are kept than are wanted.
async fn sorted_here(scope: Scope<'_>, query: &Query) -> Result<Listed, StoreError> {
    let plan = Plan::unordered(scope.table, scope.place, &query.conditions);
    let mut sorted = Sorted::new(query);
    if plan.span.is_empty() {
        return Ok(sorted.into_page());
    }
    let mut start = None;
    loop {
        let answer = request(scope, &plan)?
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(|error| failed(Doing::Reading, &scope.place.name, &error))?;
        for item in answer.items() {
            let row = value::row(scope.table, item)?;
            if plan.rest.iter().all(|condition| plan::holds(scope.table, &row, condition)) {
                sorted.add(row);
            }
        }
        start = answer.last_evaluated_key;
        if start.is_none() {
            return Ok(sorted.into_page());
        }
    }
}
