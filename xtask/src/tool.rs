//! Tools that others wrote in Rust, each in the version that we know: the one on this machine, the
//! one built before, or one built now.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::workspace::Workspace;
use crate::{process, report};

pub(crate) struct Tool {
    /// The crate, and the program in it.
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
}

impl Tool {
    pub(crate) fn path(&self, workspace: &Workspace) -> Result<PathBuf> {
        let built = workspace.tools().join("bin").join(self.name);
        let wanted = format!("{} {}", self.name, self.version);
        for candidate in [Path::new(self.name), &built] {
            let version = process::capture(Command::new(candidate).arg("--version"));
            if version.is_ok_and(|version| version.trim() == wanted) {
                return Ok(candidate.to_path_buf());
            }
        }
        self.build(workspace).with_context(|| format!("install {wanted}"))?;
        Ok(built)
    }

    /// Builds unoptimised: it runs for seconds, and optimising it takes minutes.
    ///
    /// In a target directory of its own, deleted afterwards, because nothing of it is used again.
    fn build(&self, workspace: &Workspace) -> Result<()> {
        report::line(format_args!("{} is built once, for this and every later time", self.name));
        let scratch = workspace.root().join("target/tools-build");
        let mut cargo =
            workspace.cargo(&["install", "--quiet", "--locked", "--version", self.version]);
        cargo.arg("--root").arg(workspace.tools()).arg(self.name);
        cargo.env("CARGO_TARGET_DIR", &scratch);
        cargo.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0");
        cargo.env("CARGO_PROFILE_RELEASE_DEBUG", "false");
        cargo.env("CARGO_PROFILE_RELEASE_LTO", "off");
        cargo.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        process::run(&mut cargo)?;
        std::fs::remove_dir_all(&scratch).with_context(|| format!("remove {}", scratch.display()))
    }
}
