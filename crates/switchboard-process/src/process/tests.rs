use rustix::process::getpid;

use super::Process;
use super::system::parse;

/// The line of `/proc/PID/stat` for a process called `name` in state `state`.
fn stat(name: &str, state: &str) -> String {
    format!("42 ({name}) {state} 1 40 39 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 777 1 1")
}

#[test]
fn stat_is_read_whatever_the_name() {
    for (name, state, alive) in [
        ("sleep", "S", true),
        ("a b", "R", true),
        ("x) Z 1 1 (", "S", true),
        ("(sd-pam)", "Z", false),
        ("gone", "X", false),
    ] {
        let found = parse(stat(name, state).as_bytes()).unwrap();
        assert_eq!((found.pid.as_raw_nonzero().get(), found.group), (42, 40), "{name}");
        assert_eq!((found.started, found.alive), (777, alive), "{name}");
    }
    for damaged in ["", "42", "42 (sleep", "42 (sleep) S 1", "x (sleep) S 1 2"] {
        assert_eq!(parse(damaged.as_bytes()), None, "{damaged}");
    }
}

#[test]
fn this_process_is_among_all() {
    let me = Process::find(getpid()).unwrap();
    assert!(me.alive);
    assert!(
        Process::all().iter().any(|process| (process.pid, process.started) == (me.pid, me.started))
    );
}
