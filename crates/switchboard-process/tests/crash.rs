//! `kill -9` of the daemon, and of its guard.
//!
//! The test starts itself again as the daemon (`daemon DIR TREE …`) and as the guard (`guard DIR`),
//! which is why it has a `main` of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "tells which case runs, and the daemon that it is ready")]

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, getsid, kill_process};

mod common;

use common::{PATIENCE, alive, is_running, processes, script, wait_until};
use switchboard_process::sandbox::{Limits, Sandbox, program_paths};
use switchboard_process::{GuardCommand, Options, Spawner, guard_main, settle};

/// After this long nothing may be left.
const ONE_SECOND: Duration = Duration::from_secs(1);

/// A wrapper, a member of its group, and one that left the group and ignores SIGTERM. None of them reads
/// its input, so that the end of a pipe is not what ends them.
const TREE: &str = "sleep 1000 &
    setsid sh -c 'trap \"\" TERM; echo ready; sleep 1000; sleep 1000' &
    sleep 1000";
const TREE_MEMBERS: usize = 5; // a shell and two sleeps in the group, a shell and its sleep outside

/// The same in a sandbox, which lets nobody leave the group.
const BOXED: &str = "sleep 1000 & echo ready; sleep 1000";
const BOXED_MEMBERS: usize = 3;

type Case = (&'static str, fn());

const CASES: &[Case] = &[
    ("killed_daemon_with_guard_leaves_nothing_for_a_second", killed_daemon_with_guard),
    ("killed_daemon_without_guard_is_settled_by_the_next", killed_daemon_without_guard),
    ("killed_daemon_with_guard_leaves_no_sandboxed_child", killed_daemon_of_sandboxed_children),
    ("strays_in_a_sandbox_are_found_by_the_next", strays_in_a_sandbox),
    ("guard_is_out_of_reach", guard_is_out_of_reach),
    ("guard_that_dies_is_replaced", guard_that_dies_is_replaced),
    ("daemon_that_closes_sends_the_guard_home", daemon_that_closes),
];

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["guard", directory] => guard_main(Path::new(directory), io::stdin()),
        ["daemon", directory, tree, guard, kind] => {
            let command = if kind == "boxed" { boxed(tree) } else { script(tree, TREE) };
            daemon(directory, guard == "guarded", &command)
        }
        _ if !cfg!(target_os = "linux") => ExitCode::SUCCESS,
        ref filters => run_cases(filters),
    }
}

fn run_cases(filters: &[&str]) -> ExitCode {
    let filters: Vec<_> = filters.iter().filter(|filter| !filter.starts_with('-')).collect();
    for (name, case) in CASES {
        if filters.is_empty() || filters.iter().any(|filter| name.contains(**filter)) {
            println!("test {name} ...");
            case();
        }
    }
    ExitCode::SUCCESS
}

/// Plays the daemon: two children, then waits for the end of its standard input and closes.
#[tokio::main]
async fn daemon(
    directory: &str,
    guarded: bool,
    command: &switchboard_process::Command,
) -> ExitCode {
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};

    let program = std::env::current_exe().unwrap();
    let args = vec![OsString::from("guard"), directory.into()];
    let guard = guarded.then_some(GuardCommand { program, args });
    let (spawner, _) =
        Spawner::start(Options { state_dir: directory.into(), guard }).await.unwrap();
    let mut children = Vec::new();
    for _ in 0..2 {
        let mut child = spawner.spawn(command.clone()).await.unwrap();
        let mut line = String::new();
        BufReader::new(child.take_stdout().unwrap()).read_line(&mut line).await.unwrap();
        assert_eq!(line, "ready\n");
        children.push(child);
    }
    println!("ready");
    tokio::io::stdin().read_to_end(&mut Vec::new()).await.unwrap();
    assert!(spawner.close(Duration::from_millis(300)).await.is_empty());
    ExitCode::SUCCESS
}

/// A wrapper in a sandbox, with the programs it starts.
fn boxed(tree: &str) -> switchboard_process::Command {
    let mut command = script(tree, BOXED);
    command.sandbox = Some(Sandbox {
        readable: program_paths(Path::new("/bin/sh")),
        executable: vec!["/bin/sleep".into()],
        limits: Limits { may_start_processes: true, ..Limits::default() },
        required: false,
        ..Sandbox::default()
    });
    command
}

/// A running daemon, as this test sees it.
struct Daemon {
    process: Child,
    directory: tempfile::TempDir,
    tree: String,
}

impl Daemon {
    fn start(name: &str, guarded: bool) -> Self {
        Self::of(name, guarded, ("plain", TREE_MEMBERS))
    }

    fn sandboxed(name: &str, guarded: bool) -> Self {
        Self::of(name, guarded, ("boxed", BOXED_MEMBERS))
    }

