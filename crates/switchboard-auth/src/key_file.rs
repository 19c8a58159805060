//! The key file in the state directory.
//!
//! Two promises. The file is readable by its owner alone *from the moment it exists*: it is opened
//! with that mode, never narrowed afterwards. And whoever looks sees a whole key: the content goes
//! to a file beside it, is flushed to disk and renamed into place, so that neither a crash nor a
//! power cut leaves an empty key behind.
//!
//! Writers take a lock (on a file of its own, because the key file is replaced), so that two daemons
//! starting at once agree on one key and no rotation is lost. Readers need none. A rename under a
//! lock is preferred to `link(2)`, which settles a race as well but is missing on some filesystems
//! that containers and home directories use.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::error::KeyError;
use crate::key::Key;
use crate::stored::Stored;

/// Where the key is kept. Creates nothing by itself; the directory must exist.
///
/// Every method does blocking I/O of a few milliseconds and, while another process writes the key,
/// waits up to five seconds for it.
#[derive(Clone, Debug)]
pub struct KeyFile {
    path: PathBuf,
}

/// A key file that was read.
#[derive(Debug)]
pub struct Opened {
    pub stored: Stored,
    pub origin: Origin,
}

/// How it came to be there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    Created,
    Found,
    /// Others could read it, by the `mode` it had; they no longer can. The caller warns: who had
    /// read it still knows the key, and `switchboard rotate-key` makes that worthless.
    Repaired {
        mode: u32,
    },
}

/// A rotation that is on disk.
#[derive(Debug)]
pub struct Rotated {
    pub stored: Stored,
    /// When the old key ends. `None` when it has ended already: there was none, it was damaged, or
    /// no grace was asked for.
    pub previous_expires: Option<SystemTime>,
}

/// Read and written by the owner only.
const MODE: u32 = 0o600;

/// A key file has at most 43 + 1 + 110 bytes; what is far longer is something else and is not read.
const MAX_FILE_BYTES: u64 = 4096;

/// How long to wait for another writer, in steps of [`LOCK_STEP`]. Writers hold the lock for one
/// flush to disk; five seconds is a disk in trouble, and a start that never ends is worse.
const LOCK_WAIT: Duration = Duration::from_secs(5);
const LOCK_STEP: Duration = Duration::from_millis(10);

impl KeyFile {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the key, or makes one where there is none. Of several processes doing this at once,
    /// one makes the key and all get the same.
    ///
    /// # Errors
    ///
    /// Whatever keeps the file from being read or written. A file that is there and is no key is
    /// left as it is.
    pub fn open_or_create(&self) -> Result<Opened, KeyError> {
        if let Some(opened) = self.read()? {
            return Ok(opened);
        }
        let _lock = self.lock()?;
        // Another process may have made it between our look and our lock.
        if let Some(opened) = self.read()? {
            return Ok(opened);
        }
        let stored = Stored::new(Key::generate()?);
        self.replace(&stored)?;
        Ok(Opened { stored, origin: Origin::Created })
    }

    /// Reads the key, for commands that show or use it and must not make one.
    ///
    /// # Errors
    ///
    /// [`KeyError::Missing`] where there is none.
    pub fn load(&self) -> Result<Opened, KeyError> {
        self.read()?.ok_or_else(|| KeyError::Missing { path: self.path.clone() })
    }

