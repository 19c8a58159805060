//! How the tests look at processes: from outside, by a variable of their own that every member of a tree inherits.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::time::{Duration, Instant};

use switchboard_process::Command;

/// The variable that the trees of these tests carry.
const TREE: &str = "SWITCHBOARD_TEST_TREE";

/// How long something may take that takes no time on an idle machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A name for a tree that no other run of the tests uses.
pub(crate) fn tree(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// A shell script to run as a child whose whole tree carries `tree`.
pub(crate) fn script(tree: &str, text: &str) -> Command {
    let mut command = Command::new("test", "sh");
    command.args = vec!["-c".into(), text.into()];
    command.env = environment(tree);
    command
}

pub(crate) fn environment(tree: &str) -> BTreeMap<String, OsString> {
    let path = "/usr/local/bin:/usr/bin:/bin".into();
    BTreeMap::from([("PATH".to_owned(), path), (TREE.to_owned(), tree.into())])
}

/// The living processes of `tree`.
pub(crate) fn alive(tree: &str) -> Vec<i32> {
    let variable = format!("{TREE}={tree}");
    let carries = |pid: &i32| {
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|it| it == variable.as_bytes()) && is_running(*pid)
    };
    processes().filter(carries).collect()
}

/// The ids of all processes.
pub(crate) fn processes() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Whether `pid` is there, and no zombie.
pub(crate) fn is_running(pid: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .any(|line| line.starts_with("State:") && !line.contains('Z') && !line.contains('X'))
}

/// Looks until `condition` holds, and fails after `limit`. Returns how long it took.
#[track_caller]
pub(crate) fn wait_until(
    what: &str,
    limit: Duration,
    mut condition: impl FnMut() -> bool,
) -> Duration {
    #[expect(clippy::disallowed_methods, reason = "waits for real processes")]
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
    begun.elapsed()
}
