//! Who is alive, and who is owned: `/proc` beside the ledgers of the daemon.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::daemon::MARK;

/// The children of the daemons of one home at one moment.
#[derive(Clone, Debug)]
pub struct Census {
    /// Processes by their id, with what the daemon calls them.
    pub alive: BTreeMap<u32, Alive>,
    /// What the ledgers hold.
    pub owned: BTreeSet<String>,
    /// Alive and in no ledger.
    pub strays: Vec<u32>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Alive {
    /// `SWITCHBOARD_CHILD`, which is the key in the ledger.
    pub child: String,
    /// With the process id, names the process for good.
    started: u64,
}

impl Census {
    /// Counts the children that carry `mark`, with the ledgers in `children`.
    ///
    /// A child is in the ledger before it exists and until nothing is left of it. So whoever was
    /// alive before the ledger was read, and is after, must be in it: no settling, no grace.
    pub fn take(mark: &str, children: &Path) -> Self {
        let before = alive(mark);
        let owned = owned(children);
        let is_stray = |(pid, it): &(&u32, &Alive)| {
            !owned.contains(&it.child) && find(**pid, mark).as_ref() == Some(*it)
        };
        let strays = before.iter().filter(is_stray).map(|(pid, _)| *pid).collect();
        Self { alive: before, owned, strays }
    }

    /// Every owned child is alive, and the other way round.
    pub fn is_settled(&self) -> bool {
        self.strays.is_empty() && self.missing().is_empty()
    }

    /// In a ledger and not alive: for a moment, a child that starts or has just ended.
    pub fn missing(&self) -> Vec<&str> {
        let alive: BTreeSet<&String> = self.alive.values().map(|it| &it.child).collect();
        self.owned.iter().filter(|it| !alive.contains(it)).map(String::as_str).collect()
    }

    /// Whether that process is still the one that was counted.
    pub fn is_still(&self, pid: u32, mark: &str) -> bool {
        find(pid, mark).is_some_and(|now| self.alive.get(&pid) == Some(&now))
    }
}

fn alive(mark: &str) -> BTreeMap<u32, Alive> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid: u32| Some((pid, find(pid, mark)?))).collect()
}

/// A process that carries the mark, unless it has ended.
fn find(pid: u32, mark: &str) -> Option<Alive> {
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let variable = |name: &str| {
        environment
            .split(|byte| *byte == 0)
            .filter_map(|variable| std::str::from_utf8(variable).ok()?.split_once('='))
            .find_map(|(found, value)| (found == name).then(|| value.to_owned()))
    };
    if variable(MARK).as_deref() != Some(mark) {
        return None;
    }
    Some(Alive { child: variable("SWITCHBOARD_CHILD")?, started: started(pid)? })
}

/// When a process began, unless it has ended; one that nobody waited for has.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // After the name, which may hold anything: the state, and 19 fields later the start (proc(5)).
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let is_dead = matches!(*fields.first()?, "Z" | "X");
    fields.get(19)?.parse().ok().filter(|_| !is_dead)
}

pub(super) fn has_ended(pid: u32) -> bool {
    started(pid).is_none()
}

fn owned(children: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(children).into_iter().flatten().filter_map(Result::ok);
    let ledgers = entries.filter(|entry| entry.path().extension().is_some_and(|it| it == "json"));
    let pages = ledgers.filter_map(|entry| fs::read(entry.path()).ok());
    let pages = pages.filter_map(|text| serde_json::from_slice::<Value>(&text).ok());
    let names = pages.filter_map(|page| Some(page["children"].as_object()?.clone()));
    names.flat_map(|children| children.into_iter().map(|(name, _)| name)).collect()
}

impl std::fmt::Display for Census {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (alive, strays, missing) = (self.alive.len(), &self.strays, self.missing());
        write!(f, "{alive} children alive, in no ledger {strays:?}, in one and dead {missing:?}")
    }
}

/// What a process has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Resources {
    pub descriptors: usize,
    /// What it holds of its own, whatever the kernel has mapped of the program and may drop again.
    pub memory_kib: u64,
}

impl Resources {
    /// `None` where the process has ended.
    pub fn of(pid: u32) -> Option<Self> {
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        let memory_kib = line.trim().trim_end_matches(" kB").parse().ok()?;
        Some(Self { descriptors, memory_kib })
    }
}
