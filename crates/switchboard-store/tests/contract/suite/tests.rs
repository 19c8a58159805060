//! Every `Test` of a condition.

use serde_json::{Value, json};
use switchboard_core::store::tables::{CALLS, SERVERS};
use switchboard_core::store::{Change, Query, Row, Store, Test};

use super::values::SPECIAL;
use super::{Data, acme, keys, refused};

/// One of each: a text, a number, a flag, a time, JSON, and nothing of them.
async fn fill(store: &dyn Store) {
    let row = |key: &str, name: &str, spent: i64| {
        Row::new(key)
            .with("name", name)
            .with("time_spent", spent)
            .with("created_at", format!("2026-11-21T00:00:0{spent}.000000Z"))
    };
    let rows = [
        row("1", "github__create_issue", 1).with("content_in_s3", false),
        row("2", "GitHub__list", 2).with("arguments", json!({ "a": 1 })),
        row("3", "git__log", 3).with("notes", ""),
        row("4", "100%_sure", 4).with("notes", "one\ntwo"),
        Row::new("5"),
    ];
    store.write(&CALLS, &acme(), rows.map(Change::Insert).into()).await.unwrap();
}

async fn check(store: &dyn Store, column: &'static str, test: Test, expected: &[&str]) {
    let told = format!("{column} {test:?}");
    let query = Query { counts: true, ..Query::first(99) }.only(column, test);
    let listed = store.list(&CALLS, &acme(), &query).await.unwrap();
    let found: Vec<_> = listed.rows.iter().map(|row| &*row.key).collect();
    assert_eq!(found, expected, "{told}");
    assert_eq!(listed.total, Some(expected.len() as u64), "{told}");
}

pub(crate) async fn is_finds_equal_values_and_nulls(data: Data<'_>) {
    let store = data.open().await;
    fill(&*store).await;
    check(&*store, "name", Test::Is("git__log".into()), &["3"]).await;
    check(&*store, "name", Test::Is("GIT__LOG".into()), &[]).await;
    check(&*store, "time_spent", Test::Is(2.into()), &["2"]).await;
    check(&*store, "created_at", Test::Is("2026-11-21T00:00:03.000000Z".into()), &["3"]).await;
    check(&*store, "notes", Test::Is("".into()), &["3"]).await;
    check(&*store, "notes", Test::Is(Value::Null), &["1", "2", "5"]).await;
    check(&*store, "name", Test::Is(Value::Null), &["5"]).await;
    check(&*store, "arguments", Test::Is(Value::Null), &["1", "3", "4", "5"]).await;
}

pub(crate) async fn in_finds_any_of_several(data: Data<'_>) {
    let store = data.open().await;
    fill(&*store).await;
    check(&*store, "time_spent", Test::In(vec![3.into(), 1.into(), 9.into()]), &["1", "3"]).await;
    check(&*store, "name", Test::In(vec!["git__log".into(), Value::Null]), &["3", "5"]).await;
    check(&*store, "name", Test::In(vec![Value::Null]), &["5"]).await;
    check(&*store, "name", Test::In(Vec::new()), &[]).await;
}

pub(crate) async fn contains_finds_a_part_in_the_same_case(data: Data<'_>) {
    let store = data.open().await;
    fill(&*store).await;
    let contains = |part: &str| Test::Contains(part.to_owned());
    check(&*store, "name", contains("git"), &["1", "3"]).await;
    check(&*store, "name", contains("Git"), &["2"]).await;
    check(&*store, "name", contains("%_"), &["4"]).await;
    check(&*store, "name", contains("__"), &["1", "2", "3"]).await;
    check(&*store, "name", contains("%"), &["4"]).await;
    check(&*store, "name", contains(""), &["1", "2", "3", "4"]).await;
    check(&*store, "notes", contains("e\nt"), &["4"]).await;
    check(&*store, "created_at", contains(":03."), &["3"]).await;
}

