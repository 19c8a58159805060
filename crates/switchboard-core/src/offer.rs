//! What we offer: the sum of what the servers do.

use serde_json::{Map, Value};
use switchboard_mcp::{Era, Json, TASKS_EXTENSION};

/// Our own `capabilities` as a client of `era` gets them: everything that some server has. What we
/// do not know is offered as well, because requests that belong to it are passed on.
pub(crate) fn capabilities<'a>(offers: impl Iterator<Item = &'a Json>, era: Era) -> Json {
    // Servers come and go while we run, so a kind that nobody offers now may be offered later; an
    // empty list says that better than a missing capability.
    let mut sum = serde_json::json!({
        "tools": { "listChanged": true },
        "prompts": { "listChanged": true },
        "resources": { "listChanged": true },
    });
    for offer in offers {
        if let Ok(offer @ Value::Object(_)) = serde_json::from_slice(offer.as_bytes()) {
            add(&mut sum, offer);
        }
    }
    // Tasks of either kind are shown to clients of the other as theirs.
    let experimental = sum["tasks"]["requests"]["tools"].is_object();
    let extension = sum["extensions"][TASKS_EXTENSION].is_object();
    if experimental || extension {
        let calls = serde_json::json!({
            "tasks": { "list": {}, "cancel": {}, "requests": { "tools": { "call": {} } } },
            "extensions": { TASKS_EXTENSION: {} },
        });
        add(&mut sum, calls);
    }
    // 2026-07-28 has taken the member away, and its tasks are the extension.
    if let (Value::Object(sum), Era::Modern) = (&mut sum, era) {
        sum.remove("tasks");
    }
    Json::encode(&sum)
}

/// Adds what `more` has to `sum`: objects member by member, yes-or-no facts as "somebody has it",
/// and of anything else what came first.
fn add(sum: &mut Value, more: Value) {
    match (sum, more) {
        (Value::Object(sum), Value::Object(more)) => merge(sum, more),
        (Value::Bool(sum), Value::Bool(more)) => *sum |= more,
        _ => {}
    }
}

fn merge(sum: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, value) in more {
        match sum.get_mut(&name) {
            Some(known) => add(known, value),
            None => {
                sum.insert(name, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use switchboard_mcp::{Era, Json};

    use super::capabilities;

    #[test]
    fn everything_that_some_server_has_is_offered() {
        let offers = [
            r#"{"tools":{},"resources":{"subscribe":false},"completions":{}}"#,
            r#"{"resources":{"subscribe":true,"listChanged":false},"x":{"y":1}}"#,
            r#"{"x":{"y":2,"z":3},"tools":null}"#,
        ]
        .map(|text| Json::parse(text.as_bytes().to_vec().into()).unwrap());
        assert_eq!(
            capabilities(offers.iter(), Era::Legacy).to_string(),
            r#"{"tools":{"listChanged":true},"prompts":{"listChanged":true},"resources":{"listChanged":true,"subscribe":true},"completions":{},"x":{"y":1,"z":3}}"#,
        );
    }

    #[test]
    fn tasks_of_one_kind_are_offered_as_the_other() {
        let tasks = Json::parse(br#"{"tasks":{"requests":{"tools":{"call":{}}}}}"#[..].into());
        let offers = [tasks.unwrap()];
        let modern = capabilities(offers.iter(), Era::Modern).to_string();
        let extension = r#""extensions":{"io.modelcontextprotocol/tasks":{}}"#;
        assert!(modern.contains(extension) && !modern.contains(r#""tasks":"#), "{modern}");
        let legacy = capabilities(offers.iter(), Era::Legacy).to_string();
        assert!(legacy.contains(r#""tasks":{"#), "{legacy}");
    }
}
