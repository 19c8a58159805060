//! Finds the program a command names, the way `execvp` does, but so that a failure can be explained.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf, absolute};

use rustix::fs::{Access, access};

use crate::{Command, SpawnError};

/// Returns the absolute path of the program of `command`.
///
/// The child's `PATH` counts, not the daemon's: a person who configures `PATH` for one upstream means it.
pub(crate) fn find_program(command: &Command) -> Result<PathBuf, SpawnError> {
    let start = command.cwd.as_deref().unwrap_or(Path::new(""));
    if command.program.as_encoded_bytes().contains(&b'/') {
        // Absolute, because the child changes its directory before it looks for the program.
        let candidate = absolute(start.join(&command.program))
            .map_err(|cause| SpawnError::NotExecutable { program: start.into(), cause })?;
        return match executable(&candidate) {
            Ok(()) => Ok(candidate),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(not_found(command, None)),
            Err(cause) => Err(SpawnError::NotExecutable { program: candidate, cause }),
        };
    }
    match command.env.get("PATH") {
        Some(path) => find_on(path, start, command),
        None => Err(not_found(command, None)),
    }
}

/// Checks that the child can start in `cwd`; the error of `exec` itself would not say which of the two was missing.
pub(crate) fn check_directory(cwd: &Path) -> Result<(), SpawnError> {
    let usable = std::fs::metadata(cwd).and_then(|found| match found.is_dir() {
        true => access(cwd, Access::EXEC_OK).map_err(io::Error::from),
        false => Err(io::ErrorKind::NotADirectory.into()),
    });
    usable.map_err(|cause| SpawnError::DirectoryMissing { cwd: cwd.to_owned(), cause })
}

fn find_on(path: &OsStr, start: &Path, command: &Command) -> Result<PathBuf, SpawnError> {
    let mut unusable = None;
    // An empty entry means the working directory (POSIX, 8.3); it is a slip more often than a wish, and is skipped.
    for directory in std::env::split_paths(path).filter(|entry| !entry.as_os_str().is_empty()) {
        let Ok(candidate) = absolute(start.join(directory).join(&command.program)) else {
            continue;
        };
        match executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => unusable = unusable.or(Some((candidate, cause))),
        }
    }
    match unusable {
        Some((program, cause)) => Err(SpawnError::NotExecutable { program, cause }),
        None => Err(not_found(command, Some(path.to_owned()))),
    }
}

fn executable(candidate: &Path) -> io::Result<()> {
    if !std::fs::metadata(candidate)?.is_file() {
        return Err(io::ErrorKind::NotFound.into());
    }
    Ok(access(candidate, Access::EXEC_OK)?)
}

fn not_found(command: &Command, path: Option<OsString>) -> SpawnError {
    SpawnError::ProgramNotFound { program: command.program.clone(), path }
}
