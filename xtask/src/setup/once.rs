//! Installing what is not installed yet.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::report;

/// Fills `directory` by `install`, unless that was done before with the same `versions`.
///
/// The stamp is the list of versions itself, written last: an installation that was interrupted, or
/// follows an older list, starts again from an empty directory.
pub(crate) fn once(
    directory: &Path,
    versions: &str,
    install: impl FnOnce() -> Result<()>,
) -> Result<()> {
    let stamp = directory.join("installed-versions");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == versions) {
        report::line(format_args!("{} is up to date", directory.display()));
        return Ok(());
    }
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("empty {}", directory.display()));
        }
        _ => {}
    }
    fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
    install().with_context(|| format!("install {}", directory.display()))?;
    fs::write(&stamp, versions).with_context(|| format!("write {}", stamp.display()))
}
