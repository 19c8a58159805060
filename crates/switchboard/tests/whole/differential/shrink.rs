//! Makes a message smaller while it still shows a difference.

use serde_json::Value;

use super::Both;

/// Each attempt is two round trips; messages here are small.
const ATTEMPTS: usize = 60;

pub(super) async fn shrink(both: &Both, text: String) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(&text) else { return text };
    // What matters may be how it was written.
    if both.differences(&value.to_string()).await.is_empty() {
        return text;
    }
    let mut left = ATTEMPTS;
    loop {
        let mut smaller = None;
        for candidate in candidates(&value) {
            if left == 0 {
                break;
            }
            left -= 1;
            if !both.differences(&candidate.to_string()).await.is_empty() {
                smaller = Some(candidate);
                break;
            }
        }
        match smaller {
            Some(candidate) => value = candidate,
            None => return value.to_string(),
        }
    }
}

/// The value with one thing less, at any depth.
fn candidates(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    match value {
        Value::Object(members) => {
            for name in members.keys() {
                let mut fewer = members.clone();
                fewer.remove(name);
                all.push(Value::Object(fewer));
            }
            for (name, inner) in members {
                for smaller in candidates(inner) {
                    let mut changed = members.clone();
                    changed.insert(name.clone(), smaller);
                    all.push(Value::Object(changed));
                }
            }
        }
        Value::Array(items) => {
            for index in 0..items.len() {
                let mut fewer = items.clone();
                fewer.remove(index);
                all.push(Value::Array(fewer));
            }
        }
        _ => {}
    }
    all
}
