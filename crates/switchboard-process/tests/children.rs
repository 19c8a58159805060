//! Children as their owner meets them: real shells that misbehave in the known ways.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Duration;

use common::{PATIENCE, alive, environment, script};
use switchboard_process::{Child, Command, Exit, Options, SpawnError, Spawner};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

mod common;

/// What ends the child in a test.
enum End {
    Stop(Duration),
    Drop,
    /// A line on standard input, which the script takes as the word to exit.
    Word,
    Close(Duration),
}

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);

/// A spawner with a directory of its own.
async fn spawner() -> (Spawner, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let options = Options { state_dir: directory.path().join("state"), guard: None };
    let (spawner, settled) = Spawner::start(options).await.unwrap();
    assert!(settled.killed.is_empty());
    (spawner, directory)
}

/// Reads everything up to the end of standard output.
async fn output(child: &mut Child) -> String {
    let mut text = String::new();
    timeout(PATIENCE, child.take_stdout().unwrap().read_to_string(&mut text))
        .await
        .unwrap()
        .unwrap();
    text
}

/// Reads a line.
async fn line(child: &mut Child) -> String {
    let mut stdout = BufReader::new(child.take_stdout().unwrap());
    let mut line = String::new();
    timeout(PATIENCE, stdout.read_line(&mut line)).await.unwrap().unwrap();
    line
}

fn ledgers(directory: &tempfile::TempDir) -> usize {
    std::fs::read_dir(directory.path().join("state")).unwrap().count()
}

/// Runs `text` in a tree called `name`, waits for a line from it, ends it, and checks how it ended and that nothing of it is left.
async fn check(name: &str, text: &str, members: usize, end: End, expected: Exit) {
    let tree = &common::tree(name);
    let (spawner, directory) = spawner().await;
    let mut child = spawner.spawn(script(tree, text)).await.unwrap();
    let exits = [child.exited(), child.exited()];
    assert_eq!(line(&mut child).await, "ready\n", "{tree}");
    common::wait_until("the whole tree runs", PATIENCE, || alive(tree).len() >= members);

    let kept = end_it(&spawner, child, end).await;
    for exit in exits {
        assert_eq!(timeout(PATIENCE, exit).await.unwrap(), expected, "{tree}");
    }
    assert_eq!(alive(tree), [0; 0], "left of {tree}");
    drop(kept);
    assert!(spawner.close(SHORT).await.is_empty());
    assert_eq!(ledgers(&directory), 0, "{tree}");
}

/// Ends `child`, and hands it back where nobody lets go of it.
async fn end_it(spawner: &Spawner, mut child: Child, end: End) -> Option<Child> {
    match end {
        End::Stop(grace) => {
            child.stop(grace).await;
            return None;
        }
        End::Drop => return None,
        End::Word => child.take_stdin().unwrap().write_all(b"exit\n").await.unwrap(),
        End::Close(grace) => assert!(spawner.close(grace).await.is_empty()),
    }
    Some(child)
}

#[tokio::test]
async fn child_that_sees_its_input_close_ends_by_itself() {
    check("close-input", "echo ready; cat >&2; exit 5", 1, End::Stop(LONG), Exit::Code(5)).await;
}

#[tokio::test]
async fn child_that_tidies_up_is_given_the_time() {
    let text = "trap 'sleep 0.1; exit 7' TERM; echo ready; while :; do sleep 0.02; done";
    check("tidy", text, 1, End::Stop(Duration::from_secs(3)), Exit::Code(7)).await;
}

#[tokio::test]
async fn wrapper_takes_what_it_wraps_along() {
    let text = "sleep 1000 & echo ready; sleep 1000";
    check("wrapper-stop", text, 3, End::Stop(SHORT), Exit::Signal(15)).await;
    check("wrapper-drop", text, 3, End::Drop, Exit::Signal(9)).await;
    check("wrapper-close", text, 3, End::Close(SHORT), Exit::Signal(15)).await;
}

#[tokio::test]
async fn child_that_ignores_sigterm_is_killed() {
    let text = "trap '' TERM; sleep 1000 & echo ready; while :; do sleep 1000; done";
    check("stubborn", text, 3, End::Stop(SHORT), Exit::Signal(9)).await;
}

#[tokio::test]
async fn grandchild_with_a_session_of_its_own_is_found() {
    let text = "setsid sh -c 'echo ready; sleep 1000' & wait";
    check("session-stop", text, 3, End::Stop(SHORT), Exit::Signal(15)).await;
    check("session-drop", text, 3, End::Drop, Exit::Signal(9)).await;
    let stubborn = "setsid sh -c 'trap \"\" TERM; echo ready; sleep 1000; sleep 1000' & wait";
    check("session-stubborn", stubborn, 3, End::Stop(SHORT), Exit::Signal(15)).await;
}

#[tokio::test]
async fn child_that_exits_leaves_no_grandchildren() {
    let group = "sleep 1000 & echo ready; read word; exit 3";
    check("exit-group", group, 2, End::Word, Exit::Code(3)).await;
    let session = "setsid sh -c 'echo ready; sleep 1000' & read word; exit 4";
    check("exit-session", session, 3, End::Word, Exit::Code(4)).await;
    check("exit-alone", "echo ready; read word; kill -9 $$", 1, End::Word, Exit::Signal(9)).await;
}

