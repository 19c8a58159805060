//! `switchboard stop`.

use std::time::Duration;

use switchboard_client::ClientError;
use switchboard_client::control::{Command, Reply};
use tokio::time::{Instant, sleep};

use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::time::seconds;

#[derive(clap::Args, Debug)]
#[command(after_help = "Calls in flight are waited for as long as `daemon.drain` says.

Examples:
  switchboard stop
  switchboard stop --timeout 5")]
pub(crate) struct Args {
    /// Seconds to wait until the daemon is gone
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    timeout: Duration,
}

/// How often the lock is looked at. A look is one system call; nobody notices a twentieth of a second.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let pid = stop(context, args.timeout)?;
    context.output.show(&serde_json::json!({ "stopped": pid }), |_| {
        format!("Switchboard (pid {pid}) has stopped.")
    })?;
    Ok(Exit::Ok)
}

/// Stops the daemon, waits until it is gone, and returns the PID it had.
pub(super) fn stop(context: &Context, limit: Duration) -> Result<u32, Failure> {
    let _progress = context.output.progress("Waiting for calls to end");
    context.runtime()?.block_on(async {
        let pid = daemon::status(context).await?.pid;
        let deadline = Instant::now() + limit;
        match daemon::control(context).await?.ask_within(&Command::Stop, limit).await {
            Ok(Reply::Done) => {}
            Ok(Reply::Problem(problem)) => return Err(problem.into()),
            Ok(reply) => return Err(daemon::misunderstood(&reply)),
            // It may hang up before its answer is through; whether it goes is what the lock says.
            Err(ClientError::Broken { .. }) => {}
            Err(ClientError::Slow(_)) => return Err(slow(pid, limit)),
            Err(error) => return Err(error.into()),
        }
        while daemon::is_locked(context).map_err(unreadable)? {
            if Instant::now() >= deadline {
                return Err(slow(pid, limit));
            }
            sleep(LOOK_PAUSE).await;
        }
        Ok(pid)
    })
}

fn slow(pid: u32, limit: Duration) -> Failure {
    let limit = limit.as_secs_f32();
    Failure::new("timeout", format!("the daemon (pid {pid}) has not stopped within {limit} s"))
        .with_exit(Exit::Timeout)
        .with_cause("it waits for calls in flight, then for its servers")
        .with_hint(format!("wait, or end it with `kill -9 {pid}`; no server is left behind"))
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::new("state-unusable", "the daemon's lock cannot be read").with_cause(error)
}
