//! Claude Code: `~/.claude.json`, for the person and for each project, and a project's `.mcp.json`.
//!
//! code.claude.com/docs/en/mcp. `CLAUDE_CONFIG_DIR` moves the first file to
//! `$CLAUDE_CONFIG_DIR/.claude.json`. A `timeout` counts milliseconds.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{File, Row, Table, nothing_to_prepare, with_header};
use crate::entry::PLAIN;
use crate::expand::Dialect;
use crate::home::Home;
use crate::syntax::Syntax;

pub(super) const ROW: Row = Row {
    id: "claude-code",
    title: "Claude Code",
    files,
    syntax: Syntax::Json,
    root: "mcpServers",
    more_tables: projects,
    keys: &PLAIN,
    dialect,
    prepare: nothing_to_prepare,
    stdio_type: true,
    remote: Some(|url, key| with_header(json!({ "type": "http", "url": url }), "headers", key)),
};

fn files(home: &Home) -> Vec<File> {
    vec![
        File::own(home.directory("CLAUDE_CONFIG_DIR", "").join(".claude.json")),
        File::of_project(home, ".mcp.json"),
    ]
}

/// Servers that `claude mcp add` keeps for one project; those of the project we are in come first.
fn projects(file: &Value, home: &Home) -> Vec<Table> {
    let Some(projects) = file.get("projects").and_then(Value::as_object) else { return Vec::new() };
    let table = |project: &String| Table {
        path: vec!["projects".to_owned(), project.clone(), "mcpServers".to_owned()],
        project: Some(PathBuf::from(project)),
    };
    let (here, others): (Vec<_>, Vec<_>) =
        projects.keys().partition(|project| Path::new(project.as_str()) == home.cwd);
    here.into_iter().chain(others).map(table).collect()
}

fn dialect(_: Option<&Path>) -> Dialect<'_> {
    Dialect::Claude
}
