//! `STATE/secrets.key`: the key under which logins are sealed.
//!
//! The same two promises as for the API key: readable by its owner alone from the moment it exists,
//! and whole or not there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::error::StoreError;

pub(crate) const LENGTH: usize = 32;

/// Read and written by the owner only.
pub(crate) const MODE: u32 = 0o600;

/// Reads the key, or makes one where there is none. Of several processes at once, one makes it.
pub(crate) fn open_or_create(path: &Path) -> Result<[u8; LENGTH], StoreError> {
    if let Some(key) = read(path)? {
        return Ok(key);
    }
    let _lock = lock(&beside(path, "lock"))?;
    if let Some(key) = read(path)? {
        return Ok(key);
    }
    let mut key = [0; LENGTH];
    getrandom::fill(&mut key)
        .map_err(|error| failed("make random bytes for", path)(io::Error::other(error)))?;
    replace(path, &key)?;
    Ok(key)
}

fn read(path: &Path) -> Result<Option<[u8; LENGTH]>, StoreError> {
    let Some(bytes) = read_private(path, LENGTH as u64 + 1)? else { return Ok(None) };
    // A key is not made in its place: that would end every login without a word.
    let key = bytes.try_into().map_err(|_| StoreError::Key { path: path.to_owned() })?;
    Ok(Some(key))
}

/// Reads a file that is ours alone; `None` if there is none.
pub(crate) fn read_private(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, StoreError> {
    // Without O_NONBLOCK, opening a FIFO that somebody put there would wait for ever.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", path)(error)),
    };
    let metadata = file.metadata().map_err(failed("look at", path))?;
    if !metadata.is_file() {
        return Err(failed("read", path)(io::Error::other("it is not a regular file")));
    }
    let us = rustix::process::geteuid().as_raw();
    if metadata.uid() != us {
        return Err(StoreError::NotOurs { path: path.to_owned(), owner: metadata.uid(), us });
    }
    if metadata.mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others could read this file; its mode is narrowed");
        file.set_permissions(fs::Permissions::from_mode(MODE)).map_err(failed("narrow", path))?;
    }
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).map_err(failed("read", path))?;
    Ok(Some(bytes))
}

/// Puts `bytes` in the place of a file, whole or not at all. The caller holds a lock.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let new = beside(path, "new");
    // Left by a writer that was killed: we hold the lock, so nobody is writing it.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(failed("remove", &new)(error));
        }
        Ok(()) | Err(_) => {}
    }
    let created = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&new);
    let mut file = created.map_err(failed("create", &new))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed("write", &new))?;
    fs::rename(&new, path).map_err(failed("replace", path))?;
    // Makes the rename itself survive a power cut, where the filesystem can.
    if let Some(directory) = path.parent() {
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
    }
    Ok(())
}

/// Waits for a lock; dropping the file releases it, and so does the end of the process.
pub(crate) fn lock(path: &Path) -> Result<File, StoreError> {
    let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(MODE).open(path);
    let file = opened.map_err(failed("create", path))?;
    file.lock().map_err(failed("lock", path))?;
    Ok(file)
}

pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(".");
    path.push(suffix);
    path.into()
}

pub(crate) fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |cause| StoreError::Io { doing, path, cause }
}
