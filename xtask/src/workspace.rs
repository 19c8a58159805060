//! Where things are, and how cargo is called.

use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The checkout this program was built from, whatever directory it is called in.
    pub(crate) fn here() -> Self {
        let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest_dir.parent().expect("xtask is a directory of the workspace");
        Self { root: root.to_path_buf() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The unmodified servers and clients of others, which the tests talk to.
    ///
    /// A fixed place, even where cargo's own target directory is elsewhere: tests started without
    /// xtask look here too.
    pub(crate) fn peers(&self) -> PathBuf {
        self.root.join("target/peers")
    }

    /// The lists of what [`Self::peers`] holds, by exact version.
    pub(crate) fn peer_lists(&self) -> PathBuf {
        self.root.join("xtask/peers")
    }

    /// Tools built for the gate alone.
    pub(crate) fn tools(&self) -> PathBuf {
        self.root.join("target/tools")
    }

    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("cargo");
        command.args(arguments).current_dir(&self.root);
        command
    }
}
