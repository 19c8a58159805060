//! What a tool answered, for a terminal.

use serde::Deserialize;
use serde_json::Value;
use switchboard_mcp::Json;

use crate::untrusted;

/// The members that people read; all else is for `--json`.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    content: Vec<Value>,
    structured_content: Option<Value>,
}

/// Text as it is; of everything else, what it is and how large.
pub(crate) fn render(result: &Json) -> String {
    let answer: Answer = result.view().unwrap_or_default();
    if answer.content.is_empty() {
        let structured = answer.structured_content.map(|value| format!("{value:#}"));
        return untrusted::text(&structured.unwrap_or_default());
    }
    let blocks: Vec<String> = answer.content.iter().map(block).collect();
    blocks.join("\n")
}

fn block(block: &Value) -> String {
    let text = |name: &str| block.get(name).and_then(Value::as_str);
    match text("type") {
        Some("text") => untrusted::text(text("text").unwrap_or_default()),
        Some(kind @ ("image" | "audio")) => {
            note(kind, text("mimeType"), size(text("data").unwrap_or_default()))
        }
        Some("resource_link") => {
            let uri = untrusted::line(text("uri").unwrap_or_default());
            format!("[link to {uri}]")
        }
        Some("resource") => resource(block.get("resource").unwrap_or(&Value::Null)),
        other => {
            format!("[{}; --json shows it]", untrusted::line(other.unwrap_or("unknown content")))
        }
    }
}

fn resource(resource: &Value) -> String {
    let text = |name: &str| resource.get(name).and_then(Value::as_str);
    match (text("text"), text("blob")) {
        (Some(text), _) => untrusted::text(text),
        (None, blob) => note("resource", text("mimeType"), size(blob.unwrap_or_default())),
    }
}

fn note(kind: &str, mime_type: Option<&str>, size: usize) -> String {
    let mime_type = untrusted::line(mime_type.unwrap_or("of unknown type"));
    format!("[{kind} {mime_type}, {size} bytes; --json shows it]")
}

/// How many bytes base64 stands for (RFC 4648, section 4).
fn size(base64: &str) -> usize {
    base64.trim_end_matches('=').len() * 3 / 4
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use switchboard_mcp::Json;

    #[track_caller]
    fn check(result: &str, expected: &str) {
        let result = Json::parse(Bytes::copy_from_slice(result.as_bytes())).unwrap();
        assert_eq!(super::render(&result), expected);
    }

    #[test]
    fn text_is_printed_and_the_rest_is_named() {
        check(
            r#"{"content":[{"type":"text","text":"a"},{"type":"text","text":"b\u001b[1m"}]}"#,
            "a\nb",
        );
        check(
            r#"{"content":[{"type":"image","mimeType":"image/png","data":"aGVsbG8="}]}"#,
            "[image image/png, 5 bytes; --json shows it]",
        );
        check(r#"{"content":[{"type":"resource_link","uri":"file:///x"}]}"#, "[link to file:///x]");
        check(r#"{"content":[{"type":"resource","resource":{"text":"t"}}]}"#, "t");
        check(
            r#"{"content":[{"type":"resource","resource":{"blob":"aGk="}}]}"#,
            "[resource of unknown type, 2 bytes; --json shows it]",
        );
        check(r#"{"content":[{"type":"video"}]}"#, "[video; --json shows it]");
        check(r#"{"content":[],"structuredContent":{"a":1}}"#, "{\n  \"a\": 1\n}");
        check("{}", "");
    }
}
