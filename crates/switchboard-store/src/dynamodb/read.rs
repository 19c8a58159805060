//! Rows by their keys.

use std::collections::{HashMap, HashSet};

use aws_sdk_dynamodb::types::KeysAndAttributes;
use switchboard_core::store::{Row, StoreError};

use crate::dynamodb::failure::{Doing, back_off, failed};
use crate::dynamodb::store::Scope;
use crate::dynamodb::value;
use crate::shape;

/// How many items one request may name
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html>).
const AT_ONCE: usize = 100;

/// How often the rest of a request that was carried out in part is asked for without anything coming.
const TRIES: u32 = 8;

/// The rows that have these keys, in their order.
///
/// # Errors
///
/// As [`Store::read`](switchboard_core::store::Store::read).
pub(super) async fn rows(scope: Scope<'_>, keys: &[&str]) -> Result<Vec<Row>, StoreError> {
    // A request that names an item twice is refused, and so is one with a key that none can have.
    let mut seen = HashSet::new();
    let asked: Vec<&str> =
        keys.iter().copied().filter(|key| shape::possible(key) && seen.insert(*key)).collect();
    let mut found: HashMap<String, Row> = HashMap::new();
    for keys in asked.chunks(AT_ONCE) {
        batch(scope, keys, &mut found).await?;
    }
    Ok(keys.iter().filter_map(|key| found.get(*key).cloned()).collect())
}

async fn batch(
    scope: Scope<'_>,
    keys: &[&str],
    found: &mut HashMap<String, Row>,
) -> Result<(), StoreError> {
    let name = &scope.place.name;
    let wanted = KeysAndAttributes::builder()
        .set_keys(Some(keys.iter().map(|key| scope.key(key)).collect()))
        .consistent_read(true)
        .build()
        .map_err(|error| StoreError::Broken(error.to_string()))?;
    let mut left = HashMap::from([(name.clone(), wanted)]);
    let mut tries = 0;
    while !left.is_empty() {
        let request = scope.client.batch_get_item().set_request_items(Some(left));
        let answer = request.send().await.map_err(|error| failed(Doing::Reading, name, &error))?;
        let items = answer.responses.and_then(|mut tables| tables.remove(name)).unwrap_or_default();
        tries = if items.is_empty() { tries + 1 } else { 0 };
        for item in items {
            let row = value::row(scope.table, &item)?;
            found.insert(row.key.clone(), row);
        }
        // Beyond 16 MB, or beyond what the table may be read.
        left = answer.unprocessed_keys.unwrap_or_default();
        if left.is_empty() {
            break;
        }
        if tries >= TRIES {
            return Err(StoreError::Unavailable(format!("{name} is read too much")));
        }
        back_off(tries).await;
    }
    Ok(())
}
