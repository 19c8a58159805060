//! Versions on disk: each in a directory of its own that is called by its digest, complete or not
//! there.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::archive::Archive;
use crate::digest::Digest;

/// Where versions lie.
#[derive(Clone, Debug)]
pub struct Shelf {
    directory: PathBuf,
}

/// A version that lies there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Version {
    pub digest: Digest,
    /// Its files.
    pub code: PathBuf,
}

#[derive(Debug, thiserror::Error)]
#[error("`{path}` cannot be written: {cause}")]
pub struct ShelfError {
    path: String,
    cause: io::Error,
}

impl ShelfError {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |cause| Self { path: path.display().to_string(), cause }
    }
}

impl Shelf {
    /// In `directory`, which is made when the first version is put there.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Puts a version there, if it is not already. Blocks.
    ///
    /// # Errors
    ///
    /// What the file system says; nothing of the version is there then.
    pub fn put(&self, archive: &Archive) -> Result<Version, ShelfError> {
        let version = self.version(archive.digest());
        if version.code.is_dir() {
            return Ok(version);
        }
        // Two that put the same version there at once do not meet.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let new = self.directory.join(format!(".new-{}-{number}", std::process::id()));
        let written = write(&new, archive).and_then(|()| match fs::rename(&new, &version.code) {
            // It came in the meantime.
            Err(_) if version.code.is_dir() => {
                fs::remove_dir_all(&new).map_err(ShelfError::at(&new))
            }
            renamed => renamed.map_err(ShelfError::at(&version.code)),
        });
        if let Err(error) = written {
            // What is left is swept with what nobody uses.
            let _ = fs::remove_dir_all(&new);
            return Err(error);
        }
        Ok(version)
    }

    /// Whether a version was found good before, under `conditions`. Blocks.
    pub fn is_verified(&self, version: &Version, conditions: &str) -> bool {
        let noted = fs::read_to_string(self.note(version));
        noted.is_ok_and(|noted| noted == conditions)
    }

    /// Notes that a version was found good. Blocks.
    ///
    /// # Errors
    ///
    /// What the file system says; it is looked at again the next time.
    pub fn verified(&self, version: &Version, conditions: &str) -> Result<(), ShelfError> {
        let note = self.note(version);
        fs::write(&note, conditions).map_err(ShelfError::at(&note))
    }

    fn note(&self, version: &Version) -> PathBuf {
        self.directory.join(format!("{}.verified", version.digest))
    }

    /// A version that was put there before.
    pub fn find(&self, digest: Digest) -> Option<Version> {
        Some(self.version(digest)).filter(|version| version.code.is_dir())
    }

    /// Removes everything but what is `kept`, and what is younger than `age`. Blocks.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn sweep(
        &self,
        kept: impl Fn(&Digest) -> bool,
        age: Duration,
    ) -> Result<usize, ShelfError> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries.map_err(ShelfError::at(&self.directory))?,
        };
        let mut removed = 0;
        for entry in entries {
            let entry = entry.map_err(ShelfError::at(&self.directory))?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let digest = Digest::parse(name.strip_suffix(".verified").unwrap_or(&name));
            if digest.is_some_and(|digest| kept(&digest)) {
                continue;
            }
            let path = entry.path();
            let changed = entry.metadata().and_then(|metadata| metadata.modified());
            let is_old = changed.is_ok_and(|it| it.elapsed().is_ok_and(|it| it >= age));
            if !is_old {
                continue;
            }
            let gone =
                if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            gone.map_err(ShelfError::at(&path))?;
            removed += 1;
        }
        Ok(removed)
    }

    fn version(&self, digest: Digest) -> Version {
        Version { digest, code: self.directory.join(digest.to_string()) }
    }
}

fn write(directory: &Path, archive: &Archive) -> Result<(), ShelfError> {
    make(directory)?;
    for file in archive.files() {
        let path = directory.join(&file.name);
        make(path.parent().unwrap_or(directory))?;
        let mode = if file.is_executable { 0o700 } else { 0o600 };
        let mut options = fs::OpenOptions::new();
        let mut out = options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)
            .map_err(ShelfError::at(&path))?;
        io::Write::write_all(&mut out, &file.content).map_err(ShelfError::at(&path))?;
    }
    Ok(())
}

fn make(directory: &Path) -> Result<(), ShelfError> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(ShelfError::at(directory))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Shelf;
    use crate::archive::{Archive, Caps};

    fn archive(content: &str) -> Archive {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("a"), content).expect("a file");
        Archive::read_directory(directory.path(), &Caps::default()).expect("an archive")
    }

    #[test]
    fn versions_lie_side_by_side_until_they_are_swept() {
        let directory = tempfile::tempdir().expect("a directory");
        let shelf = Shelf::new(directory.path().join("shelf"));
        assert_eq!(shelf.sweep(|_| false, Duration::ZERO).expect("nothing to do"), 0);
        let one = shelf.put(&archive("one")).expect("put there");
        let two = shelf.put(&archive("two")).expect("put there");
        assert_eq!(shelf.put(&archive("one")).expect("put there"), one, "the same once more");
        assert_eq!(std::fs::read_to_string(one.code.join("a")).expect("its file"), "one");
        assert!(!shelf.is_verified(&one, "3.11"));
        shelf.verified(&one, "3.11").expect("noted");
        assert!(shelf.is_verified(&one, "3.11") && !shelf.is_verified(&one, "3.12"));
        let hour = Duration::from_secs(3_600);
        assert_eq!(shelf.sweep(|_| false, hour).expect("all are young"), 0);
        assert_eq!(shelf.sweep(|it| *it == two.digest, Duration::ZERO).expect("swept"), 2);
        assert!(shelf.find(one.digest).is_none() && !shelf.is_verified(&one, "3.11"));
        assert_eq!(shelf.find(two.digest), Some(two));
    }
}
