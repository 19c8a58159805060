//! What is said on the way, and unasked.

use serde_json::{Value, json};
use switchboard_mcp::ProtocolVersion as Version;

use super::{Scene, holds, lists, same};
use crate::client::{Carrier, Client, Trouble};

pub(super) async fn progress(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let token = json!(format!("token {}", scene.tag));
    client.meta.insert("progressToken".to_owned(), token.clone());
    client.ask("tools/call", scene.call("progress")).await?;
    // All of them came before the answer.
    let told: Vec<_> =
        client.heard.iter().filter(|it| it["method"] == "notifications/progress").collect();
    holds(format!("{} steps came", told.len()), told.len() == 3)?;
    for (step, message) in (1..).zip(told) {
        let params = &message["params"];
        same("token", &params["progressToken"], &token)?;
        same("progress", &params["progress"], &json!(step))?;
        same("x-future", &params["x-future"], &json!(1))?;
        if scene.server.version() >= Version::V2025_03_26 {
            same("message", &params["message"], &json!(format!("step {step}")))?;
        }
    }
    client.meta.clear();
    client.heard.clear();
    client.ask("tools/call", scene.call("progress")).await?;
    let is_quiet = !client.heard.iter().any(|it| it["method"] == "notifications/progress");
    holds("progress that nobody asked for", is_quiet)
}

pub(super) async fn cancel(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let id = client.begin("tools/call", &scene.call("slow")).await;
    let started = scene.server.saw(&format!("call slow {}", scene.tag), 1).await;
    holds("the call never reached the server", started)?;
    client.cancel(id).await;
    let cancelled = scene.server.saw(&format!("cancelled slow {}", scene.tag), 1).await;
    holds("the server was never told that the call was given up", cancelled)?;
    // The conversation goes on, and nothing comes for the request.
    client.ask("tools/call", scene.call("echo")).await.map(|_| ())
}

/// From `warning` on, as the client asked.
pub(super) async fn log(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    if client.is_modern() {
        let key = "io.modelcontextprotocol/logLevel".to_owned();
        client.meta.insert(key, json!("warning"));
    } else {
        client.ask("logging/setLevel", json!({ "level": "warning" })).await?;
    }
    client.ask("tools/call", scene.call("log")).await?;
    let is_last = |it: &Value| is_log(it, scene.tag) && it["params"]["level"] == "emergency";
    client.hear("the last log message", is_last).await?;
    let levels: Vec<_> =
        client.heard.iter().filter(|it| is_log(it, scene.tag)).map(level).collect();
    let expected = ["warning", "error", "critical", "alert", "emergency"];
    holds(format!("these came: {levels:?}"), levels == expected)?;
    let first = client.heard.iter().find(|it| is_log(it, scene.tag)).unwrap();
    same("x-future", &first["params"]["data"]["x-future"], &json!([1.5]))?;
    same("logger", &first["params"]["logger"], &json!("reference"))?;
    if client.is_modern() {
        // 2026-07-28, "Logging": without the level there is none.
        client.meta.clear();
        client.heard.clear();
        client.ask("tools/call", scene.call("log")).await?;
        holds("logs that nobody asked for", !client.heard.iter().any(|it| is_log(it, scene.tag)))?;
    }
    Ok(())
}

fn is_log(message: &Value, tag: &str) -> bool {
    message["method"] == "notifications/message" && message["params"]["data"]["tag"] == tag
}

fn level(message: &Value) -> &str {
    message["params"]["level"].as_str().unwrap_or_default()
}

pub(super) async fn list_changed(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let listening = listen(client, &json!({ "toolsListChanged": true })).await?;
    // Short: with the prefix it is to stay below 64 characters, where long names are cut.
    let added = format!("new-{}-{}", client.version, client.carrier);
    let mut params = scene.call("add");
    params["arguments"]["tool"] = json!(added);
    client.ask("tools/call", params).await?;
    let added = scene.name(&added);
    let outcome = until_listed(client, &added).await;
    end(client, listening).await;
    outcome
}

/// Reads the list whenever it is said to have changed, until the tool is there.
async fn until_listed(client: &mut Client, tool: &str) -> Result<(), Trouble> {
    // In a busy daemon other servers' lists change too.
    for _ in 0..100 {
        let is_it = |it: &Value| it["method"] == "notifications/tools/list_changed";
        client.hear("notifications/tools/list_changed", is_it).await?;
        client.heard.retain(|it| !is_it(it));
        let tools = lists::all(client, "tools/list", "tools").await?;
        if tools.iter().any(|it| it["name"] == tool) {
            return Ok(());
        }
    }
    Err(Trouble::Wrong(format!("{tool} was never listed")))
}

pub(super) async fn resource_updated(
    client: &mut Client,
    scene: &Scene<'_>,
) -> Result<(), Trouble> {
    let uri = scene.uri("text");
    let filter = json!({ "resourceSubscriptions": [uri] });
    let listening = listen(client, &filter).await?;
    if let Some((_, honoured)) = &listening {
        same("honoured", &honoured["resourceSubscriptions"], &filter["resourceSubscriptions"])?;
    } else {
        client.ask("resources/subscribe", json!({ "uri": uri })).await?;
    }
    client.ask("tools/call", scene.call("touch")).await?;
    let is_it = |it: &Value| {
        it["method"] == "notifications/resources/updated" && it["params"]["uri"] == uri.as_str()
    };
    let heard = client.hear("notifications/resources/updated", is_it).await;
    if let Some((id, _)) = &listening {
        if let Ok(message) = &heard {
            let tag = &message["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
            same("subscriptionId", tag, &json!(id))?;
        }
        end(client, listening).await;
    } else {
        client.ask("resources/unsubscribe", json!({ "uri": uri })).await?;
    }
    heard.map(|_| ())
}

/// Since 2026-07-28 changes are told on a stream of their own; gives its id and what it honours.
pub(super) async fn listen(
    client: &mut Client,
    filter: &Value,
) -> Result<Option<(u64, Value)>, Trouble> {
    if !client.is_modern() {
        return Ok(None);
    }
    let params = json!({ "notifications": filter });
    let id = client.begin("subscriptions/listen", &params).await;
    let is_it = |it: &Value| it["method"] == "notifications/subscriptions/acknowledged";
    let message = client.hear("the acknowledgement", is_it).await?;
    Ok(Some((id, message["params"]["notifications"].clone())))
}

pub(super) async fn end(client: &mut Client, listening: Option<(u64, Value)>) {
    let Some((id, _)) = listening else { return };
    client.cancel(id).await;
    if client.carrier != Carrier::Http {
        // A torn-down stream may say its result; both are right (2026-07-28, "Subscriptions").
        client.expect_stray(id);
    }
}
