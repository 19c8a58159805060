//! What may differ between two replies, and what may not.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use switchboard_testkit::client::Reply;

/// Members of an object in their order, each as it was written.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Collect).map(Self)
    }
}

impl Members<'_> {
    fn parse(text: &str) -> Option<Members<'_>> {
        serde_json::from_str(text).ok()
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.get())
    }
}

/// Members of a result that belong to the hop: their values are not compared, or elsewhere.
const OF_THE_HOP: &[&str] = &["ttlMs", "cacheScope", "_meta"];

/// Codes with which a gateway refuses by itself what the server would refuse too.
fn is_of_the_protocol(code: &str) -> bool {
    code.parse::<i64>().is_ok_and(|code| (-32799..=-32000).contains(&code))
}

pub(super) fn differences(direct: &Reply, through: &Reply) -> Vec<String> {
    let mut found = Vec::new();
    let count = (direct.messages.len(), through.messages.len());
    if count.0 != count.1 {
        found.push(format!("{} messages, and {}", count.0, count.1));
    }
    for (one, other) in direct.messages.iter().zip(&through.messages) {
        if let Some(what) = message(one, other) {
            found.push(what);
        }
    }
    found
}

fn message(direct: &str, through: &str) -> Option<String> {
    if direct == through {
        return None;
    }
    let (one, other) = (Members::parse(direct)?, Members::parse(through)?);
    for name in ["id", "method", "params"] {
        let is_null = |value: Option<&str>| value.is_none_or(|value| value == "null");
        let (one, other) = (one.get(name), other.get(name));
        // 2025-11-25 and later leave an unreadable id out, earlier revisions write `null`.
        let is_same = one == other || (is_null(one) && is_null(other));
        if !is_same {
            return Some(format!("{name}: {one:?}, and {other:?}"));
        }
    }
    match (one.get("error"), other.get("error")) {
        (None, None) => result(one.get("result")?, other.get("result")?),
        (Some(one), Some(other)) => error(one, other),
        _ => Some("a result, and an error".to_owned()),
    }
}

fn error(direct: &str, through: &str) -> Option<String> {
    let (one, other) = (Members::parse(direct)?, Members::parse(through)?);
    let code = one.get("code")?;
    if one.get("code") != other.get("code") {
        return Some(format!("code: {code}, and {:?}", other.get("code")));
    }
    let has_own_words = one.get("message") != other.get("message");
    if has_own_words && is_of_the_protocol(code) {
        return None;
    }
    (direct != through).then(|| "the words or the data of an error".to_owned())
}

fn result(direct: &str, through: &str) -> Option<String> {
    let (one, other) = (Members::parse(direct)?, Members::parse(through)?);
    if one.get("resultType").is_none() {
        // Legacy: nothing has to be translated, so nothing may differ.
        return (direct != through).then(|| "a result".to_owned());
    }
    let content = |members: &Members<'_>| -> Vec<(String, String)> {
        let mut content: Vec<_> = members
            .0
            .iter()
            .filter(|(name, _)| !OF_THE_HOP.contains(&name.as_str()) && name != "resultType")
            .map(|(name, value)| (name.clone(), value.get().to_owned()))
            .collect();
        content.extend(members.get("resultType").map(|it| ("resultType".into(), it.into())));
        content
    };
    if content(&one) != content(&other) {
        return Some("a result".to_owned());
    }
    for name in ["ttlMs", "cacheScope"] {
        if one.get(name).is_some() != other.get(name).is_some() {
            return Some(format!("only one has {name}"));
        }
    }
    (meta(&one) != meta(&other)).then(|| "_meta".to_owned())
}

/// The members of `_meta` that are not the hop's.
fn meta(members: &Members<'_>) -> Vec<(String, String)> {
    let Some(meta) = members.get("_meta").and_then(Members::parse) else { return Vec::new() };
    let own = meta.0.iter().filter(|(name, _)| !name.starts_with("io.modelcontextprotocol/"));
    own.map(|(name, value)| (name.clone(), value.get().to_owned())).collect()
}
