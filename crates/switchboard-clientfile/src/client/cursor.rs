//! Cursor: `~/.cursor/mcp.json`, and `.cursor/mcp.json` of a project.
//!
//! cursor.com/docs/mcp. Read with comments allowed: Cursor is an editor of the VS Code family, and a
//! file that it refused itself loses nothing by being read.

use std::path::Path;

use serde_json::json;

use super::{File, Row, no_more_tables, nothing_to_prepare, with_header};
use crate::entry::PLAIN;
use crate::expand::Dialect;
use crate::home::Home;
use crate::syntax::Syntax;

pub(super) const ROW: Row = Row {
    id: "cursor",
    title: "Cursor",
    files,
    syntax: Syntax::Jsonc,
    root: "mcpServers",
    more_tables: no_more_tables,
    keys: &PLAIN,
    dialect,
    prepare: nothing_to_prepare,
    stdio_type: false,
    remote: Some(|url, key| with_header(json!({ "url": url }), "headers", key)),
};

fn files(home: &Home) -> Vec<File> {
    vec![File::own(home.home.join(".cursor/mcp.json")), File::of_project(home, ".cursor/mcp.json")]
}

fn dialect(workspace: Option<&Path>) -> Dialect<'_> {
    Dialect::Editor { workspace }
}
