//! `switchboard logs`.

mod follow;
mod tail;

use std::io;

use switchboard_client::control::{Command, Reply};

use self::follow::Follow;
use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::untrusted;

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  switchboard logs
  switchboard logs -f
  switchboard logs -n 200 --upstream git")]
pub(crate) struct Args {
    /// Go on with what is written from now on
    #[arg(short, long)]
    follow: bool,
    /// How many lines to begin with
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    lines: usize,
    /// What this server, or one of its endpoints (NAME.2), wrote to standard error, instead of the
    /// daemon's log
    #[arg(long, value_name = "NAME")]
    upstream: Option<String>,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.upstream {
        Some(upstream) => {
            let log = Command::UpstreamLog { upstream, lines: args.lines, follow: args.follow };
            context.runtime()?.block_on(show_upstream(context, &log))?;
        }
        None => show_daemon(context, args.lines, args.follow)?,
    }
    Ok(Exit::Ok)
}

async fn show_upstream(context: &Context, log: &Command) -> Result<(), Failure> {
    let mut replies = daemon::control(context).await?.stream(log).await?;
    while let Some(reply) = replies.next().await? {
        match reply {
            Reply::Line { text } => show(context, &text)?,
            Reply::Done => break,
            Reply::Problem(problem) => return Err(problem.into()),
            reply => return Err(daemon::misunderstood(&reply)),
        }
    }
    Ok(())
}

fn show_daemon(context: &Context, count: usize, follow: bool) -> Result<(), Failure> {
    let path = context.paths.log();
    let unreadable = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => Failure::new("no-log", "there is no log yet")
            .with_cause(format!("`{}` does not exist", path.display()))
            .with_hint("`switchboard start` starts the daemon, which writes it"),
        _ => {
            Failure::new("no-log", format!("`{}` cannot be read", path.display())).with_cause(error)
        }
    };
    // Opened before the last lines are read, so that none is written between the two.
    let mut rest = Follow::open(&path).map_err(unreadable)?;
    for line in tail::last_lines(&path, rest.position(), count).map_err(unreadable)? {
        show(context, &line)?;
    }
    if !follow {
        return Ok(());
    }
    loop {
        for line in rest.next().map_err(unreadable)? {
            show(context, &line)?;
        }
    }
}

fn show(context: &Context, line: &str) -> Result<(), Failure> {
    if context.json {
        return context.output.data(&serde_json::json!({ "line": line }).to_string());
    }
    context.output.data(&untrusted::text(line))
}
