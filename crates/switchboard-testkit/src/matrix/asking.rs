//! What a server asks its client in the middle of a request.

use serde_json::{Value, json};

use super::{Scene, holds, same, succeeded};
use crate::client::{Client, Trouble};

/// Calls a tool that asks; what the client was asked, and what the tool made of the answers.
async fn ask(
    client: &mut Client,
    scene: &Scene<'_>,
    tool: &str,
) -> Result<(Vec<(String, Value)>, Vec<Value>), Trouble> {
    let result = succeeded(client.ask("tools/call", scene.call(tool)).await?)?;
    let text = result["content"][0]["text"].as_str().unwrap_or_default();
    let answers = serde_json::from_str(text);
    let answers = answers.map_err(|_| Trouble::Wrong(format!("no answers in {text:?}")))?;
    Ok((std::mem::take(&mut client.asked), answers))
}

fn methods(asked: &[(String, Value)]) -> Vec<&str> {
    asked.iter().map(|(method, _)| method.as_str()).collect()
}

fn is_asked(asked: &[(String, Value)], expected: &[&str]) -> Result<(), Trouble> {
    let methods = methods(asked);
    holds(format!("asked {methods:?}, expected {expected:?}"), methods == expected)
}

pub(super) async fn form(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let (asked, answers) = ask(client, scene, "form").await?;
    is_asked(&asked, &["elicitation/create"])?;
    let question = &asked[0].1;
    same("message", &question["message"], &json!("Who are you?"))?;
    let schema = &question["requestedSchema"];
    same("schema", &schema["properties"]["name"]["title"], &json!("Name"))?;
    same("answer", &answers[0], &json!({ "action": "accept", "content": { "name": "Ann" } }))
}

pub(super) async fn url(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let (asked, answers) = ask(client, scene, "url").await?;
    is_asked(&asked, &["elicitation/create"])?;
    let question = &asked[0].1;
    same("mode", &question["mode"], &json!("url"))?;
    same("url", &question["url"], &json!("https://example.org/login?a=b"))?;
    // 2025-11-25 has an id there, 2026-07-28 has none.
    holds("elicitationId", question["elicitationId"].is_string() != client.is_modern())?;
    same("answer", &answers[0]["action"], &json!("accept"))
}

pub(super) async fn sampling(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let (asked, answers) = ask(client, scene, "sample").await?;
    is_asked(&asked, &["sampling/createMessage"])?;
    let question = &asked[0].1;
    same("maxTokens", &question["maxTokens"], &json!(10))?;
    same("x-future", &question["x-future"], &json!(1))?;
    same("text", &answers[0]["content"]["text"], &json!("sampled: hello \"you\""))?;
    same("x-future", &answers[0]["x-future"], &json!(1))
}

pub(super) async fn sampling_tools(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let (asked, answers) = ask(client, scene, "sample_tools").await?;
    is_asked(&asked, &["sampling/createMessage"])?;
    // These tools are the server's words for the model; they are nobody's to rename.
    same("tool", &asked[0].1["tools"][0]["name"], &json!("weather"))?;
    same("choice", &asked[0].1["toolChoice"], &json!({ "mode": "auto" }))?;
    same("use", &answers[0]["content"][0]["name"], &json!("weather"))
}

pub(super) async fn roots(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let (asked, answers) = ask(client, scene, "roots").await?;
    is_asked(&asked, &["roots/list"])?;
    same("roots", &answers[0]["roots"][0]["uri"], &json!("file:///home/ann"))
}

/// Three rounds, and two questions at once in the second.
pub(super) async fn rounds(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let (mut asked, answers) = ask(client, scene, "rounds").await?;
    // Questions of one round are in no order.
    asked.get_mut(1..3).into_iter().for_each(|round| round.sort_by(|a, b| b.0.cmp(&a.0)));
    let form = "elicitation/create";
    is_asked(&asked, &[form, "sampling/createMessage", "roots/list", form])?;
    same("first", &answers[0]["content"]["name"], &json!("Ann"))?;
    same("second", &answers[1]["content"]["text"], &json!("sampled: greet Ann"))?;
    same("with it", &answers[2]["roots"][0]["name"], &json!("home"))?;
    same("third", &answers[3]["action"], &json!("accept"))
}

pub(super) async fn prompt(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let params = json!({ "name": scene.name("ask") });
    let result = client.ask("prompts/get", params).await?;
    is_asked(&client.asked, &["sampling/createMessage"])?;
    let text = result["messages"][0]["content"]["text"].as_str().unwrap_or_default();
    holds(format!("text: {text}"), text.contains("sampled: a prompt"))
}

pub(super) async fn resource(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let params = json!({ "uri": scene.uri("ask") });
    let result = client.ask("resources/read", params).await?;
    is_asked(&client.asked, &["roots/list"])?;
    let text = result["contents"][0]["text"].as_str().unwrap_or_default();
    holds(format!("text: {text}"), text.contains("file:///home/ann"))
}

/// A client that cannot be asked is not asked; it learns what is missing where its revision has a
/// word for that, and else from the tool.
pub(super) async fn no_capability(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let declared = std::mem::replace(&mut client.capabilities, json!({}));
    let outcome = client.ask("tools/call", scene.call("sample")).await;
    client.capabilities = declared;
    holds("asked what it cannot", client.asked.is_empty())?;
    if !client.is_modern() {
        return match outcome.and_then(succeeded) {
            Err(trouble) if trouble.is_refusal() => Ok(()),
            other => Err(Trouble::Wrong(format!("expected a refusal, got {other:?}"))),
        };
    }
    match outcome {
        Err(Trouble::Refused { code: -32021, data, .. }) => {
            let required = &data["requiredCapabilities"];
            holds(format!("required: {required}"), required["sampling"].is_object())
        }
        Err(other) => Err(Trouble::Wrong(format!("expected -32021, got {other}"))),
        Ok(result) => Err(Trouble::Wrong(format!("expected -32021, got {result}"))),
    }
}
