//! Claude Desktop: `claude_desktop_config.json` in the directory for application settings.
//!
//! The file starts programs and nothing else; servers behind an address are added in the
//! application and kept elsewhere. Values are taken as they stand
//! (github.com/modelcontextprotocol/servers/issues/1039).

use super::{File, Row, literal, no_more_tables, nothing_to_prepare};
use crate::entry::PLAIN;
use crate::home::Home;
use crate::syntax::Syntax;

pub(super) const ROW: Row = Row {
    id: "claude-desktop",
    title: "Claude Desktop",
    files,
    syntax: Syntax::Json,
    root: "mcpServers",
    more_tables: no_more_tables,
    keys: &PLAIN,
    dialect: literal,
    prepare: nothing_to_prepare,
    stdio_type: false,
    remote: None,
};

fn files(home: &Home) -> Vec<File> {
    vec![File::own(home.config_dir.join("Claude/claude_desktop_config.json"))]
}
