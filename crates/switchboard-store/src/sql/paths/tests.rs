//! What SQLite says of its plans, for every filter that people have.

use serde_json::Value;
use switchboard_core::Tenant;
use switchboard_core::store::tables::CALLS;
use switchboard_core::store::{ColumnKind, Query, Test};

use crate::sql::SqlStore;
use crate::sql::statement::{Segment, Statement};

/// How the calls of a query are searched for. Where keys are found first, that is the last search.
async fn along(store: &SqlStore, query: &Query) -> String {
    let tenant = Tenant::default();
    let list = store.statements(&CALLS).list(&tenant, query, Segment::All, (query.skip, 51));
    let mut returns = vec![ColumnKind::Integer; 3];
    returns.push(ColumnKind::Text);
    let sql = format!("EXPLAIN QUERY PLAN {}", list.sql);
    let explain = Statement { sql, values: list.values, returns };
    let steps = store.pools.fetch(explain).await.unwrap();
    let steps = steps.iter().filter_map(|step| step.last()?.as_str());
    let mut searched = steps.filter(|step| step.starts_with("SEARCH") || step.starts_with("SCAN"));
    searched.next_back().unwrap_or_default().replace("mcp_function_calls", "calls")
}

fn texts(conditions: &[(&'static str, &str)]) -> Query {
    let newest = Query::first(50).by(None, true);
    conditions
        .iter()
        .fold(newest, |query, (column, text)| query.only(column, Test::Is(Value::from(*text))))
}

fn bounded(query: Query, column: &'static str, bounds: (&str, &str)) -> Query {
    query.only(column, Test::From(bounds.0.into())).only(column, Test::Below(bounds.1.into()))
}

#[tokio::test]
async fn every_filter_of_history_goes_along_the_index_that_tells_most() {
    let directory = tempfile::TempDir::new().unwrap();
    let store = crate::sqlite::open(&directory.path().join("store.db")).await.unwrap();
    let (tool, failed, completed) = (("name", "t"), ("status", "failed"), ("status", "completed"));
    let (server, subject, kind) = (("upstream", "s"), ("subject", "ann"), ("mcp_type", "tool"));
    let cases: &[(&[(&'static str, &str)], &str)] = &[
        (&[], "calls_1 ("),
        (&[tool], "calls_name ("),
        (&[server], "calls_upstream ("),
        (&[subject], "calls_subject ("),
        (&[failed], "calls_status ("),
        (&[kind], "calls_mcp_type ("),
        (&[completed, tool], "calls_name ("),
        (&[server, completed], "calls_upstream ("),
        (&[subject, completed], "calls_subject ("),
        (&[kind, completed], "calls_status ("),
        (&[failed, tool], "calls_name_status ("),
        (&[server, failed], "calls_upstream_status ("),
        (&[failed, subject], "calls_subject_status ("),
        (&[kind, failed], "calls_status ("),
        (&[tool, server], "calls_name ("),
        (&[subject, tool], "calls_name ("),
        (&[kind, tool, subject, server, failed], "calls_name_status ("),
        (&[kind, tool, subject, server, completed], "calls_name ("),
    ];
    for (conditions, index) in cases {
        let along = along(&store, &texts(conditions)).await;
        assert!(along.contains(*index), "{conditions:?}: {along}");
        // By the ids, which are times, on the same walk.
        let since = bounded(texts(conditions), CALLS.key, ("1", "2"));
        let along = self::along(&store, &since).await;
        assert!(along.contains(*index) && along.contains("uuid>?"), "{conditions:?}: {along}");
    }
    let week = ("2026-11-14", "2026-11-21");
    let tool = along(&store, &bounded(texts(&[tool]), "updated_at", week)).await;
    assert!(tool.contains("COVERING INDEX calls_name_updated_at ("), "{tool}");
    let all = along(&store, &bounded(texts(&[]), "updated_at", week)).await;
    assert!(all.contains("COVERING INDEX calls_updated_at ("), "{all}");
    let by_time = Query::first(50).by(Some("updated_at"), true);
    let by_time = along(&store, &by_time.only("name", Test::Is("t".into()))).await;
    assert!(by_time.contains("calls_name_updated_at ("), "{by_time}");
}
