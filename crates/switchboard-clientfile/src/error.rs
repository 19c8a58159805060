//! What can be wrong with a client's file, and what the person can do about it.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Where in a text, counted from one; the column counts bytes, as `serde_json` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Why a file was not read or not written. No text in it holds the value of a variable or a header.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The operating system refused; the same call may succeed later.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    /// The text is not JSON or TOML; someone has to edit it.
    #[error("not valid {format}: {problem}")]
    Syntax { format: &'static str, problem: String, place: Option<Place> },
    /// The text is well formed and says something that cannot be meant; someone has to edit it.
    #[error("{}{problem}", of(server.as_deref()))]
    Shape {
        server: Option<String>,
        /// The path to the offending value, as in `$.mcpServers.github.args[2]`.
        at: String,
        problem: String,
        hint: &'static str,
        place: Option<Place>,
    },
    /// Somebody wrote the file in between; preview again.
    #[error("`{}` changed in the meantime, so it was left alone", path.display())]
    Changed { path: PathBuf, hint: &'static str },
    /// This client's file cannot say what we would have to write.
    #[error("{client} cannot be connected: {problem}")]
    Unsupported { client: &'static str, problem: String, hint: &'static str },
    /// The name is used by an entry that is not ours.
    #[error("`{}` already has a server named `{name}` that is not Switchboard", path.display())]
    Taken { path: PathBuf, name: String },
}

impl FileError {
    /// The stable name of this kind of error, the name of its page in the documentation.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "client-file-io",
            Self::Syntax { .. } => "client-file-syntax",
            Self::Shape { .. } => "client-file-shape",
            Self::Changed { .. } => "client-file-changed",
            Self::Unsupported { .. } => "client-file-unsupported",
            Self::Taken { .. } => "client-file-taken",
        }
    }

    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "check that the file and its directory exist and are yours",
            Self::Syntax { .. } => {
                "correct the text at this place; the client itself may have refused it too"
            }
            Self::Shape { hint, .. }
            | Self::Changed { hint, .. }
            | Self::Unsupported { hint, .. } => hint,
            Self::Taken { .. } => {
                "rename that server in the file, or connect Switchboard under another name"
            }
        }
    }

    /// Where in the text, when that is known.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Syntax { place, .. } | Self::Shape { place, .. } => *place,
            Self::Io { .. }
            | Self::Changed { .. }
            | Self::Unsupported { .. }
            | Self::Taken { .. } => None,
        }
    }

    /// The path to the offending value inside the file, as in `$.mcpServers.github.type`.
    pub fn at(&self) -> Option<&str> {
        match self {
            Self::Shape { at, .. } => Some(at),
            _ => None,
        }
    }

    /// What is wrong, for a sentence that names the server itself.
    pub(crate) fn problem(&self) -> String {
        match self {
            Self::Shape { problem, .. } => problem.clone(),
            other => other.to_string(),
        }
    }

    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |cause| Self::Io { doing, path, cause }
    }
}

fn of(server: Option<&str>) -> String {
    server.map_or_else(String::new, |name| format!("server `{name}`: "))
}
