use serde_json::{Value, json};
use switchboard_core::store::tables::FUNCTIONS;
use switchboard_core::store::{Change, Row, StoreError};

use super::{Effect, Presence, fold};

fn row(columns: Value) -> Row {
    let mut row = Row::new("a");
    if let Value::Object(members) = columns {
        row.columns = members;
    }
    row
}

fn replace(columns: Value, was: impl Into<Value>) -> Change {
    Change::Replace { row: row(columns), column: "status", was: was.into() }
}

fn delete() -> Change {
    Change::Delete("a".to_owned())
}

/// `expects was effect`, or the error.
#[track_caller]
fn check(changes: Vec<Change>, expected: &str) {
    let actual = match fold(&FUNCTIONS, changes) {
        Ok(folded) => {
            let [one] = &*folded else { panic!("{folded:?}") };
            let expects = match one.expects {
                Some(Presence::There) => "there",
                Some(Presence::Absent) => "absent",
                None => "any",
            };
            let was: Vec<_> = one.was.iter().map(|(_, was)| was.to_string()).collect();
            let effect = match &one.effect {
                Effect::Nothing => "nothing".to_owned(),
                Effect::Whole(row) => format!("whole {}", Value::Object(row.columns.clone())),
                Effect::Columns(columns) => format!("columns {}", Value::Object(columns.clone())),
                Effect::Gone => "gone".to_owned(),
            };
            format!("{expects} [{}] {effect}", was.join(" "))
        }
        Err(StoreError::Conflict { .. }) => "conflict".to_owned(),
        Err(StoreError::Missing { .. }) => "missing".to_owned(),
        Err(error) => error.to_string(),
    };
    assert_eq!(actual, expected);
}

#[test]
fn one_change_is_itself() {
    let columns = || row(json!({"status": 1}));
    check(vec![Change::Insert(columns())], r#"absent [] whole {"status":1}"#);
    check(vec![Change::Put(columns())], r#"any [] whole {"status":1}"#);
    check(vec![Change::Merge(columns())], r#"any [] columns {"status":1}"#);
    check(vec![Change::Update(columns())], r#"there [] columns {"status":1}"#);
    check(vec![replace(json!({"status": 1}), 0)], r#"there [0] columns {"status":1}"#);
    check(vec![delete()], "there [] gone");
}

#[test]
fn later_changes_see_earlier_ones() {
    let (one, two) = (|| row(json!({"status": 1})), || row(json!({"description": "b"})));
    let both = r#"{"status":1,"description":"b"}"#;
    check(vec![Change::Insert(one()), Change::Update(two())], &format!("absent [] whole {both}"));
    check(vec![Change::Put(one()), Change::Merge(two())], &format!("any [] whole {both}"));
    check(vec![Change::Merge(one()), Change::Update(two())], &format!("any [] columns {both}"));
    check(vec![Change::Update(one()), Change::Put(two())], r#"there [] whole {"description":"b"}"#);
    check(vec![Change::Insert(one()), delete()], "absent [] gone");
    check(vec![delete(), Change::Insert(two())], r#"there [] whole {"description":"b"}"#);
    check(vec![delete(), Change::Merge(two())], r#"there [] whole {"description":"b"}"#);
    check(vec![Change::Put(one()), delete()], "any [] gone");
}

#[test]
fn what_cannot_be_after_those_before_is_refused() {
    let one = || row(json!({"status": 1}));
    check(vec![Change::Insert(one()), Change::Insert(one())], "conflict");
    check(vec![Change::Merge(one()), Change::Insert(one())], "conflict");
    check(vec![Change::Update(one()), Change::Insert(one())], "conflict");
    check(vec![delete(), delete()], "missing");
    check(vec![delete(), Change::Update(one())], "missing");
    check(vec![Change::Put(one()), delete(), replace(json!({}), 1)], "missing");
}

#[test]
fn a_replace_looks_at_what_is_known() {
    let one = || row(json!({"status": 1}));
    let next = || json!({"status": 2});
    check(vec![Change::Put(one()), replace(next(), 1)], r#"any [] whole {"status":2}"#);
    check(vec![Change::Put(one()), replace(next(), 3)], "conflict");
    check(
        vec![Change::Put(row(json!({}))), replace(next(), Value::Null)],
        r#"any [] whole {"status":2}"#,
    );
    check(vec![Change::Merge(one()), replace(next(), 1)], r#"any [] columns {"status":2}"#);
    let other = Change::Update(row(json!({"description": "b"})));
    check(vec![other, replace(next(), 1)], r#"there [1] columns {"description":"b","status":2}"#);
    check(
        vec![replace(next(), 1), replace(json!({"status": 3}), 2)],
        r#"there [1] columns {"status":3}"#,
    );
    check(vec![replace(next(), 1), replace(json!({"status": 3}), 1)], "conflict");
}

#[test]
fn keys_stay_in_the_order_in_which_they_come() {
    let changes = ["b", "a", "b", "c"].map(|key| Change::Put(Row::new(key)));
    let keys: Vec<_> =
        fold(&FUNCTIONS, changes.into()).unwrap().into_iter().map(|one| one.key).collect();
    assert_eq!(keys, ["b", "a", "c"]);
}
