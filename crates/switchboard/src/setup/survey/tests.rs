use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use switchboard_clientfile::{Client, Found, Home, Scope, find};

use super::{Skip, Verdict, survey};
use crate::setup::existing::{Existing, Known, plain_servers};

/// The verdict on every server of a home with these files, one line each.
///
/// Paths are relative to the home; `project/` is the working directory. `configured` are servers
/// in the configuration, in the form of a client's file.
#[track_caller]
fn check(configured: &str, files: &[(&str, &str)], expected: &[&str]) {
    let root = tempfile::tempdir().unwrap();
    let write = |path: &str, servers: &str| {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, format!("{{\"mcpServers\": {{{servers}}}}}")).unwrap();
        path
    };
    let home = home(root.path());
    let mut existing = Existing::default();
    for server in plain_servers(&write("configured.json", configured), &home).unwrap() {
        let known = Known { reach: Some(server.reach), is_disabled: false };
        existing.upstreams.insert(server.name, known);
    }
    for (path, servers) in files {
        write(path, servers);
    }
    let found = find(&home, None);
    let rows = survey(&found, &existing);
    let lines: Vec<_> = rows
        .iter()
        .map(|row| {
            let what = match &row.verdict {
                Verdict::Own(name) => format!("own {name}"),
                Verdict::Project(name) => format!("project {name}"),
                Verdict::Skipped(skip) => format!("{skip:?}"),
            };
            format!("{} {}: {what}", row.found.client.id(), row.server.name)
        })
        .collect();
    assert_eq!(lines, expected);
}

fn home(root: &Path) -> Home {
    Home {
        home: root.to_owned(),
        config_dir: root.join(".config"),
        env: BTreeMap::new(),
        cwd: root.join("project"),
    }
}

const DESKTOP: &str = ".config/Claude/claude_desktop_config.json";
const CURSOR: &str = ".cursor/mcp.json";
const PROJECT: &str = "project/.mcp.json";
const GIT: &str = r#""git": {"command": "git-mcp"}"#;
const OTHER_GIT: &str = r#""git": {"command": "another-git-mcp"}"#;

#[test]
fn a_person_s_own_servers_are_offered_and_a_project_s_are_set_apart() {
    check(
        "",
        &[(DESKTOP, GIT), (PROJECT, r#""build": {"command": "make-mcp"}"#)],
        &["claude-desktop git: own git", "claude-code build: project build"],
    );
}

#[test]
fn what_two_clients_share_is_one_and_what_only_shares_a_name_is_two() {
    check(
        "",
        &[(DESKTOP, GIT), (CURSOR, GIT)],
        &["claude-desktop git: own git", "cursor git: Twin(\"Claude Desktop\")"],
    );
    check(
        "",
        &[(DESKTOP, GIT), (CURSOR, OTHER_GIT)],
        &["claude-desktop git: own git", "cursor git: own git-cursor"],
    );
    // The person's own keeps the short name, though the project's file is read first.
    check(
        "",
        &[(PROJECT, GIT), (CURSOR, OTHER_GIT)],
        &["cursor git: own git", "claude-code git: project git-claude-code"],
    );
    check(
        "",
        &[(DESKTOP, r#""a.b": {"command": "x"}, "a b": {"command": "y"}"#)],
        &["claude-desktop a.b: own a-b", "claude-desktop a b: own a-b-claude-desktop"],
    );
}

#[test]
fn what_is_configured_stays_as_it_is() {
    check(GIT, &[(CURSOR, GIT)], &["cursor git: Present(\"git\")"]);
    check(
        r#""mine": {"command": "git-mcp"}"#,
        &[(CURSOR, GIT)],
        &["cursor git: Present(\"mine\")"],
    );
    check(GIT, &[(CURSOR, OTHER_GIT)], &["cursor git: Different(\"git\")"]);
}

#[test]
fn what_is_switched_off_is_left_out_and_every_transport_is_taken() {
    check(
        "",
        &[(
            DESKTOP,
            r#""off": {"command": "x", "disabled": true},
               "old": {"type": "sse", "url": "http://127.0.0.1:1/sse"}"#,
        )],
        &["claude-desktop off: Disabled", "claude-desktop old: own old"],
    );
}

#[test]
fn verdicts_know_their_names() {
    assert_eq!(Verdict::Skipped(Skip::Disabled).name(), None);
    assert_eq!(Verdict::Project("a".to_owned()).name(), Some("a"));
    // An unreadable file has no rows; it is reported beside them.
    let found = Found {
        client: Client::Cursor,
        path: PathBuf::from("/x"),
        scope: Scope::User,
        outcome: Ok(Vec::new()),
        notes: Vec::new(),
        connected: true,
    };
    assert!(survey(&[found], &Existing::default()).is_empty());
}
