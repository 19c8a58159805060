//! Tasks of both kinds: the experimental ones of 2025-11-25, and the extension.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard_mcp::ProtocolVersion as Version;

use super::notices::{end, listen};
use super::{Scene, holds, same};
use crate::client::{Client, Trouble};

/// Longer than any task here takes, in questions.
const POLLS: usize = 100;

pub(super) async fn tasks(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let id = start(client, scene).await?;
    for _ in 0..POLLS {
        let task = client.ask("tasks/get", json!({ "taskId": id })).await?;
        same("taskId", &task["taskId"], &json!(id))?;
        match task["status"].as_str() {
            Some("working") => tokio::time::sleep(Duration::from_millis(10)).await,
            Some("completed") if client.is_modern() => return is_outcome(&task["result"]),
            Some("completed") => {
                let result = client.ask("tasks/result", json!({ "taskId": id })).await?;
                let related = &result["_meta"]["io.modelcontextprotocol/related-task"];
                same("related task", &related["taskId"], &json!(id))?;
                return is_outcome(&result);
            }
            _ => return Err(Trouble::Wrong(format!("status: {task}"))),
        }
    }
    Err(Trouble::Wrong("the task never ends".to_owned()))
}

pub(super) async fn cancel(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let id = start(client, scene).await?;
    let answer = client.ask("tasks/cancel", json!({ "taskId": id })).await?;
    if !client.is_modern() {
        same("status", &answer["status"], &json!("cancelled"))?;
    }
    let task = client.ask("tasks/get", json!({ "taskId": id })).await?;
    same("status", &task["status"], &json!("cancelled"))?;
    match client.ask("tasks/get", json!({ "taskId": "nobody's" })).await {
        Err(Trouble::Refused { code: -32602, .. }) => Ok(()),
        other => Err(Trouble::Wrong(format!("a strange task: {other:?}"))),
    }
}

/// The extension lets a client be told what becomes of a task instead of asking again and again.
pub(super) async fn followed(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let id = start(client, scene).await?;
    let listening = listen(client, &json!({ "taskIds": [id, "nobody's"] })).await?;
    let Some((_, honoured)) = &listening else {
        let message = "nothing to listen with in this revision".to_owned();
        return Err(Trouble::Refused { code: 0, message, data: Value::Null });
    };
    same("honoured", &honoured["taskIds"], &json!([id]))?;
    let is_it = |it: &Value| {
        let task = &it["params"];
        it["method"] == "notifications/tasks"
            && task["taskId"] == id.as_str()
            && task["status"] == "completed"
    };
    let heard = client.hear("the end of the task", is_it).await;
    end(client, listening).await;
    is_outcome(&heard?["params"]["result"])
}

/// Calls the tool `task` so that a task comes of it; gives its id.
async fn start(client: &mut Client, scene: &Scene<'_>) -> Result<String, Trouble> {
    let mut params = scene.call("task");
    if client.version == Version::V2025_11_25 {
        params["task"] = json!({ "ttl": 60_000 });
    }
    let result = client.ask("tools/call", params).await?;
    let task = if client.is_modern() {
        same("resultType", &result["resultType"], &json!("task"))?;
        holds("no ttlMs", !result["ttlMs"].is_null())?;
        &result
    } else if client.version == Version::V2025_11_25 {
        holds("no ttl", !result["task"]["ttl"].is_null())?;
        &result["task"]
    } else {
        // No word for it in the revision: the outcome itself.
        is_outcome(&result)?;
        let message = "no tasks in this revision".to_owned();
        return Err(Trouble::Refused { code: 0, message, data: Value::Null });
    };
    let id = task["taskId"].as_str().map(str::to_owned);
    id.ok_or_else(|| Trouble::Wrong(format!("no task: {result}")))
}

fn is_outcome(result: &Value) -> Result<(), Trouble> {
    same("outcome", &result["content"][0]["text"], &json!("the task is done"))?;
    same("x-future", &result["x-future"], &json!(1))
}
