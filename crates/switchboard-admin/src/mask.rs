//! Secrets in the definitions of servers: never shown, and kept where they come back unseen.

use serde_json::{Map, Value};

/// What is shown instead of a secret.
const MASK: &str = "…";

/// Members whose values are all secrets.
const WHOLE: &[&str] = &["env", "headers"];

/// Words in the names of members that are secrets.
const WORDS: &[&str] = &["authorization", "key", "password", "secret", "token"];

/// The same definition without what must not be seen.
pub(crate) fn mask(value: &Value) -> Value {
    mask_within(value, false)
}

/// The definition that somebody means who was shown `kept` and sends `sent`: where the mask comes
/// back, what it stood for is meant. `None` where it stands for nothing.
pub(crate) fn unmask(sent: Value, kept: Option<&Value>) -> Option<Value> {
    match sent {
        Value::String(text) if text == MASK => kept.cloned(),
        Value::Object(members) => {
            let member = |(name, value): (String, Value)| {
                let value = unmask(value, kept.and_then(|kept| kept.get(&name)))?;
                Some((name, value))
            };
            members.into_iter().map(member).collect::<Option<Map<_, _>>>().map(Value::Object)
        }
        Value::Array(items) => {
            let item = |(place, value)| unmask(value, kept.and_then(|kept| kept.get(place)));
            items.into_iter().enumerate().map(item).collect::<Option<Vec<_>>>().map(Value::Array)
        }
        other => Some(other),
    }
}

fn mask_within(value: &Value, is_secret: bool) -> Value {
    match value {
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let is_secret = is_secret || is_secret_name(name);
                (name.clone(), mask_within(value, is_secret))
            };
            Value::Object(members.iter().map(member).collect())
        }
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| mask_within(item, is_secret)).collect())
        }
        Value::Null => Value::Null,
        _ if is_secret => Value::String(MASK.to_owned()),
        other => other.clone(),
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    WHOLE.contains(&name.as_str()) || WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{mask, unmask};

    #[track_caller]
    fn check(kept: &Value, shown: &Value) {
        assert_eq!(mask(kept), *shown);
        assert_eq!(unmask(shown.clone(), Some(kept)).as_ref(), Some(kept));
    }

    #[test]
    fn secrets_are_not_shown_and_survive_being_sent_back() {
        check(
            &json!({"http": {"url": "https://a", "headers": {"X-Team": "red"}, "bearer_token": "t"}}),
            &json!({"http": {"url": "https://a", "headers": {"X-Team": "…"}, "bearer_token": "…"}}),
        );
        check(
            &json!({"stdio": {"command": "x", "args": ["-v"], "env": {"A": "1", "B": null}}}),
            &json!({"stdio": {"command": "x", "args": ["-v"], "env": {"A": "…", "B": null}}}),
        );
        check(&json!({"apiKeys": ["a", {"b": 1}]}), &json!({"apiKeys": ["…", {"b": "…"}]}));
    }

    #[test]
    fn a_mask_that_stands_for_nothing_is_found() {
        assert_eq!(unmask(json!({"headers": {"New": "…"}}), Some(&json!({"headers": {}}))), None);
        assert_eq!(unmask(json!("…"), None), None);
    }
}
