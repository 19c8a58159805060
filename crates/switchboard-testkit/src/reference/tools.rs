//! The tools, prompts and resources: one for each feature.

use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};
use switchboard_mcp::ProtocolVersion;

use super::call::{Answer, Call, RESERVED, Stop};
use super::news::News;
use super::rounds::{form, roots, sample, sample_tools, url};
use super::{offer, tasks};

/// One pixel, one sample: the smallest that is still right.
const DATA: &str = "AAAA";

/// What comes back in a result exactly as it is written here.
pub(crate) const UNTOUCHED: &str = "\"x-future\":{ \"big\":9007199254740993,\"n\":1.10 }";

/// Large enough to need many reads, small enough for thousands of cells in a debug build.
pub(crate) const BIG: usize = 128 << 10;

pub(crate) async fn call(call: &Call) -> Result<Answer, Stop> {
    let Some(name) = call.params["name"].as_str() else { return Err(Stop::invalid("no name")) };
    let server = call.server();
    if !offer::has_tool(server, name) {
        return Err(Stop::invalid(format!("no tool {name}")));
    }
    let tag = call.params["arguments"]["tag"].as_str().unwrap_or_default();
    server.journal.note(format!("call {name} {tag}"));
    let outcome = match name {
        "echo" => return Ok(echo(call)),
        "structured" => structured(&json!({ "degrees": 21.5, "unit": "C" })),
        "scalar" => structured(&json!(21.5)),
        "kinds" | "audio" | "link" => kinds(call, name),
        "progress" => progress(call).await,
        "log" => log(call).await,
        "slow" => std::future::pending().await,
        "add" => add(call),
        "touch" => touch(call),
        "fail" => json!({ "content": text("it did not work"), "isError": true }),
        "refuse" => {
            let data = json!({ "reason": "own" });
            return Err(Stop::Error { code: -7, message: "own \"words\"".to_owned(), data });
        }
        "big" => json!({ "content": text(&"0123456789abcdef".repeat(BIG / 16)) }),
        "task" => return tasks::call(call),
        name => return asking(call, name).await.or_else(|stop| failed(call, stop)),
    };
    Ok(outcome.into())
}

/// Tools that ask the client and answer with what it said.
async fn asking(call: &Call, name: &str) -> Result<Answer, Stop> {
    let answers = match name {
        "form" => call.ask(0, vec![form()]).await?,
        "url" => call.ask(0, vec![url()]).await?,
        "sample" => call.ask(0, vec![sample("hello \"you\"")]).await?,
        "sample_tools" => call.ask(0, vec![sample_tools()]).await?,
        "roots" => call.ask(0, vec![roots()]).await?,
        "rounds" => {
            let first = call.ask(0, vec![form()]).await?;
            let name = first[0]["content"]["name"].as_str().unwrap_or_default();
            let second = call.ask(1, vec![sample(&format!("greet {name}")), roots()]).await?;
            let third = call.ask(2, vec![form()]).await?;
            [first, second, third].concat()
        }
        // One that was added.
        _ => Vec::new(),
    };
    Ok(json!({ "content": text(&Value::Array(answers).to_string()) }).into())
}

/// Until 2025-11-25 a tool that could not ask has failed; since, what is missing is named.
fn failed(call: &Call, stop: Stop) -> Result<Answer, Stop> {
    match stop {
        Stop::Error { code: -32603, message, .. } if !call.server().is_modern() => {
            Ok(json!({ "content": text(&message), "isError": true }).into())
        }
        other => Err(other),
    }
}

/// The arguments as they were written, and what of `_meta` was meant for the server.
fn echo(call: &Call) -> Answer {
    #[derive(serde::Deserialize)]
    struct Params<'a> {
        #[serde(borrow)]
        arguments: Option<&'a RawValue>,
        #[serde(borrow, rename = "x-future")]
        future: Option<&'a RawValue>,
    }
    let params: Params<'_> = serde_json::from_str(&call.raw).unwrap();
    let raw = |value: Option<&RawValue>| value.map_or("null".to_owned(), |it| it.get().to_owned());
    let mut meta = call.params["_meta"].as_object().cloned().unwrap_or_default();
    meta.retain(|key, _| !key.starts_with(RESERVED) && key != "progressToken");
    let mut own = serde_json::Map::new();
    own.insert("example.org/from-server".to_owned(), json!({ "x": 1 }));
    let members = format!(
        "\"content\":{},\"arguments\":{},\"future\":{},\"received\":{},{UNTOUCHED}",
        text("echo"),
        raw(params.arguments),
        raw(params.future),
        Value::Object(meta),
    );
    Answer { members, meta: own, kind: "complete" }
}

fn structured(value: &Value) -> Value {
    json!({ "content": text(&value.to_string()), "structuredContent": value })
}

