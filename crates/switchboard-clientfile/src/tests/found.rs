//! A home with files of every client, and what is found in it.

use std::fs;

use tempfile::TempDir;

use super::{home, line, write};
use crate::{Client, Found, Home, Scope, find};

/// One file each, as the client's own documentation shows it.
const FILES: &[(&str, &str, &str)] = &[
    (
        "claude-desktop",
        ".config/Claude/claude_desktop_config.json",
        r#"{ "mcpServers": { "fs": { "command": "npx", "args": ["-y", "server-filesystem", "${A}"] } }, "scale": 1 }"#,
    ),
    (
        "claude-code",
        ".claude.json",
        r#"{ "numStartups": 3, "mcpServers": { "gh": { "type": "http", "url": "https://h/mcp", "headers": { "Authorization": "Bearer ${A}" } } },
            "projects": { "/src/one": { "mcpServers": { "db": { "type": "stdio", "command": "db", "env": {} } } },
                          "/src/two": { "mcpServers": { "gh": { "command": "other" }, "db": { "type": "stdio", "command": "db", "cwd": "/src/one" } } } } }"#,
    ),
    (
        "cursor",
        ".cursor/mcp.json",
        r#"{ "mcpServers": { "web": { "url": "https://h/sse", "headers": { "K": "${env:A}" } }, "home": { "command": "${userHome}/x" }, } } // mine"#,
    ),
    (
        "vscode",
        ".config/Code/User/mcp.json",
        r#"{
            // asked for once
            "inputs": [{ "type": "promptString", "id": "key", "password": true }],
            "servers": {
                "memory": { "type": "stdio", "command": "npx", "args": ["~/m", "https://no/comment"], "env": { "PORT": 80, "T": "${env:A}" }, /* x */ },
                "asks": { "type": "http", "url": "https://h", "headers": { "K": "${input:key}" } },
            },
        }"#,
    ),
    (
        "windsurf",
        ".codeium/windsurf/mcp_config.json",
        r#"{ "mcpServers": { "remote": { "serverUrl": "https://h/mcp", "headers": { "K": "${env:A}" }, "disabled": true, "disabledTools": ["rm"] } } }"#,
    ),
    (
        "zed",
        ".config/zed/settings.json",
        "// Zed settings\n{ \"theme\": \"One\", \"context_servers\": { \"new\": { \"command\": \"new\", \"args\": [\"a\"], \"timeout\": 60 }, \"old\": { \"source\": \"custom\", \"enabled\": false, \"command\": { \"path\": \"old\", \"args\": [\"b\"], \"env\": { \"K\": \"v\" } } }, \"ext\": { \"settings\": {} } } }",
    ),
    (
        "codex",
        ".codex/config.toml",
        "model = \"o\"\n[mcp_servers.docs]\ncommand = \"docs\"\nargs = [\"x\"]\nenv = { K = \"${A}\" }\nenv_vars = [\"A\", \"NOT_SET\"]\ntool_timeout_sec = 90.5\nenabled_tools = [\"a\"]\n\n[mcp_servers.figma]\nurl = \"https://h/mcp\"\nbearer_token_env_var = \"A\"\nenabled = false\nhttp_headers = { R = \"eu\" }\n",
    ),
    (
        "gemini",
        ".gemini/settings.json",
        r#"{ "mcpServers": { "h": { "httpUrl": "https://h/mcp", "timeout": 5000 }, "s": { "url": "https://h/events" }, "p": { "command": "p", "env": { "K": "$A" }, "includeTools": ["a"], "excludeTools": ["b"], "trust": false } } }"#,
    ),
    (
        "llm-tools-mcp",
        ".llm-tools-mcp/mcp.json",
        r#"{ "mcpServers": { "wiki": { "type": "sse", "url": "https://h/sse" } } }"#,
    ),
];

