//! Packages whose content is rows of the store, as the older engine kept it: functions, the modules
//! that they are in, and the settings of these. What is changed there is served.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Map, Value, json};
use switchboard_core::Tenant;
use switchboard_core::store::{Mark as Place, Query, Row, Store, StoreError, Table, tables};

/// Rows read at once.
const PAGE: u32 = 500;

/// What the modules are of that another server answers for.
const EXTERNAL: &str = "external";

/// The rows of one module.
struct Module {
    name: String,
    package: String,
    classes: Vec<Value>,
}

/// What is in the packages of a tenant, as a text of `MCP_CONFIGURATION` each, by name.
///
/// # Errors
///
/// The store cannot be read.
pub(super) async fn configurations(
    store: &dyn Store,
    tenant: &Tenant,
) -> Result<BTreeMap<String, String>, StoreError> {
    let modules: Vec<_> = all(store, &tables::MODULES, tenant).await?;
    let modules: Vec<_> = modules.iter().filter_map(Module::of).collect();
    if modules.is_empty() {
        return Ok(BTreeMap::new());
    }
    let settings = settings(store, tenant, &modules).await?;
    let functions = all(store, &tables::FUNCTIONS, tenant).await?;
    let packages: HashSet<_> = modules.iter().map(|module| &module.package).collect();
    let configured = packages.into_iter().map(|package| {
        let own: Vec<_> = modules.iter().filter(|module| module.package == *package).collect();
        (package.clone(), configuration(&own, &functions, &settings).to_string())
    });
    Ok(configured.collect())
}

impl Module {
    /// One whose code is in a package. Without a `source` it was of the Python of the older engine
    /// itself, which is not here.
    fn of(row: &Row) -> Option<Self> {
        row.text("source").filter(|source| *source != EXTERNAL)?;
        Some(Self {
            name: row.key.clone(),
            package: row.text("package_name")?.to_owned(),
            classes: row.get("classes").and_then(Value::as_array).cloned().unwrap_or_default(),
        })
    }
}

async fn all(
    store: &dyn Store,
    table: &'static Table,
    tenant: &Tenant,
) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    let mut query = Query::first(PAGE);
    loop {
        let listed = store.list(table, tenant, &query).await?;
        rows.extend(listed.rows);
        let Some(last) = rows.last().filter(|_| listed.has_more) else { return Ok(rows) };
        query.after = Some(Place { value: Value::Null, key: last.key.clone() });
    }
}

/// The settings of all classes, by their ids.
async fn settings(
    store: &dyn Store,
    tenant: &Tenant,
    modules: &[Module],
) -> Result<HashMap<String, Value>, StoreError> {
    let classes = modules.iter().flat_map(|module| &module.classes);
    let ids: HashSet<_> = classes.filter_map(|class| class["setting_id"].as_str()).collect();
    let ids: Vec<_> = ids.into_iter().collect();
    let rows = store.read(&tables::SETTINGS, tenant, &ids).await?;
    let setting = |row: Row| Some((row.key.clone(), row.get("setting")?.clone()));
    Ok(rows.into_iter().filter_map(setting).collect())
}

fn configuration(
    modules: &[&Module],
    functions: &[Row],
    settings: &HashMap<String, Value>,
) -> Value {
    let own = |row: &&Row| {
        let module = row.text("module_name");
        // Without a status it is in use.
        let is_used = row.integer("status") != Some(0);
        is_used && modules.iter().any(|it| module == Some(&*it.name))
    };
    let functions: Vec<_> = functions.iter().filter(own).collect();
    let items = |kind: &str| -> Vec<Value> {
        let own = functions.iter().filter(|row| row.text("mcp_type") == Some(kind));
        own.map(|row| item(row).into()).collect()
    };
    let links: Vec<_> = functions.iter().map(|row| link(row)).collect();
    let classes = modules.iter().flat_map(|module| {
        module.classes.iter().map(|class| {
            let setting = class["setting_id"].as_str().and_then(|id| settings.get(id));
            json!({
                "package_name": module.package,
                "module_name": module.name,
                "class_name": class["class_name"],
                "setting": setting,
            })
        })
    });
    json!({
        "tools": items("tool"),
        "resources": items("resource"),
        "prompts": items("prompt"),
        "module_links": links,
        "modules": classes.collect::<Vec<_>>(),
    })
}

fn item(row: &Row) -> Map<String, Value> {
    let data = row.get("data").and_then(Value::as_object);
    let mut item = data.cloned().unwrap_or_default();
    item.insert("name".to_owned(), row.key.as_str().into());
    if let Some(description) = row.text("description") {
        item.insert("description".to_owned(), description.into());
    }
    // The column has text, which is JSON where it says anything.
    let annotations = row.text("annotations").and_then(|text| serde_json::from_str(text).ok());
    if let Some(annotations @ Value::Object(_)) = annotations {
        item.insert("annotations".to_owned(), annotations);
    }
    item
}

fn link(row: &Row) -> Value {
    json!({
        "type": row.text("mcp_type"),
        "name": row.key,
        "module_name": row.text("module_name"),
        "class_name": row.text("class_name").unwrap_or_default(),
        "function_name": row.text("function_name").unwrap_or_default(),
        "return_type": row.text("return_type"),
        "is_async": row.flag("is_async"),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde_json::json;
    use switchboard_core::store::Row;

    use super::{Module, configuration};

    #[test]
    fn rows_are_read_as_the_configuration_that_they_came_from() {
        let row = Row::new("demo").with("package_name", "p").with("source", "");
        let classes = json!([{"class_name": "Demo", "setting_id": "s1"}, {"class_name": "Bare"}]);
        let module = Module::of(&row.clone().with("classes", classes)).unwrap();
        for source in [json!(null), json!("external")] {
            assert!(Module::of(&row.clone().with("source", source)).is_none());
        }
        let function = |name: &str, module: &str| {
            Row::new(name).with("mcp_type", "tool").with("module_name", module)
        };
        let functions = [
            function("hello", "demo")
                .with("class_name", "Demo")
                .with("function_name", "hello")
                .with("description", "greets")
                .with("annotations", "{\"readOnlyHint\":true}")
                .with("data", json!({"inputSchema": {"type": "object"}, "name": "another"})),
            function("off", "demo").with("status", 0),
            function("elsewhere", "other"),
        ];
        let settings = HashMap::from([("s1".to_owned(), json!({"url": "a"}))]);
        let expected = json!({
            "tools": [{
                "name": "hello", "description": "greets", "annotations": {"readOnlyHint": true},
                "inputSchema": {"type": "object"},
            }],
            "resources": [],
            "prompts": [],
            "module_links": [{
                "type": "tool", "name": "hello", "module_name": "demo", "class_name": "Demo",
                "function_name": "hello", "return_type": null, "is_async": false,
            }],
            "modules": [
                {"package_name": "p", "module_name": "demo", "class_name": "Demo",
                    "setting": {"url": "a"}},
                {"package_name": "p", "module_name": "demo", "class_name": "Bare",
                    "setting": null},
            ],
        });
        assert_eq!(configuration(&[&module], &functions, &settings), expected);
    }
}
