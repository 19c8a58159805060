//! `switchboard run`.

use std::fs::File;
use std::io::Write as _;

use switchboard_client::control::Problem;
use switchboard_client::detach::{self, Failed, Report};
use switchboard_daemon::{Launch, Ready, StartProblem};
use switchboard_process::GuardCommand;
use tokio::runtime::{Builder, Runtime};

use crate::context::Context;
use crate::daemon::{self, Address};
use crate::exit::Exit;
use crate::failure::{self, Failure};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "SIGTERM and SIGINT let calls in flight end, SIGHUP reads the configuration again.

Examples:
  switchboard run
  switchboard run --port 0"
)]
pub(crate) struct Args {
    #[command(flatten)]
    address: Address,
    /// Report on standard output, then let go of the terminal; for `start`
    #[arg(long, hide = true)]
    detached: bool,
    /// Take the place of the daemon that runs, and report on standard output; for `restart`
    #[arg(long, hide = true)]
    takeover: bool,
}

impl Args {
    pub(super) fn foreground(address: Address) -> Self {
        Self { address, detached: false, takeover: false }
    }
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    if args.detached {
        // A signal that the terminal sends to its processes is not meant for the daemon. Fails if we
        // lead a group, and then we are apart from the starter already.
        let _ = rustix::process::setsid();
    }
    let mut launch = launch(context, &args.address)?;
    launch.log_to_stderr = !args.detached;
    launch.takes_over = args.takeover;
    let is_watched = args.detached || args.takeover;
    if is_watched {
        launch.on_ready = Box::new(move |ready| {
            let Ready { address, pid } = ready;
            report(&Report::Ready(detach::Ready { address: address.clone(), pid: *pid }));
            let_go(args.detached);
        });
    }
    let runtime = runtime()?;
    let outcome = runtime.block_on(switchboard_daemon::run(launch));
    // Everything that matters has been waited for; a blocking read of standard input has not.
    runtime.shutdown_background();
    let Err(problem) = outcome else { return Ok(Exit::Ok) };
    let failure = Failure::from(problem);
    if is_watched {
        report(&Report::Failed(failed(&failure)));
        return Ok(failure.exit);
    }
    Err(failure)
}

/// What a daemon of this context is started with.
pub(super) fn launch(context: &Context, address: &Address) -> Result<Launch, Failure> {
    let program = std::env::current_exe().map_err(|error| {
        Failure::new("start-failed", "the program cannot find itself").with_cause(error)
    })?;
    let mut sources = context.sources.clone();
    sources.flags.extend(address.settings());
    // Where the daemon keeps the ledger of its children.
    let ledger = context.paths.children().into_os_string();
    Ok(Launch {
        guard: Some(GuardCommand {
            program,
            args: vec!["guard".into(), "--state-dir".into(), ledger],
        }),
        paths: context.paths.clone(),
        sources,
        log_to_stderr: true,
        takes_over: false,
        successor: daemon::run_arguments(context, address, &["--takeover"])?,
        on_ready: Box::new(|_| ()),
    })
}

/// A runtime for a daemon.
pub(super) fn runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Failure::new("runtime-failed", "the asynchronous runtime cannot be started")
            .with_cause(error)
    })
}

/// Writes the one line that the starter waits for. If it waits no longer, nobody misses the line.
fn report(report: &Report) {
    let line = serde_json::to_string(report).expect("a report is JSON");
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}

/// Closes the pipes to the starter, by which it may also be seen that we are done with them.
/// Standard error is one only of a daemon that is apart from it.
fn let_go(stderr_too: bool) {
    if let Ok(nowhere) = File::options().write(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdout(&nowhere);
        if stderr_too {
            let _ = rustix::stdio::dup2_stderr(&nowhere);
        }
    }
}

fn failed(failure: &Failure) -> Failed {
    Failed {
        problem: Problem {
            code: failure.code.clone(),
            message: failure.message.clone(),
            cause: failure.cause.clone(),
            hint: failure.hint.clone(),
        },
        mistakes: failure.details.mistakes.clone(),
        exit: failure.exit.code(),
    }
}

impl From<StartProblem> for Failure {
    fn from(problem: StartProblem) -> Self {
        let StartProblem { code, message, cause, hint, diagnostics } = problem;
        let mut failure = Self::new(code, message);
        if !diagnostics.is_empty() {
            failure.exit = Exit::Configuration;
        }
        failure.details.mistakes = diagnostics.iter().map(failure::mistake).collect();
        Self { cause, hint, ..failure }
    }
}
