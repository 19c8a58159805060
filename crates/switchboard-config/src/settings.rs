//! The settings in effect, and where each came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value as Json;

use crate::document::Document;
use crate::key::Key;
use crate::node::{Node, Source};
use crate::schema::Schema;

/// What a loaded configuration says about itself: see [`explain`](Self::explain) and [`show`](Self::show).
///
/// Does not depend on the type that was loaded, so that a running program can keep it.
pub struct Settings {
    pub(crate) tree: Node,
    pub(crate) schema: Schema,
    /// The loaded value as JSON: defaults are in it, secrets are not.
    pub(crate) effective: Json,
    pub(crate) names: BTreeMap<String, Key>,
    pub(crate) document: Option<Document>,
}

/// Where the value in effect came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "lowercase")]
pub enum Origin {
    Default,
    File { path: PathBuf, line: usize, column: usize },
    Environment { name: String },
    Flag { name: String },
}

impl Settings {
    pub(crate) fn origin(&self, key: &Key) -> Origin {
        match self.tree.at(key).and_then(|node| node.source.as_ref()) {
            None => Origin::Default,
            Some(Source::Environment(name)) => Origin::Environment { name: name.clone() },
            Some(Source::Flag(name)) => Origin::Flag { name: name.clone() },
            Some(Source::File { key, .. }) => {
                let document = self.document.as_ref().expect("a place in a file has a file");
                let (line, column) = document.position(key.start);
                Origin::File { path: document.path.clone(), line, column }
            }
        }
    }
}

/// The tree holds secrets as they were written, so nothing of it is printed.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").finish_non_exhaustive()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line, column } => write!(f, "{}:{line}:{column}", path.display()),
            Self::Environment { name } => write!(f, "environment variable {name}"),
            Self::Flag { name } => write!(f, "flag {name}"),
        }
    }
}
