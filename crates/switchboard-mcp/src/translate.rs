//! Results on their way from a server of one revision to a client of another.
//!
//! The differences between the eras are few and all at the top of a result (2026-07-28, "Results"
//! and "Caching"); what a client of an older revision cannot read inside is for `older`.

mod older;

use crate::json::{Json, Malformed, Members, Object};
use crate::meta::{is_for_client, without_hop_meta, write_meta};
use crate::version::{Era, ProtocolVersion};

/// How long a client may keep a result, and whom it may show it to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hint {
    pub ttl_ms: u64,
    pub scope: Scope,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    Public,
    Private,
}

impl Hint {
    /// Stale at once and for nobody else: true of anything we know nothing about.
    pub const NONE: Self = Self { ttl_ms: 0, scope: Scope::Private };

    /// What a result says of itself; what it does not say, or says wrongly, counts as nothing
    /// (2026-07-28, "Caching").
    pub fn read(result: &Members<'_>) -> Self {
        let is_public = result.read::<String>("cacheScope").as_deref() == Some("public");
        Self {
            ttl_ms: result.read("ttlMs").unwrap_or(0),
            scope: if is_public { Scope::Public } else { Scope::Private },
        }
    }

    /// What holds for a result made of two parts.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let is_public = self.scope == Scope::Public && other.scope == Scope::Public;
        Self {
            ttl_ms: self.ttl_ms.min(other.ttl_ms),
            scope: if is_public { Scope::Public } else { Scope::Private },
        }
    }
}

