//! What is a message's own: its id, its members, its `_meta`.

use serde_json::{Value, json};
use switchboard_mcp::ProtocolVersion;
use switchboard_testkit::client::{Carrier, Client};
use tokio::task::JoinSet;

use super::scene::{Lines, Scene, modern_headers};

/// Clients of each listener, and the calls of each.
const CLIENTS: usize = 6;
const CALLS: usize = 10;

/// Clients that all count their requests from one, over every listener and one connection to a
/// server that answers in any order, each get their own answers (TypeScript SDK, CVE-2026-25536).
#[test]
fn cross_client_response_mix_up_by_colliding_ids() {
    let scene = Scene::hostile("");
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let mut clients = JoinSet::new();
        for carrier in [Carrier::Http, Carrier::Sse, Carrier::WebSocket, Carrier::Unix] {
            for number in 0..CLIENTS {
                let modern = number % 2 == 0 && carrier.carries(ProtocolVersion::MODERN);
                let old = ProtocolVersion::V2025_06_18;
                let version = if modern { ProtocolVersion::MODERN } else { old };
                clients.spawn(many_calls(carrier, version, scene.target(carrier), number));
            }
        }
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
    });
    pipelined(&scene);
}

async fn many_calls(
    carrier: Carrier,
    version: ProtocolVersion,
    target: switchboard_testkit::client::Target,
    number: usize,
) {
    let mut client = Client::connect(version, carrier, &target).await.unwrap();
    for call in 0..CALLS {
        let arguments = json!({ "client": format!("{carrier} {number}"), "call": call });
        let params = json!({ "name": "hostile__echo", "arguments": arguments });
        let result = client.ask("tools/call", params).await.unwrap();
        assert_eq!(received(&result)["params"]["arguments"], arguments);
    }
}

/// Many requests of one conversation at once, with ids that some parsers take for one another.
fn pipelined(scene: &Scene) {
    let ids =
        [json!(1), json!("1"), json!("01"), json!(-1), json!(""), json!(9_007_199_254_740_991_u64)];
    let mut conversations: Vec<_> = (0..4).map(|_| Lines::open(scene)).collect();
    for (number, lines) in conversations.iter_mut().enumerate() {
        for id in &ids {
            let arguments = json!({ "client": number, "id": id });
            let params = json!({ "name": "hostile__echo", "arguments": arguments });
            let request =
                json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params });
            lines.send(request.to_string());
        }
    }
    for (number, lines) in conversations.iter_mut().enumerate() {
        let mut left = ids.to_vec();
        for _ in &ids {
            let message = lines.next();
            let own = json!({ "client": number, "id": message["id"] });
            assert_eq!(received(&message["result"])["params"]["arguments"], own, "{message}");
            left.retain(|id| *id != message["id"]);
        }
        assert!(left.is_empty(), "{left:?} were not answered");
    }
}

/// The line that the hostile server got for the call of which this is the result.
fn received(result: &Value) -> Value {
    let text = result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result}"));
    serde_json::from_str(text).unwrap()
}

/// Bodies with members beside the envelope that some parsers take for its own. The envelope is
/// written anew for the server, so that it gets none of them.
const BESIDE: &[&str] = &[
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","Method":"ping","params":{"name":"hostile__echo"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"ID":2,"method":"tools/call","params":{"name":"hostile__echo"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hostile__echo"},"PARAMS":{"name":"forbidden"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hostile__echo"},"name":"forbidden"}"#,
];

