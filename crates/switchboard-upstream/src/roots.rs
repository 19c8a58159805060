//! Directories that a server may work in, for when no client names its own (2025-11-25, "Roots").

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_mcp::Json;

use crate::home;

/// A directory: an absolute path, or one that begins with `~/`.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Root(String);

impl TryFrom<String> for Root {
    type Error = String;

    fn try_from(path: String) -> Result<Self, String> {
        if path.starts_with('/') || path.starts_with("~/") {
            return Ok(Self(path));
        }
        Err(format!("`{path}` is no absolute path and does not begin with `~/`"))
    }
}

impl From<Root> for String {
    fn from(root: Root) -> Self {
        root.0
    }
}

/// The `ListRootsResult` for `roots`; `None` where there are none.
pub(crate) fn result(roots: &[Root], environment: &BTreeMap<String, OsString>) -> Option<Json> {
    let listed: Vec<_> = roots
        .iter()
        .map(|root| {
            let path = home::expand(&root.0, environment);
            let name = Path::new(&path).file_name().map(|name| name.to_string_lossy());
            let name = name.unwrap_or_else(|| "/".into());
            serde_json::json!({ "uri": file_uri(Path::new(&path)), "name": name })
        })
        .collect();
    (!listed.is_empty()).then(|| Json::encode(&serde_json::json!({ "roots": listed })))
}

/// RFC 8089, with everything escaped that RFC 3986 does not call unreserved.
fn file_uri(path: &Path) -> String {
    let mut uri = "file://".to_owned();
    for &byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Root, result};

    #[track_caller]
    fn check(path: &str, expected: Result<&str, &str>) {
        let environment = BTreeMap::from([("HOME".to_owned(), "/home/ann".into())]);
        let listed = Root::try_from(path.to_owned())
            .map(|root| result(&[root], &environment).unwrap().to_string());
        assert_eq!(listed.as_deref().map_err(String::as_str), expected, "{path}");
    }

    #[test]
    fn directories_become_roots() {
        check("/srv/data", Ok(r#"{"roots":[{"uri":"file:///srv/data","name":"data"}]}"#));
        check("~/src", Ok(r#"{"roots":[{"uri":"file:///home/ann/src","name":"src"}]}"#));
        check("/", Ok(r#"{"roots":[{"uri":"file:///","name":"/"}]}"#));
        check(
            "/a b/größe",
            Ok(r#"{"roots":[{"uri":"file:///a%20b/gr%C3%B6%C3%9Fe","name":"größe"}]}"#),
        );
        check("src", Err("`src` is no absolute path and does not begin with `~/`"));
        check("", Err("`` is no absolute path and does not begin with `~/`"));
    }

    #[test]
    fn none_are_no_answer() {
        assert!(result(&[], &BTreeMap::new()).is_none());
    }
}
