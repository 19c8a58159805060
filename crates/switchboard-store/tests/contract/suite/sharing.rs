//! What reaches beyond one tenant, and beyond one store.

use serde_json::json;
use switchboard_core::Tenant;
use switchboard_core::store::tables::{CALLS, FUNCTIONS, TOKENS};
use switchboard_core::store::{Change, Condition, Query, Row, Store, Test};

use super::{Data, acme, keys, one, refused};

fn tenants() -> [Tenant; 3] {
    ["acme", "acme#eu", "zeta"].map(|tenant| Tenant::parse(tenant).unwrap())
}

fn moment(second: usize) -> String {
    format!("2026-11-21T00:00:{second:02}.000000Z")
}

/// Ten tokens of each tenant, a second apart, and one that has no end.
async fn fill(store: &dyn Store) {
    for tenant in tenants() {
        let token = |second| Row::new(format!("token-{second}")).with("until", moment(second));
        let rows = (0..10).map(token).chain([Row::new("endless")]);
        store.write(&TOKENS, &tenant, rows.map(Change::Insert).collect()).await.unwrap();
    }
}

async fn left(store: &dyn Store) -> [usize; 3] {
    let mut counts = [0; 3];
    for (tenant, count) in tenants().iter().zip(&mut counts) {
        *count = keys(store, &TOKENS, tenant, Query::first(99)).await.len();
    }
    counts
}

pub(crate) async fn a_sweep_deletes_what_is_below(data: Data<'_>) {
    let store = data.open().await;
    fill(&*store).await;
    let sweep = async |bound| store.sweep(&TOKENS, "until", &json!(bound), 1000).await.unwrap();
    assert_eq!(sweep(moment(0)).await, 0, "what is equal is not below");
    assert_eq!(sweep(moment(4)).await, 12);
    assert_eq!(left(&*store).await, [7; 3]);
    assert_eq!(sweep(moment(4)).await, 0);
    assert_eq!(sweep(moment(59)).await, 18);
    assert_eq!(left(&*store).await, [1; 3], "what has no end stays");
}

pub(crate) async fn a_sweep_goes_by_anything_that_has_an_order(data: Data<'_>) {
    let store = data.open().await;
    refused(store.sweep(&TOKENS, "colour", &json!(1), 9).await, "`colour`");
    refused(store.sweep(&TOKENS, "body", &json!(1), 9).await, "is JSON");
    refused(store.sweep(&TOKENS, "until", &json!(null), 9).await, "no order");
    let row = |key: &str| Change::Insert(Row::new(key).with("time_spent", 1));
    store.write(&CALLS, &acme(), vec![row("1"), row("2"), row("3")]).await.unwrap();
    assert_eq!(store.sweep(&CALLS, CALLS.key, &json!("3"), 9).await.unwrap(), 2, "by the key");
    assert_eq!(store.sweep(&CALLS, "time_spent", &json!(2), 9).await.unwrap(), 1, "by a number");
}

pub(crate) async fn what_is_pruned_is_of_one_tenant_and_meets_all_conditions(data: Data<'_>) {
    let store = data.open().await;
    let beta = Tenant::parse("beta").unwrap();
    for tenant in [&acme(), &beta] {
        let rows = (0..30).map(|number: usize| {
            let row = Row::new(format!("{number:02}")).with("time_spent", number);
            let row = row.with("updated_at", moment(number));
            Change::Insert(if number.is_multiple_of(3) {
                row
            } else {
                row.with("method", "tools/call")
            })
        });
        store.write(&CALLS, tenant, rows.collect()).await.unwrap();
    }
    let condition = |column, test| Condition { column, test };
    let prune =
        async |conditions, limit| store.prune(&CALLS, &acme(), conditions, limit).await.unwrap();
    let left = async |tenant: &Tenant| keys(&*store, &CALLS, tenant, Query::first(99)).await.len();
    let key = CALLS.key;
    let ours = vec![
        condition(key, Test::From("05".into())),
        condition(key, Test::Below("20".into())),
        condition("method", Test::Present),
    ];
    assert_eq!(prune(ours.clone(), 4).await, 4);
    assert_eq!(prune(ours.clone(), 99).await, 6);
    assert_eq!(prune(ours, 99).await, 0);
    assert_eq!(left(&acme()).await, 20);
    let old = vec![condition("updated_at", Test::Below(moment(3).into()))];
    assert_eq!(prune(old, 99).await, 3, "by an index");
    assert_eq!(prune(vec![condition("time_spent", Test::From(28.into()))], 99).await, 2);
    assert_eq!((left(&acme()).await, left(&beta).await), (15, 30));
    refused(
        store.prune(&CALLS, &acme(), vec![condition("colour", Test::Present)], 9).await,
        "`colour`",
    );
    let present = Query::first(99).only("method", Test::Present);
    assert_eq!(keys(&*store, &CALLS, &beta, present).await.len(), 20);
}

pub(crate) async fn a_sweep_has_a_limit(data: Data<'_>) {
    let store = data.open().await;
    fill(&*store).await;
    let sweep = async || store.sweep(&TOKENS, "until", &json!(moment(9)), 20).await.unwrap();
    assert_eq!(sweep().await, 20);
    assert_eq!(left(&*store).await.iter().sum::<usize>(), 13);
    assert_eq!(sweep().await, 7);
    assert_eq!(sweep().await, 0);
}

pub(crate) async fn tenants_are_those_with_rows(data: Data<'_>) {
    let store = data.open().await;
    assert!(store.tenants(&TOKENS).await.unwrap().is_empty());
    fill(&*store).await;
    let mut found = store.tenants(&TOKENS).await.unwrap();
    found.sort();
    assert_eq!(found, tenants());
    assert!(store.tenants(&FUNCTIONS).await.unwrap().is_empty());
    let all = (0..10).map(|second| format!("token-{second}")).chain(["endless".to_owned()]);
    store.write(&TOKENS, &tenants()[1], all.map(Change::Delete).collect()).await.unwrap();
    let mut found = store.tenants(&TOKENS).await.unwrap();
    found.sort();
    assert_eq!(found, [tenants()[0].clone(), tenants()[2].clone()]);
}

pub(crate) async fn two_stores_see_each_other(data: Data<'_>) {
    let (one_store, other) = (data.open().await, data.open().await);
    for (number, (writer, reader)) in
        [(&one_store, &other), (&other, &one_store), (&one_store, &other)].into_iter().enumerate()
    {
        let key = number.to_string();
        let row = Row::new(&*key).with("status", number);
        writer.write(&FUNCTIONS, &acme(), vec![Change::Insert(row.clone())]).await.unwrap();
        assert_eq!(one(&**reader, &FUNCTIONS, &acme(), &key).await, Some(row));
        assert_eq!(keys(&**reader, &FUNCTIONS, &acme(), Query::first(9)).await.len(), number + 1);
    }
    other.write(&FUNCTIONS, &acme(), vec![Change::Delete("0".to_owned())]).await.unwrap();
    assert_eq!(one(&*one_store, &FUNCTIONS, &acme(), "0").await, None);
}
