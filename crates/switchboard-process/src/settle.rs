//! Ends what a daemon that is gone has left behind.
//!
//! Plain, blocking code without a runtime: the guard runs it as well, and has nothing else in it.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, getpid};

use crate::ledger::{self, Page, Run};
use crate::marker::{CHILD_VARIABLE, Marker, OwnerId, variable};
use crate::process::{Process, boot_id};

/// How long processes may take to obey SIGTERM. Less than half of the second after which nothing may be left.
const TERM_GRACE: Duration = Duration::from_millis(400);

/// How long SIGKILL is repeated. What survives hangs in the kernel, and a start does not wait for that.
const KILL_LIMIT: Duration = Duration::from_secs(2);

const LOOK_PAUSE: Duration = Duration::from_millis(10);

/// How many looks in a row have to find nobody; see [`crate::tree`].
const QUIET_LOOKS: u32 = 2;

/// What was found and done.
#[derive(Debug, Default)]
pub struct Settled {
    /// Processes that were running without an owner and are gone now.
    pub killed: Vec<Leftover>,
    /// Processes that even SIGKILL did not end. Their ledger is kept, and the next settling tries again.
    pub survivors: Vec<Leftover>,
    /// Ledgers that could not be read. Their processes were looked for by marker alone.
    pub damaged: Vec<PathBuf>,
}

/// A process without an owner.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Leftover {
    pub pid: u32,
    /// The child it belonged to, if that can still be told.
    pub label: Option<String>,
}

/// What one run left: the name of its ledger, and the content as far as it can be read.
struct Estate {
    path: PathBuf,
    run: Run,
    marker: Marker,
    page: Option<Page>,
}

/// Ends the children of every daemon that wrote a ledger in `state_dir` and is gone, and removes the ledgers.
///
/// Children of a daemon that lives are left alone, so this may be called at any time. Without leftovers
/// it takes well under a millisecond; with them, about half a second if they ignore SIGTERM. Blocks.
///
/// # Errors
///
/// If the directory cannot be read. That it does not exist is no error: nobody left anything.
pub fn settle(state_dir: &Path) -> io::Result<Settled> {
    let estates = find_estates(state_dir)?.into_iter().filter(|estate| !estate.run.is_alive());
    Ok(settle_all(&estates.collect::<Vec<_>>()))
}

/// Ends the children of `owner`, whether or not its daemon still shows: the kernel closes the guard's
/// pipe a moment before it declares the daemon dead.
pub(crate) fn settle_owner(state_dir: &Path, owner: &OwnerId) -> io::Result<Settled> {
    let estates = find_estates(state_dir)?.into_iter().filter(|estate| estate.run.owner == *owner);
    Ok(settle_all(&estates.collect::<Vec<_>>()))
}

fn find_estates(state_dir: &Path) -> io::Result<Vec<Estate>> {
    let entries = match fs::read_dir(state_dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut estates = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if let Some(run) = name.and_then(Run::parse) {
            let page = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok());
            estates.push(Estate { marker: run.owner.marker(), path, run, page });
        }
    }
    Ok(estates)
}

fn settle_all(estates: &[Estate]) -> Settled {
    let mut settled = Settled::default();
    let (current, outdated): (Vec<_>, Vec<_>) =
        estates.iter().partition(|estate| estate.is_of_boot(&boot_id()));
    for estate in &current {
        if estate.page.is_none() {
            settled.damaged.push(estate.path.clone());
        }
    }
    let survivors = if current.is_empty() { BTreeSet::new() } else { end(&current, &mut settled) };
    for estate in outdated.into_iter().chain(current) {
        if !survivors.contains(&estate.path) {
            ledger::remove(&estate.path);
        }
    }
    settled
}

/// Signals until nobody is found any more, and returns the ledgers of which somebody is left.
fn end(estates: &[&Estate], settled: &mut Settled) -> BTreeSet<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "runs without tokio, and waits for real processes"
    )]
    let begun = Instant::now();
    let mut asked = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut quiet = 0;
    loop {
        let found = look(estates);
        quiet = if found.is_empty() { quiet + 1 } else { 0 };
        let late = begun.elapsed() > TERM_GRACE + KILL_LIMIT;
        if quiet == QUIET_LOOKS || late {
            settled.survivors = found.iter().map(|(leftover, ..)| leftover.clone()).collect();
            settled.killed =
                seen.into_iter().filter(|leftover| !settled.survivors.contains(leftover)).collect();
            return found.into_iter().map(|(.., estate)| estate.path.clone()).collect();
        }
        for (leftover, process, _) in found {
            if begun.elapsed() > TERM_GRACE {
                process.signal(Signal::KILL);
            } else if asked.insert((process.pid.as_raw_nonzero(), process.started)) {
                // Once: to many programs a second SIGTERM means "never mind the tidying up".
                process.signal(Signal::TERM);
            }
            seen.insert(leftover);
        }
        sleep(LOOK_PAUSE);
    }
}

/// Everybody who belongs to one of `estates` and lives.
fn look<'e>(estates: &[&'e Estate]) -> Vec<(Leftover, Process, &'e Estate)> {
    let me = getpid();
    let all: Vec<_> = Process::all().into_iter().filter(|process| process.pid != me).collect();
    let mut found = Vec::new();
    for estate in estates {
        let marked: HashSet<Pid> = all
            .iter()
            .filter(|process| process.started >= estate.run.started)
            .filter(|process| estate.marker.is_in(&process.environ()))
            .map(|process| process.pid)
            .collect();
        let groups = estate.groups(&all, &marked);
        for process in all.iter().filter(|process| process.alive) {
            if marked.contains(&process.pid) || groups.contains(&process.group) {
                found.push((estate.leftover(process), *process, *estate));
            }
        }
    }
    found
}

impl Run {
    fn is_alive(&self) -> bool {
        Pid::from_raw(self.pid)
            .and_then(Process::find)
            .is_some_and(|process| process.alive && process.started == self.started)
    }
}

impl Estate {
    fn is_of_boot(&self, boot: &str) -> bool {
        self.page.as_ref().is_none_or(|page| page.boot == boot)
    }

    /// The groups in the ledger that are certainly still ours.
    ///
    /// A group keeps its number while any member lives, so it is ours if its recorded leader is still
    /// there (dead or alive, but with the recorded start time) or if a marked process is in it.
    /// Otherwise the number may have been given to strangers.
    fn groups(&self, all: &[Process], marked: &HashSet<Pid>) -> BTreeSet<i32> {
        let recorded = self.page.iter().flat_map(|page| page.children.values());
        recorded
            .filter_map(|entry| entry.process)
            .filter(|child| {
                all.iter().any(|process| {
                    let is_leader = process.pid.as_raw_nonzero().get() == child.pid
                        && process.started == child.started;
                    let is_member = process.group == child.group && marked.contains(&process.pid);
                    is_leader || is_member
                })
            })
            .map(|child| child.group)
            .collect()
    }

    fn leftover(&self, process: &Process) -> Leftover {
        let children = self.page.as_ref().map(|page| &page.children);
        let environ = process.environ();
        let by_marker = || children?.get(variable(&environ, CHILD_VARIABLE)?);
        let by_group = || {
            children?
                .values()
                .find(|entry| entry.process.is_some_and(|it| it.group == process.group))
        };
        Leftover {
            pid: process.pid.as_raw_nonzero().get().unsigned_abs(),
            label: by_marker().or_else(by_group).map(|entry| entry.label.clone()),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
