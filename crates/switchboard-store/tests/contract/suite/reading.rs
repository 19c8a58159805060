//! Rows by their keys.

use switchboard_core::Tenant;
use switchboard_core::store::tables::{CALLS, FUNCTIONS};
use switchboard_core::store::{Change, Row};

use super::{Data, acme};

pub(crate) async fn rows_come_in_the_order_of_the_keys(data: Data<'_>) {
    let store = data.open().await;
    let rows = ["c", "a", "b"].map(|key| Row::new(key).with("description", key.to_uppercase()));
    let changes = rows.iter().cloned().map(Change::Insert).collect();
    store.write(&FUNCTIONS, &acme(), changes).await.unwrap();
    let read = store.read(&FUNCTIONS, &acme(), &["b", "missing", "c", "a", "b"]).await.unwrap();
    assert_eq!(read, [&rows[2], &rows[0], &rows[1], &rows[2]].map(Clone::clone));
    assert!(store.read(&FUNCTIONS, &acme(), &[]).await.unwrap().is_empty());
    assert!(store.read(&FUNCTIONS, &acme(), &["B"]).await.unwrap().is_empty(), "case counts");
}

pub(crate) async fn hundreds_of_keys_are_read_at_once(data: Data<'_>) {
    let store = data.open().await;
    let keys: Vec<String> = (0..330).map(|number| format!("key-{number:03}")).collect();
    let changes = keys.iter().map(|key| Change::Insert(Row::new(key))).collect();
    store.write(&FUNCTIONS, &acme(), changes).await.unwrap();
    let asked: Vec<&str> = keys.iter().rev().map(String::as_str).collect();
    let read = store.read(&FUNCTIONS, &acme(), &asked).await.unwrap();
    assert_eq!(read.iter().map(|row| &*row.key).collect::<Vec<_>>(), asked);
}

pub(crate) async fn what_could_be_no_key_is_not_there(data: Data<'_>) {
    let store = data.open().await;
    store.write(&FUNCTIONS, &acme(), vec![Change::Insert(Row::new("a"))]).await.unwrap();
    let long = "a".repeat(5000);
    let read = store.read(&FUNCTIONS, &acme(), &["", "a\0", &long, "a"]).await.unwrap();
    assert_eq!(read, [Row::new("a")]);
}

pub(crate) async fn the_latest_of_each_is_read_at_once(data: Data<'_>) {
    let store = data.open().await;
    let names: Vec<String> = (0..300).map(|number| format!("f{number:03}")).collect();
    // The greater the key, the older.
    for round in 0..2 {
        let call = |name: &String| {
            Row::new(format!("{round}-{name}"))
                .with("name", name.as_str())
                .with("updated_at", format!("2026-01-01T00:00:0{}.000000Z", 2 - round))
        };
        let changes = names.iter().map(call).map(Change::Insert).collect();
        store.write(&CALLS, &acme(), changes).await.unwrap();
    }
    let unchanged = Row::new("2-f000").with("name", "f000");
    let other = unchanged.clone().with("updated_at", "2026-01-01T00:00:09.000000Z");
    store.write(&CALLS, &acme(), vec![Change::Insert(unchanged)]).await.unwrap();
    let elsewhere = Tenant::parse("other").unwrap();
    store.write(&CALLS, &elsewhere, vec![Change::Insert(other)]).await.unwrap();
    let mut asked: Vec<&str> = names.iter().map(String::as_str).collect();
    asked.extend(["missing", "a\0", ""]);
    let latest =
        async |column, asked: &[&str], by| store.latest(&CALLS, &acme(), column, asked, by).await;
    let mut found = latest("name", &asked, "updated_at").await.unwrap();
    found.sort_by(|one, other| one.key.cmp(&other.key));
    let keys: Vec<&str> = found.iter().map(|row| &*row.key).collect();
    assert_eq!(keys, names.iter().map(|name| format!("0-{name}")).collect::<Vec<_>>());
    assert!(latest("name", &[], "updated_at").await.unwrap().is_empty());
    assert!(latest("nothing", &["a"], "updated_at").await.is_err());
    assert!(latest("name", &["a"], "nothing").await.is_err());
}