#[tokio::test]
async fn bytes_come_back_unchanged() {
    let (spawner, _directory) = spawner().await;
    let mut command = Command::new("echo", "cat");
    command.env = environment("echo");
    let mut child = spawner.spawn(command).await.unwrap();
    let (mut stdin, mut stdout) = (child.take_stdin().unwrap(), child.take_stdout().unwrap());
    let sent: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut received = Vec::new();
    let write = async {
        stdin.write_all(&sent).await.unwrap();
        drop(stdin);
    };
    let (_, read) = tokio::join!(write, stdout.read_to_end(&mut received));
    read.unwrap();
    assert!(received == sent);
    assert_eq!(child.exited().await, Exit::Code(0));
}

#[tokio::test]
async fn environment_is_what_was_given_and_the_markers() {
    let (spawner, directory) = spawner().await;
    let mut command = Command::new("env", "env");
    command.env = environment("environment");
    command.cwd = Some(directory.path().to_owned());
    let mut child = spawner.spawn(command).await.unwrap();
    let text = output(&mut child).await;
    let mut names: Vec<_> = text.lines().filter_map(|line| line.split_once('=')).collect();
    names.sort_unstable();
    let [("PATH", _), child, owner, ("SWITCHBOARD_TEST_TREE", "environment")] = names[..] else {
        panic!("unexpected environment: {text}");
    };
    assert_eq!(owner.0, switchboard_process::OWNER_VARIABLE);
    assert_eq!(owner.1.len(), 32, "128 bits");
    assert_eq!(child, (switchboard_process::CHILD_VARIABLE, format!("{}.1", owner.1).as_str()));
}

#[tokio::test]
async fn child_starts_with_clean_signals_and_descriptors() {
    let (spawner, directory) = spawner().await;
    // Inheritable, as a careless library opens it.
    let leak = rustix::io::dup(std::fs::File::open(directory.path()).unwrap()).unwrap();
    let text = format!(
        "grep ^SigBlk /proc/self/status; grep ^SigIgn /proc/self/status; test -e /proc/self/fd/{} && echo leaked; pwd",
        std::os::fd::AsRawFd::as_raw_fd(&leak)
    );
    let mut command = script("clean", &text);
    command.cwd = Some(directory.path().to_owned());
    let mut child = spawner.spawn(command).await.unwrap();
    let text = output(&mut child).await;
    let [blocked, ignored, place] = text.lines().collect::<Vec<_>>()[..] else { panic!("{text}") };
    let mask = |line: &str| u64::from_str_radix(line.rsplit('\t').next().unwrap(), 16).unwrap();
    assert_eq!(mask(blocked), 0);
    // Signals 32 and 33 are the C library's own; it lets nobody change them.
    assert_eq!(mask(ignored) & !(0b11 << 31), 0, "{ignored}");
    assert_eq!(std::path::Path::new(place), directory.path().canonicalize().unwrap());
}

#[tokio::test]
async fn last_words_are_complete_when_the_exit_is_known() {
    let (spawner, _directory) = spawner().await;
    let command = script("words", "echo one >&2; printf 'no newline' >&2; exit 1");
    let ring = command.stderr.clone();
    let again = command.clone();
    let child = spawner.spawn(command).await.unwrap();
    assert_eq!(child.exited().await, Exit::Code(1));
    let texts = |count| ring.lines(count).into_iter().map(|line| line.text).collect::<Vec<_>>();
    assert_eq!(texts(10), ["one", "no newline"]);
    // A restarted child goes on in the same ring.
    spawner.spawn(again).await.unwrap().exited().await;
    assert_eq!(texts(10).len(), 4);
}

/// The parent-death signal is bound to a thread, and this one ends long before the child.
#[tokio::test]
async fn child_outlives_the_thread_that_asked_for_it() {
    let (spawner, _directory) = spawner().await;
    let runtime = tokio::runtime::Handle::current();
    let ask =
        move || runtime.block_on(spawner.spawn(script("thread", "read word; echo $word"))).unwrap();
    let asked = tokio::task::spawn_blocking(move || std::thread::spawn(ask).join().unwrap());
    let mut child = asked.await.unwrap();
    child.take_stdin().unwrap().write_all(b"alive\n").await.unwrap();
    assert_eq!(output(&mut child).await, "alive\n");
}

#[tokio::test]
async fn caller_who_stops_waiting_leaves_no_child() {
    let tree = &common::tree("impatient");
    let (spawner, _directory) = spawner().await;
    for _ in 0..20 {
        let spawn = spawner.spawn(script(tree, "sleep 1000 & sleep 1000"));
        // Asks, and is gone at once or when it was answered.
        let _ = timeout(Duration::ZERO, spawn).await;
    }
    assert!(spawner.close(SHORT).await.is_empty());
    assert_eq!(alive(tree), [0; 0]);
}

#[tokio::test]
async fn many_children_are_closed_together() {
    let tree = &common::tree("many");
    let (spawner, directory) = spawner().await;
    let mut children = Vec::new();
    for _ in 0..20 {
        children.push(spawner.spawn(script(tree, "sleep 1000 & sleep 1000")).await.unwrap());
    }
    assert!(children.iter().all(|child| common::is_running(child.pid().cast_signed())));
    assert!(spawner.close(SHORT).await.is_empty());
    assert_eq!(alive(tree), [0; 0]);
    assert_eq!(ledgers(&directory), 0);
    let refused = spawner.spawn(script(tree, "sleep 1000")).await;
    assert!(matches!(refused, Err(SpawnError::Closed)));
}
