//! What is written is what is read.

use serde_json::{Value, json};
use switchboard_core::store::tables::{ALL, CALLS, FUNCTIONS, SERVERS, USAGE};
use switchboard_core::store::{Change, ColumnKind, Query, Row, Test};

use super::{Data, acme, one, refused};

pub(crate) async fn every_column_of_every_table_is_kept(data: Data<'_>) {
    let store = data.open().await;
    for table in ALL {
        let mut row = Row::new("a");
        for (number, column) in table.columns.iter().enumerate() {
            // The overflow's flag is said by whoever moves the value.
            if table.overflow.is_some_and(|(_, flag)| flag == column.name) {
                continue;
            }
            let value = match column.kind {
                ColumnKind::Text => json!(format!("{}-{number}", column.name)),
                ColumnKind::Integer => json!(number),
                ColumnKind::Boolean => json!(number.is_multiple_of(2)),
                ColumnKind::Json => json!({ "number": number, "list": [column.name] }),
                ColumnKind::Time => json!(format!("2026-11-21T03:04:05.{number:06}Z")),
            };
            row = row.with(column.name, value);
        }
        store.write(table, &acme(), vec![Change::Insert(row.clone())]).await.unwrap();
        assert_eq!(one(&*store, table, &acme(), "a").await.as_ref(), Some(&row), "{}", table.name);
        let listed = store.list(table, &acme(), &Query::first(2)).await.unwrap();
        assert_eq!(listed.rows, [row], "{}", table.name);
    }
}

pub(crate) async fn json_is_kept(data: Data<'_>) {
    let store = data.open().await;
    let mut deep = json!("bottom");
    for level in 0..28 {
        deep = if level % 2 == 0 { json!([deep]) } else { json!({ "in": deep }) };
    }
    let bodies = [
        json!({}),
        json!([]),
        json!(""),
        json!("text"),
        json!(false),
        json!(0),
        json!([null, true, [], {}, "", 0]),
        json!({ "null": null, "empty": "" }),
        json!([i64::MIN, i64::MAX, -1, 0, 1]),
        json!([1.5, -0.25, 1e300, -1e300, 2.5e-300, 1e20, 123_456.789]),
        json!([1e15, 1e16, -1e17, 1.7e19, 1e22, 0.1 + 0.2, f64::MAX, f64::MIN_POSITIVE]),
        json!({ "inputSchema": { "type": "object", "properties": { "maxItems": { "type": "integer" } } } }),
        json!({ "größe": "größer", "emoji": "🙂", "quote\"s": "\\ ' \" \n \t \u{1}" }),
        json!({ "$sealed": 1, "S": "x", "M": {}, "": "empty name", "a.b": 1, "a b": 2 }),
        deep,
    ];
    for (number, body) in bodies.into_iter().enumerate() {
        let key = number.to_string();
        let row = Row::new(&*key).with("body", body.clone());
        store.write(&SERVERS, &acme(), vec![Change::Put(row.clone())]).await.unwrap();
        assert_eq!(one(&*store, &SERVERS, &acme(), &key).await, Some(row), "{body}");
    }
    let null = vec![Change::Put(Row::new("null").with("body", Value::Null))];
    store.write(&SERVERS, &acme(), null).await.unwrap();
    assert_eq!(one(&*store, &SERVERS, &acme(), "null").await, Some(Row::new("null")));
}

/// What SQL, LIKE, JSON or a path would take for something else.
pub(crate) const SPECIAL: [&str; 16] = [
    "'",
    "\"",
    "a'b\"c`d",
    "'; DROP TABLE mcp_functions; --",
    "%",
    "_",
    "100%_\\",
    "\\",
    "$1",
    "?",
    "größe",
    "日本語",
    "🙂",
    "e\u{301}",
    "line\nbreak\ttab",
    "../../etc/passwd",
];

