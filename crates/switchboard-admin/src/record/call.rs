//! Calls, as they were recorded.

use async_graphql::SimpleObject;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_core::Tenant;
use switchboard_core::store::Row;

use crate::fault::Fault;
use crate::moment::Moment;
use crate::record::function::check_kind;
use crate::record::{json, moment, set, text};
use crate::scalar::JsonCamelCase;

#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[graphql(name = "MCPFunctionCallType")]
#[serde(rename_all = "camelCase")]
pub(crate) struct Call {
    pub partition_key: Option<String>,
    pub mcp_function_call_uuid: Option<String>,
    pub mcp_type: Option<String>,
    pub name: Option<String>,
    pub arguments: Option<JsonCamelCase>,
    pub content: Option<String>,
    /// `initial`, `in_process`, `completed` or `failed`.
    pub status: Option<String>,
    pub notes: Option<String>,
    /// In milliseconds.
    pub time_spent: Option<i64>,
    pub updated_by: Option<String>,
    pub created_at: Option<Moment>,
    pub updated_at: Option<Moment>,
    /// Who called.
    pub subject: Option<String>,
    pub upstream: Option<String>,
    pub method: Option<String>,
    pub error: Option<JsonCamelCase>,
    /// In microseconds.
    pub duration: Option<i64>,
    pub tokens_in: Option<i64>,
    pub tokens_out: Option<i64>,
    /// The endpoint of the upstream that answered; where none did, the last one that was asked.
    pub endpoint: Option<String>,
    /// Which try that was, from 1; 0 where no endpoint was asked.
    pub attempt: Option<i64>,
    /// `none` where a server was asked: results are never taken from a cache.
    pub cache: Option<String>,
    /// Of the W3C Trace Context that the client sent.
    pub trace_id: Option<String>,
}

/// What somebody wants the record of a call to be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct CallWish {
    /// Needed for a new one.
    pub name: Option<String>,
    /// `tool`, `resource` or `prompt`; needed for a new one.
    pub mcp_type: Option<String>,
    pub arguments: Option<JsonCamelCase>,
    pub content: Option<String>,
    pub status: Option<String>,
    pub notes: Option<String>,
    /// In milliseconds.
    pub time_spent: Option<i64>,
}

impl Call {
    pub(crate) fn of(tenant: &Tenant, row: &Row) -> Self {
        Self {
            partition_key: Some(tenant.as_str().to_owned()),
            mcp_function_call_uuid: Some(row.key.clone()),
            mcp_type: text(row, "mcp_type"),
            name: text(row, "name"),
            arguments: json(row, "arguments"),
            content: text(row, "content"),
            status: text(row, "status"),
            notes: text(row, "notes"),
            time_spent: row.integer("time_spent"),
            updated_by: text(row, "updated_by"),
            created_at: moment(row, "created_at"),
            updated_at: moment(row, "updated_at"),
            subject: text(row, "subject"),
            upstream: text(row, "upstream"),
            method: text(row, "method"),
            error: json(row, "error"),
            duration: row.integer("duration"),
            tokens_in: row.integer("tokens_in"),
            tokens_out: row.integer("tokens_out"),
            endpoint: text(row, "endpoint"),
            attempt: row.integer("attempt"),
            cache: text(row, "cache"),
            trace_id: text(row, "trace_id"),
        }
    }
}

impl CallWish {
    pub(crate) fn row(self, id: &str) -> Result<Row, Fault> {
        check_kind(self.mcp_type.as_deref())?;
        let mut row = Row::new(id);
        set(&mut row, "name", self.name);
        set(&mut row, "mcp_type", self.mcp_type);
        set(&mut row, "arguments", self.arguments);
        set(&mut row, "content", self.content);
        set(&mut row, "status", self.status);
        set(&mut row, "notes", self.notes);
        set(&mut row, "time_spent", self.time_spent);
        Ok(row)
    }
}
