//! Tasks: those of 2025-11-25, where the client asks for one, and those of the extension
//! `io.modelcontextprotocol/tasks`, where the server decides.

use serde_json::{Value, json};
use switchboard_mcp::ProtocolVersion;

use super::call::{Answer, Call, RESERVED, Stop};
use super::tools::{POLL, text};

pub(crate) const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// Done once it was looked at, so that a client sees it at work first.
pub(crate) struct Task {
    id: String,
    status: &'static str,
}

/// More tasks than any test has open; older ones are forgotten.
const KEPT: usize = 256;

/// The tool `task`: at once, or as a task where that can be.
pub(crate) fn call(call: &Call) -> Result<Answer, Stop> {
    let wants = if call.server().is_modern() {
        call.capabilities()["extensions"][EXTENSION].is_object()
    } else {
        call.params["task"].is_object()
    };
    if !wants {
        return Ok(outcome().into());
    }
    let id = format!("t{}", call.server().number());
    let mut tasks = call.server().tasks.lock().unwrap();
    if tasks.len() == KEPT {
        tasks.remove(0);
    }
    tasks.push(Task { id, status: "working" });
    let shown = shown(call, &tasks[tasks.len() - 1]);
    if call.server().is_modern() {
        return Ok(Answer { kind: "task", ..shown.into() });
    }
    Ok(json!({ "task": shown }).into())
}

fn outcome() -> Value {
    json!({ "content": text("the task is done"), "x-future": 1 })
}

fn shown(call: &Call, task: &Task) -> Value {
    let poll = u64::try_from(POLL.as_millis()).unwrap();
    let at = "2026-01-01T00:00:00Z";
    let mut shown = json!({ "taskId": task.id, "status": task.status, "createdAt": at,
        "lastUpdatedAt": at, "x-future": 1 });
    let names = if call.server().is_modern() {
        ["ttlMs", "pollIntervalMs"]
    } else {
        ["ttl", "pollInterval"]
    };
    shown[names[0]] = json!(60_000);
    shown[names[1]] = json!(poll);
    shown
}

pub(crate) fn answer(call: &Call, method: &str) -> Result<Answer, Stop> {
    let is_modern = call.server().is_modern();
    let no_method = || {
        let message = format!("no method {method}");
        Stop::Error { code: -32601, message, data: Value::Null }
    };
    if call.version() < ProtocolVersion::V2025_11_25 {
        return Err(no_method());
    }
    if is_modern {
        must_know_tasks(call)?;
    }
    if method == "tasks/list" && !is_modern {
        let tasks = call.server().tasks.lock().unwrap();
        let all: Vec<_> = tasks.iter().map(|task| shown(call, task)).collect();
        return Ok(json!({ "tasks": all }).into());
    }
    let id = call.params["taskId"].as_str().unwrap_or_default();
    let mut tasks = call.server().tasks.lock().unwrap();
    let task = tasks.iter_mut().find(|task| task.id == id);
    let task = task.ok_or_else(|| Stop::invalid("no such task"))?;
    match (method, is_modern) {
        ("tasks/get", _) => Ok(looked_at(call, task).into()),
        ("tasks/result", false) => {
            task.status = "completed";
            let mut result = outcome();
            result["_meta"] = json!({ format!("{RESERVED}related-task"): { "taskId": id } });
            Ok(result.into())
        }
        ("tasks/cancel", false) if task.status != "working" => {
            Err(Stop::invalid("the task has ended"))
        }
        ("tasks/cancel", _) => {
            if task.status == "working" {
                task.status = "cancelled";
            }
            let answer = if is_modern { json!({}) } else { shown(call, task) };
            Ok(answer.into())
        }
        ("tasks/update", true) => Ok(json!({}).into()),
        _ => Err(no_method()),
    }
}

/// The task as it is, which is done after that.
fn looked_at(call: &Call, task: &mut Task) -> Value {
    let mut answer = shown(call, task);
    if task.status == "completed" && call.server().is_modern() {
        answer["result"] = outcome();
    }
    if task.status == "working" {
        task.status = "completed";
    }
    answer
}

fn must_know_tasks(call: &Call) -> Result<(), Stop> {
    if call.capabilities()["extensions"][EXTENSION].is_object() {
        return Ok(());
    }
    let data = json!({ "requiredCapabilities": { "extensions": { EXTENSION: {} } } });
    let message = "the client does not know tasks".to_owned();
    Err(Stop::Error { code: -32021, message, data })
}

/// What of `filter` a listen stream is for: of the tasks, those that there are.
pub(crate) fn honoured(call: &Call, filter: &Value) -> Result<Value, Stop> {
    let mut honoured = filter.clone();
    let Some(wanted) = honoured["taskIds"].as_array_mut() else { return Ok(filter.clone()) };
    must_know_tasks(call)?;
    let tasks = call.server().tasks.lock().unwrap();
    wanted.retain(|id| tasks.iter().any(|task| *id == task.id.as_str()));
    Ok(honoured)
}

/// What a listen stream for `honoured` hears of its tasks: each as it is, and its end.
pub(crate) fn told(call: &Call, honoured: &Value) -> Vec<Value> {
    let wanted = honoured["taskIds"].as_array().into_iter().flatten();
    let mut tasks = call.server().tasks.lock().unwrap();
    let mut told = Vec::new();
    for id in wanted {
        let Some(task) = tasks.iter_mut().find(|task| *id == task.id.as_str()) else { continue };
        told.push(looked_at(call, task));
        if told[told.len() - 1]["status"] == "working" {
            told.push(looked_at(call, task));
        }
    }
    told
}
