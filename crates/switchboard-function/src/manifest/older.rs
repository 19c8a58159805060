//! `MCP_CONFIGURATION` of the engine before us: tools, resources and prompts in one place, the code
//! behind them in another (`module_links`), and what it is made with in a third (`modules`).

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use switchboard_config::Diagnostic;
use switchboard_mcp::Json;

use super::check::{Check, is_identifier};
use super::{
    Function, FunctionKind, Handler, Limits, Manifest, OLDER_FILE, Returns, Runtime, Wants,
};
use crate::archive::Archive;
use crate::schema;

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Text {
    tools: Vec<Map<String, Value>>,
    resources: Vec<Map<String, Value>>,
    prompts: Vec<Map<String, Value>>,
    module_links: Vec<Link>,
    modules: Vec<Module>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Link {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    module_name: String,
    class_name: String,
    function_name: String,
    return_type: Option<String>,
    is_async: Option<bool>,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Module {
    package_name: Option<String>,
    module_name: String,
    class_name: Option<String>,
    setting: Option<Map<String, Value>>,
}

/// A list of the configuration, and what its items are.
struct List {
    member: &'static str,
    kind: FunctionKind,
    /// As links name the kind.
    link: &'static str,
}

const LISTS: [List; 3] = [
    List { member: "tools", kind: FunctionKind::Tool, link: "tool" },
    List { member: "resources", kind: FunctionKind::Resource, link: "resource" },
    List { member: "prompts", kind: FunctionKind::Prompt, link: "prompt" },
];

pub(super) fn manifest(text: &str, archive: &Archive) -> Result<Manifest, Vec<Diagnostic>> {
    let text: Text = serde_json::from_str(text).map_err(|error| {
        let mistake = Diagnostic::new(super::check::CODE, format!("`{OLDER_FILE}` is not valid"));
        let hint = "an object with `tools`, `resources`, `prompts`, `module_links` and `modules`";
        vec![mistake.with_cause(error.to_string()).with_hint(hint)]
    })?;
    let mut check = Check { archive, mistakes: Vec::new() };
    let links = links(&mut check, &text);
    let settings = settings(&mut check, &text);
    let mut functions = Vec::new();
    for (list, items) in LISTS.iter().zip([&text.tools, &text.resources, &text.prompts]) {
        for (index, item) in items.iter().enumerate() {
            let place = format!("{}[{index}]", list.member);
            functions.extend(one(&mut check, (list, &place), item, (&links, &settings)));
        }
    }
    check.all_differ(&functions);
    if !check.mistakes.is_empty() {
        return Err(check.mistakes);
    }
    let package = text.modules.iter().find_map(|module| module.package_name.clone());
    let first = text.modules.first().map(|module| module.module_name.clone());
    Ok(Manifest {
        name: package.or(first).unwrap_or_default(),
        version: None,
        description: None,
        runtime: Runtime::Python { path: ".".to_owned(), requirements: None },
        functions,
        settings: std::collections::BTreeMap::new(),
        limits: Limits::default(),
        wants: Wants::default(),
        is_older: true,
        configuration: None,
    })
}

type Links<'t> = HashMap<(&'t str, &'t str), &'t Link>;
type ClassSettings<'t> = HashMap<(&'t str, &'t str), &'t Map<String, Value>>;

fn links<'t>(check: &mut Check<'_>, text: &'t Text) -> Links<'t> {
    let mut links = Links::new();
    for (index, link) in text.module_links.iter().enumerate() {
        let place = format!("module_links[{index}]");
        if !LISTS.iter().any(|list| list.link == link.kind) {
            let what = format!("has a type that there is not: `{}`", link.kind);
            check.mistake(&format!("{place}.type"), what, "`tool`, `resource` or `prompt`");
        }
        let names = [
            ("module_name", link.module_name.split('.').all(is_identifier), &link.module_name),
            ("class_name", is_identifier(&link.class_name), &link.class_name),
            ("function_name", is_identifier(&link.function_name), &link.function_name),
        ];
        for (member, is_name, value) in names {
            if !is_name {
                let place = format!("{place}.{member}");
                check.mistake(&place, format!("names nothing in Python: `{value}`"), "");
            }
        }
        let is_module = |module: &&Module| module.module_name == link.module_name;
        if !text.modules.iter().any(|module| is_module(&module)) {
            let what = format!("names a module that `modules` has not: `{}`", link.module_name);
            check.mistake(&format!("{place}.module_name"), what, "add it to `modules`");
        }
        if !has_module(check.archive, &link.module_name) {
            let what = format!("names a module that is not in the bundle: `{}`", link.module_name);
            let hint = "`MODULE.py` or `MODULE/__init__.py`, at the top of the archive";
            check.mistake(&format!("{place}.module_name"), what, hint);
        }
        links.insert((&link.kind, &link.name), link);
    }
    links
}

/// Whether the code of a module comes with the bundle, and not from the library of Python.
fn has_module(archive: &Archive, module: &str) -> bool {
    let path = module.replace('.', "/");
    let is_of = |name: &str| {
        name.strip_prefix(&path).is_some_and(|rest| rest.starts_with('/') || rest.starts_with('.'))
    };
    archive.names().any(is_of)
}

fn settings<'t>(check: &mut Check<'_>, text: &'t Text) -> ClassSettings<'t> {
    let mut settings = ClassSettings::new();
    for (index, module) in text.modules.iter().enumerate() {
        if module.module_name.is_empty() {
            check.mistake(&format!("modules[{index}].module_name"), "is empty", "");
        }
        let Some(setting) = &module.setting else { continue };
        let class = module.class_name.as_deref().unwrap_or_default();
        settings.insert((&module.module_name, class), setting);
    }
    settings
}

fn one(
    check: &mut Check<'_>,
    (list, place): (&List, &str),
    item: &Map<String, Value>,
    (links, settings): (&Links<'_>, &ClassSettings<'_>),
) -> Option<Function> {
    let text = |member: &str| item.get(member).and_then(Value::as_str);
    let name = text("name").or_else(|| text("uri")).unwrap_or_default();
    if name.is_empty() {
        check.mistake(&format!("{place}.name"), "is empty", "");
        return None;
    }
    let key = match list.kind {
        FunctionKind::Resource => text("uri").unwrap_or(name),
        _ => {
            check.function_name(&format!("{place}.name"), name);
            name
        }
    };
    let link = links.get(&(list.link, name)).or_else(|| links.get(&(list.link, key)));
    let Some(link) = link else {
        let what = format!("is linked to no code: `{name}`");
        check.mistake(place, what, "add it to `module_links`, with the same `type` and `name`");
        return None;
    };
    let returns = returns(check, place, link);
    let input = match (list.kind, item.get("inputSchema")) {
        (FunctionKind::Tool, Some(input)) => {
            if let Err(problem) = schema::check(input) {
                check.mistake(&format!("{place}.inputSchema"), problem, "");
            }
            Some(input.clone())
        }
        (FunctionKind::Tool, None) => Some(json!({ "type": "object" })),
        _ => None,
    };
    let class = (&*link.module_name, &*link.class_name);
    let setting = settings.get(&class).or_else(|| settings.get(&(class.0, "")));
    Some(Function {
        kind: list.kind,
        key: key.to_owned(),
        item: Json::encode(&listed(list.kind, item, (name, input.as_ref()))),
        input,
        output: item.get("outputSchema").cloned(),
        handler: Handler {
            module: link.module_name.clone(),
            class_name: Some(link.class_name.clone()),
            function_name: link.function_name.clone(),
            returns,
            settings: setting.map(|setting| (*setting).clone()).unwrap_or_default(),
            takes_name: list.kind == FunctionKind::Prompt,
            mime_type: text("mimeType").map(str::to_owned),
        },
        is_async: link.is_async.or(item.get("is_async").and_then(Value::as_bool)) == Some(true),
        time: None,
    })
}

fn returns(check: &mut Check<'_>, place: &str, link: &Link) -> Returns {
    match link.return_type.as_deref() {
        None | Some("" | "text") => Returns::Text,
        Some("image") => Returns::Image,
        Some("audio") => Returns::Audio,
        Some("embedded_resource") => Returns::EmbeddedResource,
        Some("resource_link") => Returns::ResourceLink,
        Some(other) => {
            let what = format!("returns what there is not: `{other}`");
            let hint = "`text`, `image`, `audio`, `embedded_resource` or `resource_link`";
            check.mistake(&format!("{place}.return_type"), what, hint);
            Returns::Text
        }
    }
}

/// What clients are shown: the members that MCP knows and nothing else. Annotations were often empty
/// text.
fn listed(
    kind: FunctionKind,
    item: &Map<String, Value>,
    (name, input): (&str, Option<&Value>),
) -> Map<String, Value> {
    let members: &[&str] = match kind {
        FunctionKind::Tool => &["title", "description", "outputSchema", "icons"],
        FunctionKind::Resource | FunctionKind::Template => {
            &["uri", "title", "description", "mimeType", "size", "icons"]
        }
        FunctionKind::Prompt => &["title", "description", "arguments", "icons"],
    };
    let mut listed = Map::new();
    listed.insert("name".to_owned(), json!(name));
    for member in members {
        if let Some(value) = item.get(*member).filter(|value| !value.is_null()) {
            listed.insert((*member).to_owned(), value.clone());
        }
    }
    if let Some(input) = input {
        listed.insert("inputSchema".to_owned(), input.clone());
    }
    if let Some(annotations) = item.get("annotations").filter(|value| value.is_object()) {
        listed.insert("annotations".to_owned(), annotations.clone());
    }
    listed
}
