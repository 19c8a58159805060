//! What is in a bundle: functions, settings, limits and wishes, out of whatever said so.

mod check;
mod limits;
mod older;
mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use switchboard_config::Diagnostic;
use switchboard_mcp::Json;

use crate::archive::Archive;

pub use self::limits::Limits;
pub use self::text::Wants;

/// The file that says what is in a bundle.
pub const FILE: &str = "switchboard.toml";

/// The one of the older engine.
pub(crate) const OLDER_FILE: &str = "mcp_configuration.json";

/// What is in a bundle, checked.
#[derive(Clone, Debug)]
pub struct Manifest {
    pub name: String,
    pub version: Option<String>,
    pub description: Option<String>,
    pub runtime: Runtime,
    pub functions: Vec<Function>,
    /// What can be set, by name.
    pub settings: BTreeMap<String, Setting>,
    pub limits: Limits,
    pub wants: Wants,
    /// Of the older engine: names are shown without a prefix.
    pub is_older: bool,
    /// What it was read from, where it is of the older engine.
    pub configuration: Option<String>,
}

/// What runs it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Runtime {
    Python {
        /// The directory of the bundle that modules are looked up in.
        path: String,
        /// A file with hashes that says what else is installed.
        requirements: Option<String>,
    },
    /// A WebAssembly component.
    Wasm {
        /// Its name in the bundle.
        component: String,
        /// How many calls an instance has; 0: a new one for each.
        reuse: u32,
    },
}

/// One tool, resource, resource template or prompt.
#[derive(Clone, Debug)]
pub struct Function {
    pub kind: FunctionKind,
    /// Its name, address or template.
    pub key: String,
    /// As it is listed.
    pub item: Json,
    /// The schema of a tool's arguments.
    pub input: Option<Value>,
    /// The schema of a tool's structured content.
    pub output: Option<Value>,
    pub handler: Handler,
    pub is_async: bool,
    /// How long a call may take, where that is another time than the bundle's.
    pub time: Option<Duration>,
}

#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum FunctionKind {
    Tool,
    Resource,
    Template,
    Prompt,
}

/// The code behind a function. WebAssembly finds it by the function's name, and has the rest empty.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Handler {
    pub module: String,
    #[serde(rename = "class")]
    pub class_name: Option<String>,
    #[serde(rename = "function")]
    pub function_name: String,
    pub returns: Returns,
    /// What the class is made with, beside what is configured.
    pub settings: serde_json::Map<String, Value>,
    /// A prompt that is given its own name first, as by the older engine.
    pub takes_name: bool,
    pub mime_type: Option<String>,
}

/// What becomes of the value that a tool returns.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, schemars::JsonSchema, Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Returns {
    /// Whatever it looks like: text, content blocks, a whole result; anything else is structured
    /// content.
    #[default]
    Auto,
    /// Text; what is no string is written as JSON.
    Text,
    /// An image: bytes, base64, or an object with `data` and `mimeType`. PNG if nothing is said.
    Image,
    /// A sound, likewise. WAV if nothing is said.
    Audio,
    /// The content of a resource, with its address.
    EmbeddedResource,
    /// The address of a resource.
    ResourceLink,
}

/// Something that can be set.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, schemars::JsonSchema, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Setting {
    /// What it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What the text that is set is read as.
    #[serde(rename = "type")]
    pub kind: SettingType,
    /// What it is where nobody sets it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// Whether the bundle does not run without.
    pub required: bool,
    /// Whether it is shown to nobody.
    pub secret: bool,
}

/// What the value of a setting is.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, schemars::JsonSchema, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum SettingType {
    #[default]
    String,
    Integer,
    Number,
    Boolean,
    /// Anything, written as JSON.
    Json,
}

/// Why a bundle is none.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    #[error("there is neither `{FILE}` nor `{OLDER_FILE}` in it")]
    Missing,
    #[error("`{file}` is not UTF-8")]
    Encoding { file: &'static str },
    /// Every mistake found.
    #[error("{}", all(.0))]
    Mistakes(Vec<Diagnostic>),
}

fn all(mistakes: &[Diagnostic]) -> String {
    let lines: Vec<String> = mistakes.iter().map(|mistake| mistake.message.clone()).collect();
    lines.join("; ")
}

impl Manifest {
    /// Finds and reads the manifest of a bundle.
    ///
    /// # Errors
    ///
    /// See [`ManifestError`].
    pub fn of(archive: &Archive) -> Result<Self, ManifestError> {
        let text = |file: &'static str| -> Result<Option<&str>, ManifestError> {
            let Some(bytes) = archive.file(file) else { return Ok(None) };
            let text = std::str::from_utf8(bytes);
            text.map(Some).map_err(|_| ManifestError::Encoding { file })
        };
        if let Some(text) = text(FILE)? {
            return check::manifest(text, archive).map_err(ManifestError::Mistakes);
        }
        let text = text(OLDER_FILE)?.ok_or(ManifestError::Missing)?;
        Self::older(text, archive)
    }

    /// Reads a configuration of the older engine (`MCP_CONFIGURATION`), wherever it comes from.
    ///
    /// # Errors
    ///
    /// See [`ManifestError`].
    pub fn older(text: &str, archive: &Archive) -> Result<Self, ManifestError> {
        let manifest = older::manifest(text, archive).map_err(ManifestError::Mistakes)?;
        Ok(Self { configuration: Some(text.to_owned()), ..manifest })
    }
}

#[cfg(test)]
mod tests;
