//! Sealed columns.

use std::sync::Arc;

use serde_json::{Value, json};
use switchboard_config::Secret;
use switchboard_core::Tenant;
use switchboard_core::store::tables::{FUNCTIONS, SERVERS, SETTINGS};
use switchboard_core::store::{Change, Query, Row, Store, StoreError, Table};
use switchboard_store::{Vault, VaultKey};
use tempfile::TempDir;

use crate::{acme, one, sqlite_in};

fn key(digits: &str) -> VaultKey {
    VaultKey::parse("the test", &Secret::new(digits.repeat(32))).unwrap()
}

fn vault(plain: &Arc<dyn Store>, key: &VaultKey, former: &[VaultKey]) -> Vault {
    Vault::new(Arc::clone(plain), key, former)
}

async fn put(store: &dyn Store, table: &'static Table, row: Row) {
    store.write(table, &acme(), vec![Change::Put(row)]).await.unwrap();
}

fn is_sealed(value: &Value) -> bool {
    value.as_object().is_some_and(|own| own.len() == 1 && own["$sealed"].is_string())
}

#[tokio::test]
async fn secrets_are_sealed_and_the_rest_is_not() {
    let directory = TempDir::new().unwrap();
    let plain = sqlite_in(directory.path()).await;
    let store = vault(&plain, &key("01"), &[]);
    let password = json!({ "password": "hunter2", "nested": [1, null, "ü"] });
    for (table, column) in [(&SETTINGS, "setting"), (&SERVERS, "body")] {
        let row = Row::new("a").with(column, password.clone()).with("updated_by", "ann");
        put(&store, table, row.clone()).await;
        assert_eq!(one(&store, table, "a").await.as_ref(), Some(&row));
        let listed = store.list(table, &acme(), &Query::first(9)).await.unwrap();
        assert_eq!(listed.rows, [row]);
        let kept = one(&*plain, table, "a").await.unwrap();
        assert!(is_sealed(&kept.columns[column]), "{kept:?}");
        assert_eq!(kept.text("updated_by"), Some("ann"));
        let merged = Row::new("a").with(column, json!("other"));
        store.write(table, &acme(), vec![Change::Merge(merged)]).await.unwrap();
        assert!(is_sealed(&one(&*plain, table, "a").await.unwrap().columns[column]));
        assert_eq!(one(&store, table, "a").await.unwrap().columns[column], "other");
        put(&store, table, Row::new("a").with(column, Value::Null)).await;
        assert_eq!(one(&*plain, table, "a").await, Some(Row::new("a")));
    }
    let function = Row::new("a").with("data", password.clone());
    put(&store, &FUNCTIONS, function.clone()).await;
    assert_eq!(one(&*plain, &FUNCTIONS, "a").await, Some(function));
    // Equal values cannot be told to be equal, and what looks sealed is sealed like all else.
    for key in ["x", "y"] {
        put(&store, &SETTINGS, Row::new(key).with("setting", password.clone())).await;
    }
    let kept = plain.read(&SETTINGS, &acme(), &["x", "y"]).await.unwrap();
    assert_ne!(kept[0].columns, kept[1].columns);
    let forged = Row::new("z").with("setting", kept[0].columns["setting"].clone());
    put(&store, &SETTINGS, forged.clone()).await;
    assert_eq!(one(&store, &SETTINGS, "z").await, Some(forged));
}

#[tokio::test]
async fn plain_values_are_read_as_they_are() {
    let directory = TempDir::new().unwrap();
    let plain = sqlite_in(directory.path()).await;
    let store = vault(&plain, &key("01"), &[]);
    for setting in [json!({ "a": 1 }), json!({ "$sealed": 1 }), json!({ "$sealed": "", "b": 1 })] {
        let row = Row::new("a").with("setting", setting);
        put(&*plain, &SETTINGS, row.clone()).await;
        assert_eq!(one(&store, &SETTINGS, "a").await, Some(row));
    }
}