pub(crate) async fn special_characters_are_kept_in_keys_and_texts(data: Data<'_>) {
    let store = data.open().await;
    for text in SPECIAL {
        let row = Row::new(text).with("description", text).with("mcp_type", text);
        store.write(&FUNCTIONS, &acme(), vec![Change::Insert(row.clone())]).await.unwrap();
        assert_eq!(one(&*store, &FUNCTIONS, &acme(), text).await, Some(row));
    }
    let listed = store.list(&FUNCTIONS, &acme(), &Query::first(99)).await.unwrap();
    assert_eq!(listed.rows.len(), SPECIAL.len());
    for text in SPECIAL {
        store.write(&FUNCTIONS, &acme(), vec![Change::Delete(text.to_owned())]).await.unwrap();
    }
    assert!(store.tenants(&FUNCTIONS).await.unwrap().is_empty());
}

pub(crate) async fn a_nul_is_refused(data: Data<'_>) {
    let store = data.open().await;
    let write = async |change| store.write(&FUNCTIONS, &acme(), vec![change]).await;
    refused(write(Change::Put(Row::new("a\0b"))).await, "NUL");
    refused(write(Change::Put(Row::new("a").with("description", "a\0b"))).await, "NUL");
    refused(write(Change::Merge(Row::new("a").with("data", json!(["\0"])))).await, "NUL");
    refused(write(Change::Update(Row::new("a").with("data", json!({ "\0": 1 })))).await, "NUL");
    refused(write(Change::Delete("\0".to_owned())).await, "NUL");
    let query = Query::first(9).only("description", Test::Contains("\0".to_owned()));
    refused(store.list(&FUNCTIONS, &acme(), &query).await, "NUL");
    refused(store.add(&USAGE, &acme(), "\0", "used", 1).await, "NUL");
}

pub(crate) async fn a_huge_text_is_kept(data: Data<'_>) {
    let store = data.open().await;
    // Below what DynamoDB takes as one item, which is 400 KB.
    let huge = "größe 🙂 ".repeat(300 * 1024 / 13);
    let row = Row::new("a").with("content", huge).with("notes", "beside it");
    store.write(&CALLS, &acme(), vec![Change::Insert(row.clone())]).await.unwrap();
    let mut read = one(&*store, &CALLS, &acme(), "a").await.unwrap();
    read.columns.shift_remove("content_in_s3");
    assert_eq!(read, row);
}

pub(crate) async fn keys_and_columns_that_are_none_are_refused(data: Data<'_>) {
    let store = data.open().await;
    let write = async |row: Row| store.write(&FUNCTIONS, &acme(), vec![Change::Put(row)]).await;
    refused(write(Row::new("")).await, "is empty");
    refused(write(Row::new("k".repeat(1025))).await, "1025 bytes");
    write(Row::new("k".repeat(1024))).await.unwrap();
    refused(write(Row::new("a").with("colour", "red")).await, "`colour` of mcp_functions");
    refused(write(Row::new("a").with("name", "b")).await, "`name` of mcp_functions");
    refused(write(Row::new("a").with("partition_key", "b")).await, "`partition_key`");
}

pub(crate) async fn what_does_not_fit_is_refused(data: Data<'_>) {
    let store = data.open().await;
    let write = async |row: Row| store.write(&FUNCTIONS, &acme(), vec![Change::Put(row)]).await;
    refused(write(Row::new("a").with("description", 1)).await, "a text");
    refused(write(Row::new("a").with("status", "1")).await, "a whole number");
    refused(write(Row::new("a").with("status", 1.5)).await, "a whole number");
    refused(write(Row::new("a").with("status", u64::MAX)).await, "a whole number");
    refused(write(Row::new("a").with("is_async", 1)).await, "true or false");
    refused(write(Row::new("a").with("created_at", "yesterday")).await, "a time such as");
    refused(write(Row::new("a").with("created_at", "2026-11-21T03:04:05Z")).await, "a time");
}

pub(crate) async fn what_is_too_long_or_too_deep_is_refused(data: Data<'_>) {
    let store = data.open().await;
    let write = async |row: Row| store.write(&FUNCTIONS, &acme(), vec![Change::Put(row)]).await;
    refused(write(Row::new("a").with("mcp_type", "x".repeat(1025))).await, "its index");
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    refused(write(Row::new("a").with("data", deep)).await, "deeper than 100");
    let border = Row::new("a").with("status", i64::MIN).with("mcp_type", "x".repeat(1024));
    write(border.clone()).await.unwrap();
    assert_eq!(one(&*store, &FUNCTIONS, &acme(), "a").await, Some(border));
}
