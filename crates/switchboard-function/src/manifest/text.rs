//! `switchboard.toml`, as it is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use switchboard_config::TimeSpan;

use super::{Limits, Returns, Setting};

/// The manifest of a bundle. One of `python` and `wasm` says what runs it.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Text {
    /// What it is called: letters, digits, `-` and `_`, up to 32.
    pub name: String,
    /// Its version, for people; what tells versions apart is their content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What it is good for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// It is written in Python.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<PythonText>,
    /// It is a WebAssembly component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wasm: Option<WasmText>,
    /// Its tools.
    pub tool: Vec<ToolText>,
    /// Its resources and templates of resources.
    pub resource: Vec<ResourceText>,
    /// Its prompts.
    pub prompt: Vec<PromptText>,
    /// What can be set.
    pub settings: BTreeMap<String, Setting>,
    pub limits: Limits,
    pub wants: Wants,
}

#[derive(Clone, Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PythonText {
    /// The directory that modules are looked up in, beside the standard library.
    pub path: String,
    /// A `requirements.txt` with hashes: what is installed beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requirements: Option<String>,
}

impl Default for PythonText {
    fn default() -> Self {
        Self { path: ".".to_owned(), requirements: None }
    }
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WasmText {
    /// The file of the component.
    pub component: String,
    /// After how many calls an instance makes room for a new one. Absent: each call has its own, and
    /// finds nothing of the one before it.
    #[schemars(range(min = 0, max = 1000000))]
    pub reuse: u32,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ToolText {
    /// What it is called: letters, digits, `_`, `-` and `.`, up to 128.
    pub name: String,
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it does, for models.
    pub description: String,
    /// `module:function` or `module:Class.method`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
    /// The JSON Schema of its arguments, or the name of a file with it. Absent: it takes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<Value>,
    /// The JSON Schema of its structured content, or the name of a file with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output: Option<Value>,
    /// What clients are told of what it does, such as `readOnlyHint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Value>,
    /// What becomes of the value that it returns.
    pub returns: Returns,
    /// Whether whoever calls gets a handle where it takes long.
    #[serde(rename = "async")]
    pub is_async: bool,
    /// How long a call may take, if not as long as `limits.time` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeSpan>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ResourceText {
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// A template of addresses (RFC 6570, `{name}`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri_template: Option<String>,
    /// What it is called.
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mime_type: Option<String>,
    /// How many bytes it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<Value>,
    /// `module:function` or `module:Class.method`, which is given the address, and what stands in
    /// the places of a template by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PromptText {
    /// What it is called, as a tool.
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub arguments: Vec<PromptArgument>,
    /// `module:function` or `module:Class.method`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entry: Option<String>,
}

/// As it is listed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PromptArgument {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    pub required: bool,
}

/// What a bundle needs of what is denied to all. Whoever configures it has to grant it.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wants {
    /// Hosts that it connects to: `api.example.com`, `*.example.com`, with `:PORT` if not 443.
    pub hosts: Vec<String>,
    /// Files and directories that it reads, by absolute path.
    pub files: Vec<String>,
    /// Variables of the daemon's environment.
    pub environment: Vec<String>,
    /// The time. Of components only; Python has it.
    pub clock: bool,
    /// Whether a component keeps values.
    pub key_value: bool,
    /// Random bytes. Of components only.
    pub random: bool,
}
