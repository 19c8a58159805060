//! What the fixture offers, under the names that the suite calls.

use std::sync::OnceLock;

use rmcp::model::{Prompt, Resource, ResourceTemplate, Tool};
use serde_json::{Value, json};

use crate::shared::{Change, Shared};

/// Tools without arguments, or with arguments that nobody has to check.
const PLAIN_TOOLS: &[(&str, &str)] = &[
    ("test_simple_text", "Answers with one text"),
    ("test_image_content", "Answers with a picture"),
    ("test_audio_content", "Answers with a sound"),
    ("test_embedded_resource", "Answers with a resource inside"),
    ("test_multiple_content_types", "Answers with a text, a picture and a resource"),
    ("test_tool_with_logging", "Logs three times on its way"),
    ("test_tool_with_progress", "Reports progress three times on its way"),
    ("test_error_handling", "Fails, and says so in its result"),
    ("test_reconnection", "Takes its time"),
    ("test_elicitation_sep1034_defaults", "Asks with a default for every kind of value"),
    ("test_elicitation_sep1330_enums", "Asks with every kind of choice"),
    ("test_missing_capability", "Needs a client that samples"),
    ("test_streaming_elicitation", "Asks in the middle of a stream"),
    ("test_logging_tool", "Logs, if the client wants to hear it"),
    ("test_trigger_tool_change", "Changes the list of tools"),
    ("test_trigger_prompt_change", "Changes the list of prompts"),
    ("test_input_required_result_elicitation", "Asks for a name"),
    ("test_input_required_result_sampling", "Asks a model for a capital"),
    ("test_input_required_result_list_roots", "Asks for the roots"),
    ("test_input_required_result_request_state", "Asks, and checks the state that comes back"),
    ("test_input_required_result_multiple_inputs", "Asks three things at once"),
    ("test_input_required_result_multi_round", "Asks twice, one after the other"),
    ("test_input_required_result_tampered_state", "Asks, and refuses a state that was changed"),
    ("test_input_required_result_capabilities", "Asks only what the client can answer"),
    ("failing_job", "A task that ends with an error of the tool"),
    ("protocol_error_job", "A task that ends with an error of the protocol"),
    ("multi_input", "A task that asks two things at once"),
    ("test_tool_with_task", "Asks for a name, then goes on as a task"),
];

const PLAIN_PROMPTS: &[(&str, &str)] = &[
    ("test_simple_prompt", "One message"),
    ("test_prompt_with_image", "A picture and a question about it"),
    ("test_input_required_result_prompt", "Asks for a context first"),
];

pub(crate) fn tools(shared: &Shared) -> Vec<Tool> {
    static TOOLS: OnceLock<Vec<Tool>> = OnceLock::new();
    let mut tools = TOOLS.get_or_init(all_tools).clone();
    if shared.has_more(Change::Tools) {
        tools.push(entry(plain_tool(("test_one_more_tool", "Comes and goes"))));
    }
    tools
}

pub(crate) fn tool(shared: &Shared, name: &str) -> Option<Tool> {
    tools(shared).into_iter().find(|tool| tool.name == name)
}

fn all_tools() -> Vec<Tool> {
    let string = json!({ "type": "string" });
    let plain = PLAIN_TOOLS.iter().copied().map(plain_tool);
    let with_arguments = [
        tool_with("test_sampling", "Asks a model", &json!({ "prompt": string }), &["prompt"]),
        tool_with("test_elicitation", "Asks the user", &json!({ "message": string }), &["message"]),
        tool_with("greet", "Says hello", &json!({ "name": string }), &["name"]),
        tool_with(
            "slow_compute",
            "A task that takes so many seconds",
            &json!({ "seconds": { "type": "integer" }, "label": string }),
            &["seconds"],
        ),
        tool_with(
            "confirm_delete",
            "A task that asks before it goes on",
            &json!({ "filename": string }),
            &["filename"],
        ),
        tool_with(
            "test_x_mcp_header",
            "Has arguments that travel as headers too",
            &json!({
                "region": { "type": "string", "x-mcp-header": "Region" },
                "priority": { "type": "integer", "x-mcp-header": "Priority" },
            }),
            &["region"],
        ),
        json!({
            "name": "json_schema_2020_12_tool",
            "description": "Has a schema with keywords that are easily lost",
            "inputSchema": schema_2020_12(),
        }),
    ];
    plain.chain(with_arguments).map(entry).collect()
}

fn plain_tool((name, description): (&str, &str)) -> Value {
    tool_with(name, description, &json!({}), &[])
}

fn tool_with(name: &str, description: &str, properties: &Value, required: &[&str]) -> Value {
    json!({
        "name": name,
        "description": description,
        "inputSchema": { "type": "object", "properties": properties, "required": required },
    })
}

/// SEP-1613 and SEP-2106: every keyword of it has to reach the client.
fn schema_2020_12() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": { "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
        } },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" },
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false,
    })
}

pub(crate) fn prompts(shared: &Shared) -> Vec<Prompt> {
    let plain =
        |(name, description): (&str, &str)| json!({ "name": name, "description": description });
    let argument = |name: &str| json!({ "name": name, "required": true });
    let mut prompts: Vec<Value> = PLAIN_PROMPTS.iter().copied().map(plain).collect();
    prompts.push(json!({
        "name": "test_prompt_with_arguments",
        "description": "Two arguments in one message",
        "arguments": [argument("arg1"), argument("arg2")],
    }));
    prompts.push(json!({
        "name": "test_prompt_with_embedded_resource",
        "description": "A resource and a request about it",
        "arguments": [argument("resourceUri")],
    }));
    if shared.has_more(Change::Prompts) {
        prompts.push(plain(("test_one_more_prompt", "Comes and goes")));
    }
    prompts.into_iter().map(entry).collect()
}

pub(crate) fn resources() -> Vec<Resource> {
    let resources = json!([
        { "uri": "test://static-text", "name": "A text", "mimeType": "text/plain" },
        { "uri": "test://static-binary", "name": "A picture", "mimeType": "image/png" },
        { "uri": "test://watched-resource", "name": "A text to watch", "mimeType": "text/plain" },
    ]);
    entry(resources)
}

pub(crate) fn templates() -> Vec<ResourceTemplate> {
    entry(json!([{
        "uriTemplate": "test://template/{id}/data",
        "name": "Data by number",
        "mimeType": "application/json",
    }]))
}

fn entry<T: serde::de::DeserializeOwned>(json: Value) -> T {
    serde_json::from_value(json).expect("what is written above is of this shape")
}
