use std::time::Duration;

use super::{DetachError, Launch, Stderr, detach};

/// What becomes of a daemon that is this shell script.
async fn start(script: &str, limit: Duration) -> String {
    let launch = Launch {
        program: "/bin/sh".into(),
        args: vec!["-c".into(), script.into()],
        directory: "/".into(),
        variables: vec![("ADDED".to_owned(), "added".into())],
        removed: &["CARGO_PKG_NAME"],
        limit,
        stderr: Stderr::Kept,
    };
    match detach(&launch).await {
        Ok(report) => serde_json::to_string(&report).unwrap(),
        Err(DetachError::Crashed { status, last_words }) => {
            format!("{}: {last_words}", status.code().unwrap())
        }
        Err(DetachError::Slow { .. }) => "slow".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn check(script: &str, expected: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let actual = runtime.block_on(start(script, Duration::from_secs(10)));
    assert_eq!(actual, expected, "{script}");
}

#[test]
fn the_report_is_the_first_line() {
    let ready = r#"{"ready":{"address":"http://127.0.0.1:1/mcp","pid":7}}"#;
    check(&format!("echo '{ready}'; echo more"), ready);
    // A chatty daemon does not block on a pipe that nobody empties.
    check(
        &format!("i=0; while [ $i -lt 9999 ]; do echo noise >&2; i=$((i+1)); done; echo '{ready}'"),
        ready,
    );
    let failed = r#"{"failed":{"code":"address-in-use","message":"no","mistakes":[],"exit":1}}"#;
    check(&format!("echo '{failed}'; exit 1"), failed);
}

#[test]
fn a_daemon_that_dies_without_one_leaves_its_last_words() {
    check("echo out of cheese >&2; exit 3", "3: out of cheese");
    check("exec 2>&-; exit 4", "4: ");
    check("echo gibberish", "the daemon's report cannot be read");
}

#[test]
fn it_gets_the_variables_it_should_have() {
    check("echo \"$ADDED ${CARGO_PKG_NAME-gone}\" >&2; exit 1", "1: added gone");
}

#[test]
fn one_that_is_not_ready_is_not_waited_for_forever() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let limit = Duration::from_millis(1);
    // Ends by itself when the pipe closes with our end of it.
    let slow = "while echo waiting >&2; do :; done";
    assert_eq!(runtime.block_on(start(slow, limit)), "slow");
}