/// Bodies that two parsers read differently. None of them may reach the server.
const AMBIGUOUS: &[&str] = &[
    // Twice, as it is, in another case, and by an escape.
    r#"{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call","params":{"name":"hostile__echo"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","m\u0065thod":"ping","params":{"name":"hostile__echo"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hostile__echo","name":"forbidden"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hostile__echo","Name":"forbidden"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hostile__echo","NAME":"forbidden"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hostile__echo","n\u0061me":"forbidden"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"METHOD":"tools/call","params":{"name":"hostile__echo"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","Params":{"name":"hostile__echo"}}"#,
    // A mark, a number and a comma that JSON has not.
    "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"hostile__echo\"}}",
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hostile__echo","arguments":{"x":NaN}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hostile__echo","arguments":{"x":-Infinity}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hostile__echo","arguments":{"x":01}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hostile__echo","arguments":{"x":1,}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hostile__echo"}} {}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hostile__echo"}} // x"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{'name':"hostile__echo"}}"#,
    // A batch, which no revision but 2025-03-26 has.
    r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"hostile__echo"}}]"#,
    // No request at all.
    r#"{"jsonrpc":"1.0","id":1,"method":"tools/call","params":{"name":"hostile__echo"}}"#,
    r#"{"jsonrpc":"2.0","id":{"x":1},"method":"tools/call","params":{"name":"hostile__echo"}}"#,
    r#"{"jsonrpc":"2.0","id":null,"method":"tools/call","params":{"name":"hostile__echo"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[{"name":"hostile__echo"}]}"#,
];

/// What the gateway decided on is what the server gets; where parsers could disagree, nothing is
/// sent (go-sdk, CVE-2026-27896).
#[test]
fn parser_differential() {
    let scene = Scene::hostile("");
    let session = format!("Mcp-Session-Id: {}\r\n", scene.session());
    let deep = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\
         \"hostile__echo\",\"arguments\":{}1{}}}}}",
        "{\"x\":".repeat(5_000),
        "}".repeat(5_000),
    );
    let start = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\
        \"hostile__echo\",\"arguments\":{\"x\":\"";
    let broken = |middle: &[u8]| [start, middle, b"\"}}}"].concat();
    let mut bodies: Vec<Vec<u8>> = AMBIGUOUS.iter().map(|body| body.as_bytes().to_vec()).collect();
    // Not UTF-8: no such byte, too long for what it says, half a pair.
    bodies.extend([
        deep.into_bytes(),
        broken(b"\xff"),
        broken(b"\xc0\xaf"),
        broken(b"\xed\xa0\x80"),
    ]);
    for body in BESIDE {
        let answer = scene.post(&session, body);
        assert_eq!(answer.json()["id"], 1, "{body}: {answer:?}");
        let sent = received(&answer.json()["result"]);
        let expected = json!({ "jsonrpc": "2.0", "id": sent["id"], "method": "tools/call",
            "params": { "name": "echo" } });
        assert_eq!(sent, expected, "{body}");
    }
    let before = scene.lines();
    for body in &bodies {
        let answer = scene.post(&session, body);
        let text = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        assert!(!answer.body.contains("\"content\""), "{text}: {answer:?}");
        assert!(answer.status != 0, "{text}: no answer");
    }
    let mut lines = Lines::open(&scene);
    for (number, body) in bodies.iter().enumerate() {
        let text = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
        lines.send(body);
        lines
            .send(format!("{{\"jsonrpc\":\"2.0\",\"id\":\"after {number}\",\"method\":\"ping\"}}"));
        loop {
            let message = lines.next();
            assert!(message["result"]["content"].is_null(), "{text}: {message}");
            if message["id"] == format!("after {number}") {
                break;
            }
        }
        let reached = scene.lines();
        assert_eq!(reached, before, "reached the server: {text}");
    }
    assert_eq!(scene.lines(), before, "a body that can be read in two ways reached the server");
}

/// What is permitted arrives as it was written, whatever a parser would make of it.
#[test]
fn what_was_decided_on_is_what_the_server_gets() {
    let scene = Scene::hostile("");
    let session = format!("Mcp-Session-Id: {}\r\n", scene.session());
    for arguments in [
        r#"{"x":1.10,"big":9007199254740993,"far":1e999999,"tiny":-0.0}"#,
        r#"{"x":1,"X":2,"x":3}"#,
        r#"{"half":"\ud800","nul":"\u0000","slash":"\/","name":"forbidden"}"#,
        r#"{ "space" : [ ] , "\u0073": "\u2028" }"#,
        r#"{"__proto__":{"name":"forbidden"},"constructor":1,"":0}"#,
    ] {
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\
             \"hostile__echo\",\"arguments\":{arguments}}}}}"
        );
        let answer = scene.post(&session, &body);
        assert_eq!(answer.status, 200, "{arguments}: {answer:?}");
        let lines = scene.lines();
        let line = lines.lines().last().unwrap();
        assert!(line.contains(&format!("\"arguments\":{arguments}")), "{arguments}: {line}");
        assert!(line.contains("\"name\":\"echo\""), "{line}");
    }
}

