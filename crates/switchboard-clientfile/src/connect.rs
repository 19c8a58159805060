//! Switchboard put into a client's own file, or taken out of it: the change, not yet made.

use std::fmt;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::client::Client;
use crate::edit::Edit;
use crate::error::FileError;
use crate::find::read_text;
use crate::home::Home;
use crate::own::is_our_entry;
use crate::parse;

/// How a client can reach Switchboard.
///
/// `Debug` does not show the API key.
#[derive(Clone)]
pub struct Endpoint {
    /// The name of the entry.
    pub name: String,
    /// The program to start and its arguments. Preferred: it needs no key in a file that is not ours.
    pub stdio: Option<(PathBuf, Vec<String>)>,
    /// The address and the API key it asks for.
    pub http: Option<(String, Option<String>)>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let http =
            self.http.as_ref().map(|(url, key)| (url, key.as_ref().map(|_| format_args!("…"))));
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .field("stdio", &self.stdio)
            .field("http", &http)
            .finish()
    }
}

/// The change that makes a client use Switchboard, in the person's own file of that client.
///
/// # Errors
///
/// The file is not readable or not valid, has an entry of that name that is not ours, or cannot
/// express the endpoint. Nothing was written in any case.
pub fn connect(client: Client, home: &Home, endpoint: &Endpoint) -> Result<Edit, FileError> {
    let row = client.row();
    let Some(Value::Object(entry)) = row.entry(endpoint) else {
        return Err(unsupported(client, endpoint));
    };
    let path = row.own_file(home);
    let before = read_text(&path)?;
    let text = before.as_deref().unwrap_or_default();
    let value = row.syntax.value(text)?;
    let entries = parse::entries(row.syntax, text, &value, &[row.root.to_owned()])?;
    let existing = entries.and_then(|entries| entries.get(&endpoint.name));
    let after = match existing {
        Some(Value::Object(existing)) if *existing == entry => text.to_owned(),
        Some(Value::Object(existing)) if !is_our_entry(&endpoint.name, existing) => {
            return Err(FileError::Taken { path, name: endpoint.name.clone() });
        }
        _ => row.syntax.set(text, row.root, &endpoint.name, &entry)?,
    };
    let mut shown = values_to_show(&entry);
    shown.extend(existing.and_then(Value::as_object).map(values_to_show).unwrap_or_default());
    Ok(Edit { client, path, before, after, syntax: row.syntax, shown })
}

/// The change that takes Switchboard out again; `None` when the client does not have it.
///
/// # Errors
///
/// The file is not readable or not valid.
pub fn disconnect(client: Client, home: &Home) -> Result<Option<Edit>, FileError> {
    let row = client.row();
    let path = row.own_file(home);
    let Some(text) = read_text(&path)? else { return Ok(None) };
    let mut after = text.clone();
    let mut shown = Vec::new();
    // Read again after each: of a name that stands there twice, the first comes to light when the
    // last is gone.
    loop {
        let value = row.syntax.value(&after)?;
        let entries = parse::entries(row.syntax, &after, &value, &[row.root.to_owned()])?;
        let ours = entries.into_iter().flatten().find_map(|(name, entry)| {
            let entry = entry.as_object().filter(|entry| is_our_entry(name, entry))?;
            Some((name, entry))
        });
        let Some((name, entry)) = ours else { break };
        let without = row.syntax.unset(&after, row.root, name)?;
        if without == after {
            break;
        }
        shown.extend(values_to_show(entry));
        after = without;
    }
    let changed = after != text;
    Ok(changed.then_some(Edit {
        client,
        path,
        before: Some(text),
        after,
        syntax: row.syntax,
        shown,
    }))
}

/// The texts of our entry that a preview may show: not what is in `env` or a header.
fn values_to_show(entry: &Map<String, Value>) -> Vec<String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let flat = entry.values().filter_map(text).filter(|value| !value.contains("api_key="));
    let listed = entry.values().filter_map(Value::as_array).flatten().filter_map(text);
    flat.chain(listed).collect()
}

fn unsupported(client: Client, endpoint: &Endpoint) -> FileError {
    let (problem, hint) = match (&endpoint.stdio, &endpoint.http) {
        (Some((exe, _)), _) => (
            format!(
                "the path `{}` of the program is not UTF-8, which its file needs",
                exe.display()
            ),
            "install the program under a path of plain letters",
        ),
        (None, Some(_)) => (
            "its file can name programs to start, and no address".to_owned(),
            "connect it with `switchboard stdio` instead of an address",
        ),
        (None, None) => (
            "there is neither a program nor an address to connect to".to_owned(),
            "start the daemon first",
        ),
    };
    FileError::Unsupported { client: client.title(), problem, hint }
}
