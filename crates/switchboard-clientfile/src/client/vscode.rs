//! VS Code: `mcp.json` of the person's profile, and `.vscode/mcp.json` of a project.
//!
//! code.visualstudio.com/docs/copilot/reference/mcp-configuration. The table is called `servers`
//! there. Values of `inputs` are asked for by VS Code, so a server that needs one is left to it.

use std::path::Path;

use serde_json::json;

use super::{File, Row, no_more_tables, nothing_to_prepare, with_header};
use crate::entry::{Keys, PLAIN};
use crate::expand::Dialect;
use crate::home::Home;
use crate::syntax::Syntax;

pub(super) const ROW: Row = Row {
    id: "vscode",
    title: "VS Code",
    files,
    syntax: Syntax::Jsonc,
    root: "servers",
    more_tables: no_more_tables,
    keys: &Keys { env_numbers: true, ..PLAIN },
    dialect,
    prepare: nothing_to_prepare,
    stdio_type: true,
    remote: Some(|url, key| with_header(json!({ "type": "http", "url": url }), "headers", key)),
};

fn files(home: &Home) -> Vec<File> {
    vec![
        File::own(home.config_dir.join("Code/User/mcp.json")),
        File::own(home.config_dir.join("Code - Insiders/User/mcp.json")),
        File::of_project(home, ".vscode/mcp.json"),
    ]
}

fn dialect(workspace: Option<&Path>) -> Dialect<'_> {
    Dialect::Editor { workspace }
}