const EXPECTED: &[(&str, &[&str], &[&str])] = &[
    ("claude-desktop", &["fs stdio npx -y server-filesystem ${A}"], &[]),
    (
        "claude-code",
        &["gh http https://h/mcp Authorization=Bearer 1", "db stdio db in /src/one"],
        &[
            "server `gh`: left out where `projects./src/two.mcpServers` defines it again, differently",
        ],
    ),
    ("cursor", &["web sse https://h/sse K=1", "home stdio HOME/x"], &[]),
    (
        "vscode",
        &["memory stdio npx HOME/m https://no/comment PORT=80 T=1"],
        &["server `asks`: left out: only the client that owns the file can fill in `${input:key}`"],
    ),
    ("windsurf", &["remote http https://h/mcp K=1 exclude rm disabled"], &[]),
    (
        "zed",
        &["new stdio new a timeout 60s", "old stdio old b K=v disabled"],
        &["server `ext`: left out: has neither `command` nor `url`"],
    ),
    (
        "codex",
        &[
            "docs stdio docs x A=1 K=${A} timeout 90.5s include a",
            "figma http https://h/mcp Authorization=Bearer 1 R=eu disabled",
        ],
        &["server `docs`: the variable `NOT_SET` is not set"],
    ),
    (
        "gemini",
        &[
            "h http https://h/mcp timeout 5s",
            "s sse https://h/events",
            "p stdio p K=1 include a exclude b",
        ],
        &["server `p`: Switchboard does not use `trust`"],
    ),
    ("llm-tools-mcp", &["wiki sse https://h/sse"], &[]),
];

fn fabricated() -> (TempDir, Home) {
    let root = tempfile::tempdir().unwrap();
    for (_, path, text) in FILES {
        write(&root.path().join(path), text);
    }
    let home = home(root.path(), &[("A", "1")]);
    (root, home)
}

fn lines(found: &Found) -> Vec<String> {
    found.outcome.as_ref().unwrap().iter().map(line).collect()
}

#[test]
#[cfg(target_os = "linux")]
fn every_client_is_read_in_its_own_way() {
    let (root, home) = fabricated();
    let all = find(&home, None);
    let ids: Vec<_> = all.iter().map(|found| found.client.id()).collect();
    assert_eq!(ids, EXPECTED.iter().map(|(id, ..)| *id).collect::<Vec<_>>());
    for (found, (id, servers, notes)) in all.iter().zip(EXPECTED) {
        let servers: Vec<_> = servers
            .iter()
            .map(|server| server.replace("HOME", root.path().to_str().unwrap()))
            .collect();
        assert_eq!(lines(found), servers, "{id}");
        assert_eq!(found.notes.iter().map(ToString::to_string).collect::<Vec<_>>(), *notes, "{id}");
        assert_eq!((&found.scope, found.connected), (&Scope::User, false), "{id}");
    }
}

#[test]
fn reading_changes_nothing() {
    let (root, home) = fabricated();
    find(&home, None);
    for (id, path, text) in FILES {
        assert_eq!(fs::read_to_string(root.path().join(path)).unwrap(), *text, "{id}");
    }
}

