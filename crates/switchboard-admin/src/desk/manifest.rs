//! `loadMcpConfiguration`: what a manifest says, checked, and the rows that are made of it.
//!
//! Checking is one function from JSON to a [`Manifest`], so that nothing is written of one that is
//! wrong anywhere.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::record::FunctionWish;
use crate::scalar::JsonCamelCase;

/// A configuration as the older engine's modules carry it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Manifest {
    tools: Vec<Map<String, Value>>,
    resources: Vec<Map<String, Value>>,
    prompts: Vec<Map<String, Value>>,
    // Clients that went through the older engine's scalar may have written either.
    #[serde(alias = "moduleLinks")]
    module_links: Vec<Link>,
    pub modules: Vec<ModuleEntry>,
}

/// Which code answers for a function.
#[derive(Clone, Debug, Deserialize)]
struct Link {
    #[serde(rename = "type")]
    kind: String,
    name: String,
    #[serde(alias = "moduleName")]
    module_name: String,
    #[serde(alias = "className")]
    class_name: String,
    #[serde(alias = "functionName")]
    function_name: String,
    #[serde(alias = "returnType")]
    return_type: Option<String>,
    #[serde(default, alias = "isAsync")]
    is_async: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ModuleEntry {
    #[serde(alias = "packageName")]
    pub package_name: Option<String>,
    #[serde(alias = "moduleName")]
    pub module_name: String,
    #[serde(alias = "className")]
    pub class_name: String,
    #[serde(default)]
    pub setting: Map<String, Value>,
    pub source: Option<String>,
}

/// How much was written.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    Eq,
    PartialEq,
    async_graphql::SimpleObject,
    serde::Serialize,
    schemars::JsonSchema,
)]
#[graphql(name = "McpConfigurationStats")]
pub(crate) struct Stats {
    pub tools: i32,
    pub resources: i32,
    pub prompts: i32,
    pub modules: i32,
    pub settings: i32,
}

/// Members of a function that have columns of their own; all others are kept in `data`.
const OWN: &[&str] = &["name", "description", "annotations", "is_async", "isAsync"];

impl Manifest {
    /// Reads a manifest by the rules of the older engine: an object with at least one named
    /// function; every link is of a function of its name and type, and names module, class and
    /// function; every module is referenced; where a module was asked for, it is that one.
    pub(crate) fn read(manifest: Value, module: Option<&str>) -> Result<Self, Fault> {
        if !manifest.is_object() {
            return Err(Fault::invalid("`mcpConfiguration` is not an object"));
        }
        let manifest: Self = serde_json::from_value(manifest)
            .map_err(|error| Fault::Invalid(format!("`mcpConfiguration`: {error}")))?;
        manifest.check_functions()?;
        manifest.check_links()?;
        manifest.check_modules(module)?;
        Ok(manifest)
    }

    pub(crate) fn stats(&self, settings: usize) -> Stats {
        let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        Stats {
            tools: count(self.tools.len()),
            resources: count(self.resources.len()),
            prompts: count(self.prompts.len()),
            modules: count(self.module_names().len()),
            settings: count(settings),
        }
    }

    /// The functions with what they are to be.
    pub(crate) fn functions(&self) -> Vec<(String, FunctionWish)> {
        let links: BTreeMap<_, _> =
            self.module_links.iter().map(|link| ((&*link.kind, &*link.name), link)).collect();
        let wish = |(kind, members): (&'static str, &Map<String, Value>)| {
            let name = name(members)?;
            Some((name.to_owned(), wish(kind, members, links.get(&(kind, name)).copied())))
        };
        self.entries().filter_map(wish).collect()
    }

    pub(crate) fn module_names(&self) -> BTreeSet<&str> {
        self.modules.iter().map(|module| &*module.module_name).collect()
    }

    fn entries(&self) -> impl Iterator<Item = (&'static str, &Map<String, Value>)> {
        let tools = self.tools.iter().map(|entry| ("tool", entry));
        let resources = self.resources.iter().map(|entry| ("resource", entry));
        let prompts = self.prompts.iter().map(|entry| ("prompt", entry));
        tools.chain(resources).chain(prompts)
    }

    fn check_functions(&self) -> Result<(), Fault> {
        let mut names = BTreeMap::new();
        for (kind, members) in self.entries() {
            let Some(name) = name(members) else {
                return Err(Fault::Invalid(format!("a {kind} has no name")));
            };
            // The name is the key of the table, so two of a name cannot be kept, whatever they are.
            if let Some(other) = names.insert(name, kind) {
                return Err(Fault::Invalid(format!(
                    "`{name}` is the name of a {other} and of a {kind}"
                )));
            }
        }
        if names.is_empty() {
            return Err(Fault::invalid("`mcpConfiguration` has no function with a name"));
        }
        Ok(())
    }

    fn check_links(&self) -> Result<(), Fault> {
        let functions: BTreeSet<_> =
            self.entries().filter_map(|(kind, members)| Some((kind, name(members)?))).collect();
        for link in &self.module_links {
            if !functions.contains(&(&*link.kind, &*link.name)) {
                return Err(Fault::Invalid(format!(
                    "the link of `{}` is of no {} of that name",
                    link.name, link.kind
                )));
            }
            let parts = [
                ("module_name", &link.module_name),
                ("class_name", &link.class_name),
                ("function_name", &link.function_name),
            ];
            if let Some((part, _)) = parts.iter().find(|(_, value)| value.is_empty()) {
                return Err(Fault::Invalid(format!("the link of `{}` has no {part}", link.name)));
            }
        }
        Ok(())
    }

