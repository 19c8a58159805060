//! The text of the configuration with something added to it, and everything else as it was.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use switchboard_clientfile::{Reach, Server};
use toml_edit::{Array, DocumentMut, InlineTable, Item, Table, Value, value};

use crate::failure::Failure;
use crate::setup::plan::{Addition, Demo, Plan};
use crate::setup::secret::{SecretFile, Vault, is_secret_address, is_secret_argument};

/// What the first line of a configuration that we begin says.
const HEADING: &str =
    "# Configuration of Switchboard. `switchboard config schema` prints every key.\n";

/// The new text, and the files with what is secret in it.
pub(crate) fn edited(
    before: Option<&str>,
    plan: &Plan,
    secrets: &Path,
) -> Result<(String, Vec<SecretFile>), Failure> {
    if plan.is_empty() {
        return Ok((before.unwrap_or_default().to_owned(), Vec::new()));
    }
    let mut document: DocumentMut =
        before.unwrap_or_default().parse().map_err(|error: toml_edit::TomlError| {
            Failure::new("config-syntax", "the configuration is not TOML")
                .with_cause(error.message())
        })?;
    let mut vault = Vault::new(secrets);
    let mut imports = plan.imports.clone();
    for addition in &plan.tables {
        match upstream(addition, &mut vault)? {
            Written::Table(table) => insert(&mut document, &addition.name, table)?,
            Written::File(path) => imports.push(path),
        }
    }
    if let Some(Demo { name, program }) = &plan.demo {
        insert(&mut document, name, demo(program)?)?;
    }
    import(&mut document, &imports)?;
    if let Some(port) = plan.port {
        let http = document.entry("http").or_insert_with(|| Item::Table(Table::new()));
        let http = http.as_table_like_mut().ok_or_else(|| not_a("http", "table"))?;
        let mut written = Value::from(i64::from(port));
        // The comment behind the old number is about the port, not about the number.
        if let Some(old) = http.get("port").and_then(Item::as_value) {
            *written.decor_mut() = old.decor().clone();
        }
        http.insert("port", Item::Value(written));
    }
    // Put in front afterwards: parsed with nothing behind it, a comment is the end of a document.
    let heading = if before.is_none() { HEADING } else { "" };
    Ok((format!("{heading}{document}"), vault.into_files()))
}

/// How one server is written down.
enum Written {
    Table(Table),
    /// In a file of its own, because even its address is secret.
    File(PathBuf),
}

fn upstream(addition: &Addition, vault: &mut Vault<'_>) -> Result<Written, Failure> {
    let Addition { name, server, client, path } = addition;
    let mut table = Table::new();
    match &server.reach {
        Reach::Stdio { command, args, env, cwd } => {
            let mut stdio = InlineTable::new();
            stdio.insert("command", command.into());
            if !args.is_empty() {
                stdio.insert("args", arguments(name, args, vault)?.into());
            }
            if !env.is_empty() {
                stdio.insert("env", hidden(name, env, vault)?.into());
            }
            if let Some(cwd) = cwd {
                stdio.insert("cwd", text(cwd)?.into());
            }
            table.insert("stdio", value(stdio));
        }
        Reach::Http { url, .. } | Reach::Sse { url, .. } if is_secret_address(url) => {
            return Ok(Written::File(vault.put_document(name, document(name, server))));
        }
        Reach::Http { url, headers } | Reach::Sse { url, headers } => {
            let mut http = InlineTable::new();
            http.insert("url", url.into());
            if !headers.is_empty() {
                http.insert("headers", hidden(name, headers, vault)?.into());
            }
            let kind = if matches!(server.reach, Reach::Sse { .. }) { "sse" } else { "http" };
            table.insert(kind, value(http));
        }
    }
    if let Some(timeout) = server.timeout {
        table.insert("timeout", value(span(timeout)));
    }
    for (key, globs) in
        [("include_tools", &server.include_tools), ("exclude_tools", &server.exclude_tools)]
    {
        if !globs.is_empty() {
            table.insert(key, value(globs.iter().collect::<Array>()));
        }
    }
    if server.optional {
        table.insert("optional", value(true));
    }
    let origin = format!("\n# From {}: {}\n", client.title(), one_line(&path.to_string_lossy()));
    table.decor_mut().set_prefix(origin);
    Ok(Written::Table(table))
}