/// What the protocol reserves for one hop is neither taken over from a server nor handed to it; all
/// else of `_meta` passes (ToolHive's rule for what a server says about itself).
#[test]
fn upstream_supplied_meta_and_server_info_spoofing() {
    let scene = Scene::hostile("");
    let answer = scene.call("hostile__forge", "{}", "");
    let meta = answer.json()["result"]["_meta"].clone();
    assert_eq!(meta["example.org/kept"], "kept", "{answer:?}");
    assert!(!meta.to_string().contains("forged"), "{meta}");
    let list = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}";
    let session = format!("Mcp-Session-Id: {}\r\n", scene.session());
    let listed = scene.post(&session, list);
    assert_eq!(listed.status, 200, "{listed:?}");
    assert!(!listed.body.contains("forged"), "{listed:?}");

    check_notifications(&scene, &session);

    let meta = "io.modelcontextprotocol";
    let body = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\
         \"hostile__echo\",\"_meta\":{{\"{meta}/protocolVersion\":\"2026-07-28\",\
         \"{meta}/clientCapabilities\":{{}},\"{meta}/clientInfo\":{{\"name\":\"canary\",\
         \"version\":\"1\"}},\"{meta}/subscriptionId\":\"canary\",\"{meta}/own\":\"canary\",\
         \"example.org/own\":\"passes\"}}}}}}"
    );
    let answer = scene.post(&modern_headers("tools/call", "hostile__echo"), body);
    let line = received(&answer.json()["result"]).to_string();
    assert!(line.contains("passes") && !line.contains("canary"), "{line}");
}

/// The same of what a server says on the way, to clients of both eras.
fn check_notifications(scene: &Scene, session: &str) {
    let meta = "io.modelcontextprotocol";
    let modern = format!(
        "\"{meta}/protocolVersion\":\"2026-07-28\",\"{meta}/clientCapabilities\":{{}},\
         \"{meta}/logLevel\":\"debug\",",
    );
    let headers = modern_headers("tools/call", "hostile__forge");
    for (headers, meta) in [(&*headers, &*modern), (session, "")] {
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":\
             \"hostile__forge\",\"_meta\":{{{meta}\"progressToken\":\"t\"}}}}}}"
        );
        let answer = scene.post(headers, body);
        for method in ["notifications/message", "notifications/progress"] {
            let line = answer.body.lines().find(|line| line.contains(method));
            let line = line.unwrap_or_else(|| panic!("no {method}: {answer:?}"));
            assert!(line.contains("\"example.org/kept\":\"kept\""), "{line}");
            assert!(!line.contains("forged"), "{line}");
        }
        assert!(!answer.body.contains("forged"), "{answer:?}");
    }
}

/// An answer is for whoever asked: no cache on the way keeps it, and it is not called public,
/// because what a caller may see depends on the key.
#[test]
fn cache_poisoning_and_cross_principal_cache_hits() {
    let scene = Scene::hostile("");
    let meta = "io.modelcontextprotocol";
    let body = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\",\"params\":{{\"_meta\":{{\
         \"{meta}/protocolVersion\":\"2026-07-28\",\"{meta}/clientCapabilities\":{{}},\
         \"{meta}/clientInfo\":{{\"name\":\"c\",\"version\":\"1\"}}}}}}}}"
    );
    let headers = modern_headers("tools/list", "x").replace("Mcp-Name: x\r\n", "");
    let answer = scene.post(&headers, body);
    assert_eq!(answer.json()["result"]["cacheScope"], "private", "{answer:?}");
    let answers = [answer, scene.call("hostile__echo", "{}", ""), scene.post("", "{}")];
    for answer in answers {
        assert!(answer.head.to_ascii_lowercase().contains("cache-control: no-store"), "{answer:?}");
    }
}
