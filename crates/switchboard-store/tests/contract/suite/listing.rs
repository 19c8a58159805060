//! Pages: orders, marks, counts.

use serde_json::{Value, json};
use switchboard_core::store::tables::{ALL, CALLS, FUNCTIONS};
use switchboard_core::store::{Change, ColumnKind, Mark, Query, Row, Store, Table, Test};

use super::{Data, acme, keys, refused, walk};

/// Rows of the walks; no multiple of their page.
const ROWS: usize = 250;
const PAGE: u32 = 7;

pub(crate) async fn the_order_of_keys_is_that_of_their_bytes(data: Data<'_>) {
    let store = data.open().await;
    let mut sorted = ["B", "a", "Z", "_", "-", "10", "9", "é", "z", "日", "aa", "a b", "🙂", "ä"];
    let changes = sorted.iter().map(|key| Change::Insert(Row::new(*key))).collect();
    store.write(&FUNCTIONS, &acme(), changes).await.unwrap();
    sorted.sort_unstable();
    assert_eq!(keys(&*store, &FUNCTIONS, &acme(), Query::first(99)).await, sorted);
    sorted.reverse();
    assert_eq!(keys(&*store, &FUNCTIONS, &acme(), Query::first(99).by(None, true)).await, sorted);
}

/// Every column that an index ends with, of every table.
pub(crate) async fn every_index_orders_both_ways(data: Data<'_>) {
    let store = data.open().await;
    for table in ALL {
        let last = table.indexes.iter().filter_map(|index| index.last());
        for column in last {
            let value = |number: usize| match table.column(column).unwrap().kind {
                ColumnKind::Time => json!(format!("2026-11-21T03:04:05.{number:06}Z")),
                _ => json!(format!("value-{number}")),
            };
            let rows: Vec<Row> = [(3, "a"), (1, "b"), (2, "c"), (1, "a2"), (3, "d")]
                .map(|(number, key)| {
                    Row::new(format!("{column}-{key}")).with(column, value(number))
                })
                .into();
            check_orders(&*store, table, column, &rows).await;
        }
    }
}

async fn check_orders(
    store: &dyn Store,
    table: &'static Table,
    column: &'static str,
    rows: &[Row],
) {
    let tenant = acme();
    store.write(table, &tenant, rows.iter().cloned().map(Change::Insert).collect()).await.unwrap();
    let sorted = expected(rows.to_vec(), Some(column), false);
    for descends in [false, true] {
        let listed = keys(store, table, &tenant, Query::first(99).by(Some(column), descends)).await;
        let mut sorted: Vec<_> = sorted.iter().map(|row| row.key.clone()).collect();
        if descends {
            sorted.reverse();
        }
        assert_eq!(listed, sorted, "{} by {column}, descends: {descends}", table.name);
    }
    let deletes = rows.iter().map(|row| Change::Delete(row.key.clone())).collect();
    store.write(table, &tenant, deletes).await.unwrap();
}

/// The order of the port: nulls first, then values, then keys; descending is the reverse.
fn expected(mut rows: Vec<Row>, column: Option<&str>, descends: bool) -> Vec<Row> {
    rows.sort_by_key(|row| {
        let value = column.and_then(|column| row.text(column)).map(str::to_owned);
        (value, row.key.clone())
    });
    if descends {
        rows.reverse();
    }
    rows
}

pub(crate) async fn a_walk_in_pages_loses_nothing(data: Data<'_>) {
    check_walk(data, |number| Value::from(format!("name-{:04}", number * 7919 % 1000))).await;
}

pub(crate) async fn a_walk_over_equal_values_loses_nothing(data: Data<'_>) {
    check_walk(data, |number| Value::from(format!("name-{}", number % 3))).await;
}

pub(crate) async fn a_walk_over_nulls_loses_nothing(data: Data<'_>) {
    check_walk(data, |number| match number % 4 {
        0 => Value::Null,
        rest => Value::from(format!("name-{rest}")),
    })
    .await;
}

async fn check_walk(data: Data<'_>, value: fn(usize) -> Value) {
    let store = data.open().await;
    let rows = calls(value);
    insert(&*store, &rows).await;
    for (column, descends) in
        [(None, false), (None, true), (Some("name"), false), (Some("name"), true)]
    {
        let query = Query::first(PAGE).by(column, descends);
        let walked = walk(&*store, &CALLS, &acme(), query).await;
        let expected = expected(rows.clone(), column, descends);
        assert!(walked == expected, "by {column:?}, descends: {descends}: {}", walked.len());
    }
}

pub(crate) async fn a_walk_under_conditions_loses_nothing(data: Data<'_>) {
    let store = data.open().await;
    let rows = calls(|number| Value::from(format!("name-{}", number % 3)));
    insert(&*store, &rows).await;
    for (column, descends) in [(None, true), (Some("updated_at"), false), (Some("status"), true)] {
        let query = Query::first(PAGE)
            .by(column, descends)
            .only("name", Test::Is("name-1".into()))
            .only("time_spent", Test::From(json!(100)));
        let walked = walk(&*store, &CALLS, &acme(), query).await;
        let fits = |row: &Row| {
            row.text("name") == Some("name-1") && row.integer("time_spent").unwrap() >= 100
        };
        let fitting = rows.iter().filter(|row| fits(row)).cloned().collect();
        let expected = expected(fitting, column, descends);
        assert!(walked == expected, "by {column:?}, descends: {descends}: {}", walked.len());
    }
}