pub(crate) async fn from_and_below_are_bounds(data: Data<'_>) {
    let store = data.open().await;
    fill(&*store).await;
    check(&*store, "time_spent", Test::From(2.into()), &["2", "3", "4"]).await;
    check(&*store, "time_spent", Test::Below(2.into()), &["1"]).await;
    check(&*store, "created_at", Test::From("2026-11-21T00:00:03".into()), &["3", "4"]).await;
    check(&*store, "created_at", Test::Below("2026-11-21T00:00:03".into()), &["1", "2"]).await;
    check(&*store, "name", Test::From("git".into()), &["1", "3"]).await;
    check(&*store, "name", Test::Below("git".into()), &["2", "4"]).await;
}

pub(crate) async fn conditions_on_the_key(data: Data<'_>) {
    let store = data.open().await;
    fill(&*store).await;
    let key = CALLS.key;
    check(&*store, key, Test::Is("3".into()), &["3"]).await;
    check(&*store, key, Test::In(vec!["3".into(), "1".into(), "x".into()]), &["1", "3"]).await;
    check(&*store, key, Test::Contains("4".to_owned()), &["4"]).await;
    check(&*store, key, Test::From("4".into()), &["4", "5"]).await;
    check(&*store, key, Test::Below("2".into()), &["1"]).await;
    check(&*store, key, Test::Is(Value::Null), &[]).await;
}

pub(crate) async fn all_conditions_have_to_hold(data: Data<'_>) {
    let store = data.open().await;
    fill(&*store).await;
    let query = || Query::first(99).only("time_spent", Test::From(2.into()));
    let both = query().only("time_spent", Test::Below(4.into()));
    assert_eq!(keys(&*store, &CALLS, &acme(), both).await, ["2", "3"]);
    let with_name = query().only("name", Test::Contains("git".to_owned()));
    assert_eq!(keys(&*store, &CALLS, &acme(), with_name).await, ["3"]);
    let by_name = query().only("name", Test::From("G".into())).by(Some("name"), true);
    assert_eq!(keys(&*store, &CALLS, &acme(), by_name).await, ["3", "2"]);
}

pub(crate) async fn conditions_take_special_characters_as_they_are(data: Data<'_>) {
    let store = data.open().await;
    let changes = SPECIAL.iter().map(|text| Change::Insert(Row::new(*text).with("name", *text)));
    store.write(&CALLS, &acme(), changes.collect()).await.unwrap();
    for text in SPECIAL {
        check(&*store, "name", Test::Is(text.into()), &[text]).await;
        check(&*store, "name", Test::In(vec![text.into()]), &[text]).await;
        let query = Query::first(99).only("name", Test::Contains(text.to_owned()));
        let mut expected: Vec<_> = SPECIAL.into_iter().filter(|own| own.contains(text)).collect();
        expected.sort_unstable();
        assert_eq!(keys(&*store, &CALLS, &acme(), query).await, expected, "{text}");
    }
}

pub(crate) async fn conditions_that_make_no_sense_are_refused(data: Data<'_>) {
    let store = data.open().await;
    let list =
        async |column, test| store.list(&CALLS, &acme(), &Query::first(1).only(column, test)).await;
    refused(list("colour", Test::Is("red".into())).await, "`colour`");
    refused(list("name", Test::Is(1.into())).await, "a text");
    refused(list("time_spent", Test::From("1".into())).await, "a whole number");
    refused(list("time_spent", Test::Contains("1".to_owned())).await, "no text");
    refused(list("time_spent", Test::Below(Value::Null)).await, "no order");
    refused(list("content_in_s3", Test::From(true.into())).await, "no order");
    refused(list("arguments", Test::Is(json!({}))).await, "is JSON");
    let replace = Change::Replace { row: Row::new("a"), column: "body", was: json!(1) };
    refused(store.write(&SERVERS, &acme(), vec![replace]).await, "is JSON");
}
