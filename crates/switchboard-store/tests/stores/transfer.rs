//! Out of one store and into another.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;
use switchboard_core::Tenant;
use switchboard_core::store::tables::{ALL, CALLS, FUNCTIONS};
use switchboard_core::store::{BlobStore as _, Change, ColumnKind, Query, Row, Store};
use switchboard_store::{Overflow, export, import};
use tempfile::TempDir;

use crate::memory::Memory;
use crate::{acme, sqlite_in};

/// Every table of two tenants, with something in every column, and one with more than a page.
async fn fill(store: &dyn Store) {
    for tenant in ["acme", "acme#eu"] {
        let tenant = Tenant::parse(tenant).unwrap();
        for table in ALL {
            let mut row = Row::new("größe \"'\n");
            for column in table.columns {
                if table.overflow.is_some_and(|(_, flag)| flag == column.name) {
                    continue;
                }
                let value = match column.kind {
                    ColumnKind::Text => json!("größe \"' \u{1} 🙂 \u{2028}"),
                    ColumnKind::Integer => json!(i64::MAX),
                    ColumnKind::Boolean => json!(true),
                    ColumnKind::Json => json!({ "float": 0.1, "max": i64::MIN, "null": null }),
                    ColumnKind::Time => json!("2026-11-21T03:04:05.678901Z"),
                };
                row = row.with(column.name, value);
            }
            store.write(table, &tenant, vec![Change::Insert(row)]).await.unwrap();
        }
        let calls = (0..450).map(|number| {
            let content = if number % 50 == 0 { "x".repeat(5000) } else { "small".to_owned() };
            Row::new(format!("{number:020}")).with("content", content)
        });
        store.write(&CALLS, &tenant, calls.map(Change::Insert).collect()).await.unwrap();
    }
}

async fn exported(store: &dyn Store, blobs: Option<&Memory>) -> Vec<u8> {
    let mut text = Vec::new();
    export(store, blobs.map(|blobs| blobs as _), &mut text).await.unwrap();
    text
}

#[tokio::test]
async fn everything_arrives_and_twice_is_as_once() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (blobs, others) = (Arc::new(Memory::default()), Arc::new(Memory::default()));
    let source = Overflow::new(sqlite_in(from.path()).await, Arc::clone(&blobs) as _, 1000);
    fill(&source).await;
    blobs.put("packages/demo.zip", Bytes::from_static(b"PK\x03\x04\xff")).await.unwrap();
    let text = exported(&source, Some(&blobs)).await;
    assert!(!String::from_utf8_lossy(&text).contains("mcp_content/"), "values are in their rows");

    // The target keeps less in its rows, and one row of it is in the way.
    let target = Overflow::new(sqlite_in(to.path()).await, Arc::clone(&others) as _, 4);
    let old = Row::new(format!("{:020}", 7)).with("notes", "old");
    target.write(&CALLS, &acme(), vec![Change::Insert(old)]).await.unwrap();
    for _ in 0..2 {
        let moved = import(&target, Some(&*others), &mut &*text).await.unwrap();
        assert_eq!(moved.blobs, 1);
        assert_eq!(moved.rows["mcp_function_calls"], 902);
        assert_eq!(moved.rows.values().sum::<u64>(), 2 * (450 + ALL.len() as u64));
        let again = exported(&target, Some(&others)).await;
        assert!(again == text, "what arrived is what was sent");
    }
    // Of each call one, and of the row that every table of large values has.
    let large = 450 + ALL.iter().filter(|table| table.overflow.is_some()).count();
    assert_eq!(others.list("mcp_content/").await.unwrap().len(), 2 * large, "nothing is left over");
}

#[tokio::test]
async fn names_of_blobs_are_not_taken_for_values() {
    let directory = TempDir::new().unwrap();
    let plain = sqlite_in(directory.path()).await;
    let store = Overflow::new(Arc::clone(&plain), Arc::new(Memory::default()), 3);
    let row = Row::new("a").with("content", "a large one");
    store.write(&CALLS, &acme(), vec![Change::Insert(row)]).await.unwrap();
    let error = export(&*plain, None, &mut Vec::new()).await.unwrap_err().to_string();
    assert!(error.contains("`mcp_function_calls` has values in blobs"), "{error}");
}

