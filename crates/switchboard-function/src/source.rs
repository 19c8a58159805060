//! Where a bundle comes from, and whether that is another thing now.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::archive::{Archive, ArchiveError, Caps};
use crate::signature::{SignatureError, SigningKeys};

/// A ZIP archive or a directory.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
}

/// What a source looks like from outside: another stamp may be another content, the same one is the
/// same.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Stamp(Vec<(PathBuf, Option<SystemTime>, u64)>);

/// Files that are looked at for a stamp; a directory with more is no bundle.
const STAMPED: usize = 20_000;

impl Source {
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Reads all of it, if one of `keys` signed it, or nobody has to. Blocks.
    ///
    /// # Errors
    ///
    /// See [`ArchiveError`].
    pub fn read(&self, caps: &Caps, keys: &SigningKeys) -> Result<Archive, ArchiveError> {
        if self.path.is_dir() {
            if keys.are_there() {
                return Err(SignatureError::Directory.into());
            }
            return Archive::read_directory(&self.path, caps);
        }
        let unreadable = |cause| {
            let path = self.path.display().to_string();
            ArchiveError::Unreadable { path, cause }
        };
        let size = fs::metadata(&self.path).map_err(unreadable)?.len();
        if size > caps.packed {
            let what = format!("the archive has {size} bytes");
            return Err(ArchiveError::TooMuch { what, limit: caps.packed });
        }
        let content = fs::read(&self.path).map_err(unreadable)?;
        let file = self.signature();
        let signature = fs::read_to_string(&file).ok();
        let place = file.display().to_string();
        Archive::signed(&content, (&place, signature.as_deref()), caps, keys)
    }

    /// Where the signature lies.
    fn signature(&self) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(".minisig");
        name.into()
    }

    /// What it looks like now. Blocks.
    pub fn stamp(&self) -> Stamp {
        let mut stamp = Vec::new();
        look(&self.path, &mut stamp);
        look(&self.signature(), &mut stamp);
        stamp.sort();
        Stamp(stamp)
    }
}

fn look(path: &Path, stamp: &mut Vec<(PathBuf, Option<SystemTime>, u64)>) {
    let Ok(metadata) = fs::symlink_metadata(path) else { return };
    if stamp.len() >= STAMPED {
        return;
    }
    if !metadata.is_dir() {
        stamp.push((path.to_path_buf(), metadata.modified().ok(), metadata.len()));
        return;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with('.') && name != "__pycache__" {
            look(&entry.path(), stamp);
        }
    }
}
