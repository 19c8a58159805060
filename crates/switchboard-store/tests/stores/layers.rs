//! Large values beside their rows.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use serde_json::json;
use switchboard_core::Tenant;
use switchboard_core::store::tables::CALLS;
use switchboard_core::store::{
    BlobStore as _, Change, Condition, Query, Row, Store, StoreError, Test,
};
use switchboard_store::Overflow;
use tempfile::TempDir;

use crate::memory::Memory;
use crate::{acme, one, sqlite_in};

const LIMIT: usize = 100;

struct Layered {
    plain: Arc<dyn Store>,
    blobs: Arc<Memory>,
    store: Overflow,
}

async fn layered(directory: &Path) -> Layered {
    let (plain, blobs) = (sqlite_in(directory).await, Arc::new(Memory::default()));
    let store = Overflow::new(Arc::clone(&plain), Arc::clone(&blobs) as _, LIMIT);
    Layered { plain, blobs, store }
}

impl Layered {
    async fn write(&self, change: Change) -> Result<(), StoreError> {
        self.store.write(&CALLS, &acme(), vec![change]).await
    }

    /// The row is that, under both ways of reading, and there are so many blobs.
    async fn check(&self, expected: Option<Row>, blobs: usize) {
        assert_eq!(one(&self.store, &CALLS, "a").await, expected);
        let listed = self.store.list(&CALLS, &acme(), &Query::first(9)).await.unwrap();
        assert_eq!(listed.rows, expected.into_iter().collect::<Vec<_>>());
        let names = self.blobs.list("").await.unwrap();
        assert_eq!(names.len(), blobs, "{names:?}");
    }
}

fn large(letter: &str) -> String {
    letter.repeat(LIMIT + 1)
}

fn with(content: &str) -> Row {
    Row::new("a").with("status", "initial").with("content", content)
}

#[tokio::test]
async fn a_value_at_the_limit_stays_and_one_above_it_goes() {
    let directory = TempDir::new().unwrap();
    let layered = layered(directory.path()).await;
    let fits = with(&"x".repeat(LIMIT));
    layered.write(Change::Insert(fits.clone())).await.unwrap();
    layered.check(Some(fits.clone()), 0).await;
    let kept = one(&*layered.plain, &CALLS, "a").await.unwrap();
    assert_eq!(kept, fits.with("content_in_s3", false));

    layered.write(Change::Put(with(&large("x")))).await.unwrap();
    layered.check(Some(with(&large("x"))), 1).await;
    let kept = one(&*layered.plain, &CALLS, "a").await.unwrap();
    let name = layered.blobs.list("").await.unwrap().remove(0);
    assert!(name.starts_with("mcp_content/acme/a.") && name.ends_with(".json"), "{name}");
    assert_eq!(kept, with(&name).with("content_in_s3", true));
}

#[tokio::test]
async fn every_change_brings_its_blob_and_takes_the_old_one_away() {
    let directory = TempDir::new().unwrap();
    let layered = layered(directory.path()).await;
    let replace = |content: &str| Change::Replace {
        row: Row::new("a").with("content", content),
        column: "status",
        was: json!("initial"),
    };
    layered.write(Change::Insert(with(&large("a")))).await.unwrap();
    layered.check(Some(with(&large("a"))), 1).await;
    layered.write(Change::Merge(Row::new("a").with("content", large("b")))).await.unwrap();
    layered.check(Some(with(&large("b"))), 1).await;
    layered.write(Change::Update(Row::new("a").with("content", large("c")))).await.unwrap();
    layered.check(Some(with(&large("c"))), 1).await;
    layered.write(replace(&large("d"))).await.unwrap();
    layered.check(Some(with(&large("d"))), 1).await;
    layered.write(Change::Merge(Row::new("a").with("notes", "n"))).await.unwrap();
    layered.check(Some(with(&large("d")).with("notes", "n")), 1).await;
    layered.write(replace("small")).await.unwrap();
    layered.check(Some(with("small").with("notes", "n")), 0).await;
    layered.write(Change::Put(with(&large("e")))).await.unwrap();
    layered.write(Change::Put(Row::new("a"))).await.unwrap();
    layered.check(Some(Row::new("a")), 0).await;
    layered.write(Change::Merge(with(&large("f")))).await.unwrap();
    layered.write(Change::Delete("a".to_owned())).await.unwrap();
    layered.check(None, 0).await;
}

