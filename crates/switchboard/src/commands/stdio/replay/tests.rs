use bytes::Bytes;

use super::{FromClient, IN_FLIGHT, Session};

/// Plays a script. `>` is a line of the client, `<` one of the daemon; short forms stand for whole
/// messages. Behind `->` stands what is done with it.
#[track_caller]
fn check(script: &str) {
    let mut session = Session::default();
    for step in script.lines().map(str::trim).filter(|step| !step.is_empty()) {
        let (step, expected) = step.split_once(" -> ").unwrap_or((step, ""));
        let (actor, words) = step.trim().split_once(' ').unwrap_or((step.trim(), ""));
        let actual = match actor {
            ">" => match session.outbound(&message(words)) {
                FromClient::Send => String::new(),
                FromClient::Answer(line) => short(&line),
            },
            "<" if session.inbound(&message(words)) => String::new(),
            "<" => "kept".to_owned(),
            "lost" => {
                let mut lines: Vec<_> = session.lost().iter().map(|line| short(line)).collect();
                lines.sort();
                lines.join(", ")
            }
            "reopen" => session.reopen().map_or("nothing".to_owned(), |line| short(&line)),
            "opened" => {
                assert!(!session.is_replaying(), "{step}");
                session.opened().map_or("nothing".to_owned(), |line| short(&line))
            }
            "replaying" => session.is_replaying().to_string(),
            other => panic!("unknown step {other}"),
        };
        assert_eq!(actual, expected.trim(), "{step}");
    }
}

/// `initialize 1` is a request, `answer 1` a response, `initialized` and `cancel 1` notifications.
fn message(words: &str) -> Bytes {
    let text = match words.split_once(' ') {
        _ if words.starts_with(['{', '[', '?']) => words.to_owned(),
        None => format!(r#"{{"jsonrpc":"2.0","method":"notifications/{words}"}}"#),
        Some(("answer", id)) => format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#),
        Some(("cancel", id)) => format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#
        ),
        Some((method, id)) => format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}"#),
    };
    text.into()
}

fn short(line: &[u8]) -> String {
    assert_eq!(line.last(), Some(&b'\n'), "a line has an end");
    let message: serde_json::Value = serde_json::from_slice(line).unwrap();
    if let Some(reason) = message.pointer("/error/data/reason") {
        return format!("{} {}", message["id"], reason.as_str().unwrap());
    }
    match message.get("id") {
        Some(id) => format!("{} {id}", message["method"].as_str().unwrap()),
        None => message["method"].as_str().unwrap().trim_start_matches("notifications/").to_owned(),
    }
}

#[test]
fn a_session_is_opened_again_and_the_client_does_not_notice() {
    check(
        "> initialize 1
         < answer 1
         > initialized
         > tools/list 2
         < answer 2
         lost
         reopen        -> initialize 1
         replaying     -> true
         < tools/list_changed
         < answer 1    -> kept
         opened        -> initialized
         > tools/list 3
         < answer 3",
    );
}

#[test]
fn calls_under_way_are_answered_once() {
    check(
        r#"> initialize "a"
         < answer "a"
         > tools/call 1
         > tools/call "1"
         > tools/call 2
         < answer 2
         lost          -> "1" upstream_lost, 1 upstream_lost
         lost"#,
    );
}

#[test]
fn a_cancelled_call_wants_no_answer() {
    check(
        "> tools/call 1
         > cancel 1
         lost",
    );
}

#[test]
fn an_opening_that_was_not_answered_is_the_new_daemons_to_answer() {
    check(
        "> initialize 1
         lost
         reopen        -> initialize 1
         replaying     -> false
         opened        -> nothing
         < answer 1
         > initialized
         lost
         reopen        -> initialize 1
         lost
         reopen        -> initialize 1
         < answer 1    -> kept
         opened        -> initialized",
    );
}

#[test]
fn a_client_without_sessions_is_simply_connected() {
    check(
        "> server/discover 1
         < answer 1
         > subscriptions/listen 2
         lost          -> 2 upstream_lost
         reopen        -> nothing
         replaying     -> false
         opened        -> nothing",
    );
}

#[test]
fn what_is_no_message_passes() {
    check(
        r#"> ?garbage
         < ?garbage
         > [{"jsonrpc":"2.0","id":7,"method":"ping"},{"jsonrpc":"2.0","id":8,"method":"ping"}]
         < [{"jsonrpc":"2.0","id":8,"result":{}}]
         lost          -> 7 upstream_lost"#,
    );
}

#[test]
fn what_is_remembered_has_a_limit() {
    let mut session = Session::default();
    for id in 0..IN_FLIGHT {
        assert_eq!(session.outbound(&message(&format!("ping {id}"))), FromClient::Send);
    }
    let refused = session.outbound(&message("ping 9999"));
    assert!(matches!(refused, FromClient::Answer(line) if short(&line) == "9999 busy"));
}
