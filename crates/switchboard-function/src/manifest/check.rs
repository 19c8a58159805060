//! `switchboard.toml`, checked: every mistake in it, or what it says.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_config::{Diagnostic, Loader};
use switchboard_mcp::Json;

use super::text::{PromptText, ResourceText, Text, ToolText};
use super::{FILE, Function, FunctionKind, Handler, Manifest, Runtime, Setting};
use crate::archive::Archive;
use crate::host::HostRule;
use crate::{schema, template};

/// What every mistake in a manifest is called that the syntax does not show.
pub(super) const CODE: &str = "bundle-invalid";

pub(super) fn manifest(text: &str, archive: &Archive) -> Result<Manifest, Vec<Diagnostic>> {
    let loaded = Loader::new().file(PathBuf::from(FILE), text.to_owned()).load::<Text>()?;
    let text = loaded.value;
    let mut check = Check { archive, mistakes: Vec::new() };
    let runtime = check.runtime(&text);
    let is_python = matches!(runtime, Some(Runtime::Python { .. }) | None);
    check.name(&text.name);
    let mut functions = Vec::new();
    for (index, tool) in text.tool.iter().enumerate() {
        let place = format!("tool[{index}]");
        functions.extend(check.tool(&place, tool, is_python));
    }
    for (index, resource) in text.resource.iter().enumerate() {
        let place = format!("resource[{index}]");
        functions.extend(check.resource(&place, resource, is_python));
    }
    for (index, prompt) in text.prompt.iter().enumerate() {
        let place = format!("prompt[{index}]");
        functions.extend(check.prompt(&place, prompt, is_python));
    }
    check.all_differ(&functions);
    check.settings(&text);
    check.wants(&text);
    let Check { mistakes, .. } = check;
    let (Some(runtime), true) = (runtime, mistakes.is_empty()) else { return Err(mistakes) };
    Ok(Manifest {
        name: text.name,
        version: text.version,
        description: text.description,
        runtime,
        functions,
        settings: text.settings,
        limits: text.limits,
        wants: text.wants,
        is_older: false,
        configuration: None,
    })
}

/// Collects mistakes; `place` is the key that each is about.
pub(super) struct Check<'a> {
    pub archive: &'a Archive,
    pub mistakes: Vec<Diagnostic>,
}

