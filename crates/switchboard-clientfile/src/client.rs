//! The clients we know, one row each; what a row says stands in the client's own file.

mod claude_code;
mod claude_desktop;
mod codex;
mod cursor;
mod gemini;
mod llm_tools_mcp;
mod vscode;
mod windsurf;
mod zed;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::connect::Endpoint;
use crate::entry::Keys;
use crate::expand::Dialect;
use crate::home::Home;
use crate::syntax::Syntax;

/// Declares the clients: a variant, and the file with its row.
macro_rules! clients {
    ($($client:ident => $file:ident),+ $(,)?) => {
        /// A client whose configuration we read and write.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Client { $($client),+ }

        impl Client {
            /// Every client, in the order in which they are looked for and shown.
            pub const ALL: &'static [Self] = &[$(Self::$client),+];

            pub(crate) fn row(self) -> &'static Row {
                match self { $(Self::$client => &$file::ROW),+ }
            }
        }
    };
}

clients! {
    ClaudeDesktop => claude_desktop,
    ClaudeCode => claude_code,
    Cursor => cursor,
    Vscode => vscode,
    Windsurf => windsurf,
    Zed => zed,
    Codex => codex,
    Gemini => gemini,
    LlmToolsMcp => llm_tools_mcp,
}

impl Client {
    /// The name on the command line, as in `switchboard connect claude-desktop`.
    pub fn id(self) -> &'static str {
        self.row().id
    }

    /// The name people know.
    pub fn title(self) -> &'static str {
        self.row().title
    }

    /// The client of that name.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|client| client.id() == id)
    }
}

/// What is particular about one client.
pub(crate) struct Row {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// The files this client reads. The first one is the person's own, and `connect` writes it.
    pub(crate) files: fn(&Home) -> Vec<File>,
    pub(crate) syntax: Syntax,
    /// The key of the table of servers.
    pub(crate) root: &'static str,
    /// Further tables inside the file, the ones that win first.
    pub(crate) more_tables: fn(&Value, &Home) -> Vec<Table>,
    pub(crate) keys: &'static Keys,
    pub(crate) dialect: fn(Option<&Path>) -> Dialect<'_>,
    /// Rewrites keys that no other client has into those that `keys` can name, and says what a
    /// person should know about it.
    pub(crate) prepare: fn(&mut Map<String, Value>, &Home) -> Vec<String>,
    /// What the client wants beside `command` and `args`.
    pub(crate) stdio_type: bool,
    /// An entry that reaches us by address, for a client whose file can say that.
    pub(crate) remote: Option<fn(&str, Option<&str>) -> Value>,
}

/// A file a client reads.
pub(crate) struct File {
    pub(crate) path: PathBuf,
    /// The project it belongs to; `None` for the person's own.
    pub(crate) project: Option<PathBuf>,
}

impl File {
    fn own(path: PathBuf) -> Self {
        Self { path, project: None }
    }

    fn of_project(home: &Home, path: &str) -> Self {
        Self { path: home.cwd.join(path), project: Some(home.cwd.clone()) }
    }
}

/// A table of servers inside a file.
pub(crate) struct Table {
    pub(crate) path: Vec<String>,
    /// Where its servers run, unless they say otherwise.
    pub(crate) project: Option<PathBuf>,
}

impl Row {
    /// The file that `connect` writes.
    pub(crate) fn own_file(&self, home: &Home) -> PathBuf {
        (self.files)(home).swap_remove(0).path
    }

    /// Our entry in this client's file. Standard streams come first: then no key has to be written
    /// into a file that is not ours.
    pub(crate) fn entry(&self, endpoint: &Endpoint) -> Option<Value> {
        if let Some((exe, args)) = &endpoint.stdio {
            let (command, args) = (exe.to_str()?, args.as_slice());
            return Some(match self.stdio_type {
                true => json!({ "type": "stdio", "command": command, "args": args }),
                false => json!({ "command": command, "args": args }),
            });
        }
        let (url, key) = endpoint.http.as_ref()?;
        self.remote.map(|entry| entry(url, key.as_deref()))
    }
}

fn no_more_tables(_: &Value, _: &Home) -> Vec<Table> {
    Vec::new()
}

fn nothing_to_prepare(_: &mut Map<String, Value>, _: &Home) -> Vec<String> {
    Vec::new()
}

fn literal(_: Option<&Path>) -> Dialect<'_> {
    Dialect::Literal
}

/// The entry with the API key, if there is one, in a header.
fn with_header(mut entry: Value, headers: &str, key: Option<&str>) -> Value {
    if let (Some(key), Some(fields)) = (key, entry.as_object_mut()) {
        fields.insert(headers.to_owned(), json!({ "Authorization": format!("Bearer {key}") }));
    }
    entry
}