/// The arguments, those that may be secret by reference.
fn arguments(name: &str, args: &[String], vault: &mut Vault<'_>) -> Result<Array, Failure> {
    let mut written = Array::new();
    for (index, arg) in args.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| args[before].as_str());
        written.push(if is_secret_argument(before, arg) {
            vault.put(name, &format!("arg{}", index + 1), arg)?
        } else {
            // `${` would begin a reference of ours.
            arg.replace("${", "$${")
        });
    }
    Ok(written)
}

/// Names with references to their values.
fn hidden<'v>(
    name: &str,
    values: impl IntoIterator<Item = (&'v String, &'v String)>,
    vault: &mut Vault<'_>,
) -> Result<InlineTable, Failure> {
    let mut written = InlineTable::new();
    for (key, secret) in values {
        written.insert(key, vault.put(name, key, secret)?.into());
    }
    Ok(written)
}

/// The server as a file that can be imported.
fn document(name: &str, server: &Server) -> String {
    let (Reach::Http { url, headers } | Reach::Sse { url, headers }) = &server.reach else {
        unreachable!("only an address can be secret as a whole")
    };
    let kind = if matches!(server.reach, Reach::Sse { .. }) { "sse" } else { "http" };
    let mut entry = json!({ "type": kind, "url": url, "headers": headers });
    if let Some(timeout) = server.timeout {
        entry["timeout"] = json!(timeout.as_millis().max(1));
    }
    entry["include_tools"] = json!(server.include_tools);
    entry["exclude_tools"] = json!(server.exclude_tools);
    entry["optional"] = json!(server.optional);
    format!("{:#}\n", json!({ "mcpServers": { name: entry } }))
}

fn demo(program: &Path) -> Result<Table, Failure> {
    let mut stdio = InlineTable::new();
    stdio.insert("command", text(program)?.into());
    stdio.insert("args", Value::Array(["demo"].into_iter().collect()));
    let mut table = Table::new();
    table.insert("stdio", value(stdio));
    table.decor_mut().set_prefix("\n# The built-in demonstration server: echo, add, clock.\n");
    Ok(table)
}

fn insert(document: &mut DocumentMut, name: &str, table: Table) -> Result<(), Failure> {
    let upstreams = document.entry("upstream").or_insert_with(|| {
        let mut upstreams = Table::new();
        // `[upstream]` itself says nothing, so its header is not written.
        upstreams.set_implicit(true);
        Item::Table(upstreams)
    });
    let upstreams = upstreams.as_table_like_mut().ok_or_else(|| not_a("upstream", "table"))?;
    upstreams.insert(name, Item::Table(table));
    Ok(())
}

fn import(document: &mut DocumentMut, paths: &[PathBuf]) -> Result<(), Failure> {
    if paths.is_empty() {
        return Ok(());
    }
    let import = document.entry("import").or_insert_with(|| value(Array::new()));
    let import = import.as_array_mut().ok_or_else(|| not_a("import", "list"))?;
    for path in paths {
        import.push(text(path)?);
    }
    Ok(())
}

/// In whole seconds where that is exact: the configuration counts no finer than milliseconds.
fn span(length: Duration) -> String {
    if length.subsec_millis() == 0 && length.as_secs() > 0 {
        format!("{}s", length.as_secs())
    } else {
        format!("{}ms", length.as_millis().max(1))
    }
}

fn text(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| {
        let message = format!("the path `{}` is not UTF-8", path.display());
        Failure::new("path-not-text", message).with_hint("move the file to a path of plain letters")
    })
}

/// A comment ends with its line.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn not_a(key: &str, kind: &str) -> Failure {
    Failure::new("config-wrong-type", format!("`{key}` in the configuration is not a {kind}"))
        .with_hint("run `switchboard config check`")
}

#[cfg(test)]
mod tests;
