//! The daemon of this instance: reached, or started.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use switchboard_client::control::{self, Command, Reply, Status};
use switchboard_client::detach::{DetachError, Failed, Launch, Ready, Report, Stderr, detach};
use switchboard_client::{ClientError, mcp};
use tokio::time::{Instant, sleep};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// How long a daemon may take until it answers. It is ready in well under a second, since it waits
/// for no server; ten leave room for a machine that is swapping.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(10);

/// How often a daemon that is starting or stopping is asked.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// A daemon holds the lock and nobody listens.
const NOT_ANSWERING: &str = "not-answering";

/// What a daemon reports that found the lock taken.
const ALREADY_RUNNING: &str = "already-running";

/// Where the daemon listens, if not where the configuration says.
#[derive(clap::Args, Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Address {
    /// Address to listen on, instead of the configured one
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) host: Option<String>,
    /// Port to listen on, instead of the configured one; 0 takes any that is free
    #[arg(long)]
    pub(crate) port: Option<u16>,
}

/// A daemon that answers.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Started {
    pub(crate) address: String,
    pub(crate) pid: u32,
    /// It had been started before.
    pub(crate) already_running: bool,
}

impl Address {
    /// Key, flag and value of each setting.
    pub(crate) fn settings(&self) -> Vec<(&'static str, &'static str, String)> {
        let host = self.host.iter().map(|host| ("http.host", "--host", host.clone()));
        let port = self.port.iter().map(|port| ("http.port", "--port", port.to_string()));
        host.chain(port).collect()
    }

    /// These, and those of `other` that are missing here.
    pub(crate) fn or(self, other: Self) -> Self {
        Self { host: self.host.or(other.host), port: self.port.or(other.port) }
    }
}

/// A connection for commands.
pub(crate) async fn control(context: &Context) -> Result<control::Client, Failure> {
    let connected = control::Client::connect(&context.paths.control_socket()).await;
    connected.map_err(|error| unreachable(context, error))
}

/// The reply to a command that is answered at once.
pub(crate) async fn ask(context: &Context, command: &Command) -> Result<Reply, Failure> {
    let reply = control(context).await?.ask(command).await?;
    match reply {
        Reply::Problem(problem) => Err(problem.into()),
        reply => Ok(reply),
    }
}

/// As [`ask`], for a command that may take `limit`.
pub(crate) async fn ask_within(
    context: &Context,
    command: &Command,
    limit: Duration,
) -> Result<Reply, Failure> {
    match control(context).await?.ask_within(command, limit).await? {
        Reply::Problem(problem) => Err(problem.into()),
        reply => Ok(reply),
    }
}

pub(crate) async fn status(context: &Context) -> Result<Status, Failure> {
    match ask(context, &Command::Status).await? {
        Reply::Status(status) => Ok(*status),
        reply => Err(misunderstood(&reply)),
    }
}

/// As [`status`], of a daemon that may be ending: it cuts whoever had just connected.
async fn look(context: &Context) -> Result<Status, Failure> {
    match control(context).await?.ask(&Command::Status).await {
        Ok(Reply::Status(status)) => Ok(*status),
        Ok(Reply::Problem(problem)) => Err(problem.into()),
        Ok(reply) => Err(misunderstood(&reply)),
        Err(error) if error.is_cut() => {
            Err(Failure { code: NOT_ANSWERING.to_owned(), ..error.into() })
        }
        Err(error) => Err(error.into()),
    }
}

/// A connection for calls.
pub(crate) async fn mcp(context: &Context) -> Result<mcp::Client, Failure> {
    let connected = mcp::Client::connect(&context.paths.mcp_socket()).await;
    connected.map_err(|error| unreachable(context, error))
}

/// Starts the daemon unless it runs, and returns when it answers.
///
/// Several clients may do this at once (desktop programs start all their servers together): one of
/// the daemons gets the lock, and the others' starters find that one. A daemon that is stopping is
/// waited for.
pub(crate) async fn start(
    context: &Context,
    address: &Address,
    limit: Duration,
) -> Result<Started, Failure> {
    let deadline = Instant::now() + limit;
    loop {
        let failure = match look(context).await {
            Ok(status) if status.state == "draining" => {
                Failure::new(NOT_ANSWERING, format!("the daemon (pid {}) is stopping", status.pid))
                    .with_hint("try again when it has stopped, or see `switchboard logs`")
            }
            Ok(Status { address, pid, .. }) => {
                return Ok(Started { address, pid, already_running: true });
            }
            Err(failure) if failure.exit == Exit::NotRunning => {
                match launch(context, address, limit, &["--detached"]).await {
                    Err(failure) if failure.code == ALREADY_RUNNING => failure,
                    outcome => return outcome,
                }
            }
            Err(failure) if failure.code == NOT_ANSWERING => failure,
            Err(failure) => return Err(failure),
        };
        if Instant::now() >= deadline {
            return Err(failure);
        }
        sleep(LOOK_PAUSE).await;
    }
}

