//! Every kind of change, and why it fails.

use serde_json::{Value, json};
use switchboard_core::store::tables::{FUNCTIONS, SERVERS};
use switchboard_core::store::{ATOMIC, Change, Query, Row, Store};

use super::{Data, acme, conflict, keys, missing, one};

pub(crate) async fn an_insert_makes_a_row_once(data: Data<'_>) {
    let store = data.open().await;
    let row = Row::new("a").with("description", "first");
    store.write(&FUNCTIONS, &acme(), vec![Change::Insert(row.clone())]).await.unwrap();
    let again = Row::new("a").with("description", "second");
    conflict(store.write(&FUNCTIONS, &acme(), vec![Change::Insert(again)]).await, "a");
    assert_eq!(one(&*store, &FUNCTIONS, &acme(), "a").await, Some(row));
}

pub(crate) async fn a_put_replaces_the_whole_row(data: Data<'_>) {
    let store = data.open().await;
    let first = Row::new("a").with("description", "first").with("status", 1);
    let second = Row::new("a").with("mcp_type", "tool").with("status", Value::Null);
    store.write(&FUNCTIONS, &acme(), vec![Change::Put(first)]).await.unwrap();
    store.write(&FUNCTIONS, &acme(), vec![Change::Put(second)]).await.unwrap();
    let expected = Row::new("a").with("mcp_type", "tool");
    assert_eq!(one(&*store, &FUNCTIONS, &acme(), "a").await, Some(expected));
    store.write(&FUNCTIONS, &acme(), vec![Change::Put(Row::new("a"))]).await.unwrap();
    assert_eq!(one(&*store, &FUNCTIONS, &acme(), "a").await, Some(Row::new("a")));
}

pub(crate) async fn a_merge_leaves_the_other_columns(data: Data<'_>) {
    let store = data.open().await;
    let first = Row::new("a").with("description", "first").with("status", 1);
    let second = Row::new("a").with("mcp_type", "tool").with("status", Value::Null);
    store.write(&FUNCTIONS, &acme(), vec![Change::Merge(first)]).await.unwrap();
    store.write(&FUNCTIONS, &acme(), vec![Change::Merge(second)]).await.unwrap();
    let expected = Row::new("a").with("description", "first").with("mcp_type", "tool");
    assert_eq!(one(&*store, &FUNCTIONS, &acme(), "a").await, Some(expected.clone()));
    let nothing = vec![Change::Merge(Row::new("a")), Change::Merge(Row::new("b"))];
    store.write(&FUNCTIONS, &acme(), nothing).await.unwrap();
    assert_eq!(one(&*store, &FUNCTIONS, &acme(), "a").await, Some(expected));
    assert_eq!(one(&*store, &FUNCTIONS, &acme(), "b").await, Some(Row::new("b")));
}

pub(crate) async fn an_update_needs_the_row(data: Data<'_>) {
    let store = data.open().await;
    let update = || Change::Update(Row::new("a").with("status", 2));
    missing(store.write(&FUNCTIONS, &acme(), vec![update()]).await, "a");
    missing(store.write(&FUNCTIONS, &acme(), vec![Change::Update(Row::new("a"))]).await, "a");
    assert_eq!(one(&*store, &FUNCTIONS, &acme(), "a").await, None);
    let row = Row::new("a").with("description", "first").with("status", 1);
    store.write(&FUNCTIONS, &acme(), vec![Change::Insert(row.clone())]).await.unwrap();
    store.write(&FUNCTIONS, &acme(), vec![update()]).await.unwrap();
    store.write(&FUNCTIONS, &acme(), vec![Change::Update(Row::new("a"))]).await.unwrap();
    assert_eq!(one(&*store, &FUNCTIONS, &acme(), "a").await, Some(row.with("status", 2)));
}

pub(crate) async fn a_replace_needs_the_value(data: Data<'_>) {
    let store = data.open().await;
    let replace = |was: i64, body: i64| Change::Replace {
        row: Row::new("a").with("version", was + 1).with("body", body),
        column: "version",
        was: was.into(),
    };
    missing(store.write(&SERVERS, &acme(), vec![replace(1, 10)]).await, "a");
    let row = Row::new("a").with("version", 1).with("updated_by", "ann").with("body", 1);
    store.write(&SERVERS, &acme(), vec![Change::Insert(row.clone())]).await.unwrap();
    store.write(&SERVERS, &acme(), vec![replace(1, 10)]).await.unwrap();
    conflict(store.write(&SERVERS, &acme(), vec![replace(1, 20)]).await, "a");
    let expected = row.with("version", 2).with("body", 10);
    assert_eq!(one(&*store, &SERVERS, &acme(), "a").await, Some(expected));
}

pub(crate) async fn a_replace_of_null_needs_null(data: Data<'_>) {
    let store = data.open().await;
    let replace = || Change::Replace {
        row: Row::new("a").with("version", 1),
        column: "version",
        was: Value::Null,
    };
    missing(store.write(&SERVERS, &acme(), vec![replace()]).await, "a");
    store.write(&SERVERS, &acme(), vec![Change::Insert(Row::new("a"))]).await.unwrap();
    store.write(&SERVERS, &acme(), vec![replace()]).await.unwrap();
    conflict(store.write(&SERVERS, &acme(), vec![replace()]).await, "a");
}

