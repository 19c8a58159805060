//! Codex: `[mcp_servers.NAME]` in `~/.codex/config.toml`, and in `.codex/config.toml` of a project.
//!
//! openai/codex, codex-rs/config/src/mcp_types.rs. `CODEX_HOME` moves the first. Secrets are named
//! there, not written: `env_vars`, `bearer_token_env_var` and `env_http_headers` are names of
//! variables of Codex's own environment.

use serde_json::{Map, Value, json};

use super::{File, Row, literal, no_more_tables, with_header};
use crate::entry::{Keys, PLAIN, Switch, Unit};
use crate::home::Home;
use crate::syntax::Syntax;

pub(super) const ROW: Row = Row {
    id: "codex",
    title: "Codex",
    files,
    syntax: Syntax::Toml,
    root: "mcp_servers",
    more_tables: no_more_tables,
    keys: &Keys {
        headers: "http_headers",
        timeout: ("tool_timeout_sec", Unit::Seconds),
        include: "enabled_tools",
        exclude: "disabled_tools",
        switch: Switch::Enabled,
        ..PLAIN
    },
    dialect: literal,
    prepare,
    stdio_type: false,
    remote: Some(|url, key| with_header(json!({ "url": url }), "http_headers", key)),
};

fn files(home: &Home) -> Vec<File> {
    vec![
        File::own(home.directory("CODEX_HOME", ".codex").join("config.toml")),
        File::of_project(home, ".codex/config.toml"),
    ]
}

/// Puts the values of the variables an entry names into its `env` and `http_headers`. What is not
/// set is left out, as Codex leaves it out.
fn prepare(entry: &mut Map<String, Value>, home: &Home) -> Vec<String> {
    let mut named = Vec::new();
    if let Some(Value::Array(names)) = entry.remove("env_vars") {
        for name in names {
            let name = text(name.get("name").unwrap_or(&name));
            named.push(("env", name.clone(), name, ""));
        }
    }
    if let Some(Value::Object(headers)) = entry.remove("env_http_headers") {
        named.extend(
            headers.into_iter().map(|(header, name)| ("http_headers", header, text(&name), "")),
        );
    }
    if let Some(name) = entry.remove("bearer_token_env_var") {
        named.push(("http_headers", "Authorization".to_owned(), text(&name), "Bearer "));
    }
    let mut remarks = Vec::new();
    for (table, key, variable, prefix) in named {
        let Some(value) = home.env.get(&variable) else {
            remarks.push(format!("the variable `{variable}` is not set"));
            continue;
        };
        if let Value::Object(table) = entry.entry(table).or_insert_with(|| json!({})) {
            table.entry(key).or_insert_with(|| json!(format!("{prefix}{value}")));
        }
    }
    remarks
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
