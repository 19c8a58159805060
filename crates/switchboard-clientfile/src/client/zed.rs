//! Zed: `context_servers` in `settings.json` of the person and of a project.
//!
//! zed.dev/docs/ai/mcp and zed.dev/docs/configuring-zed. On macOS too the file is below `~/.config`.
//! Extensions keep servers in the same table; they have `settings` and no command, and only Zed can
//! start them. A timeout counts seconds (zed, crates/settings_content/src/project.rs).

use serde_json::{Map, Value, json};

use super::{File, Row, literal, no_more_tables, with_header};
use crate::entry::{Keys, PLAIN, Switch, Unit};
use crate::home::Home;
use crate::syntax::Syntax;

pub(super) const ROW: Row = Row {
    id: "zed",
    title: "Zed",
    files,
    syntax: Syntax::Jsonc,
    root: "context_servers",
    more_tables: no_more_tables,
    keys: &Keys { timeout: ("timeout", Unit::Seconds), switch: Switch::Enabled, ..PLAIN },
    dialect: literal,
    prepare,
    stdio_type: false,
    remote: Some(|url, key| with_header(json!({ "url": url }), "headers", key)),
};

fn files(home: &Home) -> Vec<File> {
    let own = if cfg!(target_os = "macos") {
        home.home.join(".config/zed/settings.json")
    } else if cfg!(windows) {
        home.config_dir.join("Zed/settings.json")
    } else {
        home.config_dir.join("zed/settings.json")
    };
    vec![File::own(own), File::of_project(home, ".zed/settings.json")]
}

/// Up to 2025 a command was an object: `"command": { "path": …, "args": […], "env": {…} }`.
fn prepare(entry: &mut Map<String, Value>, _: &Home) -> Vec<String> {
    if let Some(Value::Object(command)) = entry.get("command") {
        for (key, value) in command.clone() {
            entry.insert(if key == "path" { "command".to_owned() } else { key }, value);
        }
    }
    entry.remove("source");
    Vec::new()
}
