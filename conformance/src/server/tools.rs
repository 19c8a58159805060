//! Tools that answer at once, and those that ask, log or report on their way.

use std::sync::Arc;
use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{CallToolRequestParams, CallToolResponse, JsonObject, ProgressNotificationParam};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Value, json};

use crate::ask::{Asked, Asking, Question, form, sampling};
use crate::content::{WAV, content, image, resource, says, text, typed};
use crate::log::{self, SessionLevel};
use crate::shared::{Change, Shared};
use crate::{jobs, rounds};

/// What the suite calls a short while; its scenarios want to see that time passes.
const A_WHILE: Duration = Duration::from_millis(50);

/// One `tools/call`.
pub(crate) struct Call {
    pub(crate) shared: Arc<Shared>,
    pub(crate) arguments: JsonObject,
    pub(crate) asking: Asking,
    level: SessionLevel,
}

pub(crate) async fn call(
    shared: Arc<Shared>,
    level: SessionLevel,
    request: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let call = Call {
        shared,
        arguments: request.arguments.unwrap_or_default(),
        asking: Asking {
            context,
            responses: request.input_responses.unwrap_or_default(),
            state: request.request_state,
        },
        level,
    };
    let name = request.name.as_ref();
    if let Some(result) = plain(&call, name) {
        return Ok(CallToolResponse::Complete(typed(result)?));
    }
    if let Some(response) = jobs::call(&call, name).await {
        return response;
    }
    if let Some(response) = rounds::call(&call, name).await {
        return response;
    }
    match question(&call, name) {
        Some(question) => call.ask_once(question).await,
        None => busy(&call, name).await,
    }
}

/// Tools that have their answer ready.
fn plain(call: &Call, name: &str) -> Option<Value> {
    Some(match name {
        "test_simple_text" => says("This is a simple text response for testing."),
        "test_image_content" => content(&[image()]),
        "test_audio_content" => {
            content(&[json!({ "type": "audio", "data": WAV, "mimeType": "audio/wav" })])
        }
        "test_embedded_resource" => {
            let words = "This is an embedded resource content.";
            content(&[resource("test://embedded-resource", "text/plain", words)])
        }
        "test_multiple_content_types" => content(&[
            text("Multiple content types test:"),
            image(),
            resource(
                "test://mixed-content-resource",
                "application/json",
                r#"{"test":"data","value":123}"#,
            ),
        ]),
        "test_error_handling" => {
            let mut result = says("This tool intentionally returns an error for testing");
            result["isError"] = json!(true);
            result
        }
        "test_trigger_tool_change" => {
            call.shared.toggle(Change::Tools);
            says("The list of tools has changed.")
        }
        "test_trigger_prompt_change" => {
            call.shared.toggle(Change::Prompts);
            says("The list of prompts has changed.")
        }
        "greet" => says(&format!("Hello, {}!", call.argument("name"))),
        "test_x_mcp_header" => says(&format!("Region {}.", call.argument("region"))),
        "json_schema_2020_12_tool" | "test_one_more_tool" => says("Done."),
        _ => return None,
    })
}

/// Tools that ask once, and what.
fn question(call: &Call, name: &str) -> Option<Question> {
    Some(match name {
        "test_streaming_elicitation" => ("user_name", form("What is your name?", &name_field())),
        "test_missing_capability" => ("sampled", sampling("Is anybody there?")),
        "test_sampling" => ("sampled", sampling(call.argument("prompt"))),
        "test_elicitation" => {
            let fields = json!({
                "username": { "type": "string", "description": "User's response" },
                "email": { "type": "string", "description": "User's email address" },
            });
            ("user", form(call.argument("message"), &fields))
        }
        "test_elicitation_sep1034_defaults" => {
            ("defaults", form("Please review the values", &defaults()))
        }
        "test_elicitation_sep1330_enums" => ("choices", form("Please choose", &choices())),
        _ => return None,
    })
}

/// Tools that take time, and say something meanwhile.
async fn busy(call: &Call, name: &str) -> Result<CallToolResponse, ErrorData> {
    match name {
        "test_tool_with_logging" | "test_logging_tool" => {
            for words in
                ["Tool execution started", "Tool processing data", "Tool execution completed"]
            {
                log::info(&call.asking, &call.level, words).await;
                tokio::time::sleep(A_WHILE).await;
            }
            call.done("The tool has logged.")
        }
        "test_tool_with_progress" => {
            for progress in [0, 50, 100] {
                call.progress(progress).await;
                tokio::time::sleep(A_WHILE).await;
            }
            call.done("The tool has reported.")
        }
        "test_reconnection" => {
            tokio::time::sleep(2 * A_WHILE).await;
            call.done("The tool has taken its time.")
        }
        _ => Err(ErrorData::invalid_params(format!("unknown tool: {name}"), None)),
    }
}

impl Call {
    pub(crate) fn argument(&self, name: &str) -> &str {
        self.arguments.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn done(&self, words: &str) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResponse::Complete(typed(says(words))?))
    }

    /// Reports to a client that wants to know.
    async fn progress(&self, progress: u32) {
        if let Some(token) = self.asking.context.meta.get_progress_token() {
            let report = ProgressNotificationParam::new(token, progress.into()).with_total(100.0);
            // A client that is gone hears nothing; the tool goes on.
            let _ = self.asking.context.peer.notify_progress(report).await;
        }
    }

    /// Asks one question and repeats the answer.
    async fn ask_once(&self, question: Question) -> Result<CallToolResponse, ErrorData> {
        let key = question.0;
        match self.asking.ask(&[question], None).await? {
            Asked::Answers(answers) => self.done(&format!("The client answered: {}", answers[key])),
            Asked::Required(required) => Ok(required.into()),
        }
    }
}

pub(crate) fn name_field() -> Value {
    json!({ "name": { "type": "string" } })
}

/// SEP-1034: a default for every kind of value.
fn defaults() -> Value {
    json!({
        "name": { "type": "string", "default": "John Doe" },
        "age": { "type": "integer", "default": 30 },
        "score": { "type": "number", "default": 95.5 },
        "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
        "verified": { "type": "boolean", "default": true },
    })
}

/// SEP-1330: every way to offer a choice.
fn choices() -> Value {
    let plain = ["option1", "option2", "option3"];
    let titled = json!([
        { "const": "value1", "title": "First Option" },
        { "const": "value2", "title": "Second Option" },
        { "const": "value3", "title": "Third Option" },
    ]);
    json!({
        "untitledSingle": { "type": "string", "enum": plain },
        "titledSingle": { "type": "string", "oneOf": titled },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": { "type": "array", "items": { "type": "string", "enum": plain } },
        "titledMulti": { "type": "array", "items": { "anyOf": titled } },
    })
}
