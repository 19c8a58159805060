//! A configuration file of the older engine: the content of packages, said outside of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value, json};
use switchboard_core::Prefix;

/// The lists of functions, and the type that links have for them.
const LISTS: [(&str, &str); 3] =
    [("tools", "tool"), ("resources", "resource"), ("prompts", "prompt")];

/// What is in each package, as a text of `MCP_CONFIGURATION`, by the package's name.
///
/// # Errors
///
/// What is wrong with the file, for people.
pub(crate) fn packages(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let whole: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    divide(&whole)
}

fn divide(whole: &Value) -> Result<BTreeMap<String, String>, String> {
    if !whole.is_object() {
        return Err("it is no object with `tools`, `module_links` and `modules`".to_owned());
    }
    let mut modules: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for module in list(whole, "modules") {
        let package = module["package_name"].as_str().filter(|name| !name.is_empty());
        let package = package.or_else(|| module["module_name"].as_str()).unwrap_or_default();
        Prefix::new(package).map_err(|error| format!("the package `{package}`: {error}"))?;
        modules.entry(package).or_default().push(module);
    }
    let mut linked = BTreeSet::new();
    let mut packages = BTreeMap::new();
    for (package, modules) in modules {
        let is_own = |link: &&Value| {
            modules.iter().any(|module| module["module_name"] == link["module_name"])
        };
        let links: Vec<_> = list(whole, "module_links").iter().filter(is_own).collect();
        let mut own = Map::new();
        for (member, kind) in LISTS {
            let is_linked = |item: &&Value| {
                links.iter().any(|link| link["type"] == kind && link["name"] == item["name"])
            };
            let items: Vec<_> = list(whole, member).iter().filter(is_linked).collect();
            linked.extend(items.iter().filter_map(|item| Some((member, item["name"].as_str()?))));
            own.insert(member.to_owned(), json!(items));
        }
        own.insert("module_links".to_owned(), json!(links));
        own.insert("modules".to_owned(), json!(modules));
        packages.insert(package.to_owned(), Value::from(own).to_string());
    }
    for (member, _) in LISTS {
        for item in list(whole, member) {
            let name = item["name"].as_str().unwrap_or_default();
            if !linked.contains(&(member, name)) {
                return Err(format!("`{name}` of `{member}` is linked to no module of `modules`"));
            }
        }
    }
    Ok(packages)
}

fn list<'v>(whole: &'v Value, member: &str) -> &'v [Value] {
    whole[member].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::divide;

    fn whole() -> Value {
        json!({
            "tools": [{"name": "a"}, {"name": "b"}],
            "prompts": [{"name": "a"}],
            "module_links": [
                {"type": "tool", "name": "a", "module_name": "one"},
                {"type": "tool", "name": "b", "module_name": "two"},
                {"type": "prompt", "name": "a", "module_name": "two"},
            ],
            "modules": [
                {"package_name": "first", "module_name": "one"},
                {"module_name": "two", "setting": {"x": 1}},
            ],
        })
    }

    #[test]
    fn each_package_gets_what_is_linked_to_its_modules() {
        let packages = divide(&whole()).unwrap();
        assert_eq!(packages.keys().collect::<Vec<_>>(), ["first", "two"]);
        let of = |name: &str| serde_json::from_str::<Value>(&packages[name]).unwrap();
        assert_eq!(of("first")["tools"], json!([{"name": "a"}]));
        assert_eq!(of("first")["prompts"], json!([]));
        assert_eq!(of("two")["prompts"], json!([{"name": "a"}]));
        assert_eq!(of("two")["modules"], json!([{"module_name": "two", "setting": {"x": 1}}]));
    }

    #[test]
    fn what_nothing_stands_behind_is_a_mistake() {
        let mut unlinked = whole();
        unlinked["resources"] = json!([{"name": "r"}]);
        let mut unnamed = whole();
        unnamed["modules"][0]["package_name"] = json!("a b");
        for (wrong, part) in [
            (unlinked, "`r` of `resources` is linked to no module"),
            (unnamed, "the package `a b`"),
            (json!([]), "it is no object"),
        ] {
            let error = divide(&wrong).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert!(divide(&json!({})).unwrap().is_empty());
    }
}