pub(crate) async fn a_delete_needs_the_row(data: Data<'_>) {
    let store = data.open().await;
    let delete = || vec![Change::Delete("a".to_owned())];
    missing(store.write(&FUNCTIONS, &acme(), delete()).await, "a");
    store.write(&FUNCTIONS, &acme(), vec![Change::Insert(Row::new("a"))]).await.unwrap();
    store.write(&FUNCTIONS, &acme(), delete()).await.unwrap();
    missing(store.write(&FUNCTIONS, &acme(), delete()).await, "a");
    store.write(&FUNCTIONS, &acme(), vec![Change::Insert(Row::new("a"))]).await.unwrap();
}

/// A call that begins and ends between two writes of the history.
pub(crate) async fn a_key_is_changed_twice_in_order(data: Data<'_>) {
    let store = data.open().await;
    let begun = Row::new("a").with("status", 1).with("description", "begun");
    let ended = Row::new("a").with("status", 2).with("mcp_type", "tool");
    let both = vec![Change::Insert(begun.clone()), Change::Update(ended.clone())];
    store.write(&FUNCTIONS, &acme(), both).await.unwrap();
    let expected = begun.clone().with("status", 2).with("mcp_type", "tool");
    assert_eq!(one(&*store, &FUNCTIONS, &acme(), "a").await, Some(expected));
    let last = vec![Change::Merge(ended), Change::Put(begun.clone())];
    store.write(&FUNCTIONS, &acme(), last).await.unwrap();
    assert_eq!(one(&*store, &FUNCTIONS, &acme(), "a").await, Some(begun.clone()));
    let gone = vec![Change::Delete("a".to_owned()), Change::Insert(begun.clone())];
    store.write(&FUNCTIONS, &acme(), gone).await.unwrap();
    let twice = vec![Change::Insert(Row::new("b")), Change::Insert(Row::new("b"))];
    conflict(store.write(&FUNCTIONS, &acme(), twice).await, "b");
    assert_eq!(one(&*store, &FUNCTIONS, &acme(), "b").await, None);
    let none = vec![Change::Insert(Row::new("c")), Change::Delete("c".to_owned())];
    store.write(&FUNCTIONS, &acme(), none).await.unwrap();
    assert_eq!(keys(&*store, &FUNCTIONS, &acme(), Query::first(9)).await, ["a"]);
}

pub(crate) async fn all_of_a_hundred_or_none(data: Data<'_>) {
    let store = data.open().await;
    let there = Row::new("there").with("status", 1);
    store.write(&FUNCTIONS, &acme(), vec![Change::Insert(there.clone())]).await.unwrap();
    let insert = |number: usize| Change::Insert(Row::new(format!("{number:03}")));
    let full = |last: Change| -> Vec<Change> {
        let first = Change::Update(Row::new("there").with("status", 2));
        [first].into_iter().chain((2..ATOMIC).map(insert)).chain([last]).collect()
    };
    let write = async |store: &dyn Store, last| store.write(&FUNCTIONS, &acme(), full(last)).await;
    conflict(write(&*store, insert(50)).await, "050");
    missing(write(&*store, Change::Update(Row::new("no"))).await, "no");
    missing(write(&*store, Change::Delete("no".to_owned())).await, "no");
    let wrong =
        Change::Replace { row: Row::new("there"), column: "mcp_type", was: json!("prompt") };
    conflict(write(&*store, wrong).await, "there");
    let unknown = Change::Insert(Row::new("x").with("colour", "red"));
    super::refused(write(&*store, unknown).await, "colour");
    let listed = store.list(&FUNCTIONS, &acme(), &Query::first(200)).await.unwrap();
    assert_eq!(listed.rows, [there], "nothing was changed");
    write(&*store, insert(100)).await.unwrap();
    let listed = store.list(&FUNCTIONS, &acme(), &Query::first(200)).await.unwrap();
    assert_eq!(listed.rows.len(), ATOMIC);
}

pub(crate) async fn more_than_a_hundred_are_all_carried_out(data: Data<'_>) {
    let store = data.open().await;
    let changes = (0..257).map(|number| Change::Insert(Row::new(format!("{number:03}")))).collect();
    store.write(&FUNCTIONS, &acme(), changes).await.unwrap();
    let listed = keys(&*store, &FUNCTIONS, &acme(), Query::first(1000)).await;
    assert_eq!(listed, (0..257).map(|number| format!("{number:03}")).collect::<Vec<_>>());
}

pub(crate) async fn no_changes_are_fine(data: Data<'_>) {
    let store = data.open().await;
    store.write(&FUNCTIONS, &acme(), Vec::new()).await.unwrap();
    assert!(keys(&*store, &FUNCTIONS, &acme(), Query::first(9)).await.is_empty());
}
