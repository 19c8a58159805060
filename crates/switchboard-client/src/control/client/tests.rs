use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Duration;

use super::{Client, ControlError};
use crate::control::{Command, Reply};

/// What a client gets that asks for the status of a daemon which writes `answer` and hangs up.
async fn ask(answer: &'static str) -> Result<Reply, ControlError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let daemon = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = String::new();
        BufReader::new(stream.try_clone().unwrap()).read_line(&mut asked).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        asked
    });
    let reply = Client::connect(&path).await?.ask(&Command::Status).await;
    assert_eq!(daemon.join().unwrap(), "{\"command\":\"status\"}\n");
    reply
}

#[tokio::test]
async fn a_command_is_a_line_and_so_is_the_reply() {
    assert!(matches!(ask("{\"reply\":\"done\"}\n").await, Ok(Reply::Done)));
    let problem = ask("{\"reply\":\"problem\",\"code\":\"busy\",\"message\":\"no\"}\n").await;
    assert!(matches!(problem, Ok(Reply::Problem(problem)) if problem.code == "busy"));
}

#[tokio::test]
async fn an_answer_that_is_none_is_an_error() {
    for answer in ["", "nonsense\n", "{\"reply\":\"unheard-of\"}\n"] {
        let error = ask(answer).await.unwrap_err();
        assert!(matches!(error, ControlError::Broken { .. }), "{answer}: {error:?}");
    }
}

#[tokio::test]
async fn a_socket_that_is_missing_or_stale_means_that_nobody_runs() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let error = Client::connect(&path).await.unwrap_err();
    assert!(matches!(error, ControlError::NotRunning(_)), "{error:?}");
    drop(UnixListener::bind(&path).unwrap());
    let error = Client::connect(&path).await.unwrap_err();
    assert!(matches!(error, ControlError::NotRunning(_)), "{error:?}");
}

#[tokio::test]
async fn a_daemon_that_never_answers_is_not_waited_for_forever() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("control.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let mut client = Client::connect(&path).await.unwrap();
    let limit = Duration::from_millis(1);
    let error = client.ask_within(&Command::Status, limit).await.unwrap_err();
    assert!(matches!(error, ControlError::Slow(_)), "{error:?}");
}