#[tokio::test]
async fn a_sealed_value_is_good_for_its_place_alone() {
    let directory = TempDir::new().unwrap();
    let plain = sqlite_in(directory.path()).await;
    let store = vault(&plain, &key("01"), &[]);
    put(&store, &SETTINGS, Row::new("a").with("setting", "secret")).await;
    let sealed = one(&*plain, &SETTINGS, "a").await.unwrap().columns["setting"].clone();
    let zeta = Tenant::parse("zeta").unwrap();
    let text = sealed["$sealed"].as_str().unwrap();
    let changed = json!({ "$sealed": text.replacen(&text[40..41], if &text[40..41] == "A" { "B" } else { "A" }, 1) });
    let elsewhere: [(&'static Table, &Tenant, &str, &str, Value); 6] = [
        (&SETTINGS, &acme(), "b", "setting", sealed.clone()),
        (&SETTINGS, &zeta, "a", "setting", sealed.clone()),
        (&SERVERS, &acme(), "a", "body", sealed),
        (&SETTINGS, &acme(), "c", "setting", json!({ "$sealed": "" })),
        (&SETTINGS, &acme(), "c", "setting", json!({ "$sealed": "no base64!" })),
        (&SETTINGS, &acme(), "a", "setting", changed),
    ];
    for (table, tenant, key, column, value) in elsewhere {
        let row = Row::new(key).with(column, value);
        plain.write(table, tenant, vec![Change::Put(row)]).await.unwrap();
        let read = store.read(table, tenant, &[key]).await;
        let Err(StoreError::Broken(why)) = read else { panic!("{read:?}") };
        assert!(why.contains("none of the configured keys"), "{why}");
    }
}

#[tokio::test]
async fn several_keys_open_and_the_first_seals() {
    let directory = TempDir::new().unwrap();
    let plain = sqlite_in(directory.path()).await;
    let (old, new) = (key("01"), key("02"));
    put(&vault(&plain, &old, &[]), &SETTINGS, Row::new("a").with("setting", 1)).await;
    let both = vault(&plain, &new, std::slice::from_ref(&old));
    assert_eq!(one(&both, &SETTINGS, "a").await.unwrap().columns["setting"], 1);
    put(&both, &SETTINGS, Row::new("b").with("setting", 2)).await;
    let only = vault(&plain, &new, &[]);
    assert_eq!(one(&only, &SETTINGS, "b").await.unwrap().columns["setting"], 2);
    assert!(only.read(&SETTINGS, &acme(), &["a"]).await.is_err());
}

#[tokio::test]
async fn resealing_leaves_nothing_to_the_old_key() {
    let directory = TempDir::new().unwrap();
    let plain = sqlite_in(directory.path()).await;
    let (old, new) = (key("01"), key("02"));
    let before = vault(&plain, &old, &[]);
    let tenants = ["acme", "acme#eu"].map(|tenant| Tenant::parse(tenant).unwrap());
    for tenant in &tenants {
        let moment = "2026-11-21T00:00:00.000000Z";
        let row = |number: u64| Row::new(format!("{number:03}")).with("setting", number);
        let rows = (0..120).map(|number| row(number).with("updated_at", moment));
        before.write(&SETTINGS, tenant, rows.map(Change::Insert).collect()).await.unwrap();
        let server = Row::new("a").with("body", "server");
        before.write(&SERVERS, tenant, vec![Change::Insert(server)]).await.unwrap();
        let left_plain = Row::new("plain").with("setting", "plain");
        plain.write(&SETTINGS, tenant, vec![Change::Insert(left_plain)]).await.unwrap();
        let empty = Row::new("empty");
        plain.write(&SETTINGS, tenant, vec![Change::Insert(empty)]).await.unwrap();
    }
    let both = vault(&plain, &new, &[old]);
    assert_eq!(both.reseal().await.unwrap(), 2 * (120 + 1 + 1));
    assert_eq!(both.reseal().await.unwrap(), 0);
    let only = vault(&plain, &new, &[]);
    for tenant in &tenants {
        let rows = only.list(&SETTINGS, tenant, &Query::first(200)).await.unwrap().rows;
        assert_eq!(rows.len(), 122);
        assert_eq!(rows[7].columns["setting"], 7);
        let plainly = plain.list(&SETTINGS, tenant, &Query::first(200)).await.unwrap().rows;
        assert!(plainly.iter().filter_map(|row| row.get("setting")).all(is_sealed));
        assert_eq!(only.read(&SERVERS, tenant, &["a"]).await.unwrap()[0].columns["body"], "server");
    }
    let wrong = vault(&plain, &key("03"), &[]).reseal().await;
    assert!(matches!(wrong, Err(StoreError::Broken(_))), "{wrong:?}");
}
