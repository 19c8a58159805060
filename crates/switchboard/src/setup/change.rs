//! A change to the configuration, made so that `switchboard undo` can take it back.
//!
//! The description of a change has the form that `switchboard-clientfile` gives to changes of
//! clients' files, so that one list holds both in the order in which they were made. Ours also
//! names the files with secrets that came with it.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::setup::secret::SecretFile;

/// What stands in the place of a client's name when the changed file is the configuration.
const CONFIGURATION: &str = "config";

/// A change to the configuration, not yet made.
pub(crate) struct Change<'a> {
    pub(crate) path: &'a Path,
    pub(crate) before: Option<&'a str>,
    pub(crate) after: &'a str,
    pub(crate) secrets: &'a [SecretFile],
}

/// A change that was made and not undone.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) manifest: PathBuf,
    described: Described,
}

/// The description on the disk.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Described {
    version: u32,
    client: String,
    path: PathBuf,
    target: PathBuf,
    before: Option<String>,
    after: String,
    /// Files that came with the change and go with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    created: Vec<PathBuf>,
}

impl Change<'_> {
    /// Makes the change; `stamp` names the backup. If it fails halfway, nothing of it is left.
    pub(crate) fn make(&self, backups: &Path, stamp: &str) -> Result<Made, Failure> {
        create_private(backups).map_err(at("create", backups))?;
        let target = match fs::canonicalize(self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.path.to_owned(),
            result => result.map_err(at("find", self.path))?,
        };
        let base = free_name(backups, stamp);
        let manifest = backups.join(format!("{base}.json"));
        let described = Described {
            version: 1,
            client: CONFIGURATION.to_owned(),
            path: self.path.to_owned(),
            target: target.clone(),
            before: self.before.map(|_| format!("{base}.before")),
            after: format!("{base}.after"),
            created: self.secrets.iter().map(|secret| secret.path.clone()).collect(),
        };
        // The way back is on the disk before anything is touched.
        if let (Some(name), Some(text)) = (&described.before, self.before) {
            write_new(&backups.join(name), text)?;
        }
        write_new(&backups.join(&described.after), self.after)?;
        let text = serde_json::to_string_pretty(&described).expect("a description is JSON");
        write_new(&manifest, &text)?;
        let made = Made { manifest, described };
        if let Err(failure) = self.write(&target) {
            // The first failure is the one to report; this only tidies up after it.
            let _ = made.undo();
            return Err(failure);
        }
        Ok(made)
    }

    fn write(&self, target: &Path) -> Result<(), Failure> {
        for secret in self.secrets {
            if let Some(directory) = secret.path.parent() {
                create_private(directory).map_err(at("create", directory))?;
            }
            write_new(&secret.path, &secret.content)?;
        }
        replace(target, self.after)
    }
}

impl Made {
    /// The title of the client whose file was changed; `None` for the configuration.
    pub(crate) fn client(&self) -> Option<&str> {
        let id = self.described.client.as_str();
        let client = switchboard_clientfile::Client::from_id(id);
        (id != CONFIGURATION).then(|| client.map_or(id, |client| client.title()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.described.path
    }

    /// Whether undoing it removes the file rather than putting an old text back.
    pub(crate) fn began_the_file(&self) -> bool {
        self.described.before.is_none()
    }

    /// How many files with secrets go with it.
    pub(crate) fn secrets(&self) -> usize {
        self.described.created.len()
    }

    /// When it was made, as in `20260102-030405`.
    pub(crate) fn stamp(&self) -> &str {
        let name = self.manifest.file_name().and_then(OsStr::to_str).unwrap_or_default();
        name.get(..STAMP_LENGTH).unwrap_or(name)
    }

    /// Puts the file back, byte for byte, and forgets the change.
    pub(crate) fn undo(&self) -> Result<(), Failure> {
        switchboard_clientfile::restore(&self.manifest).map_err(|error| {
            let hint = match self.client() {
                Some(_) => error.hint().to_owned(),
                None => format!(
                    "what it was before is kept beside `{}`; compare the two and choose",
                    self.manifest.display()
                ),
            };
            super::file_failure(&error).with_hint(hint)
        })?;
        for path in &self.described.created {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(at("remove", path)(error));
                }
                _ => {}
            }
        }
        let undone = self.manifest.with_extension("undone");
        fs::rename(&self.manifest, undone).map_err(at("put aside", &self.manifest))
    }
}

/// The changes that can be undone, the last one first.
pub(crate) fn made(backups: &Path) -> Result<Vec<Made>, Failure> {
    let entries = match fs::read_dir(backups) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(at("read", backups))?,
    };
    let mut made = Vec::new();
    for entry in entries {
        let manifest = entry.map_err(at("read", backups))?.path();
        if manifest.extension() != Some(OsStr::new("json")) {
            continue;
        }
        let text = fs::read_to_string(&manifest).map_err(at("read", &manifest))?;
        let described = serde_json::from_str(&text).map_err(|error| {
            Failure::new("backup-damaged", format!("`{}` describes no change", manifest.display()))
                .with_cause(error)
                .with_hint("move it out of the directory, if it is not a backup")
        })?;
        let written = entry_time(&manifest);
        made.push((written, Made { manifest, described }));
    }
    // Two changes can fall into one second; then the time of the file decides.
    made.sort_by(|(left_time, left), (right_time, right)| {
        (right.stamp(), right_time).cmp(&(left.stamp(), left_time))
    });
    Ok(made.into_iter().map(|(_, made)| made).collect())
}

fn entry_time(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// `20260102-030405`
const STAMP_LENGTH: usize = 15;

/// The name of a backup made at `now`, in UTC.
pub(crate) fn stamp(now: SystemTime) -> String {
    let seconds = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}")
}

/// Year, month and day of a day since 1970: Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `civil_from_days`, for days that are not negative.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let era = days / 146_097;
    let of_era = days % 146_097;
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year + era * 400 + u64::from(month <= 2), month, day)
}

/// A name that no backup has, undone or not.
fn free_name(backups: &Path, stamp: &str) -> String {
    let name = |number: u32| match number {
        1 => format!("{stamp}-{CONFIGURATION}"),
        number => format!("{stamp}-{CONFIGURATION}-{number}"),
    };
    let free = |name: &String| !backups.join(format!("{name}.after")).exists();
    (1_u32..).map(name).find(free).expect("numbers do not run out before names do")
}

/// Puts a finished file in the place of `target`: who reads at this moment sees all or nothing of it.
fn replace(target: &Path, text: &str) -> Result<(), Failure> {
    if let Some(directory) = target.parent() {
        fs::create_dir_all(directory).map_err(at("create", directory))?;
    }
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".new");
    let fresh = target.with_file_name(name);
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(at("remove", &fresh)(error));
        }
        _ => write_new(&fresh, text)?,
    }
    let finish = || {
        if let Ok(metadata) = fs::metadata(target) {
            fs::set_permissions(&fresh, metadata.permissions())?;
        }
        fs::rename(&fresh, target)?;
        // Some filesystems cannot flush a directory; there the file is whole all the same.
        if let Some(directory) = target.parent() {
            let _ = File::open(directory).and_then(|directory| directory.sync_all());
        }
        Ok(())
    };
    finish().map_err(at("write", target))
}

/// Writes a file that must not exist yet, its owner's alone from the moment it exists.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(at("write", path))
}

fn create_private(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn at(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Failure {
    let path = path.display().to_string();
    move |cause| {
        Failure::new("file-io", format!("cannot {doing} `{path}`"))
            .with_cause(cause)
            .with_hint("check that the file and its directory exist and are yours")
    }
}

#[cfg(test)]
mod tests;
