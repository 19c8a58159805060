//! What a bundle needs of others: installed once for each set of requirements, by `pip`, beside the
//! bundle and not into the Python that everybody uses.
//!
//! Every file is named by its hash, so that what is installed is what the author had, and only wheels
//! are taken, because to build anything else is to run its code.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use switchboard_process::{Command, Exit};

use super::{Python, requirements};
use crate::archive::Archive;
use crate::digest::Digest;
use crate::manifest::{Manifest, Runtime};

/// What a version needs of others.
#[derive(Clone, Debug)]
pub struct Packages {
    /// Tells this set of requirements from every other.
    pub digest: Digest,
    /// Where they are once they are installed.
    pub directory: PathBuf,
    text: Vec<u8>,
}

/// How long an installation may take.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// Lines of what `pip` said that are told.
const SAID: usize = 6;

impl Packages {
    pub fn are_there(&self) -> bool {
        self.directory.is_dir()
    }
}

impl Python {
    /// What the bundle needs of others, if it says so.
    pub fn packages(&self, manifest: &Manifest, archive: &Archive) -> Option<Packages> {
        let Runtime::Python { requirements: Some(file), .. } = &manifest.runtime else {
            return None;
        };
        let text = archive.file(file)?.to_vec();
        // Wheels are for one version of Python.
        let version = self.interpreter.version.as_bytes();
        let digest = Digest::of_files([("python", version), ("requirements", &*text)].into_iter());
        let directory = self.config.directory.join("packages").join(digest.to_string());
        Some(Packages { digest, directory, text })
    }

    /// Installs them.
    ///
    /// # Errors
    ///
    /// What went wrong, in the words of `pip`; nothing is there then.
    pub async fn install(&self, packages: &Packages) -> Result<(), String> {
        if packages.are_there() {
            return Ok(());
        }
        let requirements = requirements::read(&packages.text)?;
        let unusable = |error: std::io::Error| format!("packages cannot be installed: {error}");
        let above = packages.directory.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(above).map_err(unusable)?;
        let work = tempfile::TempDir::with_prefix_in(".new-", above).map_err(unusable)?;
        let file = work.path().join("requirements.txt");
        fs::write(&file, requirements).map_err(unusable)?;
        let target = work.path().join("packages");
        self.pip(&file, &target).await?;
        match fs::rename(&target, &packages.directory) {
            // Somebody else was as fast.
            Err(_) if packages.are_there() => Ok(()),
            renamed => renamed.map_err(unusable),
        }
    }

    async fn pip(&self, requirements: &Path, target: &Path) -> Result<(), String> {
        let mut command = Command::new("pip", self.interpreter.executable.as_os_str());
        let words = [
            "-I",
            "-m",
            "pip",
            "install",
            "--disable-pip-version-check",
            "--no-input",
            "--quiet",
            "--require-hashes",
            "--only-binary",
            ":all:",
            "--no-deps",
        ];
        command.args = words.into_iter().map(OsString::from).collect();
        if let Some(index) = &self.config.index {
            command.args.extend(["--index-url".into(), index.into()]);
        }
        command.args.extend(["--target".into(), target.into(), "-r".into(), requirements.into()]);
        command.env = self.config.environment.clone();
        let log = command.stderr.clone();
        let failed = |cause: &str| {
            let said: Vec<String> = log.lines(SAID).into_iter().map(|line| line.text).collect();
            format!("its packages cannot be installed: pip {cause}: {}", said.join("; "))
        };
        let child = self.spawner.spawn(command).await;
        let child = child.map_err(|error| failed(&error.to_string()))?;
        match tokio::time::timeout(LIMIT, child.exited()).await {
            Ok(Exit::Code(0)) => Ok(()),
            Ok(exit) => Err(failed(&exit.to_string())),
            Err(_) => Err(failed("did not come to an end")),
        }
    }
}
