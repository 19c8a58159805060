//! JSON as a parser reads it that is not ours to begin with: what it makes of a text is compared with
//! what we make of it.

use std::fmt;

use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use switchboard_mcp::Json;

/// What a text that we took for JSON says; `None` where it says something no [`Value`] can hold.
///
/// # Panics
///
/// If it is not JSON, or nests too deep for a server that reads it like this.
pub(crate) fn value(text: &[u8]) -> Option<Value> {
    let text = std::str::from_utf8(text).expect("what was accepted is UTF-8");
    let error = match serde_json::from_str(text) {
        Ok(value) => return Some(value),
        Err(error) => error.to_string(),
    };
    // The grammar of RFC 8259 has halves of surrogate pairs and numbers of any size; we pass them on.
    let beyond = ["surrogate", "hex escape", "number out of range"];
    assert!(beyond.iter().any(|reason| error.contains(reason)), "accepted, but {error}: {text}");
    serde_json::from_str::<IgnoredAny>(text).expect("its grammar is that of JSON");
    None
}

/// Whether a text is JSON, however deep it nests and whatever its strings and numbers mean.
pub(crate) fn is_json(text: &[u8]) -> bool {
    serde_json::from_slice::<&RawValue>(text).is_ok()
}

/// Checks JSON that we wrote as a stranger would who reads it anew.
#[track_caller]
pub(crate) fn sound(json: &Json) {
    let text = Bytes::copy_from_slice(json.as_bytes());
    Json::parse(text).expect("what was written is JSON");
    value(json.as_bytes());
}

/// The names of an object's members as they come, repeated ones too; `None` where it is no object.
pub(crate) fn names(text: &[u8]) -> Option<Vec<String>> {
    serde_json::from_slice(text).ok().map(|Names(names)| names)
}

/// Whether no two of the names are the same but for the case of their letters.
pub(crate) fn distinct(names: &[String]) -> bool {
    let mut folded: Vec<_> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    folded.sort_unstable();
    folded.windows(2).all(|pair| pair[0] != pair[1])
}

struct Names(Vec<String>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Names;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut names = Vec::new();
                while let Some((name, IgnoredAny)) = map.next_entry()? {
                    names.push(name);
                }
                Ok(Names(names))
            }
        }
        deserializer.deserialize_map(Object)
    }
}
