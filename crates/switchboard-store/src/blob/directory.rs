//! Blobs as files of a directory.
//!
//! Written by hand rather than with `object_store`, whose files have the mode that the umask gives
//! them: ours can be read by nobody else at any moment, and one that is there after a crash is
//! whole.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_core::store::{BlobStore, Glance, StoreError};
use tokio::task::spawn_blocking;

use crate::blob::name;

/// Nobody else: results of calls are in there.
const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// A directory whose files are blobs; the name of a blob is the path of its file.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
}

impl Directory {
    /// Makes the directory where it is not there, and closes it to others where it is.
    ///
    /// # Errors
    ///
    /// [`StoreError::Broken`] where that cannot be done.
    pub fn open(root: PathBuf) -> Result<Self, StoreError> {
        let made = make(&root)
            .and_then(|()| fs::set_permissions(&root, Permissions::from_mode(DIRECTORY_MODE)));
        made.map_err(|error| {
            StoreError::Broken(format!("cannot use the directory {}: {error}", root.display()))
        })?;
        Ok(Self { root })
    }

    /// Does `work` with the file of a blob where it may block. The work is done to its end even if
    /// nobody waits for it any more.
    async fn with_file<T: Send + 'static>(
        &self,
        name: &str,
        doing: &'static str,
        work: impl FnOnce(&Path, &Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        name::check(name)?;
        let (root, path) = (self.root.clone(), self.root.join(name));
        let done = spawn_blocking(move || work(&root, &path)).await.map_err(io::Error::other);
        done.flatten().map_err(|error| failed(doing, name, &error))
    }
}

#[async_trait]
impl BlobStore for Directory {
    async fn put(&self, name: &str, content: Bytes) -> Result<(), StoreError> {
        self.with_file(name, "write", move |_, path| replace(path, &content)).await
    }

    async fn glance(&self, name: &str) -> Result<Option<Glance>, StoreError> {
        self.with_file(name, "look at", |_, path| {
            // A file that is replaced has another number, however quickly that happens.
            let glance = |it: fs::Metadata| {
                let tag = format!("{}.{}-{}", it.mtime(), it.mtime_nsec(), it.ino());
                Glance { bytes: it.len(), tag }
            };
            let metadata = unless_missing(fs::metadata(path))?;
            Ok(metadata.filter(fs::Metadata::is_file).map(glance))
        })
        .await
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        self.with_file(name, "read", |_, path| {
            unless_missing(fs::read(path)).map(|content| content.map(Bytes::from))
        })
        .await
    }

    async fn delete(&self, name: &str) -> Result<(), StoreError> {
        self.with_file(name, "delete", |_, path| unless_missing(fs::remove_file(path)).map(drop))
            .await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        let directory = name::directory(prefix)?.to_owned();
        let (root, prefix) = (self.root.clone(), prefix.to_owned());
        let listed = spawn_blocking(move || {
            let mut found = Vec::new();
            walk(&root.join(&directory), &directory, &mut found)?;
            found.retain(|name| name.starts_with(&prefix));
            found.sort_unstable();
            Ok(found)
        });
        let listed = listed.await.map_err(io::Error::other).flatten();
        listed.map_err(|error| failed("list", "blobs", &error))
    }

    async fn upload_url(&self, name: &str, _: Duration) -> Result<Option<String>, StoreError> {
        name::check(name)?;
        Ok(None)
    }
}

/// Puts a file into the place of another: whoever reads has one or the other whole, and so does
/// whoever comes after a crash.
fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    make(directory)?;
    let new = beside(path)?;
    let written = write(&new, content).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        // Of no use to anybody; where even that fails, it is hidden, and in nobody's way.
        let _ = fs::remove_file(&new);
    }
    written?;
    // Makes the rename itself survive a power cut. Some file systems cannot flush a directory; there
    // the blob is whole all the same, old or new, so this is no reason to fail.
    let _ = File::open(directory).and_then(|directory| directory.sync_all());
    Ok(())
}

fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// A name that no blob can have, and nobody else who writes the same one now.
fn beside(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(path.with_file_name(format!(".{name}.{:016x}", u64::from_ne_bytes(random))))
}

fn make(directory: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)
}

/// The names of all files below a directory, which itself is called `name`.
fn walk(directory: &Path, name: &str, found: &mut Vec<String>) -> io::Result<()> {
    let Some(entries) = unless_missing(fs::read_dir(directory))? else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        // What is no text is not of our making.
        let Ok(own) = entry.file_name().into_string() else { continue };
        if own.starts_with('.') {
            continue;
        }
        let name = if name.is_empty() { own } else { format!("{name}/{own}") };
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &name, found)?;
        } else {
            found.push(name);
        }
    }
    Ok(())
}

/// A path through something that is a file leads to nothing as well.
fn unless_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(None),
            _ => Err(error),
        },
    }
}

/// A disk that is full may have room later; what else the system refuses, somebody has to look at.
fn failed(doing: &str, name: &str, error: &io::Error) -> StoreError {
    let text = format!("cannot {doing} `{name}`: {error}");
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Unavailable(text),
        // One blob has the name that would be the directory of the other.
        io::ErrorKind::NotADirectory
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::AlreadyExists
        | io::ErrorKind::DirectoryNotEmpty => StoreError::Invalid(text),
        _ => StoreError::Broken(text),
    }
}
