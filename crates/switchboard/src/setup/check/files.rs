//! The files of the daemon: there, ours, and nobody else's.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{Access, access};
use switchboard_config::Diagnostic;

use super::Check;

/// The configuration, and what the daemon makes of it.
pub(crate) fn configuration(path: &Path, mistakes: &[Diagnostic], notes: &[String]) -> Vec<Check> {
    const NAME: &str = "configuration";
    let shown = path.display();
    let mut checks = Vec::new();
    match mistakes {
        [] if path.exists() => checks.push(Check::ok(NAME, format!("`{shown}` is valid"))),
        [] => checks.push(
            Check::warning(NAME, format!("there is no `{shown}`; the defaults apply"))
                .hint("run `switchboard up`"),
        ),
        mistakes => checks.extend(mistakes.iter().map(|mistake| {
            let place = mistake.place.as_ref().map(|place| format!("{place}: "));
            let message = format!("{}{}", place.unwrap_or_default(), mistake.message);
            let check = Check::problem(NAME, message);
            Check {
                cause: mistake.cause.clone(),
                hint: mistake.hint.clone().or(Some("run `switchboard config check`".to_owned())),
                ..check
            }
        })),
    }
    checks.extend(notes.iter().map(|note| Check::warning(NAME, note.as_str())));
    checks
}

/// The directory in which the daemon keeps its key and its sockets.
pub(crate) fn state_directory(path: &Path) -> Check {
    const NAME: &str = "state directory";
    match fs::metadata(path) {
        Err(error) => absent(NAME, path, &error),
        Ok(metadata) if !metadata.is_dir() => {
            Check::problem(NAME, format!("`{}` is not a directory", path.display()))
                .hint("move it away, or set SWITCHBOARD_STATE_DIR")
        }
        Ok(metadata) => private(NAME, path, &metadata, "700"),
    }
}

/// The key that clients present.
pub(crate) fn key(path: &Path) -> Check {
    const NAME: &str = "key";
    match fs::metadata(path) {
        Err(error) => absent(NAME, path, &error),
        Ok(metadata) => {
            let check = private(NAME, path, &metadata, "600");
            match check.hint {
                // Narrowing the file does not help against who has read it.
                Some(hint) => Check {
                    hint: Some(format!("{hint}, then run `switchboard rotate-key`")),
                    ..check
                },
                None => check,
            }
        }
    }
}

/// The log, or the place where it will be.
pub(crate) fn log(path: &Path) -> Check {
    const NAME: &str = "log";
    let place = if path.exists() { Some(path) } else { path.parent().filter(|dir| dir.exists()) };
    let Some(place) = place else {
        return Check::ok(NAME, format!("`{}` does not exist yet", path.display()));
    };
    match access(place, Access::WRITE_OK) {
        Ok(()) => Check::ok(NAME, format!("`{}` can be written", path.display())),
        Err(error) => Check::problem(NAME, format!("`{}` cannot be written", path.display()))
            .cause(error)
            .hint(format!("see who owns it: `ls -l '{}'`", place.display())),
    }
}

/// The first start creates these.
fn absent(name: &'static str, path: &Path, error: &io::Error) -> Check {
    let shown = path.display();
    if error.kind() == io::ErrorKind::NotFound {
        return Check::ok(
            name,
            format!("`{shown}` does not exist yet; the first start creates it"),
        );
    }
    Check::problem(name, format!("`{shown}` cannot be looked at"))
        .cause(error)
        .hint("see who owns the directories above it")
}

fn private(name: &'static str, path: &Path, metadata: &Metadata, wanted: &str) -> Check {
    let shown = path.display();
    let mode = metadata.permissions().mode() & 0o777;
    let us = rustix::process::geteuid().as_raw();
    if metadata.uid() != us {
        let message = format!("`{shown}` belongs to user {}, and we are {us}", metadata.uid());
        return Check::problem(name, message).hint("run as the user who owns it");
    }
    if mode & 0o077 != 0 {
        return Check::problem(name, format!("others can reach `{shown}` (mode {mode:o})"))
            .hint(format!("run `chmod {wanted} '{shown}'`"));
    }
    Check::ok(name, format!("`{shown}` is yours alone (mode {mode:o})"))
}
