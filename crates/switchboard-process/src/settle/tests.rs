//! Settling against real processes, each started here and found again by the ledger alone.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rustix::process::Pid;

use super::settle;
use crate::ledger::{Ledger, ProcessName, Run};
use crate::marker::{OWNER_VARIABLE, OwnerId};
use crate::process::Process;

/// A daemon that is gone: the pid is ours, the start time is not.
fn dead_run(owner: &OwnerId) -> String {
    format!("children-{}-{}-1.json", owner.as_str(), std::process::id())
}

/// A ledger with one child, as a dead daemon left it in `directory`.
fn leave_ledger(directory: &Path, owner: &OwnerId, process: Option<ProcessName>) {
    let mut ledger = Ledger::create(directory, owner.clone()).unwrap();
    let id = owner.child(1);
    ledger.announce(&id, "github").unwrap();
    if let Some(process) = process {
        ledger.record(&id, process).unwrap();
    }
    let written = fs::read_dir(directory).unwrap().next().unwrap().unwrap().path();
    fs::rename(written, directory.join(dead_run(owner))).unwrap();
}

fn sleeper(owner: Option<&OwnerId>) -> Child {
    let mut command = Command::new("sleep");
    command.arg("1000").process_group(0).stdout(Stdio::null());
    if let Some(owner) = owner {
        command.env(OWNER_VARIABLE, owner.as_str());
    }
    command.spawn().unwrap()
}

fn name_of(child: &Child) -> ProcessName {
    let process = Process::find(Pid::from_child(child)).unwrap();
    ProcessName {
        pid: process.pid.as_raw_nonzero().get(),
        started: process.started,
        group: process.group,
    }
}

/// Ends `child` if it still runs, and says whether it had to.
fn was_alive(mut child: Child) -> bool {
    let alive = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    alive
}

#[test]
fn recorded_process_is_killed_even_without_marker() {
    let (directory, owner) = (tempfile::tempdir().unwrap(), OwnerId::random().unwrap());
    let child = sleeper(None);
    leave_ledger(directory.path(), &owner, Some(name_of(&child)));

    let settled = settle(directory.path()).unwrap();
    assert_eq!(settled.killed.len(), 1);
    assert_eq!(settled.killed[0].pid, child.id());
    assert_eq!(settled.killed[0].label.as_deref(), Some("github"));
    assert!(!was_alive(child));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0, "the ledger is settled");
}

#[test]
fn reused_number_is_never_signalled() {
    let (directory, owner) = (tempfile::tempdir().unwrap(), OwnerId::random().unwrap());
    let stranger = sleeper(None);
    let name = name_of(&stranger);
    leave_ledger(directory.path(), &owner, Some(ProcessName { started: name.started - 1, ..name }));

    assert_eq!(settle(directory.path()).unwrap().killed, []);
    assert!(was_alive(stranger));
}

#[test]
fn announced_child_is_found_by_its_marker() {
    let (directory, owner) = (tempfile::tempdir().unwrap(), OwnerId::random().unwrap());
    let (child, stranger) = (sleeper(Some(&owner)), sleeper(Some(&OwnerId::random().unwrap())));
    leave_ledger(directory.path(), &owner, None);

    assert_eq!(settle(directory.path()).unwrap().killed.len(), 1);
    assert!(!was_alive(child));
    assert!(was_alive(stranger));
}

#[test]
fn damaged_ledger_is_salvaged_by_its_name() {
    for content in ["", "{\"boot\":\"", "\u{0}\u{0}\u{0}", "[]", "{\"boot\":1,\"children\":{}}"] {
        let (directory, owner) = (tempfile::tempdir().unwrap(), OwnerId::random().unwrap());
        let child = sleeper(Some(&owner));
        let path = directory.path().join(dead_run(&owner));
        fs::write(&path, content).unwrap();

        let settled = settle(directory.path()).unwrap();
        assert_eq!(settled.damaged, [path], "{content:?}");
        assert_eq!(settled.killed.len(), 1, "{content:?}");
        assert!(!was_alive(child), "{content:?}");
    }
}

#[test]
fn living_daemon_keeps_its_children() {
    let (directory, owner) = (tempfile::tempdir().unwrap(), OwnerId::random().unwrap());
    let child = sleeper(Some(&owner));
    let ledger = Ledger::create(directory.path(), owner).unwrap();

    assert_eq!(settle(directory.path()).unwrap().killed, []);
    assert!(was_alive(child));
    ledger.close();
}

#[test]
fn nothing_of_an_earlier_boot_is_signalled() {
    let (directory, owner) = (tempfile::tempdir().unwrap(), OwnerId::random().unwrap());
    let child = sleeper(None);
    leave_ledger(directory.path(), &owner, Some(name_of(&child)));
    let path = directory.path().join(dead_run(&owner));
    let text = fs::read_to_string(&path).unwrap();
    let boot = text.split('"').nth(3).unwrap();
    fs::write(&path, text.replace(boot, "another")).unwrap();

    assert_eq!(settle(directory.path()).unwrap().killed, []);
    assert!(was_alive(child));
    assert!(!path.exists());
}

#[test]
fn nothing_is_settled_where_nothing_is() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("children.json"), "not ours").unwrap();
    let settled = settle(directory.path()).unwrap();
    assert!(settled.killed.is_empty() && settled.damaged.is_empty());
    assert!(settle(&directory.path().join("missing")).unwrap().killed.is_empty());
    assert!(Run::parse("children.json").is_none());
}
