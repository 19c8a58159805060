//! The list on disk of the children of one daemon run, for whoever has to end them when the daemon cannot.
//!
//! Every run writes a file of its own, and everything that identifies the run stands in the file's *name*:
//! a file that is cut short or scribbled over still tells whose children to look for, and a new daemon
//! never overwrites what the one before it left unsettled.
//!
//! The file is replaced by renaming, so a reader sees the list of one moment. It is not synced to the
//! disk: it serves while the machine runs, and a crash of the machine leaves no process behind.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::process::getpid;
use serde::{Deserialize, Serialize};

use crate::marker::{ChildId, OwnerId};
use crate::process::{Process, boot_id};

/// The ledger of the running daemon. Its only writer is the thread that starts children.
#[derive(Debug)]
pub(crate) struct Ledger {
    path: PathBuf,
    page: Page,
}

/// What stands in the file.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Page {
    /// Start times and process ids mean something until the machine restarts.
    pub(crate) boot: String,
    pub(crate) children: BTreeMap<String, Entry>,
}

/// One child.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Entry {
    pub(crate) label: String,
    /// Missing from just before the child exists until just after: then only its marker tells.
    pub(crate) process: Option<ProcessName>,
}

/// What names a process, and the group it heads.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct ProcessName {
    pub(crate) pid: i32,
    /// See [`Process::started`].
    pub(crate) started: u64,
    pub(crate) group: i32,
}

/// What the name of a ledger says about the run that wrote it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Run {
    pub(crate) owner: OwnerId,
    pub(crate) pid: i32,
    pub(crate) started: u64,
}

impl Ledger {
    /// Creates the ledger of this run.
    pub(crate) fn create(directory: &Path, owner: OwnerId) -> io::Result<Self> {
        let me = getpid();
        let started = Process::find(me).map_or(0, |process| process.started);
        let run = Run { owner, pid: me.as_raw_nonzero().get(), started };
        let page = Page { boot: boot_id(), children: BTreeMap::new() };
        let ledger = Self { path: directory.join(run.file_name()), page };
        ledger.write()?;
        Ok(ledger)
    }

    /// Writes down a child that does not exist yet; one that cannot be written down is not to exist.
    pub(crate) fn announce(&mut self, id: &ChildId, label: &str) -> io::Result<()> {
        let entry = Entry { label: label.to_owned(), process: None };
        self.page.children.insert(id.as_str().to_owned(), entry);
        self.write().inspect_err(|_| {
            self.page.children.remove(id.as_str());
        })
    }

    /// Writes down the process that an announced child has become.
    pub(crate) fn record(&mut self, id: &ChildId, process: ProcessName) -> io::Result<()> {
        if let Some(entry) = self.page.children.get_mut(id.as_str()) {
            entry.process = Some(process);
        }
        self.write()
    }

    /// Strikes out a child of which nothing is left.
    ///
    /// If that cannot be written, a dead child stays in the file, and whoever settles it finds nobody.
    pub(crate) fn forget(&mut self, id: &ChildId) {
        self.page.children.remove(id.as_str());
        if let Err(error) = self.write() {
            tracing::warn!(ledger = %self.path.display(), %error, "ledger was not brought up to date");
        }
    }

    /// The children not yet struck out.
    pub(crate) fn labels(&self) -> Vec<String> {
        self.page.children.values().map(|entry| entry.label.clone()).collect()
    }

    /// Removes the file, if there is nothing in it.
    pub(crate) fn close(&self) {
        if self.page.children.is_empty() {
            remove(&self.path);
        }
    }

    /// Replaces the file. Mode 0600 from the moment it exists.
    fn write(&self) -> io::Result<()> {
        let text = serde_json::to_vec(&self.page)?;
        let fresh = unfinished(&self.path);
        let mut file: File =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&text)?;
        fs::rename(&fresh, &self.path)
    }
}

impl Run {
    fn file_name(&self) -> String {
        format!("children-{}-{}-{}.json", self.owner.as_str(), self.pid, self.started)
    }

    /// Reads what [`file_name`](Self::file_name) wrote; `None` for every other file.
    pub(crate) fn parse(file_name: &str) -> Option<Self> {
        let name = file_name.strip_prefix("children-")?.strip_suffix(".json")?;
        let (owner, daemon) = name.split_once('-')?;
        let (pid, started) = daemon.split_once('-')?;
        Some(Self {
            owner: OwnerId::parse(owner)?,
            pid: pid.parse().ok()?,
            started: started.parse().ok()?,
        })
    }
}

/// Removes the ledger at `path`, and what a killed daemon may have been writing.
pub(crate) fn remove(path: &Path) {
    for path in [path, &unfinished(path)] {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(ledger = %path.display(), %error, "ledger was not removed");
            }
            _ => {}
        }
    }
}

fn unfinished(path: &Path) -> PathBuf {
    path.with_extension("json.new")
}

#[cfg(test)]
mod tests;