#[tokio::test]
async fn an_empty_store_is_a_head_and_an_end() {
    let directory = TempDir::new().unwrap();
    let store = sqlite_in(directory.path()).await;
    let text = String::from_utf8(exported(&*store, None).await).unwrap();
    let expected =
        "{\"format\":\"switchboard-store\",\"version\":1}\n{\"end\":{\"rows\":0,\"blobs\":0}}\n";
    assert_eq!(text, expected);
    import(&*store, None, &mut text.as_bytes()).await.unwrap();
}

async fn check(lines: &[&str], expected: &str) {
    let directory = TempDir::new().unwrap();
    let store = sqlite_in(directory.path()).await;
    let text = lines.join("\n");
    let error = import(&*store, None, &mut text.as_bytes()).await.unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
}

const HEAD: &str = r#"{"format":"switchboard-store","version":1}"#;
const ROW: &str = r#"{"table":"mcp_functions","tenant":"acme","row":{"name":"a"}}"#;

#[tokio::test]
async fn what_is_no_export_is_refused_with_its_line() {
    check(&[], "line 1: this is no export").await;
    check(&["{}"], "line 1: this is no export").await;
    check(&["PK\u{3}\u{4}"], "line 1: column 1: expected value").await;
    check(&[r#"{"format":"other","version":1}"#], "line 1: this is no export").await;
    check(&[r#"{"format":"switchboard-store","version":2}"#], "line 1: version 2").await;
    check(&[HEAD], "line 2: the file ends here").await;
    check(&[HEAD, ROW], "line 3: the file ends here").await;
    check(&[HEAD, ROW, r#"{"end":{"rows":2,"blobs":0}}"#], "line 3: there should have been").await;
    check(&[HEAD, ROW, ROW, "{\"table\":"], "line 4: column 9: EOF").await;
    check(&[HEAD, HEAD], "line 2: this is neither").await;
    check(&[HEAD, "", ROW], "line 2: column").await;
    let row = |from: &str, to: &str| ROW.replace(from, to);
    check(&[HEAD, ROW, &row("mcp_functions", "mcp_tables")], "line 3: `mcp_tables` is no table")
        .await;
    check(&[HEAD, &row("\"acme\"", "\"a b\"")], "line 2: no tenant: `a b`").await;
    check(&[HEAD, &row("\"name\"", "\"key\"")], "line 2: the row has no `name`").await;
    check(&[HEAD, &row("\"a\"", "1")], "line 2: the row has no `name`").await;
    check(&[HEAD, &row("\"a\"", "\"\"")], "line 2: `name` of mcp_functions is empty").await;
    let colour = row("\"a\"", "\"a\",\"colour\":\"red\"");
    check(&[HEAD, ROW, &colour], "line 3: `colour` of mcp_functions is no column").await;
    check(&[HEAD, &row("\"a\"", "\"a\",\"status\":\"1\"")], "line 2: `status`").await;
    check(&[HEAD, &row("}}", "},\"more\":1}")], "line 2: column 66: unknown field `more`").await;
    check(&[HEAD, r#"{"blob":"a","content":"YQ=="}"#], "line 2: a blob").await;
}

#[tokio::test]
async fn rows_that_are_not_named_stay() {
    let directory = TempDir::new().unwrap();
    let store = sqlite_in(directory.path()).await;
    store.write(&FUNCTIONS, &acme(), vec![Change::Insert(Row::new("b"))]).await.unwrap();
    let text = [HEAD, ROW, r#"{"end":{"rows":1,"blobs":0}}"#].join("\n");
    import(&*store, None, &mut text.as_bytes()).await.unwrap();
    let rows = store.list(&FUNCTIONS, &acme(), &Query::first(9)).await.unwrap().rows;
    assert_eq!(rows, [Row::new("a"), Row::new("b")]);
}
