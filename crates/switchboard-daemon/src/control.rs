//! The control socket: commands from `switchboard` to its daemon.

use std::sync::Arc;
use std::time::Duration;

use switchboard_client::control::{Command, Problem, Reply};
use switchboard_process::{Follow, Followed, StderrRing};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;

use crate::problem::StartProblem;
use crate::run::Daemon;

/// The longest command. The longest there is has a name of 32 characters in it.
const COMMAND_LIMIT: u64 = 4096;

/// How long a command may take to come. Who connects has one, so silence is a place taken.
const PATIENCE: Duration = Duration::from_secs(30);

/// Most lines of one answer that come from the past.
const LINES_LIMIT: usize = 10_000;

/// Answers one command.
pub(crate) async fn serve(daemon: Arc<Daemon>, stream: UnixStream) {
    let (reader, mut writer) = stream.into_split();
    let mut line = String::new();
    let mut reader = BufReader::new(reader.take(COMMAND_LIMIT));
    let read = tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await;
    if !matches!(read, Ok(Ok(_))) || line.is_empty() {
        return;
    }
    let command = match serde_json::from_str::<Command>(&line) {
        Ok(command) => command,
        Err(error) => {
            let problem =
                StartProblem::new("control-unknown", "the daemon does not know this command")
                    .because(error)
                    .hint("`switchboard restart` brings the daemon to the version of this program");
            return reply(&mut writer, &Reply::Problem(problem.to_wire())).await;
        }
    };
    match command {
        Command::UpstreamLog { upstream, lines, follow } => match daemon.fleet.find(&upstream) {
            Some(found) => {
                let log = send_log(&mut writer, found.stderr(), lines, follow);
                tokio::select! { () = log => {}, () = daemon.stop.cancelled() => {} }
            }
            None => reply(&mut writer, &Reply::Problem(no_such_upstream(&upstream))).await,
        },
        command => {
            let answer = match answer(&daemon, command).await {
                Ok(answer) => answer,
                Err(problem) => Reply::Problem(problem.to_wire()),
            };
            reply(&mut writer, &answer).await;
        }
    }
}

/// The one answer to a command that has one.
async fn answer(daemon: &Daemon, command: Command) -> Result<Reply, StartProblem> {
    match command {
        Command::Status => Ok(Reply::Status(Box::new(daemon.status()))),
        Command::Reload => daemon.reload().await.map(Reply::Reloaded),
        Command::RotateKey { grace_seconds } => daemon.rotate_key(grace_seconds).await,
        Command::Stop => {
            daemon.stop.cancel();
            daemon.stopped.cancelled().await;
            Ok(Reply::Done)
        }
        Command::UpstreamLog { .. } => Ok(Reply::Done),
    }
}

fn no_such_upstream(name: &str) -> Problem {
    StartProblem::new("upstream-unknown", format!("no upstream is named `{name}`"))
        .hint("`switchboard servers` lists them")
        .to_wire()
}

async fn reply(writer: &mut OwnedWriteHalf, reply: &Reply) {
    let mut line = serde_json::to_vec(reply).expect("replies serialise");
    line.push(b'\n');
    // Whoever asked may have left.
    let _ = writer.write_all(&line).await;
}

async fn send_log(writer: &mut OwnedWriteHalf, ring: &StderrRing, lines: usize, follow: bool) {
    // Before the past is read, so that nothing falls between.
    let following = ring.follow();
    let past = ring.lines(lines.min(LINES_LIMIT));
    let last = past.last().map(|line| line.number);
    for line in past {
        reply(writer, &Reply::Line { text: line.text }).await;
    }
    if follow {
        send_following(writer, following, last).await;
    }
    reply(writer, &Reply::Done).await;
}

async fn send_following(writer: &mut OwnedWriteHalf, mut following: Follow, last: Option<u64>) {
    while let Some(followed) = following.next().await {
        let text = match followed {
            // Sent already, with the past.
            Followed::Line(line) if last.is_some_and(|last| line.number <= last) => continue,
            Followed::Line(line) => line.text,
            Followed::Missed(count) => format!("({count} lines were missed)"),
        };
        let mut line = serde_json::to_vec(&Reply::Line { text }).expect("replies serialise");
        line.push(b'\n');
        if writer.write_all(&line).await.is_err() {
            return;
        }
    }
}
