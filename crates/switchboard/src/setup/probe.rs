//! A tool call that shows that everything works, and harms nothing.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use switchboard_client::ClientError;
use switchboard_client::control::{self, Command, Reply};
use switchboard_client::mcp::{Client, Tool};
use switchboard_mcp::Json;
use tokio::time::{Instant, sleep};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::untrusted;

/// A call that was answered.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Verified {
    pub(crate) tool: String,
    /// The first lines of the answer.
    pub(crate) result: String,
    #[serde(serialize_with = "milliseconds", rename = "latency_ms")]
    pub(crate) latency: Duration,
}

/// Why nothing was verified.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    #[error("the daemon did not answer")]
    Daemon(#[source] ClientError),
    /// No server has a tool that we may call without being asked to.
    #[error("none of the {tools} tools says that it only reads and needs no arguments")]
    NothingHarmless { tools: usize },
    #[error("`{tool}` failed: {message}")]
    ToolFailed { tool: String, message: String },
}

impl From<ProbeError> for Failure {
    fn from(error: ProbeError) -> Self {
        let message = error.to_string();
        match error {
            ProbeError::Daemon(error) => Self::from(error),
            ProbeError::NothingHarmless { .. } => Self::new("no-verified-call", message).with_hint(
                "see `switchboard status`; `switchboard up --demo` adds the demonstration server",
            ),
            ProbeError::ToolFailed { .. } => Self::new("no-verified-call", message)
                .with_exit(Exit::ToolFailed)
                .with_hint("see `switchboard logs`; `switchboard up --demo` adds a server that needs nothing"),
        }
    }
}

/// A call that may be made without being asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Pick {
    tool: String,
    arguments: Value,
}

/// How long servers may take to start: `npx` and `uvx` install on first use, and the whole of `up`
/// is to take less than a minute.
const START_LIMIT: Duration = Duration::from_secs(40);

const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// How many tools are tried: one may need an account, but if three fail it is not the tools.
const TRIES: usize = 3;

/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(15);

/// What the demonstration server is asked to repeat.
const GREETING: &str = "Hello from Switchboard";

/// Calls a harmless tool, preferably that of the demonstration server named `demo`.
pub(crate) async fn verify(
    mcp_socket: &Path,
    control_socket: &Path,
    demo: Option<&str>,
) -> Result<Verified, ProbeError> {
    let client = Client::connect(mcp_socket).await.map_err(ProbeError::Daemon)?;
    let mut client = client.with_limit(CALL_LIMIT);
    let picks = offered(&mut client, control_socket, demo).await?;
    let mut failed = None;
    for Pick { tool, arguments } in picks.into_iter().take(TRIES) {
        let arguments = Json::encode(&arguments);
        let begun = Instant::now();
        let answer = client.call(&tool, &arguments, None).await;
        let latency = begun.elapsed();
        match answer {
            Ok(answer) if !answer.is_error => {
                return Ok(Verified { tool, result: first_lines(&answer.result), latency });
            }
            Ok(answer) => {
                let message = untrusted::line(&first_lines(&answer.result));
                failed = Some(ProbeError::ToolFailed { tool, message });
            }
            Err(ClientError::Refused(error)) => {
                failed = Some(ProbeError::ToolFailed { tool, message: error.message.to_string() });
            }
            // The connection is in doubt, so the next tool would not tell more.
            Err(error) => return Err(ProbeError::Daemon(error)),
        }
    }
    Err(failed.unwrap_or(ProbeError::NothingHarmless { tools: 0 }))
}

/// The calls that may be made, once there is one, or no server is left that might offer one.
async fn offered(
    client: &mut Client,
    control_socket: &Path,
    demo: Option<&str>,
) -> Result<Vec<Pick>, ProbeError> {
    let end = Instant::now() + START_LIMIT;
    loop {
        let tools = client.list_tools().await.map_err(ProbeError::Daemon)?;
        let picks = harmless(&tools, demo);
        if !picks.is_empty() {
            return Ok(picks);
        }
        if Instant::now() > end || !is_starting(control_socket).await {
            return Err(ProbeError::NothingHarmless { tools: tools.len() });
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Whether some server may still come up with tools.
async fn is_starting(control_socket: &Path) -> bool {
    let Ok(mut client) = control::Client::connect(control_socket).await else { return false };
    match client.ask(&Command::Status).await {
        Ok(Reply::Status(status)) => {
            status.upstreams.iter().any(|upstream| upstream.state == "starting")
        }
        _ => false,
    }
}

/// The calls that harm nothing: the echo of the demonstration server, then tools that say they only
/// read and need nothing said to them, those that stay on this machine first.
fn harmless(tools: &[Tool], demo: Option<&str>) -> Vec<Pick> {
    if let Some(demo) = demo {
        let echo = format!("{demo}__echo");
        if let Some(tool) = tools.iter().find(|tool| tool.name == echo) {
            let arguments: Map<_, _> =
                required(tool).map(|name| (name.to_owned(), json!(GREETING))).collect();
            return vec![Pick { tool: echo, arguments: arguments.into() }];
        }
    }
    let (near, far): (Vec<_>, Vec<_>) = tools
        .iter()
        .filter(|tool| hint(tool, "readOnlyHint") == Some(true) && required(tool).count() == 0)
        // What is not said counts as the open world (MCP, "ToolAnnotations").
        .partition(|tool| hint(tool, "openWorldHint") == Some(false));
    let pick = |tool: &Tool| Pick { tool: tool.name.clone(), arguments: json!({}) };
    near.into_iter().chain(far).map(pick).collect()
}

fn required(tool: &Tool) -> impl Iterator<Item = &str> {
    let names = tool.input_schema.get("required").and_then(Value::as_array);
    names.into_iter().flatten().filter_map(Value::as_str)
}

fn hint(tool: &Tool, name: &str) -> Option<bool> {
    #[derive(Deserialize)]
    struct Annotated {
        annotations: Map<String, Value>,
    }
    let annotated: Annotated = tool.json.view().ok()?;
    annotated.annotations.get(name)?.as_bool()
}

/// What a tool answered, cut to what shows that it did.
fn first_lines(result: &Json) -> String {
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        content: Vec<Map<String, Value>>,
    }
    /// Enough to recognise the answer.
    const LINES: usize = 5;
    const COLUMNS: usize = 100;
    let Ok(Answer { content }) = result.view() else { return String::new() };
    let parts = content.iter().map(|part| match part.get("text").and_then(Value::as_str) {
        Some(text) => untrusted::text(text),
        None => {
            let kind = part.get("type").and_then(Value::as_str).unwrap_or("content");
            format!("({})", untrusted::line(kind))
        }
    });
    let text = parts.collect::<Vec<_>>().join("\n");
    let mut lines: Vec<_> = text
        .lines()
        .take(LINES)
        .map(|line| match line.char_indices().nth(COLUMNS) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line.to_owned(),
        })
        .collect();
    if text.lines().count() > LINES {
        lines.push("…".to_owned());
    }
    lines.join("\n")
}

fn milliseconds<S: serde::Serializer>(length: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(length.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests;
