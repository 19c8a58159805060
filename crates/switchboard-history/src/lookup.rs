//! Records, read again.

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use similar::TextDiff;
use switchboard_client::control::{CallFilter, RecordedCall, RecordedCalls};
use switchboard_core::Tenant;
use switchboard_core::store::{Listed, Mark, Query, Row, Store, StoreError, Test, tables};

use crate::ids::{bound, started};
use crate::record::lacks_arguments;

/// A page of the calls of a tenant, the newest first; `after` is what the page before gave.
///
/// # Errors
///
/// [`StoreError`].
pub async fn page(
    store: &dyn Store,
    tenant: &Tenant,
    filter: &CallFilter,
    after: Option<&str>,
    limit: u32,
) -> Result<RecordedCalls, StoreError> {
    let mut query = Query::first(limit).by(None, true);
    for (column, wanted) in [
        ("name", &filter.name),
        ("upstream", &filter.upstream),
        ("subject", &filter.subject),
        ("status", &filter.status),
    ] {
        if let Some(wanted) = wanted {
            query = query.only(column, Test::Is(wanted.as_str().into()));
        }
    }
    // The ids are the beginnings.
    let key = tables::CALLS.key;
    if let Some(since) = filter.since {
        query =
            query.only(key, Test::From(bound(UNIX_EPOCH + Duration::from_micros(since)).into()));
    }
    if let Some(until) = filter.until {
        query =
            query.only(key, Test::Below(bound(UNIX_EPOCH + Duration::from_micros(until)).into()));
    }
    query.after = after.map(|key| Mark { value: Value::Null, key: key.to_owned() });
    let Listed { rows, has_more, .. } = store.list(&tables::CALLS, tenant, &query).await?;
    let next = rows.last().filter(|_| has_more).map(|row| row.key.clone());
    Ok(RecordedCalls { calls: rows.into_iter().map(recorded).collect(), next })
}

/// One call of a tenant; `None` where it has none of that id.
///
/// # Errors
///
/// [`StoreError`].
pub async fn show(
    store: &dyn Store,
    tenant: &Tenant,
    id: &str,
) -> Result<Option<RecordedCall>, StoreError> {
    let rows = store.read(&tables::CALLS, tenant, &[id]).await?;
    Ok(rows.into_iter().next().map(recorded))
}

/// What differs between two results, line by line, as `diff -u` says it; empty where they are the
/// same.
pub fn difference(before: &Value, after: &Value) -> String {
    let text = |value: &Value| {
        let mut text = serde_json::to_string_pretty(value).expect("a value is JSON");
        text.push('\n');
        text
    };
    let (before, after) = (text(before), text(after));
    let diff = TextDiff::from_lines(&before, &after);
    diff.unified_diff().header("recorded", "now").to_string()
}

fn recorded(row: Row) -> RecordedCall {
    let text = |column| row.text(column).map(str::to_owned);
    let begun = started(&row.key).map(switchboard_core::rfc3339_micros);
    let milliseconds = row.integer("time_spent").unwrap_or_default();
    let content = row.text("content").map(|content| {
        serde_json::from_str(content).unwrap_or_else(|_| Value::String(content.to_owned()))
    });
    RecordedCall {
        name: text("name").unwrap_or_default(),
        kind: text("mcp_type").unwrap_or_default(),
        status: text("status").unwrap_or_default(),
        started: begun.or_else(|| text("created_at")).unwrap_or_default(),
        duration_us: row.integer("duration").unwrap_or(milliseconds * 1_000),
        subject: text("subject").or_else(|| text("updated_by")).unwrap_or_default(),
        upstream: text("upstream"),
        endpoint: text("endpoint"),
        attempt: row.integer("attempt"),
        cache: text("cache"),
        arguments: row.get("arguments").cloned(),
        result: content,
        error: row.get("error").cloned(),
        notes: text("notes"),
        tokens_in: row.integer("tokens_in"),
        tokens_out: row.integer("tokens_out"),
        trace_id: text("trace_id"),
        can_be_replayed: !lacks_arguments(&row),
        id: row.key,
    }
}