impl Check<'_> {
    pub(super) fn mistake(&mut self, place: &str, what: impl AsRef<str>, hint: &str) {
        let message = format!("`{place}` {}", what.as_ref());
        let mistake = Diagnostic::new(CODE, message);
        self.mistakes.push(if hint.is_empty() { mistake } else { mistake.with_hint(hint) });
    }

    fn name(&mut self, name: &str) {
        if switchboard_core::Prefix::new(name).is_err() || name.is_empty() {
            let hint = "1 to 32 letters, digits, `-` and `_`, such as `weather`";
            self.mistake("name", format!("is no name for a bundle: `{name}`"), hint);
        }
    }

    fn runtime(&mut self, text: &Text) -> Option<Runtime> {
        match (&text.python, &text.wasm) {
            (Some(python), None) => {
                let is_root = python.path == ".";
                let within = format!("{}/", python.path);
                if !is_root && !self.archive.names().any(|name| name.starts_with(&within)) {
                    let what =
                        format!("names a directory that is not in the bundle: `{}`", python.path);
                    self.mistake("python.path", what, "`.` is the bundle itself");
                }
                if let Some(file) = &python.requirements {
                    self.is_there("python.requirements", file);
                }
                let (path, requirements) = (python.path.clone(), python.requirements.clone());
                Some(Runtime::Python { path, requirements })
            }
            (None, Some(wasm)) => {
                self.is_there("wasm.component", &wasm.component);
                Some(Runtime::Wasm { component: wasm.component.clone(), reuse: wasm.reuse })
            }
            (None, None) => {
                let hint = "add `[python]`, or `[wasm]` with `component`";
                self.mistake("python", "is not there, and neither is `wasm`", hint);
                None
            }
            (Some(_), Some(_)) => {
                let hint = "make two bundles of it";
                self.mistake("wasm", "and `python` are both there", hint);
                None
            }
        }
    }

    fn is_there(&mut self, place: &str, file: &str) -> Option<Vec<u8>> {
        let content = self.archive.file(file).map(<[u8]>::to_vec);
        if content.is_none() {
            let what = format!("names a file that is not in the bundle: `{file}`");
            self.mistake(place, what, "names are relative to the manifest, with `/`");
        }
        content
    }

    fn tool(&mut self, place: &str, tool: &ToolText, is_python: bool) -> Option<Function> {
        self.function_name(&format!("{place}.name"), &tool.name);
        if tool.description.trim().is_empty() {
            let hint = "say what it does and when to use it: models choose by that";
            self.mistake(&format!("{place}.description"), "is empty", hint);
        }
        let input = match &tool.input {
            None => Some(json!({ "type": "object", "additionalProperties": false })),
            Some(input) => self.schema(&format!("{place}.input"), input),
        };
        let output = match &tool.output {
            None => None,
            Some(output) => Some(self.schema(&format!("{place}.output"), output)?),
        };
        self.object(&format!("{place}.annotations"), tool.annotations.as_ref());
        let handler = self.handler(place, tool.entry.as_deref(), is_python);
        let input = input?;
        let mut item = serde_json::Map::new();
        item.insert("name".to_owned(), json!(tool.name));
        put(&mut item, "title", tool.title.as_ref());
        item.insert("description".to_owned(), json!(tool.description));
        item.insert("inputSchema".to_owned(), input.clone());
        put(&mut item, "outputSchema", output.as_ref());
        put(&mut item, "annotations", tool.annotations.as_ref());
        Some(Function {
            kind: FunctionKind::Tool,
            key: tool.name.clone(),
            item: Json::encode(&item),
            input: Some(input),
            output,
            handler: Handler { returns: tool.returns, ..handler? },
            is_async: tool.is_async,
            time: tool.time.map(|time| time.as_duration()).filter(|time| *time > Duration::ZERO),
        })
    }

    fn resource(&mut self, place: &str, text: &ResourceText, python: bool) -> Option<Function> {
        if text.name.is_empty() {
            self.mistake(&format!("{place}.name"), "is empty", "say what the resource is called");
        }
        self.object(&format!("{place}.annotations"), text.annotations.as_ref());
        let handler = self.handler(place, text.entry.as_deref(), python);
        let (kind, key, member) = match (&text.uri, &text.uri_template) {
            (Some(uri), None) => {
                if !template::is_uri(uri) {
                    let what = format!("is no address: `{uri}`");
                    self.mistake(&format!("{place}.uri"), what, "such as `weather://stations`");
                }
                (FunctionKind::Resource, uri, "uri")
            }
            (None, Some(uri)) => {
                if let Err(problem) = template::Template::parse(uri) {
                    let hint = "such as `weather://stations/{station}`";
                    self.mistake(&format!("{place}.uri_template"), problem, hint);
                }
                (FunctionKind::Template, uri, "uriTemplate")
            }
            _ => {
                let hint = "one of them says where it is";
                self.mistake(place, "has either `uri` or `uri_template`", hint);
                return None;
            }
        };
        let mut item = serde_json::Map::new();
        item.insert(member.to_owned(), json!(key));
        item.insert("name".to_owned(), json!(text.name));
        put(&mut item, "title", text.title.as_ref());
        put(&mut item, "description", text.description.as_ref());
        put(&mut item, "mimeType", text.mime_type.as_ref());
        put(&mut item, "size", text.size.as_ref().filter(|_| kind == FunctionKind::Resource));
        put(&mut item, "annotations", text.annotations.as_ref());
        let mime_type = text.mime_type.clone();
        let handler = Handler { mime_type, ..handler? };
        Some(function(kind, key.clone(), &item, handler))
    }

    fn prompt(&mut self, place: &str, text: &PromptText, is_python: bool) -> Option<Function> {
        self.function_name(&format!("{place}.name"), &text.name);
        let mut names = HashSet::new();
        for (index, argument) in text.arguments.iter().enumerate() {
            let place = format!("{place}.arguments[{index}].name");
            if argument.name.is_empty() {
                self.mistake(&place, "is empty", "");
            } else if !names.insert(&argument.name) {
                self.mistake(&place, format!("is there twice: `{}`", argument.name), "");
            }
        }
        let handler = self.handler(place, text.entry.as_deref(), is_python);
        let mut item = serde_json::Map::new();
        item.insert("name".to_owned(), json!(text.name));
        put(&mut item, "title", text.title.as_ref());
        put(&mut item, "description", text.description.as_ref());
        item.insert("arguments".to_owned(), json!(text.arguments));
        Some(function(FunctionKind::Prompt, text.name.clone(), &item, handler?))
    }

    /// A name as the specification recommends it (2025-11-25, "Tools", "Tool names").
    pub(super) fn function_name(&mut self, place: &str, name: &str) {
        let usable = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.len() > 128 || !name.chars().all(usable) {
            let hint = "1 to 128 letters, digits, `_`, `-` and `.`";
            self.mistake(place, format!("is no name for a function: `{name}`"), hint);
        }
    }

    /// A schema that is written here or in a file, if it can be worked with.
    fn schema(&mut self, place: &str, value: &Value) -> Option<Value> {
        let read = match value {
            Value::String(file) => {
                let content = self.is_there(place, file)?;
                let read = serde_json::from_slice::<Value>(&content);
                read.map_err(|error| format!("names a file that is no JSON: `{file}`: {error}"))
            }
            value => Ok(value.clone()),
        };
        let checked = read.and_then(|value| schema::check(&value).map(|()| value));
        checked.inspect_err(|problem| self.mistake(place, problem, SCHEMA_HINT)).ok()
    }

    fn object(&mut self, place: &str, value: Option<&Value>) {
        if value.is_some_and(|value| !value.is_object()) {
            self.mistake(place, "is no table", "such as `{ readOnlyHint = true }`");
        }
    }

    /// `module:function` or `module:Class.method`.
    fn handler(&mut self, place: &str, entry: Option<&str>, is_python: bool) -> Option<Handler> {
        let place = format!("{place}.entry");
        let hint = "`module:function` or `module:Class.method`";
        match entry {
            None if is_python => {
                self.mistake(&place, "is not there", hint);
                None
            }
            Some(_) if !is_python => {
                let hint = "a component is called by the name of the function";
                self.mistake(&place, "means nothing with `wasm`", hint);
                None
            }
            None => Some(Handler::default()),
            Some(entry) => {
                let handler = parse_entry(entry);
                if handler.is_none() {
                    self.mistake(&place, format!("names no code: `{entry}`"), hint);
                }
                handler
            }
        }
    }

    pub(super) fn all_differ(&mut self, functions: &[Function]) {
        let mut seen = HashSet::new();
        for function in functions {
            if !seen.insert((function.kind, &function.key)) {
                self.mistake(&function.key, "is there twice", "each needs a name of its own");
            }
        }
        if functions.is_empty() {
            let hint = "add `[[tool]]`, `[[resource]]` or `[[prompt]]`";
            self.mistake("tool", "is not there, and neither is `resource` or `prompt`", hint);
        }
    }

    fn settings(&mut self, text: &Text) {
        for (name, setting) in &text.settings {
            let place = format!("settings.{name}");
            if !is_identifier(name) {
                self.mistake(&place, "is no name of a parameter", "letters, digits and `_`");
            }
            let Setting { default, required, secret, .. } = setting;
            if *required && default.is_some() {
                self.mistake(&place, "is required and has a default", "one of them is enough");
            }
            if *secret && default.is_some() {
                let hint = "everybody who has the bundle could read it";
                self.mistake(&place, "is secret and has a default", hint);
            }
        }
    }

    fn wants(&mut self, text: &Text) {
        for host in text.wants.hosts.iter().filter(|host| HostRule::parse(host).is_none()) {
            let hint = "such as `api.example.com`, `*.example.com` or `localhost:8080`";
            self.mistake("wants.hosts", format!("has what is no host: `{host}`"), hint);
        }
        for file in text.wants.files.iter().filter(|file| !file.starts_with('/')) {
            let what = format!("has what is no absolute path: `{file}`");
            self.mistake("wants.files", what, "such as `/usr/share/dict`");
        }
        for name in text.wants.environment.iter().filter(|name| !is_identifier(name)) {
            self.mistake("wants.environment", format!("has what is no variable: `{name}`"), "");
        }
    }
}

const SCHEMA_HINT: &str =
    "such as `{ type = \"object\", properties = { city = { type = \"string\" } } }`";

fn function(
    kind: FunctionKind,
    key: String,
    item: &serde_json::Map<String, Value>,
    handler: Handler,
) -> Function {
    let item = Json::encode(item);
    Function { kind, key, item, input: None, output: None, handler, is_async: false, time: None }
}

fn put<T: serde::Serialize>(
    item: &mut serde_json::Map<String, Value>,
    member: &str,
    value: Option<T>,
) {
    if let Some(value) = value {
        item.insert(member.to_owned(), json!(value));
    }
}

fn parse_entry(entry: &str) -> Option<Handler> {
    let (module, code) = entry.split_once(':')?;
    let (class_name, function_name) = match code.split_once('.') {
        Some((class, method)) => (Some(class), method),
        None => (None, code),
    };
    let names = module.split('.').chain(class_name).chain([function_name]);
    names.clone().all(is_identifier).then(|| Handler {
        module: module.to_owned(),
        class_name: class_name.map(str::to_owned),
        function_name: function_name.to_owned(),
        ..Handler::default()
    })
}

/// What Python takes for a name, in ASCII.
pub(super) fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}
