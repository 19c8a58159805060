//! Addresses of resources inside results, where clients are shown others than the server's own.
//!
//! Only where the protocol has an address: never in texts, and never in what a tool returns as
//! structured content.

use crate::error::RpcError;
use crate::json::{Json, Needle};
use crate::method::Method;
use crate::shape::{Shape, replace};

/// A resource, a link to one, or an embedded one.
static RESOURCE: Shape = Shape { texts: &["uri"], inside: &[("_meta", &META)] };
static BLOCK: Shape = Shape { texts: &["uri"], inside: &[("resource", &RESOURCE)] };
static MESSAGE: Shape = Shape::inside(&[("content", &BLOCK)]);
/// Apps: the address of a tool's page, and how it was written before (extension
/// `io.modelcontextprotocol/ui`).
static META: Shape = Shape { texts: &["ui/resourceUri"], inside: &[("ui", &UI)] };
static UI: Shape = Shape::texts(&["resourceUri"]);
static TOOL: Shape = Shape::inside(&[("_meta", &META)]);
/// Extension `io.modelcontextprotocol/skills`.
static SKILL: Shape = Shape { texts: &["uri"], inside: &[("resources", &RESOURCE)] };
/// One of any list: their members do not collide.
static ITEM: Shape =
    Shape { texts: &["uri"], inside: &[("_meta", &META), ("resources", &RESOURCE)] };

static CALL: Shape = Shape::inside(&[("content", &BLOCK), ("_meta", &META)]);
/// A task of the extension holds the result of its call.
static TASK: Shape = Shape::inside(&[("result", &CALL)]);
static PROMPT: Shape = Shape::inside(&[("messages", &MESSAGE)]);
static CONTENTS: Shape = Shape::inside(&[("contents", &RESOURCE)]);
static RESOURCES: Shape = Shape::inside(&[("resources", &RESOURCE)]);
static TOOLS: Shape = Shape::inside(&[("tools", &TOOL)]);
static SKILLS: Shape = Shape::inside(&[("skills", &SKILL)]);
static ONE_SKILL: Shape = Shape::inside(&[("skill", &SKILL)]);
static ADDRESS: Shape = Shape::texts(&["uri"]);

/// The result of `method`, or the parameters of a notification, with each address replaced by what
/// `map` makes of it. `None` leaves it as it is; every other byte stays.
pub fn rewrite_uris(
    method: &Method,
    json: Json,
    mut map: impl FnMut(&str) -> Option<String>,
) -> Json {
    let shape = match method {
        Method::ToolsCall | Method::TasksResult => &CALL,
        Method::TasksGet | Method::TaskChanged => &TASK,
        Method::PromptsGet => &PROMPT,
        Method::ResourcesRead => &CONTENTS,
        Method::ResourcesList | Method::DirectoryRead => &RESOURCES,
        Method::ToolsList => &TOOLS,
        Method::SkillsList => &SKILLS,
        Method::SkillsGet => &ONE_SKILL,
        Method::ResourceUpdated => &ADDRESS,
        _ => return json,
    };
    if mentions(&json) { replace(json, shape, &mut map) } else { json }
}

/// One item of a list, of whichever: a tool, a prompt, a resource, a skill.
pub fn rewrite_item_uris(item: Json, mut map: impl FnMut(&str) -> Option<String>) -> Json {
    if mentions(&item) { replace(item, &ITEM, &mut map) } else { item }
}

/// An error that says which resource it is about.
pub fn rewrite_error_uris(
    error: RpcError,
    mut map: impl FnMut(&str) -> Option<String>,
) -> RpcError {
    let data = error.data.map(|data| replace(data, &ADDRESS, &mut map));
    RpcError { data, ..error }
}

