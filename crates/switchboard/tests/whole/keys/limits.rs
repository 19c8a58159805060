//! The keys of rules. Who calls here is the owner, who is limited only by rules that name a role or
//! a subject.

use serde_json::{Value, json};

use super::{counted, post, status, with_counting};
use crate::common::{Home, wait};

/// The status of a call of 2026-07-28.
fn call(home: &Home, tool: &str, arguments: &Value) -> u16 {
    let tool = format!("counting__{tool}");
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": tool, "arguments": arguments, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {} } } });
    let headers = format!(
        "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n"
    );
    status(&post(home, &headers, &body.to_string()))
}

/// Makes calls of `echo` under a rule, each in a daemon of its own, and compares what they get.
#[track_caller]
fn check(rule: &str, expected: &[u16]) {
    let home = with_counting(&format!("[limits.rule.it]\n{rule}"), "");
    let actual: Vec<_> = expected.iter().map(|_| call(&home, "echo", &json!({}))).collect();
    assert_eq!(actual, expected, "{rule}");
}

pub(super) fn whom() {
    check("rate = \"1/h\"", &[200, 200]);
    check("role = \"owner\"\nrate = \"1/h\"", &[200, 429]);
    check("role = \"nobody\"\nrate = \"1/h\"", &[200, 200]);
    check("subject = \"*\"\nrate = \"1/h\"", &[200, 429]);
    check("subject = \"nobody\"\nrate = \"1/h\"", &[200, 200]);
    check("role = \"owner\"\ntenant = \"other\"\nrate = \"1/h\"", &[200, 200]);
    check("role = \"owner\"\nserver = \"other\"\nrate = \"1/h\"", &[200, 200]);
    check("role = \"owner\"\ntool = \"ech*\"\nrate = \"1/h\"", &[200, 429]);
    check("role = \"owner\"\ntool = \"slow\"\nrate = \"1/h\"", &[200, 200]);
}

pub(super) fn per() {
    for (per, expected) in [("principal", 429), ("tool", 200)] {
        let rule = format!("[limits.rule.it]\nrole = \"owner\"\nrate = \"1/h\"\nper = \"{per}\"");
        let home = with_counting(&rule, "");
        assert_eq!(call(&home, "echo", &json!({})), 200);
        assert_eq!(call(&home, "slow", &json!({ "seconds": 0 })), expected, "{per}");
    }
}

pub(super) fn rates() {
    check("role = \"owner\"\nrate = \"2/h\"", &[200, 200, 429]);
    check("role = \"owner\"\nrate = \"2/h\"\nburst = 1", &[200, 429]);
}

pub(super) fn quotas() {
    check("role = \"owner\"\ncalls_per_day = 1", &[200, 429]);
    check("role = \"owner\"\ncalls_per_month = 1", &[200, 429]);
    check("role = \"owner\"\ntokens_per_day = 1", &[200, 429]);
    check("role = \"owner\"\ntokens_per_month = 1", &[200, 429]);
}

/// A call beside one that is under way.
fn second(rule: &str) -> u16 {
    let home = with_counting(&format!("[limits.rule.it]\nrole = \"owner\"\n{rule}"), "");
    home.wait_for("counting", "ready");
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| call(&home, "slow", &json!({ "seconds": 1 })));
        wait("the first call to arrive", || counted(&home, "slow") == 1);
        let second = call(&home, "echo", &json!({}));
        assert_eq!(slow.join().unwrap(), 200);
        second
    })
}

pub(super) fn places() {
    assert_eq!(second("concurrency = 2\nqueue = 0"), 200);
    assert_eq!(second("concurrency = 1"), 200, "it waits");
    assert_eq!(second("concurrency = 1\nqueue = 0"), 429);
    assert_eq!(second("concurrency = 1\nwait = \"10ms\""), 429);
}