#[tokio::test]
async fn several_changes_of_a_key_leave_the_blob_of_the_last() {
    let directory = TempDir::new().unwrap();
    let layered = layered(directory.path()).await;
    let begun = Change::Insert(with(&large("a")));
    let ended = Change::Update(Row::new("a").with("content", large("b")));
    layered.store.write(&CALLS, &acme(), vec![begun.clone(), ended]).await.unwrap();
    layered.check(Some(with(&large("b"))), 1).await;
    let both = vec![Change::Delete("a".to_owned()), begun, Change::Delete("a".to_owned())];
    layered.store.write(&CALLS, &acme(), both).await.unwrap();
    layered.check(None, 0).await;
}

#[tokio::test]
async fn what_fails_leaves_what_was_there() {
    let directory = TempDir::new().unwrap();
    let layered = layered(directory.path()).await;
    let missing = layered.write(Change::Update(with(&large("x")))).await;
    assert!(matches!(missing, Err(StoreError::Missing { .. })), "{missing:?}");
    layered.check(None, 0).await;

    layered.write(Change::Insert(with(&large("a")))).await.unwrap();
    let conflict = layered.write(Change::Insert(with(&large("x")))).await;
    assert!(matches!(conflict, Err(StoreError::Conflict { .. })), "{conflict:?}");
    layered.check(Some(with(&large("a"))), 1).await;
    let lost = Change::Replace { row: with(&large("x")), column: "status", was: json!("other") };
    let conflict = layered.write(lost).await;
    assert!(matches!(conflict, Err(StoreError::Conflict { .. })), "{conflict:?}");
    layered.check(Some(with(&large("a"))), 1).await;
    let invalid = layered.write(Change::Put(with(&(large("x") + "\0")))).await;
    assert!(matches!(invalid, Err(StoreError::Invalid(_))), "{invalid:?}");
    layered.check(Some(with(&large("a"))), 1).await;

    layered.blobs.fails.store(true, Ordering::SeqCst);
    let unavailable = layered.write(Change::Put(with(&large("x")))).await;
    assert!(matches!(unavailable, Err(StoreError::Unavailable(_))), "{unavailable:?}");
    layered.check(Some(with(&large("a"))), 1).await;
}

#[tokio::test]
async fn blobs_of_the_older_engine_are_read_and_deleted() {
    let directory = TempDir::new().unwrap();
    let layered = layered(directory.path()).await;
    let row = Row::new("a").with("status", "completed");
    let flagged = row.clone().with("content_in_s3", true);
    layered.plain.write(&CALLS, &acme(), vec![Change::Insert(flagged)]).await.unwrap();
    let content = Bytes::from_static(b"of old");
    layered.blobs.put("mcp_content/a.json", content).await.unwrap();
    layered.check(Some(row.clone().with("content", "of old")), 1).await;
    layered.write(Change::Merge(Row::new("a").with("content", "new"))).await.unwrap();
    layered.check(Some(row.with("content", "new")), 0).await;
}

#[tokio::test]
async fn a_blob_that_is_gone_leaves_the_rest_of_its_row() {
    let directory = TempDir::new().unwrap();
    let layered = layered(directory.path()).await;
    layered.write(Change::Insert(with(&large("a")))).await.unwrap();
    let name = layered.blobs.list("").await.unwrap().remove(0);
    layered.blobs.delete(&name).await.unwrap();
    layered.check(Some(Row::new("a").with("status", "initial")), 0).await;
}

/// Whoever writes rows cannot have a blob of somebody else's read as their value.
#[tokio::test]
async fn a_name_in_a_row_is_not_believed() {
    let directory = TempDir::new().unwrap();
    let layered = layered(directory.path()).await;
    let zeta = Tenant::parse("zeta").unwrap();
    let secret = vec![Change::Insert(with(&large("s")))];
    layered.store.write(&CALLS, &zeta, secret).await.unwrap();
    let name = layered.blobs.list("").await.unwrap().remove(0);
    let forged = with(&name).with("content_in_s3", true);
    layered.write(Change::Insert(forged.clone())).await.unwrap();
    layered.check(Some(with(&name)), 1).await;
    // Not even in a row that did not come through us.
    layered.plain.write(&CALLS, &acme(), vec![Change::Put(forged)]).await.unwrap();
    layered.check(Some(with(&name)), 1).await;
    layered.write(Change::Delete("a".to_owned())).await.unwrap();
    layered.check(None, 1).await;
}

