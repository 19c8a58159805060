//! What a client keeps for us between two requests, and what servers ask of people.

use serde_json::Value;
use switchboard_mcp::ProtocolVersion;
use switchboard_testkit::Reference;

use super::scene::Scene;
use crate::common::Home;

const CAN_BE_ASKED: &str = "{\"elicitation\":{}}";

/// A question, answered: its key, and the state that goes with it.
fn question(result: &Value) -> (String, String) {
    let key = result["inputRequests"].as_object().and_then(|it| it.keys().next().cloned());
    let state = result["requestState"].as_str();
    let both = key.zip(state.map(str::to_owned));
    both.unwrap_or_else(|| panic!("no question: {result}"))
}

fn retry(key: &str, state: &str, more: &str) -> String {
    let answer = "{\"action\":\"accept\",\"content\":{\"name\":\"a\"}}";
    format!(",\"requestState\":{state:?},\"inputResponses\":{{{key:?}:{answer}}}{more}")
}

/// A state that was changed, cut, made up, taken to another tool or to other arguments is refused,
/// and the call that it was for is not disturbed (2026-07-28, "Multi round-trip requests").
fn check_state(scene: &Scene, tool: &str, other: &str) -> (String, String) {
    let first = scene.call(tool, CAN_BE_ASKED, "");
    let (key, state) = question(&first.json()["result"]);
    let middle = state.len() / 2;
    let flipped = if state.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let changed = format!("{}{flipped}{}", &state[..middle], &state[middle + 1..]);
    let doubled = format!("{state}{state}");
    let cut = &state[..state.len() - 2];
    for wrong in [&*changed, &doubled, cut, "", "AAAA", "eyJ1c2VyIjoiYWRtaW4ifQ"] {
        let answer = scene.call(tool, CAN_BE_ASKED, &retry(&key, wrong, ""));
        let error = &answer.json()["error"];
        assert_eq!(error["code"], -32602, "{tool} with {wrong:?}: {answer:?}");
    }
    let elsewhere = scene.call(other, CAN_BE_ASKED, &retry(&key, &state, ""));
    assert_eq!(elsewhere.json()["error"]["code"], -32602, "{elsewhere:?}");
    let arguments = ",\"arguments\":{\"tag\":\"other\"}";
    let changed = scene.call(tool, CAN_BE_ASKED, &retry(&key, &state, arguments));
    assert_eq!(changed.json()["error"]["code"], -32602, "{changed:?}");
    (key, state)
}

/// The state of a call that waits here, for a server that asks on its connection: good once.
#[test]
fn request_state_theft_replay_and_tampering_while_a_call_is_parked() {
    let scene = Scene::hostile("");
    let (key, state) = check_state(&scene, "hostile__ask", "hostile__echo");
    let answer = scene.call("hostile__ask", CAN_BE_ASKED, &retry(&key, &state, ""));
    let text = answer.json()["result"]["content"][0]["text"].to_string();
    assert!(text.contains("accept"), "{answer:?}");
    let again = scene.call("hostile__ask", CAN_BE_ASKED, &retry(&key, &state, ""));
    assert_eq!(again.json()["error"]["code"], -32602, "{again:?}");
    // Another daemon has other keys.
    let other = Scene::hostile("");
    let stolen = other.call("hostile__ask", CAN_BE_ASKED, &retry(&key, &state, ""));
    assert_eq!(stolen.json()["error"]["code"], -32602, "{stolen:?}");
}

/// The state of a server of 2026-07-28, which keeps nothing: sealed, so that nobody reads or
/// changes it on the way, whatever the server does to protect it.
#[test]
fn request_state_theft_and_tampering_of_a_modern_server() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let server = runtime.block_on(Reference::start("modern", ProtocolVersion::MODERN));
    let table = |home: &Home| {
        home.configure(&format!(
            "[upstream.modern]\nstart = \"eager\"\nhttp = {{ url = {:?} }}\n",
            server.url()
        ));
    };
    let scene = Scene::with(&table);
    scene.home.wait_for("modern", "ready");
    let (key, state) = check_state(&scene, "modern__form", "modern__echo");
    let answer = scene.call("modern__form", CAN_BE_ASKED, &retry(&key, &state, ""));
    assert!(answer.body.contains("accept"), "{answer:?}");
    let other = Scene::with(&table);
    other.home.wait_for("modern", "ready");
    let stolen = other.call("modern__form", CAN_BE_ASKED, &retry(&key, &state, ""));
    assert_eq!(stolen.json()["error"]["code"], -32602, "{stolen:?}");
    drop(runtime);
}

/// A question reaches only a client that said it can be asked, in the course of its own call, and
/// nobody else hears of it (the specification's "Elicitation", "Security Considerations").
#[test]
fn elicitation_phishing() {
    let scene = Scene::hostile("");
    let mute = scene.call("hostile__ask", "{}", "");
    assert!(!mute.body.contains("Your password?"), "{mute:?}");
    let only_url = scene.call("hostile__ask", "{\"elicitation\":{\"url\":{}}}", "");
    assert!(!only_url.body.contains("inputRequests"), "{only_url:?}");
    let mut bystander = super::scene::Lines::open(&scene);
    let asked = scene.call("hostile__ask", CAN_BE_ASKED, "");
    let (key, state) = question(&asked.json()["result"]);
    bystander.send(r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#);
    loop {
        let heard = bystander.next_of_any_kind();
        if heard["id"] == 7 {
            break;
        }
        // Lists may change meanwhile; nothing of the call is heard here.
        assert!(heard["method"].as_str().unwrap().ends_with("/list_changed"), "{heard}");
    }
    let answer = scene.call("hostile__ask", CAN_BE_ASKED, &retry(&key, &state, ""));
    assert!(answer.body.contains("accept"), "{answer:?}");
}
