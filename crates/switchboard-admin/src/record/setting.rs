//! Settings: what classes are made with.

use async_graphql::SimpleObject;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_core::Tenant;
use switchboard_core::store::Row;

use crate::moment::Moment;
use crate::record::{json, moment, set, text};
use crate::scalar::JsonCamelCase;

#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[graphql(name = "MCPSettingType")]
#[serde(rename_all = "camelCase")]
pub(crate) struct Setting {
    pub partition_key: Option<String>,
    pub setting_id: Option<String>,
    pub setting: Option<JsonCamelCase>,
    pub updated_by: Option<String>,
    pub created_at: Option<Moment>,
    pub updated_at: Option<Moment>,
}

/// What somebody wants a setting to be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct SettingWish {
    pub setting: Option<JsonCamelCase>,
}

impl Setting {
    pub(crate) fn of(tenant: &Tenant, row: &Row) -> Self {
        Self {
            partition_key: Some(tenant.as_str().to_owned()),
            setting_id: Some(row.key.clone()),
            setting: json(row, "setting"),
            updated_by: text(row, "updated_by"),
            created_at: moment(row, "created_at"),
            updated_at: moment(row, "updated_at"),
        }
    }
}

impl SettingWish {
    pub(crate) fn row(self, id: &str) -> Row {
        let mut row = Row::new(id);
        set(&mut row, "setting", self.setting);
        row
    }
}
