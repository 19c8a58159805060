//! Functions: tools, prompts and resources of modules.

use async_graphql::SimpleObject;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_core::Tenant;
use switchboard_core::store::Row;

use crate::fault::Fault;
use crate::moment::Moment;
use crate::record::{json, moment, set, text};
use crate::scalar::JsonCamelCase;

#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[graphql(name = "MCPFunctionType", complex)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Function {
    pub partition_key: Option<String>,
    pub name: Option<String>,
    pub mcp_type: Option<String>,
    pub description: Option<String>,
    pub data: Option<JsonCamelCase>,
    pub annotations: Option<String>,
    pub module_name: Option<String>,
    pub class_name: Option<String>,
    pub function_name: Option<String>,
    pub return_type: Option<String>,
    pub is_async: Option<bool>,
    /// 1 where it is enabled, 0 where it is not.
    pub status: Option<i64>,
    pub updated_by: Option<String>,
    pub created_at: Option<Moment>,
    pub updated_at: Option<Moment>,
}

/// What somebody wants a function to be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct FunctionWish {
    /// `tool`, `resource` or `prompt`; needed for a new one.
    pub mcp_type: Option<String>,
    pub description: Option<String>,
    pub data: Option<JsonCamelCase>,
    pub annotations: Option<String>,
    pub module_name: Option<String>,
    pub class_name: Option<String>,
    pub function_name: Option<String>,
    pub return_type: Option<String>,
    pub is_async: Option<bool>,
    /// 1 where it is enabled, 0 where it is not.
    pub status: Option<i64>,
}

/// What a function may be.
const KINDS: &[&str] = &["tool", "resource", "prompt"];

impl Function {
    pub(crate) fn of(tenant: &Tenant, row: &Row) -> Self {
        Self {
            partition_key: Some(tenant.as_str().to_owned()),
            name: Some(row.key.clone()),
            mcp_type: text(row, "mcp_type"),
            description: text(row, "description"),
            data: json(row, "data"),
            annotations: text(row, "annotations"),
            module_name: text(row, "module_name"),
            class_name: text(row, "class_name"),
            function_name: text(row, "function_name"),
            return_type: text(row, "return_type"),
            is_async: row.get("is_async").and_then(serde_json::Value::as_bool),
            // Rows of before there was such a column are of functions that were enabled.
            status: row.integer("status").or(Some(1)),
            updated_by: text(row, "updated_by"),
            created_at: moment(row, "created_at"),
            updated_at: moment(row, "updated_at"),
        }
    }
}

impl FunctionWish {
    pub(crate) fn row(self, name: &str) -> Result<Row, Fault> {
        if name.is_empty() {
            return Err(Fault::invalid("a function needs a name"));
        }
        check_kind(self.mcp_type.as_deref())?;
        if self.status.is_some_and(|status| !(0..=1).contains(&status)) {
            return Err(Fault::invalid("`status` is 1 or 0"));
        }
        let mut row = Row::new(name);
        set(&mut row, "mcp_type", self.mcp_type);
        set(&mut row, "description", self.description);
        set(&mut row, "data", self.data);
        set(&mut row, "annotations", self.annotations);
        set(&mut row, "module_name", self.module_name);
        set(&mut row, "class_name", self.class_name);
        set(&mut row, "function_name", self.function_name);
        set(&mut row, "return_type", self.return_type);
        set(&mut row, "is_async", self.is_async);
        set(&mut row, "status", self.status);
        Ok(row)
    }
}

pub(crate) fn check_kind(kind: Option<&str>) -> Result<(), Fault> {
    match kind {
        Some(kind) if !KINDS.contains(&kind) => {
            Err(Fault::Invalid(format!("`{kind}` is none of `tool`, `resource` and `prompt`")))
        }
        _ => Ok(()),
    }
}
