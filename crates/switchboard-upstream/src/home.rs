//! Paths as people write them in a configuration.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The path with the home directory in place of a leading `~/`.
pub(crate) fn expand(path: &str, environment: &BTreeMap<String, OsString>) -> OsString {
    match (path.strip_prefix("~/"), environment.get("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest).into(),
        _ => path.into(),
    }
}
