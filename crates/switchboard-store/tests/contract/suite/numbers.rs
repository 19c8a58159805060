//! Counters, and those who want the same row at once.

use futures_util::future::join_all;
use switchboard_core::store::tables::{FUNCTIONS, SERVERS, USAGE};
use switchboard_core::store::{Change, Row, StoreError};

use super::{Data, acme, one, refused};

const AT_ONCE: i64 = 50;

pub(crate) async fn add_makes_the_row_and_counts(data: Data<'_>) {
    let store = data.open().await;
    let add = async |by| store.add(&USAGE, &acme(), "calls/2026-11", "used", by).await;
    assert_eq!(add(5).await.unwrap(), 5);
    assert_eq!(add(0).await.unwrap(), 5);
    assert_eq!(add(-7).await.unwrap(), -2);
    let row = one(&*store, &USAGE, &acme(), "calls/2026-11").await.unwrap();
    assert_eq!(row.integer("used"), Some(-2));
    refused(store.add(&USAGE, &acme(), "x", "until", 1).await, "no number");
    refused(store.add(&USAGE, &acme(), "x", "colour", 1).await, "`colour`");
    refused(store.add(&USAGE, &acme(), "", "used", 1).await, "is empty");
}

pub(crate) async fn fifty_that_add_at_once_all_count(data: Data<'_>) {
    let stores = [data.open().await, data.open().await];
    let (tenant, stores) = (&acme(), &stores);
    let adds = (0..AT_ONCE).map(async |number| {
        let store = &stores[usize::try_from(number).unwrap() % 2];
        store.add(&USAGE, tenant, "a", "used", 2).await.unwrap()
    });
    let mut results = join_all(adds).await;
    results.sort_unstable();
    assert_eq!(results, (1..=AT_ONCE).map(|number| number * 2).collect::<Vec<_>>());
}

pub(crate) async fn add_leaves_the_other_columns(data: Data<'_>) {
    let store = data.open().await;
    let row = Row::new("a").with("until", "2026-12-01T00:00:00.000000Z");
    store.write(&USAGE, &acme(), vec![Change::Insert(row.clone())]).await.unwrap();
    assert_eq!(store.add(&USAGE, &acme(), "a", "used", 3).await.unwrap(), 3);
    assert_eq!(one(&*store, &USAGE, &acme(), "a").await, Some(row.with("used", 3)));
}

pub(crate) async fn only_one_of_many_inserts_wins(data: Data<'_>) {
    let stores = [data.open().await, data.open().await];
    let (tenant, stores) = (&acme(), &stores);
    let inserts = (0..AT_ONCE).map(async |number| {
        let row = Row::new("a").with("status", number);
        let store = &stores[usize::try_from(number).unwrap() % 2];
        store.write(&FUNCTIONS, tenant, vec![Change::Insert(row)]).await
    });
    check_one_won(join_all(inserts).await);
}

pub(crate) async fn only_one_of_many_replacements_wins(data: Data<'_>) {
    let store = data.open().await;
    let row = Row::new("a").with("version", 1);
    store.write(&SERVERS, &acme(), vec![Change::Insert(row)]).await.unwrap();
    let (tenant, store) = (&acme(), &store);
    let replacements = (0..AT_ONCE).map(async |number| {
        let row = Row::new("a").with("version", 2).with("body", number);
        let replace = Change::Replace { row, column: "version", was: 1.into() };
        store.write(&SERVERS, tenant, vec![replace]).await
    });
    check_one_won(join_all(replacements).await);
}

#[track_caller]
fn check_one_won(results: Vec<Result<(), StoreError>>) {
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    for result in results {
        assert!(matches!(result, Ok(()) | Err(StoreError::Conflict { .. })), "{result:?}");
    }
}
