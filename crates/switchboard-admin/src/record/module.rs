//! Modules: what functions are in.

use async_graphql::SimpleObject;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use switchboard_core::Tenant;
use switchboard_core::store::Row;

use crate::fault::Fault;
use crate::moment::Moment;
use crate::record::{moment, set, text};
use crate::scalar::JsonCamelCase;

#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[graphql(name = "MCPModuleType", complex)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Module {
    pub partition_key: Option<String>,
    pub module_name: Option<String>,
    pub package_name: Option<String>,
    /// A list of `{className, settingId}`.
    pub classes: Option<JsonCamelCase>,
    pub source: Option<String>,
    pub updated_by: Option<String>,
    pub created_at: Option<Moment>,
    pub updated_at: Option<Moment>,
}

/// What somebody wants a module to be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ModuleWish {
    /// Needed for a new one.
    pub package_name: Option<String>,
    pub classes: Option<Vec<Class>>,
    pub source: Option<String>,
}

/// A class of a module and the setting that it is made with. The names of its members are ours, so
/// both spellings of them are read; they are kept as older stores have them.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Class {
    #[serde(alias = "class_name")]
    pub class_name: String,
    #[serde(alias = "setting_id", default)]
    pub setting_id: Option<String>,
}

impl Module {
    pub(crate) fn of(tenant: &Tenant, row: &Row) -> Self {
        let classes: Vec<Value> = Class::all(row).iter().map(|class| json!(class)).collect();
        Self {
            partition_key: Some(tenant.as_str().to_owned()),
            module_name: Some(row.key.clone()),
            package_name: text(row, "package_name"),
            classes: row.get("classes").map(|_| JsonCamelCase(classes.into())),
            source: text(row, "source"),
            updated_by: text(row, "updated_by"),
            created_at: moment(row, "created_at"),
            updated_at: moment(row, "updated_at"),
        }
    }
}

impl Class {
    /// The classes of the row of a module.
    pub(crate) fn all(row: &Row) -> Vec<Self> {
        let read = |value: &Value| Self::deserialize(value).ok();
        let classes = row.get("classes").and_then(Value::as_array);
        classes.map(|classes| classes.iter().filter_map(read).collect()).unwrap_or_default()
    }

    pub(crate) fn read(value: JsonCamelCase) -> Result<Self, Fault> {
        serde_json::from_value(value.0)
            .map_err(|_| Fault::invalid("a class is an object with `className` and `settingId`"))
    }

    pub(crate) fn stored(&self) -> Value {
        json!({"class_name": self.class_name, "setting_id": self.setting_id})
    }
}

impl ModuleWish {
    pub(crate) fn row(self, name: &str) -> Result<Row, Fault> {
        if name.is_empty() {
            return Err(Fault::invalid("a module needs a name"));
        }
        let classes =
            self.classes.map(|classes| Value::from_iter(classes.iter().map(Class::stored)));
        let mut row = Row::new(name);
        set(&mut row, "package_name", self.package_name);
        set(&mut row, "classes", classes);
        set(&mut row, "source", self.source);
        Ok(row)
    }
}