/// Starts a daemon that takes the place of the one that runs, and returns when it answers.
///
/// One that is stopping, or that another process is about to replace, is waited for.
pub(crate) async fn succeed(
    context: &Context,
    address: &Address,
    limit: Duration,
) -> Result<Started, Failure> {
    let deadline = Instant::now() + limit;
    loop {
        match launch(context, address, limit, &["--detached", "--takeover"]).await {
            Err(failure)
                if [ALREADY_RUNNING, NOT_ANSWERING].contains(&failure.code.as_str())
                    && Instant::now() < deadline =>
            {
                sleep(LOOK_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

/// Has a daemon (`old`) that belongs to a service manager start its successor itself.
pub(crate) async fn renew(
    context: &Context,
    old: u32,
    limit: Duration,
) -> Result<Started, Failure> {
    let command = Command::Renew { program: program()?, limit_seconds: limit.as_secs().max(1) };
    match control(context).await?.ask_within(&command, limit).await {
        Ok(Reply::Renewed { report }) => started(report),
        Ok(Reply::Problem(problem)) => Err(problem.into()),
        Ok(reply) => Err(misunderstood(&reply)),
        // It may be gone before its answer is through; then the other one answers.
        Err(error @ ClientError::Broken { .. }) => match status(context).await? {
            Status { address, pid, .. } if pid != old => {
                Ok(Started { address, pid, already_running: false })
            }
            _ => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

async fn launch(
    context: &Context,
    address: &Address,
    limit: Duration,
    flags: &[&str],
) -> Result<Started, Failure> {
    let mut sources = context.sources.clone();
    sources.flags.extend(address.settings());
    // The daemon would say the same; here the mistakes show in colour and nothing is started.
    sources.load().map_err(|diagnostics| Failure::configuration(&diagnostics))?;
    match detach(&command(context, address, limit, flags)?).await {
        Ok(report) => started(report),
        Err(error) => Err(no_report(context, &error)),
    }
}

fn started(report: Report) -> Result<Started, Failure> {
    match report {
        Report::Ready(Ready { address, pid }) => {
            Ok(Started { address, pid, already_running: false })
        }
        Report::Failed(failed) => Err(failed.into()),
    }
}

fn program() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| {
        Failure::new("start-failed", "the program cannot find itself").with_cause(error)
    })
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        Failure::new("start-failed", "the current directory is unknown").with_cause(error)
    })
}

/// The arguments of `switchboard run` for the daemon of this context, wherever it is started.
pub(crate) fn run_arguments(
    context: &Context,
    address: &Address,
    flags: &[&str],
) -> Result<Vec<OsString>, Failure> {
    let mut args: Vec<OsString> = vec!["run".into()];
    args.extend(flags.iter().map(OsString::from));
    args.push(format!("--name={}", context.paths.instance).into());
    if context.sources.file_required {
        args.push("--config".into());
        args.push(absolute(&context.paths.config)?.into());
    }
    for (_, flag, value) in address.settings() {
        args.push(format!("{flag}={value}").into());
    }
    Ok(args)
}

fn command(
    context: &Context,
    address: &Address,
    limit: Duration,
    flags: &[&str],
) -> Result<Launch, Failure> {
    let (program, args) = (program()?, run_arguments(context, address, flags)?);
    // The daemon runs elsewhere, where a relative path would mean another directory.
    let mut variables = Vec::new();
    let name = "SWITCHBOARD_STATE_DIR";
    if let Some(path) = context.variables.get(name).filter(|path| !path.is_empty()) {
        variables.push((name.to_owned(), absolute(Path::new(path))?.into()));
    }
    // Not where we happen to be: the daemon would keep a directory in use that people want to remove
    // or unmount.
    let home = context.variables.get("HOME").filter(|home| Path::new(home).is_dir());
    Ok(Launch {
        program,
        args,
        directory: home.map_or("/", String::as_str).into(),
        variables,
        removed: &[switchboard_process::OWNER_VARIABLE, switchboard_process::CHILD_VARIABLE],
        limit,
        stderr: Stderr::Kept,
    })
}

/// Whether a daemon holds the lock of this instance, answering or not.
pub(crate) fn is_locked(context: &Context) -> io::Result<bool> {
    Ok(switchboard_daemon::holder(&context.paths.lock())?.is_some())
}

/// Nobody listens: says whether that is because nobody runs.
fn unreachable(context: &Context, error: ClientError) -> Failure {
    let is_missing = matches!(error, ClientError::NotRunning(_));
    let mut failure = Failure::from(error);
    let holder = switchboard_daemon::holder(&context.paths.lock());
    if let (true, Ok(Some(pid))) = (is_missing, holder) {
        let pid = pid.map_or(String::new(), |pid| format!(" (pid {pid})"));
        return Failure::new(NOT_ANSWERING, format!("the daemon{pid} runs and does not answer"))
            .with_cause("it holds the lock, and nobody listens on its control socket")
            .with_hint("it may be starting or stopping; try again, or see `switchboard logs`");
    }
    if is_missing && context.paths.instance != switchboard_daemon::DEFAULT_INSTANCE {
        let instance = &context.paths.instance;
        failure.message = format!("no daemon named `{instance}` is running");
        failure.hint = Some(format!("start it with `switchboard start --name {instance}`"));
    }
    failure
}

/// A reply to another question; the daemon is of another version.
pub(crate) fn misunderstood(reply: &Reply) -> Failure {
    let name = match reply {
        Reply::Done => "done",
        Reply::Status(_) => "status",
        Reply::Reloaded(_) => "reloaded",
        Reply::Key { .. } => "key",
        Reply::Line { .. } => "line",
        Reply::Explained(_) => "explained",
        Reply::Calls(_) => "calls",
        Reply::Call(_) => "call",
        Reply::Replayed(_) => "replayed",
        Reply::Managed(_) => "managed",
        Reply::HandedOver { .. } => "handed_over",
        Reply::Renewed { .. } => "renewed",
        Reply::Problem(_) => "problem",
    };
    Failure::new("control-broken", "the daemon answered something else than was asked")
        .with_cause(format!("the answer was `{name}`"))
        .with_hint("it may be of another version; `switchboard restart` runs this one")
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        let message = error.to_string();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let failure = match error {
            ClientError::NotRunning(_) => Self::new("not-running", "no daemon is running")
                .with_exit(Exit::NotRunning)
                .with_hint("start it with `switchboard start`"),
            ClientError::Denied(_) => Self::new("control-denied", message)
                .with_hint("the daemon belongs to another user; use that user's account"),
            ClientError::Broken { .. } => Self::new("control-broken", message)
                .with_hint("see `switchboard logs` for what happened"),
            ClientError::Slow(_) => Self::new("timeout", message).with_exit(Exit::Timeout),
            ClientError::Refused(error) => {
                Self::new("call-refused", crate::untrusted::text(&message))
                    .with_cause(format!("JSON-RPC error {}", error.code))
            }
        };
        Self { cause: failure.cause.or(cause), ..failure }
    }
}

/// What the daemon reported before it went.
impl From<Failed> for Failure {
    fn from(failed: Failed) -> Self {
        let exit = Exit::ALL.into_iter().map(|(exit, _)| exit);
        let exit = exit.into_iter().find(|exit| exit.code() == failed.exit);
        let mut failure = Self::from(failed.problem).with_exit(exit.unwrap_or(Exit::Failed));
        failure.details.mistakes = failed.mistakes;
        failure
    }
}

fn no_report(context: &Context, error: &DetachError) -> Failure {
    let failure = Failure::new("start-failed", error.to_string());
    let cause = std::error::Error::source(error).map(ToString::to_string);
    let log = context.paths.log();
    match error {
        DetachError::Slow { .. } => failure
            .with_exit(Exit::Timeout)
            .with_hint("it was left running; `switchboard status` shows whether it answers by now"),
        DetachError::Crashed { last_words, .. } if !last_words.is_empty() => {
            failure.with_cause(crate::untrusted::text(last_words))
        }
        DetachError::Crashed { .. } => {
            failure.with_hint(format!("see the end of `{}`", log.display()))
        }
        DetachError::Spawn { .. } | DetachError::Report(_) => Failure { cause, ..failure },
    }
}

#[cfg(test)]
mod tests {
    use super::Address;

    #[test]
    fn what_is_given_again_wins() {
        let old = Address { host: Some("::1".to_owned()), port: Some(1) };
        let new = Address { host: None, port: Some(2) };
        let flags: Vec<_> = new
            .or(old)
            .settings()
            .iter()
            .map(|(_, flag, value)| format!("{flag}={value}"))
            .collect();
        assert_eq!(flags, ["--host=::1", "--port=2"]);
    }
}