fn kinds(call: &Call, name: &str) -> Value {
    let uri = format!("test://{}/text", call.server().name);
    match name {
        "audio" => {
            json!({ "content": [{ "type": "audio", "data": DATA, "mimeType": "audio/wav" }] })
        }
        "link" => json!({ "content": [{ "type": "resource_link", "uri": uri, "name": "the text",
            "mimeType": "text/plain", "x-future": 1 }] }),
        _ => json!({ "content": [
            { "type": "text", "text": "\u{e4}", "annotations": { "audience": ["user"] } },
            { "type": "image", "data": DATA, "mimeType": "image/png", "x-future": 1 },
            { "type": "resource", "resource": { "uri": uri, "text": "inside" } },
        ] }),
    }
}

/// Three steps, told to a client that gave a token.
async fn progress(call: &Call) -> Value {
    let token = &call.params["_meta"]["progressToken"];
    for step in 1..=3 {
        if token.is_null() {
            break;
        }
        let mut params = json!({ "progressToken": token, "progress": step, "total": 3,
            "x-future": 1 });
        if call.version() >= ProtocolVersion::V2025_03_26 {
            params["message"] = json!(format!("step {step}"));
        }
        call.tell("notifications/progress", params).await;
    }
    json!({ "content": text("done") })
}

/// One message of each level that the client wants.
async fn log(call: &Call) -> Value {
    let wanted = if call.server().is_modern() {
        let level = call.params["_meta"][format!("{RESERVED}logLevel")].as_str();
        level.map(|level| offer::LEVELS.iter().position(|known| *known == level))
    } else {
        // A session that did not say gets everything.
        let level = call.session.state.lock().unwrap().level.clone();
        Some(offer::LEVELS.iter().position(|known| Some(*known) == level.as_deref()).or(Some(0)))
    };
    let from = wanted.flatten().unwrap_or(offer::LEVELS.len());
    for level in offer::LEVELS.iter().skip(from) {
        let data = json!({ "tag": call.params["arguments"]["tag"], "x-future": [1.5] });
        let params = json!({ "level": level, "logger": "reference", "data": data });
        call.tell("notifications/message", params).await;
    }
    json!({ "content": text("logged") })
}

fn add(call: &Call) -> Value {
    let name = call.params["arguments"]["tool"].as_str().unwrap_or("added").to_owned();
    let mut extra = call.server().extra.lock().unwrap();
    // Bounded: the next one takes the place of the last.
    extra.clear();
    extra.push(name);
    let _ = call.server().news.send(News::List("tools"));
    json!({ "content": text("added") })
}

fn touch(call: &Call) -> Value {
    let _ = call.server().news.send(News::Updated(format!("test://{}/text", call.server().name)));
    json!({ "content": text("touched") })
}

pub(crate) async fn prompt(call: &Call) -> Result<Answer, Stop> {
    let who = call.params["arguments"]["who"].as_str().unwrap_or_default();
    let said = match call.params["name"].as_str() {
        Some("greet") if who.is_empty() => return Err(Stop::invalid("`who` is missing")),
        Some("greet") => format!("greet {who}"),
        Some("ask") => call.ask(0, vec![sample("a prompt")]).await?[0].to_string(),
        _ => return Err(Stop::invalid("no such prompt")),
    };
    let content = json!({ "type": "text", "text": said });
    let message = json!({ "role": "user", "content": content, "x-future": 1 });
    Ok(json!({ "description": "a greeting", "messages": [message] }).into())
}

pub(crate) async fn resource(call: &Call) -> Result<Answer, Stop> {
    let Some(uri) = call.params["uri"].as_str() else { return Err(Stop::invalid("no uri")) };
    let own = uri.strip_prefix(&format!("test://{}/", call.server().name)).unwrap_or_default();
    let content = match own {
        "text" => json!({ "uri": uri, "text": "some text", "mimeType": "text/plain",
            "x-future": 1 }),
        "blob" => json!({ "uri": uri, "blob": DATA }),
        "ask" => json!({ "uri": uri, "text": call.ask(0, vec![roots()]).await?[0].to_string() }),
        other => match other.strip_prefix("items/").filter(|item| *item != "none") {
            Some(item) => json!({ "uri": uri, "text": format!("item {item}") }),
            None => {
                let code = if call.server().is_modern() { -32602 } else { -32002 };
                let data = json!({ "uri": uri });
                return Err(Stop::Error { code, message: "no such resource".to_owned(), data });
            }
        },
    };
    Ok(json!({ "contents": [content] }).into())
}

pub(crate) fn text(words: &str) -> Value {
    json!([{ "type": "text", "text": words }])
}

/// How long a task asks its client to wait between two questions.
pub(crate) const POLL: Duration = Duration::from_millis(10);