#[test]
fn files_of_a_project_run_in_the_project() {
    let root = tempfile::tempdir().unwrap();
    let project = root.path().join("project");
    for (path, text) in [
        (".mcp.json", r#"{ "mcpServers": { "a": { "command": "a" } } }"#),
        (
            ".cursor/mcp.json",
            r#"{ "mcpServers": { "b": { "command": "b", "args": ["${workspaceFolder}/x"] } } }"#,
        ),
        (".vscode/mcp.json", r#"{ "servers": { "c": { "command": "c", "cwd": "sub" } } }"#),
        (
            ".gemini/settings.json",
            r#"{ "mcpServers": { "d": { "command": "d", "cwd": "/elsewhere" } } }"#,
        ),
    ] {
        write(&project.join(path), text);
    }
    let found = find(&home(root.path(), &[]), None);
    let at = project.to_str().unwrap();
    let actual: Vec<_> = found.iter().flat_map(lines).collect();
    assert_eq!(
        actual,
        [
            format!("a stdio a in {at}"),
            format!("b stdio b {at}/x in {at}"),
            format!("c stdio c in {at}/sub"),
            "d stdio d in /elsewhere".to_owned()
        ]
    );
    assert!(found.iter().all(|found| found.scope == Scope::Project(project.clone())));
}

#[test]
fn variables_of_the_environment_move_the_files() {
    let root = tempfile::tempdir().unwrap();
    let server = r#"{ "mcpServers": { "a": { "command": "a" } } }"#;
    write(&root.path().join("claude/.claude.json"), server);
    write(&root.path().join("codex/config.toml"), "[mcp_servers.a]\ncommand = \"a\"\n");
    write(&root.path().join("gemini/.gemini/settings.json"), server);
    write(&root.path().join("llm/mcp.json"), server);
    let at = |name: &str| root.path().join(name).to_str().unwrap().to_owned();
    let home = home(
        root.path(),
        &[
            ("CLAUDE_CONFIG_DIR", &at("claude")),
            ("CODEX_HOME", &at("codex")),
            ("GEMINI_CLI_HOME", &at("gemini")),
            ("LLM_TOOLS_MCP_CONFIG_DIR", "~/llm"),
        ],
    );
    let ids: Vec<_> = find(&home, None).iter().map(|found| found.client.id()).collect();
    assert_eq!(ids, ["claude-code", "codex", "gemini", "llm-tools-mcp"]);
}

#[test]
fn switchboard_does_not_find_itself() {
    for (entry, expected) in [
        (r#"{ "command": "/opt/bin/switchboard", "args": ["stdio"] }"#, true),
        (r#"{ "command": "C:\\bin\\switchboard.exe" }"#, true),
        (r#"{ "url": "http://localhost:8765/mcp" }"#, true),
        (r#"{ "url": "http://127.0.0.1:8765/mcp?api_key=x" }"#, true),
        (r#"{ "url": "http://[::1]:8765/mcp" }"#, true),
        (r#"{ "url": "http://127.0.0.1:8766/mcp" }"#, false),
        (r#"{ "url": "http://example.com:8765/mcp" }"#, false),
        (r#"{ "command": "switchboard-tools" }"#, false),
        (r#"{ "command": "npx", "args": ["switchboard"] }"#, false),
    ] {
        let root = tempfile::tempdir().unwrap();
        write(
            &root.path().join(".cursor/mcp.json"),
            &format!(r#"{{ "mcpServers": {{ "x": {entry} }} }}"#),
        );
        let found = find(&home(root.path(), &[]), Some("127.0.0.1:8765")).pop().unwrap();
        assert_eq!((found.connected, lines(&found).is_empty()), (expected, expected), "{entry}");
    }
}

#[test]
fn one_bad_file_does_not_hide_the_others() {
    let (root, home) = fabricated();
    write(&root.path().join(".cursor/mcp.json"), "{ \"mcpServers\": [] }");
    write(&root.path().join(".codex/config.toml"), "model = 1\nkey = \"secret");
    fs::write(root.path().join(".llm-tools-mcp/mcp.json"), [0xff, 0xfe]).unwrap();
    let found = find(&home, None);
    let bad: Vec<_> = found
        .iter()
        .filter_map(|found| Some((found.client, found.outcome.as_ref().err()?.code())))
        .collect();
    assert_eq!(
        bad,
        [
            (Client::Cursor, "client-file-shape"),
            (Client::Codex, "client-file-syntax"),
            (Client::LlmToolsMcp, "client-file-io")
        ]
    );
    let codex = found.iter().find(|found| found.client == Client::Codex).unwrap();
    let error = codex.outcome.as_ref().unwrap_err();
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    assert_eq!(error.place().unwrap().line, 2);
}

#[test]
fn files_without_servers_are_no_error() {
    let root = tempfile::tempdir().unwrap();
    write(&root.path().join(".cursor/mcp.json"), "");
    write(&root.path().join(".claude.json"), "{ \"numStartups\": 1 }");
    write(&root.path().join(".codex/config.toml"), "model = \"o\"\n");
    let found = find(&home(root.path(), &[]), None);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|found| lines(found).is_empty()));
}

#[test]
#[cfg(unix)]
fn what_is_not_a_file_is_not_waited_for() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join(".cursor/mcp.json")).unwrap();
    let found = find(&home(root.path(), &[]), None).pop().unwrap();
    assert_eq!(found.outcome.unwrap_err().code(), "client-file-io");
}

#[test]
fn ids_lead_back_to_the_client() {
    for &client in Client::ALL {
        assert_eq!(Client::from_id(client.id()), Some(client));
    }
    assert_eq!(Client::ALL.len(), 9);
    assert_eq!(Client::from_id("emacs"), None);
}
