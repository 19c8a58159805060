//! Windsurf: `~/.codeium/windsurf/mcp_config.json`, and `~/.codeium/mcp_config.json` of its plug-ins.
//!
//! docs.windsurf.com/windsurf/cascade/mcp. An address is `serverUrl` or `url`.

use std::path::Path;

use serde_json::json;

use super::{File, Row, no_more_tables, nothing_to_prepare, with_header};
use crate::entry::{Keys, PLAIN};
use crate::expand::Dialect;
use crate::home::Home;
use crate::syntax::Syntax;

pub(super) const ROW: Row = Row {
    id: "windsurf",
    title: "Windsurf",
    files,
    syntax: Syntax::Json,
    root: "mcpServers",
    more_tables: no_more_tables,
    keys: &Keys { urls: &[("serverUrl", None), ("url", None)], exclude: "disabledTools", ..PLAIN },
    dialect,
    prepare: nothing_to_prepare,
    stdio_type: false,
    remote: Some(|url, key| with_header(json!({ "serverUrl": url }), "headers", key)),
};

fn files(home: &Home) -> Vec<File> {
    let file = |path: &str| File::own(home.home.join(path));
    vec![file(".codeium/windsurf/mcp_config.json"), file(".codeium/mcp_config.json")]
}

fn dialect(_: Option<&Path>) -> Dialect<'_> {
    Dialect::Windsurf
}
