//! One daemon for each instance.
//!
//! An OS lock on an open file: it goes with the process, however that ends. The PID in the file is
//! for people; nothing is decided by it.
//!
//! The lock belongs to the open file, not to the process (flock(2)). So a daemon that is replaced
//! gives the open file to its successor, and there is no moment in which nobody holds the lock: as
//! long as one of the two lives, a third cannot start.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};

/// Held for as long as the daemon lives.
pub(crate) struct Lock {
    file: File,
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another daemon of this instance is running{}", .pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default())]
    Held { pid: Option<u32> },
    #[error("the lock file cannot be used")]
    Io(#[source] io::Error),
}

/// Whoever looks whether a daemon runs holds the lock for a moment ([`holder`]); that must not keep
/// one from starting.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(10);

impl Lock {
    pub(crate) fn take(path: &Path) -> Result<Self, LockError> {
        let mut file = open(path).map_err(LockError::Io)?;
        let mut tries = TRIES;
        while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(LockError::Io(error.into()));
            }
            tries -= 1;
            if tries == 0 {
                return Err(LockError::Held { pid: pid(&mut file) });
            }
            std::thread::sleep(PAUSE);
        }
        let lock = Self { file };
        lock.sign().map_err(LockError::Io)?;
        Ok(lock)
    }

    /// The lock of a daemon that handed it over. It stays that daemon's as well until it lets go.
    pub(crate) fn inherit(file: OwnedFd) -> Self {
        Self { file: file.into() }
    }

    /// Writes down who holds it.
    pub(crate) fn sign(&self) -> io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    }
}

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// Whether a daemon holds the lock at `path`, and its PID where the file tells.
///
/// # Errors
///
/// What the file system says.
pub fn holder(path: &Path) -> io::Result<Option<Option<u32>>> {
    if !path.exists() {
        return Ok(None);
    }
    let mut file = open(path)?;
    match flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(Some(pid(&mut file))),
        Err(error) => Err(error.into()),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
