//! `[egress]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the daemon may connect to when a server, and not the configuration, names the address.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct EgressSettings {
    /// Places that are reached although they are not public: networks (`10.0.0.0/8`), addresses
    /// (`10.1.2.3`) and hosts (`login.corp.example`, `*.corp.example`). Empty by default: a server
    /// that names an address inside borrows our place in the network. The metadata address of a
    /// cloud has to be written out in full.
    pub allow: Vec<String>,
    /// A PEM file with certificates of authorities that are trusted besides the public ones, for
    /// companies that have their own. None by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}
