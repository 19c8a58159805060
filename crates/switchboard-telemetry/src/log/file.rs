//! The daemon's log file, rotated by size and by age.
//!
//! `daemon.log` is written; `daemon.log.1` is the one before it, and so on up to the number kept.
//! Every `write` is one line and goes to one file whole. What a person does to the file meanwhile
//! (removing it, moving it away, emptying it) is noticed by the next line, because each line looks
//! at the path first: one `stat(2)`, about a microsecond.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::timestamp;
use crate::Clock;

/// Where the log file is and how much of it is kept.
#[derive(Clone, Debug)]
pub struct FileConfig {
    pub path: PathBuf,
    /// A line that would make the file larger goes to a new file. A longer line has one for itself.
    pub max_bytes: u64,
    /// The file is put aside this long after its first line.
    pub max_age: Duration,
    /// How many files are kept beside the one being written.
    pub keep: u32,
}

/// Writes lines to a file that never grows beyond its limits. Keeps no line in memory.
///
/// Implements [`Write`] for whole lines: pass one line per call. In a `Mutex` it is a
/// `tracing_subscriber::fmt::MakeWriter`.
pub struct RotatingFile {
    config: FileConfig,
    clock: Clock,
    open: Option<Open>,
    /// After a rotation that failed: when to try again.
    not_before: Option<SystemTime>,
}

struct Open {
    file: File,
    /// When the first line was written.
    began: SystemTime,
    /// The last line ended in its middle (a full disk); the next must not continue it.
    torn: bool,
}

/// How long a failed rotation is left alone. Lines go on into the old file meanwhile, so this only
/// keeps a read-only directory from costing four system calls per line.
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Enough of the file to find the time in its first line, in either format.
const HEAD_BYTES: u64 = 64;

impl FileConfig {
    /// The defaults: six files of 10 MiB, each of a week at most. That is what fits into a mail to
    /// someone who helps, and reaches back far enough to see when something began.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            max_bytes: 10 * 1024 * 1024,
            max_age: Duration::from_secs(7 * 24 * 60 * 60),
            keep: 5,
        }
    }
}

impl RotatingFile {
    /// Opens the file for appending, or creates it for its owner only.
    ///
    /// # Errors
    ///
    /// The file cannot be opened, so there would be no log.
    pub fn open(config: FileConfig, clock: Clock) -> io::Result<Self> {
        let mut file = Self { config, clock, open: None, not_before: None };
        file.open = Some(file.reopen((file.clock)())?);
        Ok(file)
    }

    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        let now = (self.clock)();
        let mut open = match self.open.take() {
            Some(open) if self.is_in_place(&open) => open,
            Some(_) | None => self.reopen(now)?,
        };
        if self.is_due(&open, line.len(), now) {
            open = self.rotate(open, now);
        }
        let written = open.write_line(line);
        // Kept after an error too: it may be a full disk, and the end of that is seen by trying.
        self.open = Some(open);
        written
    }

    /// Whether the open file is still the one that people find at the path.
    fn is_in_place(&self, open: &Open) -> bool {
        match (fs::metadata(&self.config.path), open.file.metadata()) {
            (Ok(at_path), Ok(ours)) => identity(&at_path) == identity(&ours),
            _ => false,
        }
    }

    fn reopen(&self, now: SystemTime) -> io::Result<Open> {
        let file =
            OpenOptions::new().append(true).create(true).mode(0o600).open(&self.config.path)?;
        Ok(Open { began: began(&self.config.path).unwrap_or(now), file, torn: false })
    }

    fn is_due(&self, open: &Open, more: usize, now: SystemTime) -> bool {
        let Ok(metadata) = open.file.metadata() else { return false };
        // An empty file has room for any line; a device or a FIFO has no size and no age.
        if metadata.len() == 0 || !metadata.is_file() {
            return false;
        }
        if self.not_before.is_some_and(|time| now < time) {
            return false;
        }
        let age = now.duration_since(open.began).unwrap_or(Duration::ZERO);
        self.config.max_bytes < metadata.len() + more as u64 || self.config.max_age <= age
    }

    /// Puts the file aside and starts another. When that fails, the old file is written on: a log
    /// that is too large is better than none.
    fn rotate(&mut self, open: Open, now: SystemTime) -> Open {
        let rotated = self.put_aside().and_then(|()| self.reopen(now));
        self.not_before = rotated.is_err().then(|| now + RETRY_AFTER);
        // After an error between the two steps the path is free; `is_in_place` will see it.
        rotated.unwrap_or(open)
    }

    /// Moves `log` to `log.1`, `log.1` to `log.2`, and removes what is beyond the number kept.
    ///
    /// From the oldest to the newest, so that an interruption leaves a gap and overwrites nothing;
    /// and only up to the first gap, so that a `log` that cannot be moved (a single file mounted
    /// into a container) does not push the old ones out, one with every attempt.
    fn put_aside(&self) -> io::Result<()> {
        let keep = self.config.keep;
        let is_free = |number: &u32| fs::symlink_metadata(self.numbered(*number)).is_err();
        let gap = (1..=keep).find(is_free).unwrap_or(keep);
        for number in (1..gap).rev() {
            unless_missing(fs::rename(self.numbered(number), self.numbered(number + 1)))?;
        }
        if keep == 0 {
            unless_missing(fs::remove_file(&self.config.path))?;
        } else {
            unless_missing(fs::rename(&self.config.path, self.numbered(1)))?;
        }
        // A file that should be gone and is not does not stop the log.
        let _ = self.prune();
        Ok(())
    }

    /// Removes numbered files beyond the number kept, which was larger before.
    fn prune(&self) -> io::Result<()> {
        let (Some(directory), Some(name)) =
            (self.config.path.parent(), self.config.path.file_name())
        else {
            return Ok(());
        };
        let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            let number = entry
                .file_name()
                .as_encoded_bytes()
                .strip_prefix(name.as_encoded_bytes())
                .and_then(|rest| rest.strip_prefix(b"."))
                .and_then(|rest| str::from_utf8(rest).ok()?.parse::<u32>().ok());
            if number.is_some_and(|number| self.config.keep < number) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut path = self.config.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }
}

impl Write for RotatingFile {
    /// Writes one whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_line(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Open {
    fn write_line(&mut self, line: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
        }
        let mut rest = line;
        while !rest.is_empty() {
            match self.file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    rest = &rest[written..];
                    self.torn = !rest.is_empty();
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// When the file's first line was written, as the line itself says. The time of the file's creation
/// would be lost by a backup, and not every filesystem has one.
fn began(path: &Path) -> Option<SystemTime> {
    // A FIFO must not be opened for reading: we would become its reader.
    if !fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut head = Vec::new();
    File::open(path).ok()?.take(HEAD_BYTES).read_to_end(&mut head).ok()?;
    timestamp::find(&head)
}

fn unless_missing(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests;
