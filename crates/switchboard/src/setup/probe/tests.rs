use serde_json::{Value, json};
use switchboard_client::mcp::Tool;
use switchboard_mcp::Json;

use super::{first_lines, harmless};

fn tool(name: &str, required: &[&str], annotations: &Value) -> Tool {
    let described = json!({
        "name": name,
        "inputSchema": { "type": "object", "required": required },
        "annotations": annotations,
    });
    let json = Json::encode(&described);
    let tool: Tool = json.view().unwrap();
    Tool { json, ..tool }
}

#[track_caller]
fn check(tools: &[Tool], demo: Option<&str>, expected: &[(&str, Value)]) {
    let picks = harmless(tools, demo);
    let picks: Vec<_> =
        picks.iter().map(|pick| (pick.tool.as_str(), pick.arguments.clone())).collect();
    assert_eq!(picks, expected);
}

#[test]
fn only_what_says_that_it_reads_and_needs_nothing_is_called() {
    let reads = json!({ "readOnlyHint": true });
    let reads_here = json!({ "readOnlyHint": true, "openWorldHint": false });
    let tools = [
        tool("a__write", &[], &json!({ "readOnlyHint": false })),
        tool("a__unsaid", &[], &json!({})),
        tool("a__odd", &[], &json!({ "readOnlyHint": "yes" })),
        tool("a__search", &["query"], &reads),
        tool("a__web", &[], &reads),
        tool("b__list", &[], &reads_here),
    ];
    check(&tools, None, &[("b__list", json!({})), ("a__web", json!({}))]);
    check(&tools[..4], None, &[]);
}

#[test]
fn the_demonstration_server_is_asked_first_and_no_other_echo_is() {
    let tools = [
        tool("x__echo", &["text"], &json!({})),
        tool("demo__echo", &["text"], &json!({})),
        tool("a__list", &[], &json!({ "readOnlyHint": true })),
    ];
    check(&tools, Some("demo"), &[("demo__echo", json!({ "text": "Hello from Switchboard" }))]);
    check(&tools, None, &[("a__list", json!({}))]);
    check(&tools, Some("other"), &[("a__list", json!({}))]);
}

#[test]
fn an_answer_is_shown_by_its_first_lines_and_without_control_characters() {
    let check = |content: Value, expected: &str| {
        assert_eq!(first_lines(&Json::encode(&json!({ "content": content }))), expected);
    };
    check(json!([{ "type": "text", "text": "one\ntwo" }]), "one\ntwo");
    check(
        json!([{ "type": "text", "text": "\u{1b}[31mred" }, { "type": "image" }]),
        "red\n(image)",
    );
    check(json!([{ "type": "text", "text": "1\n2\n3\n4\n5\n6" }]), "1\n2\n3\n4\n5\n…");
    check(json!([]), "");
}