    /// Makes a new key; the present one is accepted until `now + grace`.
    ///
    /// Works on a damaged or missing file too, since this is the way out of that.
    ///
    /// # Errors
    ///
    /// The file is not ours or cannot be written; the old key is then still the key.
    pub fn rotate(&self, now: SystemTime, grace: Duration) -> Result<Rotated, KeyError> {
        let _lock = self.lock()?;
        let old = match self.read() {
            Ok(opened) => opened.map(|opened| opened.stored),
            Err(KeyError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        let key = Key::generate()?;
        let stored = match old {
            Some(old) => old.rotate(key, now, grace),
            None => Stored::new(key),
        };
        self.replace(&stored)?;
        Ok(Rotated { previous_expires: stored.previous_expires(), stored })
    }

    /// `None` when there is no file.
    fn read(&self) -> Result<Option<Opened>, KeyError> {
        // Without O_NONBLOCK, opening a FIFO that somebody put there would wait for ever.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let opened = OpenOptions::new().read(true).custom_flags(nonblocking).open(&self.path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io("open the key file")(error)),
        };
        let origin = self.admit(&file)?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES).read_to_end(&mut bytes).map_err(self.io("read the key file"))?;
        // A file that is no text fails as the garbage it is.
        let stored = Stored::parse(&String::from_utf8_lossy(&bytes)).map_err(|damage| {
            let (line, expected) = (damage.line, damage.expected);
            KeyError::Damaged { path: self.path.clone(), line, expected }
        })?;
        Ok(Some(Opened { stored, origin }))
    }

    /// Refuses a file that someone else owns, narrows one that others can reach.
    ///
    /// Asks the open file, not the path, so that the answer is about what will be read.
    fn admit(&self, file: &File) -> Result<Origin, KeyError> {
        let metadata = file.metadata().map_err(self.io("look at the key file"))?;
        if !metadata.is_file() {
            return Err(KeyError::NotAFile { path: self.path.clone() });
        }
        let us = rustix::process::geteuid().as_raw();
        match judge(metadata.mode(), metadata.uid(), us) {
            Judgement::Private => Ok(Origin::Found),
            Judgement::Exposed { mode } => {
                file.set_permissions(Permissions::from_mode(MODE))
                    .map_err(self.io("narrow the mode of the key file"))?;
                Ok(Origin::Repaired { mode })
            }
            Judgement::NotOurs => {
                Err(KeyError::NotOurs { path: self.path.clone(), owner: metadata.uid(), us })
            }
        }
    }

    /// Puts `stored` in the place of the file. The caller holds the lock.
    fn replace(&self, stored: &Stored) -> Result<(), KeyError> {
        let new = self.beside("new");
        // Left by a writer that was killed: we hold the lock, so nobody is writing it.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(self.io("remove what an interrupted command left beside")(error));
            }
            Ok(()) | Err(_) => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&new)
            .map_err(self.io("create a file beside"))?;
        file.write_all(stored.render().as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(self.io("write a file beside"))?;
        fs::rename(&new, &self.path).map_err(self.io("put a new file in the place of"))?;
        // Makes the rename itself survive a power cut. Some filesystems cannot flush a directory;
        // there the key is whole all the same, old or new, so this is no reason to fail.
        if let Some(directory) = self.path.parent() {
            let _ = File::open(directory).and_then(|directory| directory.sync_all());
        }
        Ok(())
    }

    /// Waits for the writers' lock; dropping the file releases it, and so does the end of the process.
    fn lock(&self) -> Result<File, KeyError> {
        let path = self.beside("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(MODE)
            .open(&path)
            .map_err(self.io("create a lock beside"))?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if waited < LOCK_WAIT => {
                    thread::sleep(LOCK_STEP);
                    waited += LOCK_STEP;
                }
                Err(TryLockError::WouldBlock) => return Err(KeyError::Locked { path }),
                Err(TryLockError::Error(error)) => {
                    return Err(self.io("lock a file beside")(error));
                }
            }
        }
    }

    /// The path with `.suffix` added.
    fn beside(&self, suffix: &str) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(".");
        path.push(suffix);
        path.into()
    }

    fn io(&self, doing: &'static str) -> impl FnOnce(io::Error) -> KeyError {
        let path = self.path.clone();
        move |cause| KeyError::Io { doing, path, cause }
    }
}

/// What owner and mode say about a file.
#[derive(Debug, Eq, PartialEq)]
enum Judgement {
    Private,
    Exposed { mode: u32 },
    NotOurs,
}

fn judge(mode: u32, owner: u32, us: u32) -> Judgement {
    let mode = mode & 0o7777;
    if owner != us {
        Judgement::NotOurs
    } else if mode & 0o077 != 0 {
        Judgement::Exposed { mode }
    } else {
        Judgement::Private
    }
}

#[cfg(test)]
mod tests;
