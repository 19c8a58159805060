//! Where things are, and how cargo is called.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What every build of the gate in the profile `dev` selects, so that nothing is built twice.
///
/// Resolver 3 gives a dependency the features that the selected packages want together, and those of
/// dev-dependencies only where a target is selected that can use them. Any other selection is another
/// tokio, and so another build of nearly everything: all packages are selected, whatever is wanted.
///
/// `dynamodb` is the one feature that is off by itself, and the tests have cases for it. A package that
/// depends on the store gets it here with the feature, and by itself without.
pub(crate) const WHOLE: &[&str] = &["--workspace", "--features", "switchboard/full"];

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

    /// Builds programs of the workspace, and nothing that the tests have built already.
    ///
    /// There are no examples. To select them is what turns the features of dev-dependencies on, as
    /// they are for the tests, without a test to build.
    pub(crate) fn build(&self, programs: &[&str]) -> Command {
        let mut cargo = self.cargo(&["build"]);
        cargo.args(WHOLE).args(programs.iter().flat_map(|name| ["--bin", name])).arg("--examples");
        cargo
    }
}

#[cfg(test)]
mod tests;
