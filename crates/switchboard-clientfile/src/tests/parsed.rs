//! The plain `mcpServers` file: what each key means, and each contradiction.

use std::path::Path;

use super::{env, line};
use crate::{Dialect, Expansion, FileError, Parsed, parse_mcp_servers};

fn parse(text: &str) -> Result<Parsed, FileError> {
    let env = env(&[("TOKEN", "s3cret")]);
    parse_mcp_servers(
        text,
        &Expansion { env: &env, home: Path::new("/home/ann"), dialect: Dialect::Plain },
    )
}

fn one(entry: &str) -> Result<Parsed, FileError> {
    parse(&format!(r#"{{ "mcpServers": {{ "x": {entry} }} }}"#))
}

#[track_caller]
fn check(entry: &str, expected: &str) {
    let parsed = one(entry).unwrap_or_else(|error| panic!("{entry}: {error}"));
    let lines: Vec<_> = parsed.servers.iter().map(line).collect();
    assert_eq!(lines, [expected], "{entry}");
}

#[test]
fn text_that_is_cut_off_has_a_place() {
    for (text, place) in
        [("{", "line 1, column 1"), ("{\n  \"mcpServers\": {\n", "line 3, column 1")]
    {
        assert_eq!(parse(text).unwrap_err().place().unwrap().to_string(), place, "{text}");
    }
}

#[test]
fn each_key_changes_the_server() {
    for (entry, expected) in [
        (r#"{ "command": "npx" }"#, "x stdio npx"),
        (r#"{ "command": "npx", "args": ["-y", "thing"] }"#, "x stdio npx -y thing"),
        (
            r#"{ "command": "npx", "env": { "KEY": "v", "A": "${TOKEN}" } }"#,
            "x stdio npx A=s3cret KEY=v",
        ),
        (r#"{ "command": "npx", "cwd": "~/work" }"#, "x stdio npx in /home/ann/work"),
        (
            r#"{ "command": "~/bin/it", "args": ["~/as-it-is"] }"#,
            "x stdio /home/ann/bin/it ~/as-it-is",
        ),
        (r#"{ "url": "https://h/mcp" }"#, "x http https://h/mcp"),
        (
            r#"{ "url": "https://h/mcp", "headers": { "Authorization": "Bearer ${TOKEN}" } }"#,
            "x http https://h/mcp Authorization=Bearer s3cret",
        ),
        (r#"{ "command": "npx", "timeout": 30000 }"#, "x stdio npx timeout 30s"),
        (r#"{ "command": "npx", "timeout": 1500.5 }"#, "x stdio npx timeout 1.5005s"),
        (r#"{ "command": "npx", "include_tools": ["read_*"] }"#, "x stdio npx include read_*"),
        (
            r#"{ "command": "npx", "exclude_tools": ["write_*", "rm"] }"#,
            "x stdio npx exclude write_*,rm",
        ),
        (r#"{ "command": "npx", "optional": true }"#, "x stdio npx optional"),
        (r#"{ "command": "npx", "disabled": true }"#, "x stdio npx disabled"),
        (r#"{ "command": "npx", "url": null, "args": null, "env": null }"#, "x stdio npx"),
    ] {
        check(entry, expected);
    }
}

#[test]
fn transport_is_named_or_inferred() {
    for (entry, expected) in [
        (r#"{ "type": "stdio", "command": "npx" }"#, "x stdio npx"),
        (r#"{ "type": "http", "url": "https://h/sse" }"#, "x http https://h/sse"),
        (r#"{ "type": "streamable-http", "url": "https://h/mcp" }"#, "x http https://h/mcp"),
        (r#"{ "type": "streamableHttp", "url": "https://h/mcp" }"#, "x http https://h/mcp"),
        (r#"{ "type": "sse", "url": "https://h/mcp" }"#, "x sse https://h/mcp"),
        (r#"{ "url": "https://h/sse" }"#, "x sse https://h/sse"),
        (r#"{ "url": "https://h/sse?x=1" }"#, "x sse https://h/sse?x=1"),
        (r#"{ "url": "https://h/v1/mcp" }"#, "x http https://h/v1/mcp"),
        (r#"{ "url": "HTTPS://h" }"#, "x http HTTPS://h"),
    ] {
        check(entry, expected);
    }
}

/// Every contradiction: the entry, the path to the place, and what the message has to contain.
#[test]
fn contradictory_entries_are_refused() {
    for (entry, at, says) in [
        (r#"{ "command": "npx", "url": "https://h/mcp" }"#, "", &["`npx`", "`https://h/mcp`"][..]),
        (
            r#"{ "type": "http", "command": "npx", "url": "https://h/mcp" }"#,
            "",
            &["`npx`", "`https://h/mcp`"],
        ),
        (
            r#"{ "type": "stdio", "url": "https://h/mcp" }"#,
            ".type",
            &["`stdio`", "`command`", "`https://h/mcp`"],
        ),
        (r#"{ "type": "http", "command": "npx" }"#, ".type", &["`http`", "`url`", "`npx`"]),
        (r#"{ "type": "sse", "command": "npx" }"#, ".type", &["`sse`", "`url`", "`npx`"]),
        (r#"{ "type": "stdio" }"#, ".type", &["`stdio`", "`command`"]),
        (r#"{ "type": "sse" }"#, ".type", &["`sse`", "`url`"]),
        (r#"{ "type": "grpc", "url": "https://h" }"#, ".type", &["\"grpc\""]),
        (r#"{ "type": 7, "url": "https://h" }"#, ".type", &["`7`"]),
        (r#"{}"#, "", &["neither `command` nor `url`"]),
        (r#"{ "description": "x" }"#, "", &["neither `command` nor `url`"]),
        (r#""npx""#, "", &["\"npx\"", "not an object"]),
        (r#"null"#, "", &["`null`"]),
        (r#"{ "command": "" }"#, ".command", &["empty"]),
        (r#"{ "command": ["npx", "-y"] }"#, ".command", &[r#"["npx","-y"]"#]),
        (r#"{ "command": "npx", "args": "-y" }"#, ".args", &["\"-y\"", "not a list"]),
        (r#"{ "command": "npx", "args": ["-p", 8080] }"#, ".args[1]", &["`8080`", "`args[1]`"]),
        (r#"{ "command": "npx", "cwd": 1 }"#, ".cwd", &["`1`"]),
        (r#"{ "url": 1 }"#, ".url", &["`1`"]),
        (r#"{ "url": "localhost:8080" }"#, ".url", &["`localhost:8080`", "http"]),
        (r#"{ "url": "ws://h/mcp" }"#, ".url", &["`ws://h/mcp`"]),
        (r#"{ "command": "npx", "timeout": -1 }"#, ".timeout", &["`-1`"]),
        (r#"{ "command": "npx", "timeout": 0 }"#, ".timeout", &["`0`"]),
        (r#"{ "command": "npx", "timeout": 1e300 }"#, ".timeout", &["1e+300"]),
        (r#"{ "command": "npx", "timeout": "30s" }"#, ".timeout", &["\"30s\""]),
        (r#"{ "command": "npx", "include_tools": "read" }"#, ".include_tools", &["\"read\""]),
        (r#"{ "command": "npx", "exclude_tools": [null] }"#, ".exclude_tools[0]", &["`null`"]),
        (r#"{ "command": "npx", "optional": "yes" }"#, ".optional", &["\"yes\""]),
        (r#"{ "command": "npx", "disabled": 1 }"#, ".disabled", &["`1`"]),
        (r#"{ "command": "npx", "args": ["${input:key}"] }"#, ".args[0]", &["`${input:key}`"]),
    ] {
        let error = one(entry).map(|parsed| format!("{parsed:?}")).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("server `x`: "), "{entry}: {text}");
        assert!(says.iter().all(|said| text.contains(said)), "{entry}: {text}");
        assert_eq!(error.at(), Some(&*format!("$.mcpServers.x{at}")), "{entry}");
        assert_eq!(error.place().map(|place| place.line), Some(1), "{entry}");
        assert!(!error.hint().is_empty());
        assert_eq!(error.code(), "client-file-shape");
    }
}

#[test]
fn files_of_another_shape_are_refused() {
    for (text, says) in [
        ("", "has no `mcpServers`"),
        ("{}", "has no `mcpServers`"),
        (r#"{ "servers": {} }"#, "has no `mcpServers`"),
        (r#"[{ "command": "npx" }]"#, "the file is a list"),
        (r#""npx""#, "the file is `\"npx\"`"),
        (r#"{ "mcpServers": [] }"#, "`mcpServers` is a list (`[]`)"),
        (r#"{ "mcpServers": "npx" }"#, "`mcpServers` is `\"npx\"`"),
        (
            r#"{ "mcpServers": { "a": { "command": "x" }, "a": { "command": "y" } } }"#,
            "`a` is defined twice",
        ),
        (r#"{ "mcpServers": { "": { "command": "x" } } }"#, "empty name"),
    ] {
        let error = parse(text).map(|parsed| format!("{parsed:?}")).unwrap_err();
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
    assert!(parse(r#"{ "mcpServers": {} }"#).unwrap().servers.is_empty());
}

#[test]
fn errors_point_at_the_line_and_column() {
    for (text, line, column) in [
        ("{\n  \"mcpServers\": {\n    \"x\": { \"command\": 1 }\n  }\n}", 3, 23),
        (
            "{\n  \"mcpServers\": {\n    \"x\": {\n      \"command\": \"a\",\n      \"args\": \"b\" } } }",
            5,
            15,
        ),
        ("{\n  \"mcpServers\": {,\n}", 2, 18),
        ("{\n  // no\n}", 2, 3),
        ("{ \"mcpServers\": { \"x\": { \"command\": \"a\", } } }", 1, 42),
        ("{", 1, 1),
    ] {
        let place = parse(text).unwrap_err().place().unwrap();
        assert_eq!((place.line, place.column), (line, column), "{text}");
    }
}

#[test]
fn no_message_holds_a_secret() {
    for entry in [
        r#"{ "command": "npx", "env": { "KEY": 12345678 } }"#,
        r#"{ "command": "npx", "env": ["12345678"] }"#,
        r#"{ "command": "npx", "env": "12345678" }"#,
        r#"{ "url": "https://h", "headers": { "Authorization": ["12345678"] } }"#,
        r#"{ "command": "npx", "url": "https://u:12345678@h/mcp?key=12345678" }"#,
        r#"{ "command": { "env": "12345678" } }"#,
    ] {
        let error = one(entry).unwrap_err();
        assert!(
            !format!("{error} {error:?} {}", error.hint()).contains("12345678"),
            "{entry}: {error:?}"
        );
    }
    let parsed = one(
        r#"{ "url": "https://u:12345678@h/mcp?key=12345678", "headers": { "Key": "12345678" } }"#,
    )
    .unwrap();
    assert!(!format!("{parsed:?}").contains("12345678"), "{parsed:?}");
    assert!(format!("{parsed:?}").contains("\"Key\": …"), "{parsed:?}");
    let parsed = one(r#"{ "command": "npx", "env": { "KEY": "12345678" } }"#).unwrap();
    assert!(!format!("{parsed:?}").contains("12345678"), "{parsed:?}");
}

#[test]
fn what_has_no_effect_is_a_note() {
    for (entry, expected) in [
        (
            r#"{ "command": "npx", "autoApprove": [], "icon": "x" }"#,
            "server `x`: Switchboard does not use `autoApprove`, `icon`",
        ),
        (
            r#"{ "url": "https://h", "env": {} }"#,
            "server `x`: `env` has no effect on a server reached this way",
        ),
        (
            r#"{ "command": "npx", "headers": {} }"#,
            "server `x`: `headers` has no effect on a server reached this way",
        ),
        (r#"{ "command": "npx", "args": ["${NO}"] }"#, "server `x`: the variable `NO` is not set"),
        (
            r#"{ "command": "npx", "timeout": 30 }"#,
            "server `x`: `timeout` counts milliseconds, so calls have less than a second",
        ),
    ] {
        let notes: Vec<_> = one(entry).unwrap().notes.iter().map(ToString::to_string).collect();
        assert_eq!(notes, [expected], "{entry}");
    }
}

#[test]
fn servers_keep_the_order_of_the_file() {
    let text = "\u{feff}{ \"mcpServers\": { \"z\": { \"command\": \"1\" }, \"a\": { \"command\": \"2\" } } }";
    let names: Vec<_> =
        parse(text).unwrap().servers.into_iter().map(|server| server.name).collect();
    assert_eq!(names, ["z", "a"]);
}
