//! What can go wrong before a child runs.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use crate::sandbox::LayerKind;

/// Why a child was not started. Nothing of it is left running.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// Install it, or correct the name.
    #[error("program `{}` was not found", program.display())]
    ProgramNotFound {
        program: OsString,
        /// Where it was looked for; `None` if the name is a path, or there is no `PATH`.
        path: Option<OsString>,
    },
    /// The file is there, and it is not a program that can run here.
    #[error("`{}` cannot be executed", program.display())]
    NotExecutable {
        program: PathBuf,
        #[source]
        cause: io::Error,
    },
    /// Create it, or correct `cwd`.
    #[error("working directory `{}` cannot be used", cwd.display())]
    DirectoryMissing {
        cwd: PathBuf,
        #[source]
        cause: io::Error,
    },
    /// The system will never take these words as they are.
    #[error("{what} cannot be passed to a process")]
    Invalid { what: String },
    /// The system would not start one more process now; the same call may succeed later.
    #[error("the system did not start `{}`", program.display())]
    Refused {
        program: PathBuf,
        #[source]
        cause: io::Error,
    },
    /// The child could not be written down, and an unrecorded child may be left behind.
    #[error("child `{label}` could not be recorded in the ledger")]
    NotRecorded {
        label: String,
        #[source]
        cause: io::Error,
    },
    /// A layer of the child's sandbox is missing on this machine, or could not be made this time.
    #[error("the layer `{}` of the sandbox cannot be put in force", layer.name())]
    NotIsolated {
        layer: LayerKind,
        #[source]
        cause: io::Error,
        hint: String,
    },
    /// No child is started any more.
    #[error("the daemon is stopping")]
    Closed,
}

/// Why no child can be started at all.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct StartError {
    /// What was being done, and to what.
    pub doing: String,
    #[source]
    pub cause: io::Error,
}

impl SpawnError {
    /// Names the error in the documentation.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ProgramNotFound { .. } => "process-program-not-found",
            Self::NotExecutable { .. } => "process-not-executable",
            Self::DirectoryMissing { .. } => "process-directory-missing",
            Self::Invalid { .. } => "process-invalid",
            Self::Refused { .. } => "process-refused",
            Self::NotRecorded { .. } => "process-not-recorded",
            Self::NotIsolated { .. } => "process-not-isolated",
            Self::Closed => "process-closed",
        }
    }

    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Refused { .. } | Self::NotRecorded { .. } => true,
            Self::NotIsolated { cause, .. } => is_shortage(cause),
            _ => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::ProgramNotFound { program, path } => hint_not_found(program, path.as_ref()),
            Self::NotExecutable { program, cause } => hint_not_executable(program, cause),
            Self::DirectoryMissing { cwd, .. } => {
                format!("create it with `mkdir -p {}`, or correct `cwd`", cwd.display())
            }
            Self::Invalid { .. } => {
                "remove the zero byte, and in a variable's name the `=`".to_owned()
            }
            Self::Refused { .. } => {
                "see the limits on processes and memory with `ulimit -a`".to_owned()
            }
            Self::NotRecorded { .. } => {
                "see whether the state directory is writable and its disk has room: `df -h`"
                    .to_owned()
            }
            Self::NotIsolated { hint, .. } => hint.clone(),
            Self::Closed => "start the daemon again with `switchboard start`".to_owned(),
        }
    }
}

/// Whether the system is out of something that others give back: namespaces, memory, descriptors.
fn is_shortage(cause: &io::Error) -> bool {
    use rustix::io::Errno;

    cause.raw_os_error().map(Errno::from_raw_os_error).is_some_and(|errno| {
        matches!(
            errno,
            Errno::AGAIN | Errno::NOMEM | Errno::NOSPC | Errno::USERS | Errno::MFILE | Errno::NFILE
        )
    })
}

fn hint_not_found(program: &OsString, path: Option<&OsString>) -> String {
    match path {
        Some(path) => format!(
            "looked in {}; install it, or give the full path that `command -v {}` prints in your shell",
            path.display(),
            program.display()
        ),
        None if program.as_encoded_bytes().contains(&b'/') => {
            "there is no such file; a path that does not begin with `/` starts at `cwd`".to_owned()
        }
        None => "the child has no `PATH`: set it, or give the full path of the program".to_owned(),
    }
}

fn hint_not_executable(program: &Path, cause: &io::Error) -> String {
    match cause.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        // The file itself was seen a moment before, so what is missing is what should run it.
        Some(rustix::io::Errno::NOENT) => {
            "the interpreter named in its first line (`#!…`), or its loader, is not installed"
                .to_owned()
        }
        Some(rustix::io::Errno::NOEXEC) => {
            "it is neither a program for this machine nor a script with a first line `#!…`"
                .to_owned()
        }
        _ => format!("make it executable with `chmod +x {}`", program.display()),
    }
}
