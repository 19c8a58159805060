use bytes::Bytes;
use switchboard_mcp::{Json, Method, ProtocolVersion};

use super::{Opening, Session, Spoken};
use crate::front::Asked;

const MODERN: &str = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}"#;
const FUTURE: &str = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2099-01-01","io.modelcontextprotocol/clientCapabilities":{}}}"#;
const PARTIAL: &str = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}"#;

/// Plays a conversation: each line is `old|new|future|partial METHOD -> how it is taken`.
#[track_caller]
fn check(script: &str) {
    check_where(true, script);
}

/// The same for a carrier that may have stateless conversations, or may not.
#[track_caller]
fn check_where(stateless: bool, script: &str) {
    let mut opening = Opening::default();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (step, expected) = line.split_once(" -> ").unwrap();
        let (words, method) = step.split_once(' ').unwrap();
        let params = match words {
            "old" => r#"{"protocolVersion":"2025-06-18","capabilities":{}}"#,
            "new" => MODERN,
            "future" => FUTURE,
            "partial" => PARTIAL,
            _ => panic!("no such words: {words}"),
        };
        let params = Json::parse(Bytes::from_static(params.as_bytes())).unwrap();
        let asked = Asked::read(Method::from(method.trim()), Some(params)).unwrap();
        let actual = match opening.admit(&asked, stateless) {
            Ok(Spoken::Unopened) if asked.method == Method::Initialize => {
                let version = ProtocolVersion::V2025_06_18;
                opening = Opening::Session(Session::new(version, asked.params.as_ref()));
                "unopened".to_owned()
            }
            Ok(Spoken::Unopened) => "unopened".to_owned(),
            Ok(Spoken::Session(_)) => "session".to_owned(),
            Ok(Spoken::Stateless) => "stateless".to_owned(),
            Err(error) => match error.data {
                Some(data) => format!("{} {data}", error.code),
                None => error.code.to_string(),
            },
        };
        assert_eq!(actual, expected.trim(), "{line}");
    }
}

#[test]
fn initialize_opens_a_session_and_the_other_era_is_refused() {
    check(
        r#"old tools/list    -> -32600
           old ping          -> unopened
           old initialize    -> unopened
           old tools/list    -> session
           old initialize    -> session
           new tools/list    -> -32022 {"supported":["2025-06-18"],"requested":"2026-07-28"}
           new server/discover -> -32022 {"supported":["2025-06-18"],"requested":"2026-07-28"}
           old tools/list    -> session"#,
    );
}

#[test]
fn an_envelope_opens_a_stateless_conversation() {
    check(
        r#"new tools/list    -> stateless
           old tools/list    -> -32600
           old ping          -> -32600
           old initialize    -> -32022 {"supported":["2026-07-28"],"requested":"2025-06-18"}
           partial tools/list -> -32602
           new tools/list    -> stateless"#,
    );
}

#[test]
fn what_is_refused_or_only_asks_what_there_is_opens_nothing() {
    check(
        r#"future tools/list -> -32022 {"supported":["2026-07-28"],"requested":"2099-01-01"}
           partial tools/list -> -32602
           new server/discover -> stateless
           old initialize    -> unopened
           old tools/list    -> session"#,
    );
}

#[test]
fn a_carrier_of_sessions_has_nothing_else() {
    // The refusal must not look like one of 2026-07-28: clients would not try `initialize` then.
    check_where(
        false,
        r#"new server/discover -> -32600
           new tools/list    -> -32600
           old initialize    -> unopened
           old tools/list    -> session
           new tools/list    -> -32022 {"supported":["2025-06-18"],"requested":"2026-07-28"}"#,
    );
}
