//! llm-tools-mcp: `~/.llm-tools-mcp/mcp.json`; `LLM_TOOLS_MCP_CONFIG_DIR` moves the directory.
//!
//! The file knows no headers, so a key can only travel in the address.

use serde_json::json;

use super::{File, Row, literal, no_more_tables, nothing_to_prepare};
use crate::entry::PLAIN;
use crate::home::Home;
use crate::syntax::Syntax;

pub(super) const ROW: Row = Row {
    id: "llm-tools-mcp",
    title: "llm-tools-mcp",
    files,
    syntax: Syntax::Json,
    root: "mcpServers",
    more_tables: no_more_tables,
    keys: &PLAIN,
    dialect: literal,
    prepare: nothing_to_prepare,
    stdio_type: true,
    remote: Some(|url, key| {
        let query = key.map(|key| format!("?api_key={key}")).unwrap_or_default();
        json!({ "type": "http", "url": format!("{url}{query}") })
    }),
};

fn files(home: &Home) -> Vec<File> {
    vec![File::own(home.directory("LLM_TOOLS_MCP_CONFIG_DIR", ".llm-tools-mcp").join("mcp.json"))]
}
