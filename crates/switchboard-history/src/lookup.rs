//! Records, read again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use similar::TextDiff;
use switchboard_client::control::{CallFilter, RecordedCall, RecordedCalls};
use switchboard_core::store::{Listed, Mark, Query, Row, Store, StoreError, Test, tables};
use switchboard_core::{Tenant, rfc3339_micros};

use crate::ids::{bound, is_ours, started, strip, within};
use crate::record::lacks_arguments;

/// A page that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    pub filter: &'a CallFilter,
    /// What the page before gave as its `next`.
    pub after: Option<&'a str>,
    pub limit: u32,
}

/// A page of the calls of a tenant, the newest first.
///
/// Ours come first, by their ids, which are their times. After them come those of the engine before
/// us, whose ids are not, by when they changed.
///
/// # Errors
///
/// [`StoreError`].
pub async fn page(
    store: &dyn Store,
    tenant: &Tenant,
    wanted: Page<'_>,
    now: SystemTime,
) -> Result<RecordedCalls, StoreError> {
    let Page { filter, after, limit } = wanted;
    let place = Place::parse(after);
    let asked = Asked { store, tenant, filter, strip: strip(now) };
    let mut rows = Vec::new();
    if let Place::Ours(after) = &place {
        let listed = asked.ours(after.as_deref(), limit).await?;
        let next = listed.rows.last().filter(|_| listed.has_more).map(|row| row.key.clone());
        rows = listed.rows;
        if next.is_some() {
            return Ok(RecordedCalls { calls: rows.into_iter().map(recorded).collect(), next });
        }
    }
    let after = match place {
        Place::Ours(_) => None,
        Place::Older(mark) => mark,
    };
    let room = limit - u32::try_from(rows.len()).unwrap_or(limit);
    let (older, has_more) = asked.older(after, room).await?;
    let next = has_more.then(|| older.last().map_or_else(|| OLDER.to_owned(), place_of));
    rows.extend(older);
    Ok(RecordedCalls { calls: rows.into_iter().map(recorded).collect(), next })
}

/// How a place among the records of the older engine begins; no id of ours does.
const OLDER: &str = "~";

/// Where a page begins.
enum Place {
    /// After this id.
    Ours(Option<String>),
    /// After this record of the older engine, or at the first of them.
    Older(Option<Mark>),
}

impl Place {
    fn parse(after: Option<&str>) -> Self {
        let Some(older) = after.and_then(|after| after.strip_prefix(OLDER)) else {
            return Self::Ours(after.map(str::to_owned));
        };
        Self::Older(older.split_once(OLDER).map(|(time, key)| {
            let value = if time.is_empty() { Value::Null } else { time.into() };
            Mark { value, key: key.to_owned() }
        }))
    }
}

fn place_of(row: &Row) -> String {
    let time = row.text(CHANGED).unwrap_or_default();
    format!("{OLDER}{time}{OLDER}{}", row.key)
}

/// What orders the records of the older engine.
const CHANGED: &str = "updated_at";

/// What is asked, and of whom.
struct Asked<'a> {
    store: &'a dyn Store,
    tenant: &'a Tenant,
    filter: &'a CallFilter,
    /// Where our ids are.
    strip: (String, String),
}

impl Asked<'_> {
    async fn ours(&self, after: Option<&str>, limit: u32) -> Result<Listed, StoreError> {
        let (mut from, mut below) = self.strip.clone();
        if let Some(since) = self.filter.since {
            from = from.max(bound(at(since)));
        }
        if let Some(until) = self.filter.until {
            below = below.min(bound(at(until)));
        }
        let mut query = self.narrowed(Query::first(limit).by(None, true));
        query.conditions.extend(within(&from, &below));
        query.after = after.map(|key| Mark { value: Value::Null, key: key.to_owned() });
        self.store.list(&tables::CALLS, self.tenant, &query).await
    }

    /// Records whose ids cannot be ours, and whether there are more.
    async fn older(&self, after: Option<Mark>, limit: u32) -> Result<(Vec<Row>, bool), StoreError> {
        // They do not say who called, and were answered by nothing that has a name here.
        if self.filter.subject.is_some() || self.filter.upstream.is_some() {
            return Ok((Vec::new(), false));
        }
        let (first, end) = &self.strip;
        let mut found = Vec::new();
        for test in [Test::Below(first.as_str().into()), Test::From(end.as_str().into())] {
            let outside = Query::first(1).only(tables::CALLS.key, test.clone());
            let outside = Query { omits_large: true, ..outside };
            // One look at the key: an order by time would walk through all of ours to find none.
            if self.store.list(&tables::CALLS, self.tenant, &outside).await?.rows.is_empty() {
                continue;
            }
            let mut query = self.narrowed(Query::first(limit + 1).by(Some(CHANGED), true));
            query = query.only(tables::CALLS.key, test);
            if let Some(since) = self.filter.since {
                query = query.only(CHANGED, Test::From(rfc3339_micros(at(since)).into()));
            }
            if let Some(until) = self.filter.until {
                query = query.only(CHANGED, Test::Below(rfc3339_micros(at(until)).into()));
            }
            query.after.clone_from(&after);
            found.extend(self.store.list(&tables::CALLS, self.tenant, &query).await?.rows);
        }
        let place = |row: &Row| (row.text(CHANGED).map(str::to_owned), row.key.clone());
        found.sort_by_cached_key(|row| std::cmp::Reverse(place(row)));
        let has_more = (limit as usize) < found.len();
        found.truncate(limit as usize);
        Ok((found, has_more))
    }

    fn narrowed(&self, mut query: Query) -> Query {
        for (column, wanted) in [
            ("name", &self.filter.name),
            ("upstream", &self.filter.upstream),
            ("subject", &self.filter.subject),
            ("status", &self.filter.status),
        ] {
            if let Some(wanted) = wanted {
                query = query.only(column, Test::Is(wanted.as_str().into()));
            }
        }
        query
    }
}

fn at(microseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(microseconds)
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
    // Of a record that is not ours the id says nothing.
    let begun = started(&row.key).filter(|_| is_ours(&row)).map(rfc3339_micros);
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