pub(crate) async fn a_walk_goes_on_where_its_row_is_gone(data: Data<'_>) {
    let store = data.open().await;
    insert(&*store, &calls(|number| Value::from(format!("name-{}", number % 3)))).await;
    let mut query = Query::first(4).by(Some("name"), false);
    query.after = Some(Mark { value: "name-1".into(), key: format!("{:020}a", 10) });
    let expected = [13, 16, 19, 22].map(|number| format!("{number:020}"));
    assert_eq!(keys(&*store, &CALLS, &acme(), query).await, expected);
}

pub(crate) async fn rows_are_skipped_and_counted(data: Data<'_>) {
    let store = data.open().await;
    let rows = calls(|number| if number % 5 == 0 { Value::Null } else { json!("name") });
    insert(&*store, &rows).await;
    for (column, descends) in [(None, false), (Some("name"), true)] {
        let ordered = expected(rows.clone(), column, descends);
        for (skip, limit) in [(0, 10), (10, 10), (245, 10), (250, 10), (1000, 10)] {
            let query = Query { skip, limit, counts: true, ..Query::first(1) }.by(column, descends);
            let page = store.list(&CALLS, &acme(), &query).await.unwrap();
            assert_eq!(page.total, Some(ROWS as u64));
            let start = ROWS.min(skip as usize);
            let end = ROWS.min(start + limit as usize);
            assert!(page.rows == ordered[start..end], "skip {skip} by {column:?}");
            assert_eq!(page.has_more, end < ROWS);
        }
    }
    let counted = Query { counts: true, ..Query::first(1) };
    let named = counted.clone().only("name", Test::Is("name".into()));
    assert_eq!(store.list(&CALLS, &acme(), &named).await.unwrap().total, Some(200));
    let none = counted.only("name", Test::Is("other".into()));
    assert_eq!(store.list(&CALLS, &acme(), &none).await.unwrap().total, Some(0));
    assert_eq!(store.list(&CALLS, &acme(), &Query::first(1)).await.unwrap().total, None);
}

pub(crate) async fn skipping_goes_on_after_a_mark(data: Data<'_>) {
    let store = data.open().await;
    let rows = calls(|number| if number % 5 == 0 { Value::Null } else { json!("name") });
    insert(&*store, &rows).await;
    for (column, descends, at, skip) in [
        (None, false, 10, 5),
        (Some("name"), false, 45, 3),
        (Some("name"), false, 45, 30),
        (Some("name"), true, 190, 5),
        (Some("name"), true, 190, 30),
    ] {
        let ordered = expected(rows.clone(), column, descends);
        let mut query = Query { skip, counts: true, ..Query::first(8) }.by(column, descends);
        query.after = Some(super::mark(&ordered[at], query.order));
        let page = store.list(&CALLS, &acme(), &query).await.unwrap();
        let start = at + 1 + skip as usize;
        assert!(page.rows == ordered[start..start + 8], "after {at} skip {skip} by {column:?}");
        assert_eq!(page.total, Some(ROWS as u64), "all are counted, not only those after the mark");
    }
}

pub(crate) async fn a_page_says_whether_there_are_more(data: Data<'_>) {
    let store = data.open().await;
    let changes = ["a", "b", "c"].map(|key| Change::Insert(Row::new(key)));
    store.write(&FUNCTIONS, &acme(), changes.into()).await.unwrap();
    for (limit, rows, more) in [(1, 1, true), (2, 2, true), (3, 3, false), (4, 3, false)] {
        let page = store.list(&FUNCTIONS, &acme(), &Query::first(limit)).await.unwrap();
        assert_eq!((page.rows.len(), page.has_more), (rows, more), "limit {limit}");
    }
}

pub(crate) async fn only_indexes_give_an_order(data: Data<'_>) {
    let store = data.open().await;
    let list = async |query: Query| store.list(&FUNCTIONS, &acme(), &query).await;
    refused(list(Query::first(1).by(Some("description"), false)).await, "`description`");
    refused(list(Query::first(1).by(Some("colour"), false)).await, "`colour`");
}

fn calls(name: fn(usize) -> Value) -> Vec<Row> {
    let row = |number: usize| {
        Row::new(format!("{number:020}"))
            .with("time_spent", number)
            .with("updated_at", format!("2026-11-21T00:00:00.{:06}Z", number % 50))
            .with("status", if number.is_multiple_of(2) { "completed" } else { "failed" })
    };
    (0..ROWS)
        .map(|number| match name(number) {
            Value::Null => row(number),
            name => row(number).with("name", name),
        })
        .collect()
}

async fn insert(store: &dyn Store, rows: &[Row]) {
    let changes = rows.iter().cloned().map(Change::Insert).collect();
    store.write(&CALLS, &acme(), changes).await.unwrap();
}
