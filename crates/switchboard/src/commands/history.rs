//! `switchboard history`.

mod filter;
mod render;

use switchboard_client::control::{Command, Reply};

use self::filter::{since, time_of};
use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;

#[derive(clap::Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "The newest calls come first. Arguments and results were put on record without what looks
like a secret, and results beyond `history.result_limit` were cut.

Examples:
  switchboard history
  switchboard history --tool git__log --since 1h
  switchboard history --status failed -n 100 --json
  switchboard history show 17950000000000001234
  switchboard history replay 17950000000000001234 --against git-new"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: List,
}

#[derive(clap::Args, Debug)]
struct List {
    /// Only calls of this tool, prompt or resource, as clients know it
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// Only calls that this server answers
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Only calls of this principal
    #[arg(long, value_name = "SUBJECT")]
    by: Option<String>,
    /// Only calls that ended so
    #[arg(long, value_parser = ["completed", "failed", "cancelled"])]
    status: Option<String>,
    /// Only calls since then: a span such as `90s`, `15m`, `2h`, `7d`, or a time such as
    /// `2026-11-21T08:00:00Z`
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
    /// Only calls before then
    #[arg(long, value_name = "WHEN")]
    until: Option<String>,
    /// How many to show
    #[arg(short = 'n', long, value_name = "N", default_value_t = 25,
        value_parser = clap::value_parser!(u32).range(1..=10_000))]
    lines: u32,
    /// Go on where a page ended
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// The calls of this tenant, instead of the default one
    #[arg(long, value_name = "TENANT")]
    tenant: Option<String>,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Show everything that is on record of one call
    Show {
        /// As `switchboard history` shows it
        #[arg(value_name = "ID")]
        id: String,
        /// The tenant whose call it was, instead of the default one
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
    },
    /// Make a call again as it was made, and show what differs; it is a real call
    Replay {
        /// As `switchboard history` shows it
        #[arg(value_name = "ID")]
        id: String,
        /// Ask this server instead of the one that answers calls of that name
        #[arg(long, value_name = "SERVER")]
        against: Option<String>,
        /// The tenant whose call it was, instead of the default one
        #[arg(long, value_name = "TENANT")]
        tenant: Option<String>,
    },
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let command = match args.action {
        None => list(args.list)?,
        Some(Action::Show { id, tenant }) => Command::Call { tenant, id },
        Some(Action::Replay { id, against, tenant }) => Command::Replay { tenant, id, against },
    };
    let reply = context.runtime()?.block_on(daemon::ask(context, &command))?;
    let (output, width) = (&context.output, context.output.width());
    match &reply {
        Reply::Calls(calls) => {
            output.show(calls, |calls| render::list(calls, width))?;
            if let Some(next) = &calls.next {
                output.note(&format!("there are more: --after {next}"));
            }
        }
        Reply::Call(call) => output.show(call, |call| render::call(call))?,
        Reply::Replayed(replayed) => {
            output.show(replayed, |replayed| render::replayed(replayed))?;
            // As `diff` says it.
            if replayed.error.is_some() || !replayed.difference.is_empty() {
                return Ok(Exit::Failed);
            }
        }
        other => return Err(daemon::misunderstood(other)),
    }
    Ok(Exit::Ok)
}

fn list(list: List) -> Result<Command, Failure> {
    let now = crate::time::now();
    let when = |option: &str, text: Option<String>| {
        let Some(text) = text else { return Ok(None) };
        since(&text, now).map(|time| Some(time_of(time))).ok_or_else(|| {
            Failure::usage(format!("`{text}` is no time (`{option}`)"))
                .with_hint("a span such as `90s`, `15m`, `2h`, `7d`, or `2026-11-21T08:00:00Z`")
        })
    };
    let filter = switchboard_client::control::CallFilter {
        since: when("--since", list.since)?,
        until: when("--until", list.until)?,
        name: list.tool,
        upstream: list.server,
        subject: list.by,
        status: list.status,
    };
    Ok(Command::Calls { tenant: list.tenant, filter, after: list.after, limit: list.lines })
}
