//! One tenant, armed with the keys of another, sees nothing of it and changes nothing.

use std::sync::Arc;

use serde_json::json;
use switchboard_core::Tenant;
use switchboard_core::store::tables::{CALLS, FUNCTIONS, MODULES, SERVERS, USAGE};
use switchboard_core::store::{Change, Mark, Query, Row, Store, Test};

use super::{Data, conflict, keys, missing, one};

/// Those who could be taken for `acme` by a careless comparison.
const OTHERS: [&str; 7] = ["acm", "acme-2", "acme_", "ACME", "acme#eu", "acme#eu-1", "default"];

fn victim() -> Tenant {
    Tenant::parse("acme").unwrap()
}

fn secret() -> Row {
    Row::new("00000000000000000001")
        .with("name", "github__create_issue")
        .with("content", "secret ".repeat(50_000))
        .with("status", "completed")
        .with("updated_at", "2026-11-21T00:00:00.000000Z")
        .with("time_spent", 1)
}

/// A store in which `acme` has one call, and everybody else none.
async fn guarded(data: &Data<'_>) -> Arc<dyn Store> {
    let store = data.open().await;
    store.write(&CALLS, &victim(), vec![Change::Insert(secret())]).await.unwrap();
    store
}

async fn check_untouched(store: &dyn Store, other: &Tenant) {
    let mut row = one(store, &CALLS, &victim(), &secret().key).await.expect("it is still there");
    row.columns.shift_remove("content_in_s3");
    assert!(row == secret(), "{other} changed it");
}

fn others() -> impl Iterator<Item = Tenant> {
    OTHERS.into_iter().map(|tenant| Tenant::parse(tenant).unwrap())
}

pub(crate) async fn reading_stays_within_a_tenant(data: Data<'_>) {
    let store = guarded(&data).await;
    for other in others() {
        assert_eq!(one(&*store, &CALLS, &other, &secret().key).await, None, "{other}");
    }
    for other in others() {
        store.write(&CALLS, &other, vec![Change::Insert(mine())]).await.unwrap();
        let read = one(&*store, &CALLS, &other, &mine().key).await.unwrap();
        assert_eq!(read.text("name"), Some("mine"));
        check_untouched(&*store, &other).await;
    }
}

pub(crate) async fn listing_stays_within_a_tenant(data: Data<'_>) {
    let store = guarded(&data).await;
    let queries = || {
        let all = Query { counts: true, ..Query::first(9) };
        let mark = Mark { value: "github".into(), key: "0".to_owned() };
        [
            all.clone(),
            all.clone().by(None, true),
            all.clone().by(Some("name"), false),
            all.clone().by(Some("updated_at"), true),
            all.clone().only("name", Test::Is("github__create_issue".into())),
            all.clone().only(CALLS.key, Test::In(vec![secret().key.into()])),
            all.clone().only("name", Test::In(vec!["github__create_issue".into(), json!(null)])),
            all.clone().only("notes", Test::Is(json!(null))),
            Query { after: Some(mark.clone()), ..all.clone().by(Some("name"), false) },
            Query {
                after: Some(Mark { value: json!(null), ..mark }),
                ..all.by(Some("name"), true)
            },
        ]
    };
    for other in others() {
        for query in queries() {
            let listed = store.list(&CALLS, &other, &query).await.unwrap();
            assert!(listed.rows.is_empty() && !listed.has_more, "{other}: {query:?}");
            assert_eq!(listed.total, Some(0), "{other}: {query:?}");
        }
    }
}

fn mine() -> Row {
    Row::new(secret().key).with("name", "mine").with("content", "mine")
}

pub(crate) async fn what_is_another_tenants_is_not_there_to_be_changed(data: Data<'_>) {
    let store = guarded(&data).await;
    let key = secret().key;
    for other in others() {
        let write = async |change| store.write(&CALLS, &other, vec![change]).await;
        missing(write(Change::Update(mine())).await, &key);
        missing(write(Change::Delete(key.clone())).await, &key);
        let replace = Change::Replace { row: mine(), column: "status", was: json!("completed") };
        missing(write(replace).await, &key);
        check_untouched(&*store, &other).await;
    }
}

pub(crate) async fn changes_stay_within_a_tenant(data: Data<'_>) {
    let store = guarded(&data).await;
    let key = secret().key;
    for other in others() {
        let write = async |change| store.write(&CALLS, &other, vec![change]).await;
        write(Change::Insert(mine())).await.expect("another tenant's key is free");
        conflict(write(Change::Insert(mine())).await, &key);
        write(Change::Merge(mine().with("content", "x".repeat(300_000)))).await.unwrap();
        write(Change::Put(mine())).await.unwrap();
        check_untouched(&*store, &other).await;
        write(Change::Delete(key.clone())).await.unwrap();
        check_untouched(&*store, &other).await;
        assert!(keys(&*store, &CALLS, &other, Query::first(9)).await.is_empty());
    }
}

pub(crate) async fn adding_stays_within_a_tenant(data: Data<'_>) {
    let store = data.open().await;
    store.add(&USAGE, &victim(), "calls", "used", 1000).await.unwrap();
    for other in others() {
        assert_eq!(store.add(&USAGE, &other, "calls", "used", 1).await.unwrap(), 1, "{other}");
    }
    assert_eq!(store.add(&USAGE, &victim(), "calls", "used", 0).await.unwrap(), 1000);
}

pub(crate) async fn tables_are_apart(data: Data<'_>) {
    let store = data.open().await;
    let row = Row::new("a").with("updated_by", "functions");
    store.write(&FUNCTIONS, &victim(), vec![Change::Insert(row.clone())]).await.unwrap();
    for table in [&MODULES, &SERVERS, &CALLS] {
        assert_eq!(one(&*store, table, &victim(), "a").await, None, "{}", table.name);
        let own = Row::new("a").with("updated_by", table.name);
        store.write(table, &victim(), vec![Change::Insert(own)]).await.unwrap();
        store.write(table, &victim(), vec![Change::Delete("a".to_owned())]).await.unwrap();
    }
    assert_eq!(one(&*store, &FUNCTIONS, &victim(), "a").await, Some(row));
}
