//! A change to one file: what it was, what it will be, and how it looks to the person who is asked.

use std::fmt;
use std::path::PathBuf;

use crate::client::Client;
use crate::diff;
use crate::syntax::Syntax;

/// A change to a client's file, computed and not yet made.
///
/// `Debug` does not show the texts: the file is somebody else's, with secrets in it.
pub struct Edit {
    pub client: Client,
    pub path: PathBuf,
    /// The text the change was computed from; `None` when there was no file.
    pub before: Option<String>,
    pub after: String,
    pub(crate) syntax: Syntax,
    /// Texts that are ours to show.
    pub(crate) shown: Vec<String>,
}

impl Edit {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.before.as_deref() == Some(self.after.as_str())
    }

    /// The change as lines with `+` and `-`. Of other people's values only the keys are shown.
    pub fn diff(&self) -> String {
        diff::diff(self)
    }
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edit")
            .field("client", &self.client)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