    fn check_modules(&self, asked: Option<&str>) -> Result<(), Fault> {
        let linked: BTreeSet<_> = self.module_links.iter().map(|link| &*link.module_name).collect();
        let modules = self.module_names();
        if let Some(module) = modules.iter().find(|module| !linked.contains(*module)) {
            return Err(Fault::Invalid(format!("no link is of the module `{module}`")));
        }
        if let Some(module) = linked.iter().find(|module| !modules.contains(*module)) {
            return Err(Fault::Invalid(format!(
                "the module `{module}` of a link is not described"
            )));
        }
        match asked {
            Some(asked) if !modules.contains(asked) => {
                Err(Fault::Invalid(format!("the module `{asked}` is not described")))
            }
            _ => Ok(()),
        }
    }
}

impl ModuleEntry {
    /// The setting of its class: what the manifest says, overridden by `variables` where it says
    /// something. A variable that the manifest does not know is of another module.
    pub(crate) fn setting(&self, variables: &Map<String, Value>) -> Map<String, Value> {
        let overridden = |(name, value): (&String, &Value)| {
            (name.clone(), variables.get(name).unwrap_or(value).clone())
        };
        self.setting.iter().map(overridden).collect()
    }
}

fn wish(kind: &str, members: &Map<String, Value>, link: Option<&Link>) -> FunctionWish {
    let data: Map<_, _> = members
        .iter()
        .filter(|(name, _)| !OWN.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let flag = |name: &str| members.get(name).and_then(Value::as_bool);
    let is_async = flag("is_async").or_else(|| flag("isAsync"));
    FunctionWish {
        mcp_type: Some(kind.to_owned()),
        description: members.get("description").and_then(Value::as_str).map(str::to_owned),
        data: Some(JsonCamelCase(json!(data))),
        annotations: members.get("annotations").filter(|value| !value.is_null()).map(plain),
        module_name: link.map(|link| link.module_name.clone()),
        class_name: link.map(|link| link.class_name.clone()),
        function_name: link.map(|link| link.function_name.clone()),
        return_type: link.and_then(|link| link.return_type.clone()),
        is_async: link.map(|link| link.is_async || is_async == Some(true)).or(is_async),
        status: None,
    }
}

fn name(members: &Map<String, Value>) -> Option<&str> {
    members.get("name").and_then(Value::as_str).filter(|name| !name.is_empty())
}

/// Text as it is, everything else as JSON: the column holds text.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::Manifest;

    fn whole() -> Value {
        json!({
            "tools": [{"name": "hello", "inputSchema": {"properties": {"firstName": {}}}}],
            "module_links": [{
                "type": "tool", "name": "hello", "module_name": "demo", "class_name": "Demo",
                "function_name": "hello", "return_type": "text",
            }],
            "modules": [{"module_name": "demo", "package_name": "demo", "class_name": "Demo",
                "setting": {"url": "a", "depth": 1}}],
        })
    }

    /// The whole manifest with another value at one place is refused for this reason.
    #[track_caller]
    fn check(place: &str, value: Value, asked: Option<&str>, expected: Option<&str>) {
        let mut manifest = whole();
        if let Some(member) = manifest.pointer_mut(place) {
            *member = value;
        }
        let error = Manifest::read(manifest, asked).err().map(|error| error.to_string());
        match (&error, expected) {
            (Some(error), Some(expected)) => assert!(error.contains(expected), "{error}"),
            _ => assert_eq!(error.as_deref(), expected),
        }
    }

    #[test]
    fn a_manifest_is_read_by_the_rules() {
        check("/none", json!(0), None, None);
        check("/none", json!(0), Some("demo"), None);
        check("", json!([]), None, Some("is not an object"));
        check("/tools", json!([]), None, Some("no function with a name"));
        check("/tools", json!([{"description": "x"}]), None, Some("a tool has no name"));
        check("/tools/0/name", json!("other"), None, Some("of no tool of that name"));
        check("/module_links/0/type", json!("prompt"), None, Some("of no prompt of that name"));
        check("/module_links/0/class_name", json!(""), None, Some("has no class_name"));
        check("/module_links/0/function_name", json!(null), None, Some("invalid type: null"));
        check("/modules", json!([]), None, Some("`demo` of a link is not described"));
        check("/module_links", json!([]), None, Some("no link is of the module `demo`"));
        check("/none", json!(0), Some("else"), Some("`else` is not described"));
    }

    #[test]
    fn what_is_of_a_function_is_kept_as_it_was_written() {
        let functions = Manifest::read(whole(), None).unwrap().functions();
        let (name, wish) = &functions[0];
        assert_eq!(name, "hello");
        assert_eq!(
            wish.data.as_ref().unwrap().0,
            json!({"inputSchema": {"properties": {"firstName": {}}}})
        );
    }

    #[test]
    fn variables_override_what_the_manifest_knows() {
        let manifest = Manifest::read(whole(), None).unwrap();
        let variables = json!({"url": "b", "other": 2});
        let setting = manifest.modules[0].setting(variables.as_object().unwrap());
        assert_eq!(json!(setting), json!({"url": "b", "depth": 1}));
    }
}
