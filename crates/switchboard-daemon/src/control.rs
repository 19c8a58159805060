//! The control socket: commands from `switchboard` to its daemon.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use switchboard_admin::Body;
use switchboard_client::control::{Command, ManageBody, ManageRequest, Managed, Problem, Reply};
use switchboard_process::{Follow, Followed, StderrRing};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader,
};
use tokio::net::UnixStream;
use tokio::net::unix::OwnedWriteHalf;

use crate::daemon::Daemon;
use crate::handover;
use crate::outside::owner;
use crate::problem::StartProblem;
use crate::records;

/// The longest command: a request of REST with the largest archive in it. Only the user of the daemon
/// can send any.
const COMMAND_LIMIT: u64 = 1_400 << 20;

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
        Command::UpstreamLog { upstream, lines, follow } => {
            upstream_log(&daemon, &mut writer, &upstream, (lines, follow)).await;
        }
        Command::HandOver => hand_over(&daemon, reader, &mut writer).await,
        command => {
            let answer = match answer(&daemon, command).await {
                Ok(answer) => answer,
                Err(problem) => Reply::Problem(problem.to_wire()),
            };
            reply(&mut writer, &answer).await;
        }
    }
}

async fn upstream_log(
    daemon: &Daemon,
    writer: &mut OwnedWriteHalf,
    upstream: &str,
    (lines, follow): (usize, bool),
) {
    let Some(found) = daemon.fleet.stderr(upstream) else {
        return reply(writer, &Reply::Problem(no_such_upstream(upstream))).await;
    };
    let log = send_log(writer, &found, lines, follow);
    tokio::select! { () = log => {}, () = daemon.stop.cancelled() => {} }
}

async fn hand_over(
    daemon: &Arc<Daemon>,
    reader: impl AsyncBufRead + Unpin,
    writer: &mut OwnedWriteHalf,
) {
    if let Err(problem) = handover::give(daemon, reader, writer).await {
        reply(writer, &Reply::Problem(problem.to_wire())).await;
    }
}

/// The one answer to a command that has one.
async fn answer(daemon: &Daemon, command: Command) -> Result<Reply, StartProblem> {
    match command {
        Command::Status => Ok(Reply::Status(Box::new(daemon.status()))),
        Command::Reload => daemon.reload().await.map(Reply::Reloaded),
        Command::RotateKey { grace_seconds } => daemon.rotate_key(grace_seconds).await,
        Command::Explain { tool, arguments } => {
            let explained = daemon.fleet.explain(&tool, &arguments);
            explained.map(Reply::Explained).map_err(|error| refused(&error))
        }
        Command::Calls { tenant, filter, after, limit } => {
            records::list(daemon, tenant.as_deref(), &filter, after.as_deref(), limit).await
        }
        Command::Call { tenant, id } => records::show(daemon, tenant.as_deref(), &id).await,
        Command::Manage(request) => manage(daemon, request).await.map(Reply::Managed),
        Command::Replay { tenant, id, against } => {
            records::replay(daemon, tenant.as_deref(), &id, against.as_deref()).await
        }
        // Whoever asks means the one that answers from now on.
        Command::Stop if daemon.passed_on.is_cancelled() => Err(replaced()),
        Command::Stop => {
            daemon.stop.cancel();
            daemon.stopped.cancelled().await;
            Ok(Reply::Done)
        }
        Command::Renew { program, limit_seconds } => {
            let limit = Duration::from_secs(limit_seconds);
            let report = daemon.renew(program, limit).await?;
            Ok(Reply::Renewed { report })
        }
        Command::UpstreamLog { .. } | Command::HandOver => Ok(Reply::Done),
        Command::TakeOver => {
            Err(StartProblem::new("handover-failed", "nothing was asked for before"))
        }
    }
}

/// What REST answers to whoever runs the daemon.
async fn manage(daemon: &Daemon, request: ManageRequest) -> Result<Managed, StartProblem> {
    let ManageRequest { tenant, method, path, body } = request;
    let tenant = records::parse(tenant.as_deref())?;
    let admin = daemon.admin.get().ok_or_else(replaced)?;
    let unknown = |error: http::Error| {
        StartProblem::new("control-unknown", "the daemon does not know this command").because(error)
    };
    let request = http::Request::builder()
        .method(method.as_str())
        .uri(format!("/api/v1{path}"))
        .header(http::header::CONTENT_TYPE, "application/json")
        .body(body.map_or_else(Bytes::new, |body| body.0.to_string().into()))
        .map_err(unknown)?;
    let response = admin.respond(&owner(), &tenant, request).await;
    let status = response.status().as_u16();
    let body = match response.into_body() {
        Body::Whole(bytes) if !bytes.is_empty() => serde_json::from_slice(&bytes).ok(),
        Body::Whole(_) | Body::Stream(_) => None,
    };
    Ok(Managed { status, body: body.map(ManageBody) })
}

/// What a call of the same would get.
fn refused(error: &switchboard_core::Error) -> StartProblem {
    StartProblem::new("call-refused", error.to_string())
        .hint("`switchboard tools --json` shows every tool and its arguments")
}

/// Too late for a command: another process is the daemon by now.
pub(crate) fn replaced() -> StartProblem {
    StartProblem::new("not-answering", "another process has taken over")
        .hint("try again; that one answers")
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
