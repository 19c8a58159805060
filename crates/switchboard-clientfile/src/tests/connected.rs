//! Switchboard in every client's file: what is written, what is kept, what is shown.

use std::fs;
use std::path::PathBuf;

use super::{home, write};
use crate::{Client, Endpoint, Home, connect, disconnect, find};

fn by_stdio() -> Endpoint {
    Endpoint {
        name: "switchboard".to_owned(),
        stdio: Some((PathBuf::from("/opt/bin/switchboard"), vec!["stdio".to_owned()])),
        http: Some(("http://127.0.0.1:8765/mcp".to_owned(), Some("k3y".to_owned()))),
    }
}

fn by_http() -> Endpoint {
    Endpoint { stdio: None, ..by_stdio() }
}

/// A file of each client with something of everything in it, and where it lies.
const FILES: &[(Client, &str, &str)] = &[
    (
        Client::ClaudeDesktop,
        ".config/Claude/claude_desktop_config.json",
        "{\n  \"mcpServers\": {\n    \"a\": { \"command\": \"a\", \"env\": { \"T\": \"canary\" } }\n  },\n  \"z\": 1,\n  \"b\": 2\n}\n",
    ),
    (
        Client::ClaudeCode,
        ".claude.json",
        "{\n  \"oauth\": \"canary\",\n  \"mcpServers\": {},\n  \"secret\": \"canary\"\n}",
    ),
    (
        Client::Cursor,
        ".cursor/mcp.json",
        "{\n\t\"mcpServers\": {\n\t\t\"a\": { \"url\": \"https://canary\" } // canary\n\t}\n}\n",
    ),
    (
        Client::Vscode,
        ".config/Code/User/mcp.json",
        "{\n    // canary\n    \"inputs\": [],\n    \"servers\": {\n        \"a\": { \"type\": \"http\", \"url\": \"https://canary\", },\n    },\n}\n",
    ),
    (
        Client::Windsurf,
        ".codeium/windsurf/mcp_config.json",
        "{\"mcpServers\":{\"a\":{\"serverUrl\":\"https://canary\"}}}",
    ),
    (
        Client::Zed,
        ".config/zed/settings.json",
        "// Zed\n{\n  \"theme\": \"One\", // canary\n  \"context_servers\": {\n    \"a\": { \"command\": \"canary\", \"args\": [] }\n  }\n}\n",
    ),
    (
        Client::Codex,
        ".codex/config.toml",
        "model = \"canary\" # canary\n\n[mcp_servers.a]\ncommand = \"canary\"\n\n[tui]\ntheme = 'canary'\n# the end\n",
    ),
    (
        Client::Gemini,
        ".gemini/settings.json",
        "{\r\n  \"theme\": \"canary\",\r\n  \"mcpServers\": {\r\n    \"a\": { \"httpUrl\": \"https://canary\" }\r\n  }\r\n}\r\n",
    ),
    (
        Client::LlmToolsMcp,
        ".llm-tools-mcp/mcp.json",
        "{ \"mcpServers\": { \"a\": { \"type\": \"sse\", \"url\": \"https://canary/sse\" } } }",
    ),
];

fn connected(home: &Home, client: Client) -> bool {
    find(home, None).iter().any(|found| found.client == client && found.connected)
}