/// Nearly all results do without, and a search is cheaper than a parse.
fn mentions(json: &Json) -> bool {
    static URI: Needle = Needle::new("\"uri\"");
    static RESOURCE_URI: Needle = Needle::new("resourceUri\"");
    URI.is_in(json) || RESOURCE_URI.is_in(json)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::{rewrite_error_uris, rewrite_item_uris, rewrite_uris};
    use crate::error::RpcError;
    use crate::json::Json;
    use crate::method::Method;

    fn json(text: &str) -> Json {
        Json::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    /// `a:…` becomes `b:…`.
    fn map(uri: &str) -> Option<String> {
        uri.strip_prefix("a:").map(|rest| format!("b:{rest}"))
    }

    /// In `text`, `<…>` are the addresses that must be replaced.
    #[track_caller]
    fn check(method: &str, text: &str) {
        let before = json(&text.replace(['<', '>'], ""));
        let after = text.replace("<a:", "b:").replace(['<', '>'], "");
        let actual = if method == "item" {
            rewrite_item_uris(before, map)
        } else {
            rewrite_uris(&Method::from(method), before, map)
        };
        assert_eq!(actual.as_str(), after, "{method}");
    }

    #[test]
    fn addresses_are_replaced_where_the_protocol_has_them() {
        check(
            "resources/read",
            r#"{ "contents":[ {"uri" : "<a:1>","text":"a:1"},{"uri":"<a:2>"} ] }"#,
        );
        check("resources/read", r#"{"uri":"a:1","contents":[]}"#);
        check("tools/call", r#"{"content":[{"type":"resource_link","uri":"<a:1>","name":"a:1"}]}"#);
        check(
            "tools/call",
            r#"{"content":[{"type":"resource","resource":{"uri":"<a:1>","text":"\"uri\":\"a:1\""}}]}"#,
        );
        check("tools/call", r#"{"content":[],"structuredContent":{"uri":"a:1"},"n":1.10}"#);
        check("tasks/get", r#"{"taskId":"a:1","result":{"content":[{"uri":"<a:1>"}]}}"#);
        check(
            "prompts/get",
            r#"{"messages":[{"role":"user","content":{"type":"resource","resource":{"uri":"<a:1>"}}}]}"#,
        );
        check(
            "resources/list",
            r#"{"resources":[{"uri":"<a:1>","name":"a:1"}],"nextCursor":"a:1"}"#,
        );
        check("notifications/resources/updated", r#"{"uri":"<a:1>","title":"a:1"}"#);
        check("completion/complete", r#"{"completion":{"values":["a:1"],"uri":"a:1"}}"#);
    }

    #[test]
    fn apps_and_skills_have_addresses_too() {
        check(
            "tools/list",
            r#"{"tools":[{"name":"t","_meta":{"ui":{"resourceUri":"<a:1>","visibility":["model"]},"ui/resourceUri":"<a:1>","x":{"resourceUri":"a:1"}}}]}"#,
        );
        check(
            "item",
            r#"{"name":"t","inputSchema":{"properties":{"uri":{"default":"a:1"}}},"_meta":{"ui":{"resourceUri":"<a:1>"}}}"#,
        );
        check(
            "item",
            r#"{"uri":"<a:s/SKILL.md>","frontmatter":{"uri":"a:1"},"resources":[{"uri":"<a:s/x>","digest":"sha256:0"}]}"#,
        );
        check("item", r#"{"uri":"<a:s/SKILL.md>","resources":"dynamic"}"#);
        check("skills/list", r#"{"skills":[{"uri":"<a:1>","resources":[{"uri":"<a:2>"}]}]}"#);
        check("skills/get", r#"{"skill":{"uri":"<a:1>"}}"#);
        check("resources/directory/read", r#"{"resources":[{"uri":"<a:1>"}]}"#);
    }

    #[test]
    fn what_is_not_of_the_shape_stays() {
        check("resources/read", r#"{"contents":[{"uri":7},{"uri":null},[{"uri":"a:1"}],"a:1"]}"#);
        check("resources/read", r#"{"contents":{"uri":"<a:1>"}}"#);
        check("resources/read", r#"{"contents":[{"uri":"a:1","uri":"a:2"},{"uri":"<a:3>"}]}"#);
        check("resources/read", r#"[{"uri":"a:1"}]"#);
        check("resources/read", r#"{"contents":[{"uri":"other"}]}"#);
        let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
        check("tools/call", &format!(r#"{{"content":[{{"uri":"<a:1>","x":{deep}}}]}}"#));
        check("tools/call", &format!(r#"{{"content":{deep},"uri":"a:1"}}"#));
    }

    #[test]
    fn a_new_address_is_written_as_a_string() {
        let before = json(r#"{"contents":[{"uri":"a\u003a\"1"}]}"#);
        let after = rewrite_uris(&Method::ResourcesRead, before, map);
        assert_eq!(after.as_str(), r#"{"contents":[{"uri":"b:\"1"}]}"#);
    }

    #[test]
    fn an_error_names_the_address_too() {
        let error = RpcError::new(-32002, "no a:1").with_data(&serde_json::json!({"uri": "a:1"}));
        let error = rewrite_error_uris(error, map);
        assert_eq!(error.data.unwrap().as_str(), r#"{"uri":"b:1"}"#);
        assert_eq!(error.message, "no a:1");
        assert!(rewrite_error_uris(RpcError::new(-32002, "no"), map).data.is_none());
    }
}
