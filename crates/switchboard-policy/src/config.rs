//! `[policy]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may do what, in the policy language Cedar. These hold in all tenants; a tenant can have more
/// of its own, which hold in that tenant only.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PolicyConfig {
    /// Files with policies, each with as many as you like; relative to the configuration file.
    pub files: Vec<PathBuf>,
    /// Policies written here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether the policies that Switchboard comes with hold as well: the owner may do everything,
    /// an administrator everything in the own tenant but starting programs, everybody may use what
    /// the own tenant is served. `false`: nothing is allowed but what your own policies permit. That
    /// nobody but the owner reaches another tenant holds either way.
    pub default: bool,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self { files: Vec::new(), text: None, default: true }
    }
}