    fn of(name: &str, guarded: bool, (kind, members): (&str, usize)) -> Self {
        let tree = common::tree(name);
        let directory = tempfile::tempdir().unwrap();
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["daemon", directory.path().to_str().unwrap(), &tree])
            .arg(if guarded { "guarded" } else { "alone" })
            .arg(kind)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        io::BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        wait_until("both trees run", PATIENCE, || alive(&tree).len() >= 2 * members);
        Self { process, directory, tree }
    }

    fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// The guards of this daemon: whoever was started with the words `guard DIR`.
    fn guards(&self) -> Vec<i32> {
        let words = format!("\0guard\0{}\0", self.directory.path().display());
        let is_guard = |pid: &i32| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            command.ends_with(words.as_bytes()) && is_running(*pid)
        };
        processes().filter(is_guard).collect()
    }

    fn guard(&self) -> i32 {
        let guards = self.guards();
        assert_eq!(guards.len(), 1);
        guards[0]
    }

    /// Checks that within a second of the death of the daemon everything is gone, and soon the guard as well.
    #[track_caller]
    fn nothing_is_left(&self) {
        let took = wait_until("every child is gone", ONE_SECOND, || alive(&self.tree).is_empty());
        println!("    gone after {took:?}");
        wait_until("the guard is gone", PATIENCE, || self.guards().is_empty());
        assert!(self.ledgers().is_empty(), "{:?}", self.ledgers());
    }

    fn ledgers(&self) -> Vec<PathBuf> {
        fs::read_dir(self.directory.path()).unwrap().map(|entry| entry.unwrap().path()).collect()
    }
}

/// A test that fails leaves nothing running either.
impl Drop for Daemon {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Each may be gone by itself in the meantime.
            let _ = self.process.kill().and_then(|()| self.process.wait());
            for pid in alive(&self.tree).into_iter().chain(self.guards()) {
                let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
            }
        }
    }
}

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn killed_daemon_with_guard() {
    let mut daemon = Daemon::start("killed-guarded", true);
    daemon.kill();
    daemon.nothing_is_left();
}

fn killed_daemon_without_guard() {
    let mut daemon = Daemon::start("killed-alone", false);
    daemon.kill();
    wait_until("the kernel ends the children", ONE_SECOND, || alive(&daemon.tree).len() <= 8);
    assert!(!alive(&daemon.tree).is_empty(), "grandchildren are out of the kernel's reach");

    let settled = settle(daemon.directory.path()).unwrap();
    assert_eq!(alive(&daemon.tree), [0; 0]);
    assert!(settled.killed.iter().all(|leftover| leftover.label.as_deref() == Some("test")));
    assert!(
        settled.killed.len() >= 2 && settled.survivors.is_empty() && settled.damaged.is_empty()
    );
    daemon.nothing_is_left();
}

fn killed_daemon_of_sandboxed_children() {
    let mut daemon = Daemon::sandboxed("killed-boxed", true);
    daemon.kill();
    daemon.nothing_is_left();
}

fn strays_in_a_sandbox() {
    let mut daemon = Daemon::sandboxed("killed-boxed-alone", false);
    daemon.kill();
    wait_until("the kernel ends the children", ONE_SECOND, || alive(&daemon.tree).len() <= 4);
    assert!(!alive(&daemon.tree).is_empty(), "grandchildren are out of the kernel's reach");
    let settled = settle(daemon.directory.path()).unwrap();
    assert_eq!(alive(&daemon.tree), [0; 0]);
    assert!(settled.survivors.is_empty() && settled.killed.len() >= 2);
    daemon.nothing_is_left();
}

fn guard_is_out_of_reach() {
    let mut daemon = Daemon::start("guard-reach", true);
    let guard = daemon.guard();
    // The daemon's own session may lie outside a container's process namespace, where it has no number.
    assert_eq!(getsid(Pid::from_raw(guard)).unwrap().as_raw_pid(), guard);
    for descriptor in ["1", "2"] {
        let file = fs::read_link(format!("/proc/{guard}/fd/{descriptor}")).unwrap();
        assert_eq!(file, Path::new("/dev/null"));
    }
    assert_eq!(fs::read_dir(format!("/proc/{guard}/fd")).unwrap().count(), 3);
    assert_eq!(fs::read(format!("/proc/{guard}/environ")).unwrap(), b"");
    for polite in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        signal(guard, polite);
    }
    daemon.kill();
    daemon.nothing_is_left();
}

fn guard_that_dies_is_replaced() {
    let mut daemon = Daemon::start("guard-dies", true);
    let first = daemon.guard();
    signal(first, Signal::KILL);
    wait_until("another guard runs", PATIENCE, || {
        daemon.guards().first().is_some_and(|guard| *guard != first)
    });
    assert_eq!(alive(&daemon.tree).len(), 2 * TREE_MEMBERS, "the children did not notice");
    daemon.kill();
    daemon.nothing_is_left();
}

fn daemon_that_closes() {
    let mut daemon = Daemon::start("closes", true);
    drop(daemon.process.stdin.take());
    assert!(daemon.process.wait().unwrap().success());
    assert_eq!(alive(&daemon.tree), [0; 0]);
    assert_eq!(daemon.guards(), [0; 0], "the guard went home first");
    daemon.nothing_is_left();
}
