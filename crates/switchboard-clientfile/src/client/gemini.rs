//! Gemini CLI: `mcpServers` in `~/.gemini/settings.json`, and in `.gemini/settings.json` of a project.
//!
//! google-gemini/gemini-cli, docs/tools/mcp-server.md: `httpUrl` is streamable HTTP and `url` is
//! server-sent events unless a `type` says otherwise; `timeout` counts milliseconds. Comments are
//! stripped before the file is read (packages/cli/src/config/settings.ts), and `GEMINI_CLI_HOME`
//! stands for the home directory (packages/core/src/utils/paths.ts).

use std::path::Path;

use serde_json::json;

use super::{File, Row, no_more_tables, nothing_to_prepare, with_header};
use crate::entry::{Keys, Kind, PLAIN};
use crate::expand::Dialect;
use crate::home::Home;
use crate::syntax::Syntax;

pub(super) const ROW: Row = Row {
    id: "gemini",
    title: "Gemini CLI",
    files,
    syntax: Syntax::Jsonc,
    root: "mcpServers",
    more_tables: no_more_tables,
    keys: &Keys {
        urls: &[("httpUrl", Some(Kind::Http)), ("url", Some(Kind::Sse))],
        include: "includeTools",
        exclude: "excludeTools",
        ..PLAIN
    },
    dialect,
    prepare: nothing_to_prepare,
    stdio_type: false,
    remote: Some(|url, key| with_header(json!({ "httpUrl": url }), "headers", key)),
};

fn files(home: &Home) -> Vec<File> {
    vec![
        File::own(home.directory("GEMINI_CLI_HOME", "").join(".gemini/settings.json")),
        File::of_project(home, ".gemini/settings.json"),
    ]
}

fn dialect(_: Option<&Path>) -> Dialect<'_> {
    Dialect::Gemini
}
