use std::collections::BTreeMap;

use switchboard_clientfile::{Home, find};

use super::Plan;
use crate::setup::existing::{Existing, plain_servers};
use crate::setup::survey::survey;

/// Chooses the rows of these numbers from a home with these files; says what is added.
#[track_caller]
fn check(files: &[(&str, &str)], chosen: &[usize], expected: &[&str]) {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let home = Home {
        home: root.path().to_owned(),
        config_dir: root.path().join(".config"),
        env: BTreeMap::new(),
        cwd: root.path().join("project"),
    };
    let found = find(&home, None);
    let rows = survey(&found, &Existing::default());
    let mut plan = Plan::default();
    plan.add(&rows, &chosen.iter().copied().collect(), |path| plain_servers(path, &home));
    let imports = plan
        .imports
        .iter()
        .map(|path| format!("import {}", path.strip_prefix(root.path()).unwrap().display()));
    let tables = plan.tables.iter().map(|addition| format!("table {}", addition.name));
    assert_eq!(imports.chain(tables).collect::<Vec<_>>(), expected);
}

const DESKTOP: &str = ".config/Claude/claude_desktop_config.json";
const TWO: &str = r#"{"mcpServers": {"a": {"command": "x"}, "b": {"command": "y"}}}"#;

#[test]
fn a_plain_file_that_is_wanted_whole_is_imported() {
    check(&[(DESKTOP, TWO)], &[0, 1], &[&format!("import {DESKTOP}")]);
    check(&[(".cursor/mcp.json", TWO)], &[0, 1], &["import .cursor/mcp.json"]);
    let one_off = r#"{"mcpServers": {"a": {"command": "x"},
                                     "b": {"command": "y", "disabled": true}}}"#;
    check(&[(DESKTOP, one_off)], &[0], &[&format!("import {DESKTOP}")]);
}

#[test]
fn a_selection_is_written_down() {
    check(&[(DESKTOP, TWO)], &[1], &["table b"]);
    check(&[(DESKTOP, TWO)], &[], &[]);
}

#[test]
fn names_that_had_to_change_are_written_down() {
    let named = r#"{"mcpServers": {"my server": {"command": "x"}}}"#;
    check(&[(DESKTOP, named)], &[0], &["table my-server"]);
    let different = r#"{"mcpServers": {"a": {"command": "z"}}}"#;
    check(
        &[(DESKTOP, TWO), (".cursor/mcp.json", different)],
        &[0, 1, 2],
        &[&format!("import {DESKTOP}"), "table a-cursor"],
    );
}

#[test]
fn files_that_only_their_clients_read_are_written_down() {
    check(
        &[(".cursor/mcp.json", "{\"mcpServers\": {\"a\": {\"command\": \"x\"}}} // mine\n")],
        &[0],
        &["table a"],
    );
    let gemini = r#"{"mcpServers": {"a": {"httpUrl": "http://127.0.0.1:1/mcp"}}}"#;
    check(&[(".gemini/settings.json", gemini)], &[0], &["table a"]);
    check(&[(".codex/config.toml", "[mcp_servers.a]\ncommand = 'x'\n")], &[0], &["table a"]);
    let vscode = r#"{"servers": {"a": {"command": "x"}}}"#;
    check(&[(".config/Code/User/mcp.json", vscode)], &[0], &["table a"]);
}

#[test]
fn a_file_that_may_change_under_us_is_never_imported() {
    check(&[("project/.mcp.json", TWO)], &[0, 1], &["table a", "table b"]);
    let connected = r#"{"mcpServers": {"a": {"command": "x"},
                        "switchboard": {"command": "/bin/switchboard", "args": ["stdio"]}}}"#;
    check(&[(DESKTOP, connected)], &[0], &["table a"]);
}