impl Scope {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

/// Rewrites `result`, which a server of revision `from` gave, for a client of revision `to`.
///
/// `hint` stands for the members that a cacheable result must have at 2026-07-28 where the server
/// gave none; `server_info` is our own `Implementation`.
///
/// # Errors
///
/// [`Malformed`] when the result is no object: every result of the protocol is one. A result that
/// passes untouched is not looked at.
pub fn to_client(
    result: Json,
    (from, to): (ProtocolVersion, ProtocolVersion),
    hint: Option<Hint>,
    server_info: &Json,
) -> Result<Json, Malformed> {
    let result = older::lower(result, from, to)?;
    match (from.era(), to.era()) {
        (Era::Legacy, Era::Legacy) => without_hop_meta(result, to),
        (Era::Modern, Era::Legacy) => to_legacy(&result, to),
        (_, Era::Modern) => to_modern(&result, hint, server_info),
    }
}

fn to_legacy(result: &Json, to: ProtocolVersion) -> Result<Json, Malformed> {
    let members = result.members()?;
    let mut out = Vec::with_capacity(result.as_bytes().len());
    let mut object = Object::open(&mut out);
    for (name, value) in members.iter() {
        match name {
            "resultType" | "ttlMs" | "cacheScope" => {}
            "_meta" => write_meta(&mut object, value, to)?,
            _ => {
                object.raw(name, value.get().as_bytes());
            }
        }
    }
    object.close();
    Ok(Json::written(out))
}

/// Whether a name is one that we write but for the case of its letters: some parsers would take it
/// for ours (compare CVE-2026-27896).
fn mimics(name: &str) -> bool {
    ["resultType", "ttlMs", "cacheScope", "_meta"]
        .into_iter()
        .any(|own| name != own && name.eq_ignore_ascii_case(own))
}

fn to_modern(result: &Json, hint: Option<Hint>, server_info: &Json) -> Result<Json, Malformed> {
    let members = result.members()?;
    let mut out = Vec::with_capacity(result.as_bytes().len() + server_info.as_bytes().len() + 128);
    let mut object = Object::open(&mut out);
    if members.get("resultType").is_none() {
        object.text("resultType", "complete");
    }
    for (name, value) in members.iter().filter(|(name, _)| *name != "_meta" && !mimics(name)) {
        object.raw(name, value.get().as_bytes());
    }
    if let Some(hint) = hint {
        if members.get("ttlMs").is_none() {
            object.raw("ttlMs", hint.ttl_ms.to_string().as_bytes());
        }
        if members.get("cacheScope").is_none() {
            object.text("cacheScope", hint.scope.as_str());
        }
    }
    let mut meta = Object::open(object.member("_meta"));
    if let Some(own) = members.get("_meta") {
        for (name, value) in Members::parse(own)?.iter() {
            if is_for_client(name, ProtocolVersion::MODERN) {
                meta.raw(name, value.get().as_bytes());
            }
        }
    }
    meta.raw("io.modelcontextprotocol/serverInfo", server_info.as_bytes());
    meta.close();
    object.close();
    Ok(Json::written(out))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{Hint, Scope, to_client};
    use crate::json::Json;
    use crate::version::ProtocolVersion::{self, V2025_06_18 as OLD, V2026_07_28 as NEW};

    #[track_caller]
    fn check(result: &str, route: (ProtocolVersion, ProtocolVersion), expected: &str) {
        let info = Json::parse(Bytes::from_static(b"{\"name\":\"us\"}")).unwrap();
        let result = Json::parse(Bytes::copy_from_slice(result.as_bytes())).unwrap();
        let hint = Some(Hint { ttl_ms: 5, scope: Scope::Public });
        assert_eq!(to_client(result, route, hint, &info).unwrap().as_str(), expected);
    }

    #[test]
    fn the_same_legacy_era_changes_nothing() {
        check(r#"{ "content":[],"future":1.10 }"#, (OLD, OLD), r#"{ "content":[],"future":1.10 }"#);
    }

    #[test]
    fn what_a_server_says_to_its_neighbour_stays_there() {
        let task = r#""io.modelcontextprotocol/related-task":{"taskId":"t"}"#;
        let result = format!(
            r#"{{"content":[ ],"_meta":{{"io.modelcontextprotocol/serverInfo":{{}},{task}}}}}"#
        );
        check(&result, (OLD, OLD), r#"{"content":[ ]}"#);
        check(
            &result,
            (OLD, ProtocolVersion::V2025_11_25),
            &format!(r#"{{"content":[ ],"_meta":{{{task}}}}}"#),
        );
        check(
            &result,
            (OLD, NEW),
            r#"{"resultType":"complete","content":[ ],"ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"us"}}}"#,
        );
    }

    #[test]
    fn a_legacy_client_sees_nothing_of_the_modern_envelope() {
        check(
            r#"{"resultType":"complete","tools":[],"ttlMs":9,"cacheScope":"public","structuredContent":[1],"_meta":{"io.modelcontextprotocol/serverInfo":{},"a/b":1}}"#,
            (NEW, OLD),
            r#"{"tools":[],"_meta":{"a/b":1},"content":[{"type":"text","text":"[1]"}]}"#,
        );
        check(r#"{"_meta":{"io.modelcontextprotocol/serverInfo":{}}}"#, (NEW, OLD), "{}");
        check(r#"{"structuredContent":{"x":1}}"#, (NEW, OLD), r#"{"structuredContent":{"x":1}}"#);
    }

    #[test]
    fn what_looks_like_our_members_does_not_stand_beside_them() {
        check(
            r#"{"ResultType":"input_required","_Meta":{},"TTLMS":9,"x":1}"#,
            (OLD, NEW),
            r#"{"resultType":"complete","x":1,"ttlMs":5,"cacheScope":"public","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"us"}}}"#,
        );
        check(
            r#"{"Content":[],"structuredContent":[1]}"#,
            (NEW, OLD),
            r#"{"content":[{"type":"text","text":"[1]"}]}"#,
        );
    }

    #[test]
    fn a_modern_client_gets_what_its_revision_requires() {
        let meta = r#""_meta":{"io.modelcontextprotocol/serverInfo":{"name":"us"}}"#;
        check(
            r#"{"tools":[]}"#,
            (OLD, NEW),
            &format!(
                r#"{{"resultType":"complete","tools":[],"ttlMs":5,"cacheScope":"public",{meta}}}"#
            ),
        );
        check(
            r#"{"resultType":"input_required","ttlMs":1,"cacheScope":"private","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"them"}}}"#,
            (NEW, NEW),
            &format!(
                r#"{{"resultType":"input_required","ttlMs":1,"cacheScope":"private",{meta}}}"#
            ),
        );
    }
}
