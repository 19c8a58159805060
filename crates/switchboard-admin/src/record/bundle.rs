//! Bundles that were pushed, and their versions.

use async_graphql::{InputObject, SimpleObject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use switchboard_core::store::Row;

use crate::mask::mask;
use crate::moment::Moment;
use crate::record::{moment, text};
use crate::scalar::JsonCamelCase;

/// A bundle that is kept in the store.
#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bundle {
    pub name: String,
    /// The SHA-256 of the archive that is served.
    pub digest: Option<String>,
    /// As in a `[bundle.NAME]` of the configuration file, without `source`; what is set is shown as
    /// `…`.
    pub definition: JsonCamelCase,
    /// How often it was written.
    pub version: i64,
    pub updated_by: Option<String>,
    pub created_at: Option<Moment>,
    pub updated_at: Option<Moment>,
}

#[derive(Clone, Default, Deserialize, InputObject, JsonSchema)]
#[graphql(name = "BundleInput")]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct BundleWish {
    /// The ZIP archive in base64. Without it, and without `upload`, the version stays.
    pub package: Option<String>,
    /// The key of an archive that was uploaded.
    pub upload: Option<String>,
    /// What `minisign` wrote of the archive (`NAME.zip.minisig`).
    pub signature: Option<String>,
    /// As in a `[bundle.NAME]` of the configuration file, without `source`. What is sent as `…` stays
    /// what it is; without a definition all of it does.
    pub definition: Option<JsonCamelCase>,
}

/// A version of a bundle that is kept.
#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BundleVersion {
    /// The SHA-256 of its archive.
    pub digest: String,
    /// As its manifest says.
    pub version: Option<String>,
    /// Of its archive.
    pub bytes: Option<i64>,
    pub is_signed: bool,
    /// Whether it is the one that is served.
    pub is_current: bool,
    pub pushed_by: Option<String>,
    pub pushed_at: Option<Moment>,
}

/// Which version is to be served again.
#[derive(Clone, Debug, Default, Deserialize, InputObject, JsonSchema)]
#[graphql(name = "RollbackInput")]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct RollbackWish {
    /// How its digest begins. Absent: the version that was pushed before the one that is served.
    pub digest: Option<String>,
}

impl From<&Row> for Bundle {
    fn from(row: &Row) -> Self {
        let body = row.get("body").unwrap_or(&Value::Null);
        Self {
            name: row.key.clone(),
            digest: body["current"].as_str().map(str::to_owned),
            definition: JsonCamelCase(mask(&body["definition"])),
            version: row.integer("version").unwrap_or_default(),
            updated_by: text(row, "updated_by"),
            created_at: moment(row, "created_at"),
            updated_at: moment(row, "updated_at"),
        }
    }
}

impl BundleVersion {
    /// A version of a bundle of which `current` is served.
    pub(crate) fn of(row: &Row, current: Option<&str>) -> Self {
        let digest = row.text("digest").unwrap_or_default();
        Self {
            digest: digest.to_owned(),
            version: text(row, "version"),
            bytes: row.integer("bytes"),
            is_signed: row.text("signature").is_some(),
            is_current: current == Some(digest),
            pushed_by: text(row, "updated_by"),
            pushed_at: moment(row, "updated_at"),
        }
    }
}