#[test]
#[cfg(target_os = "linux")]
fn disconnecting_leaves_the_file_as_it_was() {
    for (client, path, text) in FILES {
        let root = tempfile::tempdir().unwrap();
        let (home, path) = (home(root.path(), &[]), root.path().join(path));
        write(&path, text);
        assert!(disconnect(*client, &home).unwrap().is_none(), "{client:?}");

        let edit = connect(*client, &home, &by_stdio()).unwrap();
        assert_eq!((&edit.path, edit.before.as_deref()), (&path, Some(*text)));
        assert_eq!(fs::read_to_string(&path).unwrap(), *text, "a preview writes nothing");
        let servers = |home: &Home| {
            find(home, None)
                .into_iter()
                .find(|found| found.client == *client)
                .unwrap()
                .outcome
                .unwrap()
        };
        let before = servers(&home);
        fs::write(&path, &edit.after).unwrap();
        assert!(connected(&home, *client), "{client:?}: {}", edit.after);
        assert_eq!(servers(&home), before, "{client:?}");
        assert!(connect(*client, &home, &by_stdio()).unwrap().is_empty(), "{client:?}");

        let edit = disconnect(*client, &home).unwrap().unwrap();
        assert_eq!(edit.after, *text, "{client:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn client_without_a_file_gets_one() {
    for &client in Client::ALL {
        let root = tempfile::tempdir().unwrap();
        let home = home(root.path(), &[]);
        assert!(disconnect(client, &home).unwrap().is_none());
        let edit = connect(client, &home, &by_stdio()).unwrap();
        assert_eq!(edit.before, None);
        write(&edit.path, &edit.after);
        assert!(connected(&home, client), "{client:?}: {}", edit.after);
        assert!(edit.path.starts_with(root.path()));
    }
}

#[test]
fn entry_is_what_the_client_understands() {
    let root = tempfile::tempdir().unwrap();
    let home = home(root.path(), &[]);
    for (client, endpoint, expected) in [
        (
            Client::ClaudeCode,
            by_stdio(),
            r#"{"type":"stdio","command":"/opt/bin/switchboard","args":["stdio"]}"#,
        ),
        (
            Client::Vscode,
            by_stdio(),
            r#"{"type":"stdio","command":"/opt/bin/switchboard","args":["stdio"]}"#,
        ),
        (Client::Zed, by_stdio(), r#"{"command":"/opt/bin/switchboard","args":["stdio"]}"#),
        (
            Client::ClaudeCode,
            by_http(),
            r#"{"type":"http","url":"http://127.0.0.1:8765/mcp","headers":{"Authorization":"Bearer k3y"}}"#,
        ),
        (
            Client::Cursor,
            by_http(),
            r#"{"url":"http://127.0.0.1:8765/mcp","headers":{"Authorization":"Bearer k3y"}}"#,
        ),
        (
            Client::Windsurf,
            by_http(),
            r#"{"serverUrl":"http://127.0.0.1:8765/mcp","headers":{"Authorization":"Bearer k3y"}}"#,
        ),
        (
            Client::Gemini,
            by_http(),
            r#"{"httpUrl":"http://127.0.0.1:8765/mcp","headers":{"Authorization":"Bearer k3y"}}"#,
        ),
        (
            Client::LlmToolsMcp,
            by_http(),
            r#"{"type":"http","url":"http://127.0.0.1:8765/mcp?api_key=k3y"}"#,
        ),
    ] {
        let after = connect(client, &home, &endpoint).unwrap().after;
        let value = crate::json::value(&after, false).unwrap();
        let entry = &value.as_object().unwrap().values().next().unwrap()["switchboard"];
        assert_eq!(entry.to_string(), expected, "{client:?}");
    }
    let codex = connect(Client::Codex, &home, &by_stdio()).unwrap().after;
    assert_eq!(
        codex,
        "[mcp_servers.switchboard]\ncommand = \"/opt/bin/switchboard\"\nargs = [\"stdio\"]\n"
    );
    let codex = connect(Client::Codex, &home, &by_http()).unwrap().after;
    assert_eq!(
        codex,
        "[mcp_servers.switchboard]\nurl = \"http://127.0.0.1:8765/mcp\"\nhttp_headers = { Authorization = \"Bearer k3y\" }\n"
    );
}

#[test]
fn clients_that_only_start_programs_say_so() {
    let root = tempfile::tempdir().unwrap();
    let error = connect(Client::ClaudeDesktop, &home(root.path(), &[]), &by_http()).unwrap_err();
    assert_eq!(error.code(), "client-file-unsupported");
    assert!(error.hint().contains("switchboard stdio"));
}

#[test]
#[cfg(target_os = "linux")]
fn preview_shows_our_lines_and_nobody_elses_values() {
    for (client, path, text) in FILES {
        for endpoint in [by_stdio(), by_http()] {
            let root = tempfile::tempdir().unwrap();
            let home = home(root.path(), &[]);
            write(&root.path().join(path), text);
            let Ok(edit) = connect(*client, &home, &endpoint) else { continue };
            write(&edit.path, &edit.after);
            let back = disconnect(*client, &home).unwrap().unwrap();
            for diff in [edit.diff(), back.diff()] {
                assert!(!diff.contains("canary") && !diff.contains("k3y"), "{client:?}: {diff}");
                let ours = if endpoint.stdio.is_some() { "/opt/bin/switchboard" } else { "url" };
                assert!(diff.to_lowercase().contains(ours), "{client:?}: {diff}");
            }
            assert!(
                !format!("{edit:?}{endpoint:?}").contains("k3y")
                    && !format!("{edit:?}").contains("canary")
            );
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn preview_reads_like_a_diff() {
    let root = tempfile::tempdir().unwrap();
    let (_, path, text) = FILES[2];
    write(&root.path().join(path), text);
    let diff = connect(Client::Cursor, &home(root.path(), &[]), &by_stdio()).unwrap().diff();
    let path = root.path().join(path).display().to_string();
    let expected = "--- PATH\n+++ PATH\n  {\n  \t\"mcpServers\": {\n- \t\t\"a\": { \"url\": \"…\" }\n+ \t\t\"a\": { \"url\": \"…\" },\n+ \t\t\"switchboard\": {\n+ \t\t\t\"command\": \"/opt/bin/switchboard\",\n+ \t\t\t\"args\": [\n+ \t\t\t\t\"stdio\"\n+ \t\t\t]\n+ \t\t}\n  \t}\n  }\n";
    assert_eq!(diff.replace(&path, "PATH"), expected);
}

#[test]
fn entry_of_somebody_else_is_not_replaced() {
    for (entry, ours) in [
        (r#"{ "command": "/old/switchboard", "args": [] }"#, true),
        (r#"{ "url": "http://localhost:9999/mcp" }"#, true),
        (r#"{ "command": "npx", "args": ["switchboard"] }"#, false),
        (r#"{ "url": "https://example.com/mcp" }"#, false),
        (r#"{}"#, false),
    ] {
        let root = tempfile::tempdir().unwrap();
        let home = home(root.path(), &[]);
        write(
            &root.path().join(".cursor/mcp.json"),
            &format!(r#"{{ "mcpServers": {{ "switchboard": {entry} }} }}"#),
        );
        match connect(Client::Cursor, &home, &by_stdio()) {
            Ok(edit) => assert!(ours && edit.after.contains("/opt/bin/switchboard"), "{entry}"),
            Err(error) => assert!(!ours && error.code() == "client-file-taken", "{entry}: {error}"),
        }
        assert_eq!(disconnect(Client::Cursor, &home).unwrap().is_some(), ours, "{entry}");
    }
}

#[test]
fn several_entries_of_ours_are_all_taken_out() {
    let root = tempfile::tempdir().unwrap();
    let text = r#"{ "mcpServers": { "switchboard": { "command": "switchboard" }, "a": {}, "work": { "command": "/x/switchboard", "args": ["stdio", "--name", "work"] } } }"#;
    write(&root.path().join(".cursor/mcp.json"), text);
    let edit = disconnect(Client::Cursor, &home(root.path(), &[])).unwrap().unwrap();
    assert_eq!(edit.after, r#"{ "mcpServers": { "a": {} } }"#);
}

#[test]
fn every_entry_of_ours_is_taken_out() {
    let root = tempfile::tempdir().unwrap();
    let ours = r#""sb": { "command": "switchboard" }"#;
    let text = format!("{{ \"mcpServers\": {{ {ours}, \"a\": {{}}, {ours} }} }}");
    write(&root.path().join(".cursor/mcp.json"), &text);
    let edit = disconnect(Client::Cursor, &home(root.path(), &[])).unwrap().unwrap();
    assert_eq!(edit.after, r#"{ "mcpServers": { "a": {} } }"#);
}

#[test]
fn file_that_is_not_understood_is_not_touched() {
    for (text, code) in [
        ("{ \"mcpServers\": ", "client-file-syntax"),
        ("\u{b}", "client-file-syntax"),
        ("{ \"mcpServers\": {} } /* ", "client-file-syntax"),
        ("/*/", "client-file-syntax"),
        ("\u{a0}", "client-file-syntax"),
        ("[]", "client-file-shape"),
        ("{ \"mcpServers\": [] }", "client-file-shape"),
        ("{ \"mcpServers\": \"x\" }", "client-file-shape"),
    ] {
        let root = tempfile::tempdir().unwrap();
        let home = home(root.path(), &[]);
        write(&root.path().join(".cursor/mcp.json"), text);
        assert_eq!(connect(Client::Cursor, &home, &by_stdio()).unwrap_err().code(), code, "{text}");
        assert_eq!(disconnect(Client::Cursor, &home).unwrap_err().code(), code, "{text}");
    }
}

#[test]
fn codex_keeps_its_layout() {
    for text in [
        "",
        "model = \"o\"",
        "model = \"o\"\n\n# later\n",
        "model = \"o\"\r\n[tui]\r\nx = 1\r\n",
        "[mcp_servers]\na = { command = \"a\" }\n",
        "mcp_servers = { a = { command = \"a\" } }\n",
        "# top\n[mcp_servers.a]\ncommand = 'a' # why\n[mcp_servers.a.env]\nK = \"v\"\n\n[[x]]\ny = 1\n",
    ] {
        let root = tempfile::tempdir().unwrap();
        let home = home(root.path(), &[]);
        let path = root.path().join(".codex/config.toml");
        write(&path, text);
        let edit = connect(Client::Codex, &home, &by_stdio()).unwrap();
        fs::write(&path, &edit.after).unwrap();
        assert!(connected(&home, Client::Codex), "{}", edit.after);
        assert!(
            !text.contains('\r')
                || edit.after.matches('\n').count() == edit.after.matches("\r\n").count()
        );
        let back = disconnect(Client::Codex, &home).unwrap().unwrap();
        assert_eq!(back.after.trim_end(), text.trim_end(), "after {}", edit.after);
    }
}

#[test]
fn preview_of_a_long_line_shows_the_change() {
    let root = tempfile::tempdir().unwrap();
    let long = (0..500).map(|n| format!("\"k{n}\":{n},")).collect::<String>();
    write(
        &root.path().join(".cursor/mcp.json"),
        &format!("{{{long}\"mcpServers\":{{}},{long}\"z\":1}}"),
    );
    let diff = connect(Client::Cursor, &home(root.path(), &[]), &by_stdio()).unwrap().diff();
    assert!(
        diff.contains("/opt/bin/switchboard") && diff.lines().all(|line| line.len() < 200),
        "{diff}"
    );
}
