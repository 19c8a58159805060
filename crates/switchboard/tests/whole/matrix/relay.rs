//! The child process of a server that lives in the test.
//!
//! The standard runner has no way to be a child, so the child is a test that only a server's
//! command runs: its real standard output is on another descriptor, because the runner writes to
//! the usual one.

use std::fs::File;
use std::path::Path;

/// Where the server listens.
const SOCKET: &str = "SWITCHBOARD_TEST_RELAY";

#[test]
#[ignore = "a child process of other tests"]
fn child() {
    let Some(socket) = std::env::var_os(SOCKET) else { return };
    let output = File::options().write(true).open("/dev/fd/3").unwrap();
    switchboard_testkit::relay(Path::new(&socket), output);
}

/// The table of an upstream that runs [`child`].
pub(crate) fn stdio(socket: &Path) -> String {
    let program = std::env::current_exe().unwrap();
    let script = "exec \"$0\" \"$@\" 3>&1 >/dev/null";
    let test = concat!(module_path!(), "::child");
    let test = test.split_once("::").unwrap().1;
    let args = ["-c", script, program.to_str().unwrap(), test, "--exact", "--ignored"];
    format!(
        "stdio = {{ command = \"/bin/sh\", args = {args:?}, env = {{ {SOCKET} = {socket:?} }} }}"
    )
}
