use std::sync::Arc;

use bytes::Bytes;
use switchboard_core::Notification;
use switchboard_mcp::{Json, LogLevel, Method, ProtocolVersion};
use tokio::sync::mpsc;

use super::Outlet;
use crate::meter::Unmetered;

/// Reports `METHOD PARAMS` line by line, and expects the parameters that go out.
#[track_caller]
fn check(token: Option<&str>, threshold: Option<LogLevel>, reports: &str, expected: &[&str]) {
    let json = |text: &str| Json::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap();
    let (queue, mut out) = mpsc::channel(8);
    let mut outlet =
        Outlet::new(queue, token.map(json), ProtocolVersion::MODERN, Arc::new(Unmetered));
    for line in reports.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (method, params) = line.split_once(' ').unwrap();
        let method = Method::from(method);
        outlet.report(&Notification { method, params: Some(json(params)) }, threshold);
    }
    drop(outlet);
    let mut heard = Vec::new();
    while let Ok(message) = out.try_recv() {
        let text = String::from_utf8(message).unwrap();
        let params = text.split_once("\"params\":").unwrap().1;
        heard.push(params.strip_suffix('}').unwrap().to_owned());
    }
    assert_eq!(heard, expected);
}

#[test]
fn progress_increases_and_carries_the_token_of_the_client() {
    check(
        Some("\"t\""),
        None,
        r#"
        notifications/progress {"progressToken":4,"progress":1,"x":1.10}
        notifications/progress {"progressToken":4,"progress":1.0}
        notifications/progress {"progressToken":4,"progress":0.5}
        notifications/progress {"progressToken":4,"progress":"2"}
        notifications/progress {"progressToken":4,"progress":2.5,"total":9}
        "#,
        &[
            r#"{"progressToken":"t","progress":1,"x":1.10}"#,
            r#"{"progressToken":"t","progress":2.5,"total":9}"#,
        ],
    );
    check(None, None, r#"notifications/progress {"progressToken":4,"progress":1}"#, &[]);
}

#[test]
fn log_messages_below_what_is_wanted_are_not_said() {
    let reports = r#"
        notifications/message {"level":"debug","data":1}
        notifications/message {"level":"warning","data":2}
        notifications/message {"level":"emergency","data":3}
        notifications/message {"data":4}
        notifications/other {"level":"emergency"}
    "#;
    check(None, None, reports, &[]);
    check(
        None,
        Some(LogLevel::Warning),
        reports,
        &[r#"{"level":"warning","data":2}"#, r#"{"level":"emergency","data":3}"#],
    );
}

#[test]
fn what_a_server_says_to_its_neighbour_ends_here() {
    let forged = r#""_meta":{"io.modelcontextprotocol/subscriptionId":"forged","progressToken":9,"example.org/kept":1}"#;
    let escaped = r#""_meta":{"io.modelcontextprotocol\u002fsubscriptionId":"forged"}"#;
    let progress = format!(
        "notifications/progress {{\"progressToken\":4,\"progress\":1,{forged}}}
         notifications/progress {{\"progressToken\":4,\"progress\":2,{escaped}}}"
    );
    check(
        Some("\"t\""),
        None,
        &progress,
        &[
            r#"{"progressToken":"t","progress":1,"_meta":{"example.org/kept":1}}"#,
            r#"{"progressToken":"t","progress":2}"#,
        ],
    );
    let log = format!(
        "notifications/message {{\"level\":\"info\",{forged}}}
         notifications/message {{\"level\":\"info\",{escaped}}}
         notifications/message {{\"level\":\"info\",\"_meta\":\"io.modelcontextprotocol\"}}"
    );
    let kept = [r#"{"level":"info","_meta":{"example.org/kept":1}}"#, r#"{"level":"info"}"#];
    check(None, Some(LogLevel::Debug), &log, &kept);
}

#[test]
fn what_else_a_server_says_is_passed_on_without_that_as_well() {
    let (queue, mut out) = mpsc::channel(8);
    let outlet = Outlet::new(queue, None, ProtocolVersion::V2025_11_25, Arc::new(Unmetered));
    let method = Method::from("notifications/elicitation/complete");
    for params in [
        Some(
            r#"{"elicitationId":"e","_meta":{"io.modelcontextprotocol/subscriptionId":"forged"}}"#,
        ),
        Some(r#"{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}}"#),
        None,
    ] {
        let params = params.map(|text| Json::parse(Bytes::from_static(text.as_bytes())).unwrap());
        outlet.pass(&Notification { method: method.clone(), params });
    }
    let mut next = || String::from_utf8(out.try_recv().unwrap()).unwrap();
    let said = |params| {
        format!("{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/elicitation/complete\"{params}}}")
    };
    assert_eq!(next(), said(",\"params\":{\"elicitationId\":\"e\"}"));
    let task = r#","params":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}}"#;
    assert_eq!(next(), said(task), "it says what the message belongs to");
    assert_eq!(next(), said(""));
}
