//! A change made, with a copy of the file from before, and made undone.
//!
//! A file is replaced as a whole by renaming a finished one over it, so that a client that reads at
//! this moment sees the old text or the new one. Between our last look and the rename a client could
//! still write; no lock is common to all of them, so the window is only kept short.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::edit::Edit;
use crate::error::FileError;
use crate::find::read_text;

/// A change that was made.
#[derive(Clone, Debug)]
pub struct Applied {
    /// What [`restore`] needs to undo it.
    pub manifest: PathBuf,
    /// The copy of the file from before; `None` when there was no file.
    pub backup: Option<PathBuf>,
}

/// The description of a change that lies beside its backup. File names are relative to it.
#[derive(Serialize, Deserialize)]
struct Manifest {
    version: u32,
    client: String,
    /// The file the person knows, for messages.
    path: PathBuf,
    /// The file that was written: links are followed.
    target: PathBuf,
    before: Option<String>,
    after: String,
}

impl Edit {
    /// Makes the change. `stamp` names the backup and is the caller's time, such as `20260102-030405`.
    ///
    /// # Errors
    ///
    /// [`FileError::Changed`] when the file is no longer what the preview showed; then, as after any
    /// other error, the file is as it was.
    pub fn apply(&self, backups: &Path, stamp: &str) -> Result<Applied, FileError> {
        let target = followed(&self.path).map_err(FileError::io("follow the link", &self.path))?;
        if read_text(&target)? != self.before {
            return Err(FileError::Changed {
                path: self.path.clone(),
                hint: "run the same command again to see the new preview",
            });
        }
        create_private_dir(backups).map_err(FileError::io("create", backups))?;
        // The backup is on the disk before the file is touched.
        let applied = self.back_up(backups, stamp, &target)?;
        if let Some(directory) = target.parent() {
            fs::create_dir_all(directory).map_err(FileError::io("create", directory))?;
        }
        replace(&target, &self.after).map_err(FileError::io("write", &target))?;
        Ok(applied)
    }

    fn back_up(&self, backups: &Path, stamp: &str, target: &Path) -> Result<Applied, FileError> {
        let (base, manifest) = free_name(backups, stamp, self.client.id())?;
        let before = self.before.as_ref().map(|_| format!("{base}.before"));
        let after = format!("{base}.after");
        let described = Manifest {
            version: 1,
            client: self.client.id().to_owned(),
            path: self.path.clone(),
            target: target.to_owned(),
            before: before.clone(),
            after: after.clone(),
        };
        let described = serde_json::to_string_pretty(&described)
            .map_err(|error| FileError::io("describe", &self.path)(error.into()))?;
        let write =
            |name: &Path, text: &str| write_new(name, text).map_err(FileError::io("write", name));
        let backup = before.map(|name| backups.join(name));
        if let (Some(backup), Some(text)) = (&backup, &self.before) {
            write(backup, text)?;
        }
        write(&backups.join(after), &self.after)?;
        write(&manifest, &described)?;
        Ok(Applied { manifest, backup })
    }
}

/// Undoes a change: the file is byte for byte what it was, or gone if there was none.
///
/// # Errors
///
/// [`FileError::Changed`] when somebody wrote the file since: putting the old text back would lose
/// what they wrote. Undoing what is already undone is no error.
pub fn restore(manifest: &Path) -> Result<(), FileError> {
    let invalid = |problem: String| {
        FileError::io("use the backup", manifest)(io::Error::new(
            io::ErrorKind::InvalidData,
            problem,
        ))
    };
    let text = read_text(manifest)?
        .ok_or_else(|| FileError::io("read", manifest)(io::ErrorKind::NotFound.into()))?;
    let described: Manifest =
        serde_json::from_str(&text).map_err(|error| invalid(error.to_string()))?;
    if described.version != 1 {
        return Err(invalid(format!("version {} is newer than this program", described.version)));
    }
    let directory = manifest.parent().unwrap_or(Path::new(""));
    let copy = |name: &str| {
        let path = directory.join(name);
        read_text(&path)?.ok_or_else(|| FileError::io("read", path)(io::ErrorKind::NotFound.into()))
    };
    let before = described.before.as_deref().map(copy).transpose()?;
    let after = copy(&described.after)?;
    let target = &described.target;
    let now = read_text(target)?;
    if now == before {
        return Ok(());
    }
    if now.as_ref() != Some(&after) {
        let hint = "run `switchboard disconnect CLIENT`, which takes out our entry and keeps what others wrote";
        return Err(FileError::Changed { path: described.path, hint });
    }
    match before {
        Some(text) => replace(target, &text).map_err(FileError::io("write", target)),
        None => fs::remove_file(target).map_err(FileError::io("remove", target)),
    }
}

/// The file behind a link, which may not exist yet.
fn followed(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::read_link(path) {
            Ok(link) => Ok(path.parent().unwrap_or(Path::new("")).join(link)),
            Err(_) => Ok(path.to_owned()),
        },
        result => result,
    }
}

/// A name for a backup that is not taken: two changes can fall into one second.
fn free_name(backups: &Path, stamp: &str, client: &str) -> Result<(String, PathBuf), FileError> {
    /// More changes to one client's file in one second are a program gone wrong.
    const MOST: u32 = 100;
    for number in 1..=MOST {
        let number = if number == 1 { String::new() } else { format!("-{number}") };
        let base = format!("{stamp}-{client}{number}");
        let manifest = backups.join(format!("{base}.json"));
        if !manifest.exists() && !backups.join(format!("{base}.after")).exists() {
            return Ok((base, manifest));
        }
    }
    Err(FileError::io("name a backup in", backups)(io::ErrorKind::AlreadyExists.into()))
}

/// Puts a finished file in the place of `target`, with its permissions.
fn replace(target: &Path, text: &str) -> io::Result<()> {
    // A rename asks only the directory, and would go over a file that its owner made read-only.
    if fs::metadata(target).is_ok_and(|metadata| metadata.permissions().readonly()) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only"));
    }
    let file_name = target.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(file_name);
    temporary.push(".switchboard-new");
    // In the same directory, because a rename does not cross file systems.
    let temporary = target.with_file_name(temporary);
    let written =
        write_temporary(&temporary, target, text).and_then(|()| fs::rename(&temporary, target));
    if written.is_err() {
        // The error to report is the first one; what is left behind is ours and overwritten next time.
        let _ = fs::remove_file(&temporary);
    }
    written?;
    sync_directory(target)
}

fn write_temporary(temporary: &Path, target: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => write_new(temporary, text)?,
    }
    match fs::metadata(target) {
        Ok(metadata) => fs::set_permissions(temporary, metadata.permissions()),
        // A new file stays private: it may hold a key.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Writes a file that must not exist yet, readable by its owner only, and waits for the disk.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn create_private_dir(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// A rename is on the disk once its directory is.
fn sync_directory(target: &Path) -> io::Result<()> {
    match target.parent() {
        Some(directory) if cfg!(unix) && !directory.as_os_str().is_empty() => {
            fs::File::open(directory)?.sync_all()
        }
        _ => Ok(()),
    }
}