#[tokio::test]
async fn a_sweep_takes_blobs_along() {
    let directory = TempDir::new().unwrap();
    let layered = layered(directory.path()).await;
    for tenant in ["acme", "acme#eu"] {
        let rows = (0..20).map(|number| {
            let content = if number % 2 == 0 { large("x") } else { "small".to_owned() };
            Row::new(format!("{number:02}"))
                .with("time_spent", number)
                .with("status", "a")
                .with("content", content)
        });
        let tenant = Tenant::parse(tenant).unwrap();
        let changes = rows.map(Change::Insert).collect();
        layered.store.write(&CALLS, &tenant, changes).await.unwrap();
    }
    let sweep = async |limit| layered.store.sweep(&CALLS, "time_spent", &json!(10), limit).await;
    assert_eq!(sweep(3).await.unwrap(), 3);
    assert_eq!(sweep(100).await.unwrap(), 17);
    assert_eq!(sweep(100).await.unwrap(), 0);
    assert_eq!(layered.blobs.list("").await.unwrap().len(), 10);
    // By the key, which every index ends with, and by a column that has an index of its own.
    assert_eq!(layered.store.sweep(&CALLS, CALLS.key, &json!("15"), 100).await.unwrap(), 10);
    assert_eq!(layered.blobs.list("").await.unwrap().len(), 4);
    assert_eq!(layered.store.sweep(&CALLS, "status", &json!("b"), 100).await.unwrap(), 10);
    assert_eq!(layered.blobs.list("").await.unwrap().len(), 0);
}

#[tokio::test]
async fn what_is_pruned_takes_its_blobs_along_and_a_list_may_leave_them_out() {
    let directory = TempDir::new().unwrap();
    let layered = layered(directory.path()).await;
    let tenant = Tenant::parse("acme").unwrap();
    let rows = (0..20).map(|number| {
        let content = if number % 2 == 0 { large("x") } else { "small".to_owned() };
        let row = Row::new(format!("{number:02}")).with("content", content);
        if number < 10 { row } else { row.with("method", "tools/call") }
    });
    let changes = rows.map(Change::Insert).collect();
    layered.store.write(&CALLS, &tenant, changes).await.unwrap();
    let query = Query { omits_large: true, ..Query::first(99) };
    let listed = layered.store.list(&CALLS, &tenant, &query).await.unwrap().rows;
    for (number, row) in listed.iter().enumerate() {
        let expected = (number % 2 == 1).then_some("small");
        assert_eq!((row.text("content"), row.get("content_in_s3")), (expected, None), "{number}");
    }
    let ours = vec![Condition { column: "method", test: Test::Present }];
    let prune = async |limit| layered.store.prune(&CALLS, &tenant, ours.clone(), limit).await;
    assert_eq!(prune(3).await.unwrap(), 3);
    assert_eq!(prune(99).await.unwrap(), 7);
    assert_eq!(layered.blobs.list("").await.unwrap().len(), 5);
}

#[tokio::test]
async fn keys_that_are_no_names_have_blobs_too() {
    let directory = TempDir::new().unwrap();
    let layered = layered(directory.path()).await;
    for key in ["../../etc/passwd", "a/b", ".", "größe", &"k".repeat(1000)] {
        let row = Row::new(key).with("content", large(key));
        layered.write(Change::Insert(row.clone())).await.unwrap();
        assert_eq!(one(&layered.store, &CALLS, key).await, Some(row));
    }
    for name in layered.blobs.list("").await.unwrap() {
        let plain = |own: char| own.is_ascii_alphanumeric() || "_./".contains(own);
        assert!(name.chars().all(plain) && !name.contains("..") && name.len() < 120, "{name}");
    }
}
