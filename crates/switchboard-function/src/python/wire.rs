//! What is said to a worker and by it: one JSON object on a line each. `worker.py` is the other side.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use switchboard_mcp::Json;

use super::{Running, module_path};
use crate::manifest::{FunctionKind, Handler, Runtime};
use crate::runtime::{Call, Failure, Input};

/// The first thing that a worker is told.
#[derive(Serialize)]
pub(super) struct Setup<'a> {
    path: Vec<PathBuf>,
    settings: &'a Map<String, Value>,
    context: Setting,
    functions: Vec<Entry<'a>>,
}

/// Where the functions are called.
#[derive(Serialize)]
struct Setting {
    endpoint_id: String,
    part_id: Option<String>,
}

#[derive(Serialize)]
struct Entry<'a> {
    bundle: &'a str,
    kind: &'static str,
    key: &'a str,
    has_output: bool,
    #[serde(flatten)]
    handler: &'a Handler,
}

impl<'a> Setup<'a> {
    pub(super) fn of(running: &'a Running) -> Self {
        let Running { name, tenant, version, manifest, settings, .. } = running;
        let path = match &manifest.runtime {
            Runtime::Python { path, .. } => path.as_str(),
            Runtime::Wasm { .. } => ".",
        };
        let functions = manifest.functions.iter().map(|function| Entry {
            bundle: name,
            kind: match function.kind {
                FunctionKind::Tool => "tool",
                FunctionKind::Resource | FunctionKind::Template => "resource",
                FunctionKind::Prompt => "prompt",
            },
            key: &function.key,
            has_output: function.output.is_some(),
            handler: &function.handler,
        });
        let (endpoint_id, part_id) = match tenant.as_str().split_once('#') {
            Some((endpoint, part)) => (endpoint, Some(part.to_owned())),
            None => (tenant.as_str(), None),
        };
        Self {
            // What a bundle brings itself comes first.
            path: std::iter::once(module_path(&version.code, path))
                .chain(running.packages.clone())
                .collect(),
            settings,
            context: Setting { endpoint_id: endpoint_id.to_owned(), part_id },
            functions: functions.collect(),
        }
    }

    pub(super) fn line(&self) -> Vec<u8> {
        line(self)
    }
}

/// Asks a worker for the manifest of the older engine that is in one of `modules`.
pub(super) fn manifest(code: &Path, modules: &[String]) -> Vec<u8> {
    line(&serde_json::json!({ "path": [code], "manifest": modules }))
}

/// One call. The arguments are what was checked, byte for byte.
pub(super) fn call(call: &Call<'_>) -> Vec<u8> {
    #[derive(Serialize)]
    struct Line<'a> {
        function: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        arguments: Option<&'a RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        uri: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        variables: Option<Map<String, Value>>,
    }
    let empty = Line { function: call.function, arguments: None, uri: None, variables: None };
    match call.input {
        Input::Arguments(arguments) => {
            let arguments = arguments.view().expect("it was parsed");
            line(&Line { arguments: Some(arguments), ..empty })
        }
        Input::Address { uri, variables } => {
            let of = |(name, value): &(String, String)| (name.clone(), Value::from(value.clone()));
            let variables = variables.iter().map(of).collect();
            line(&Line { uri: Some(uri), variables: Some(variables), ..empty })
        }
    }
}

/// Line ends within strings are escaped by the serialiser; those of raw text, between its members, are
/// not.
fn line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("it is made of texts and numbers");
    for byte in &mut line {
        if *byte == b'\n' || *byte == b'\r' {
            *byte = b' ';
        }
    }
    line.push(b'\n');
    line
}

/// What a worker says.
pub(super) enum Reply {
    /// It waits for calls; with what of its functions is not there.
    Ready(Vec<String>),
    Manifest(Option<String>),
    Progress(Json),
    Result {
        result: Json,
        memory: u64,
    },
    Failed(Failure),
}

#[derive(Deserialize)]
struct Said<'a> {
    #[serde(default)]
    ready: Option<Vec<String>>,
    #[serde(borrow, default)]
    progress: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
    #[serde(borrow, default)]
    manifest: Option<&'a RawValue>,
    #[serde(default)]
    failed: Option<Raised>,
    #[serde(default)]
    memory: u64,
}

#[derive(Deserialize)]
struct Raised {
    message: String,
    traceback: Option<String>,
}

impl Reply {
    /// # Errors
    ///
    /// It is nothing that a worker says: the code of the bundle wrote where it should not.
    pub(super) fn read(line: &Json) -> Result<Self, Failure> {
        let broken = || Failure::Died("broke the protocol".to_owned());
        let said: Said<'_> = line.view().map_err(|_| broken())?;
        let part = |raw: &RawValue| Json::written(raw.get().as_bytes().to_vec());
        if let Some(progress) = said.progress {
            return Ok(Self::Progress(part(progress)));
        }
        if let Some(result) = said.result {
            return Ok(Self::Result { result: part(result), memory: said.memory });
        }
        if let Some(Raised { message, traceback }) = said.failed {
            return Ok(Self::Failed(Failure::Raised { message, traceback }));
        }
        if let Some(manifest) = said.manifest {
            let manifest = Some(manifest.get().to_owned()).filter(|text| text != "null");
            return Ok(Self::Manifest(manifest));
        }
        said.ready.map(Self::Ready).ok_or_else(broken)
    }
}
