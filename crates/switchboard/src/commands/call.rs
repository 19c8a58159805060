//! `switchboard call`.

mod arguments;
mod content;

pub(super) use self::arguments::{Words, parse};
pub(super) use self::content::render as render_result;

use std::time::Duration;

use serde_json::value::RawValue;
use switchboard_client::ClientError;
use switchboard_client::mcp::{Client, Progress as Report};
use switchboard_mcp::{Json, code};

use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::time::seconds;
use crate::untrusted;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "KEY=VALUE becomes what the tool wants there: text, a number, true or false, a list (repeat the key
for more), or JSON. KEY:=JSON is taken as it is. Given twice, KEY=VALUE wins over the object.

Examples:
  switchboard call demo__add a=2 b=3
  switchboard call git__log '{\"repo_path\": \".\", \"max_count\": 5}'
  switchboard call web__fetch url=https://example.org --json | jq .structuredContent"
)]
pub(crate) struct Args {
    /// The tool, as `switchboard tools` names it
    #[arg(value_name = "SERVER__TOOL")]
    tool: String,
    /// Arguments: a JSON object, or KEY=VALUE and KEY:=JSON
    #[arg(value_name = "ARGUMENT")]
    arguments: Vec<String>,
    /// Seconds to wait for the answer
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    timeout: Duration,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let words = parse(&args.arguments)?;
    let progress = context.output.progress(&format!("Calling {}", args.tool));
    let result = context.runtime()?.block_on(async {
        let mut client = daemon::mcp(context).await?.with_limit(args.timeout);
        let arguments = typed(words, &args.tool, &mut client).await?;
        let mut hear = |report: Report| progress.say(&describe(&args.tool, &report));
        let result = client.call(&args.tool, &arguments, Some(&mut hear)).await;
        result.map_err(|error| failed(&args, error))
    })?;
    drop(progress);
    let whole: &RawValue = result.result.view().expect("it came as JSON");
    context.output.show(&whole, |_| content::render(&result.result))?;
    if result.is_error {
        context.output.note("The tool reports that it failed.");
        return Ok(Exit::ToolFailed);
    }
    Ok(Exit::Ok)
}

/// The arguments as `tool` wants them, which is asked for where the words leave it open.
pub(super) async fn typed(words: Words, tool: &str, client: &mut Client) -> Result<Json, Failure> {
    let mut schema = None;
    if words.need_schema() {
        let tools = client.list_tools().await?;
        let known = tools.into_iter().find(|known| known.name == tool);
        schema = Some(known.ok_or_else(|| unknown(tool))?.input_schema);
    }
    Ok(Json::encode(&words.object(schema.as_ref())?))
}

fn describe(tool: &str, report: &Report) -> String {
    let total = report.total.map(|total| format!("/{total}")).unwrap_or_default();
    let message = report.message.as_deref().map(untrusted::line).unwrap_or_default();
    format!("Calling {tool}: {}{total} {message}", report.progress)
}

fn unknown(tool: &str) -> Failure {
    Failure::new("unknown-tool", format!("there is no tool `{tool}`"))
        .with_hint("`switchboard tools` lists them")
}

fn failed(args: &Args, error: ClientError) -> Failure {
    match error {
        ClientError::Refused(error) if error.code == code::INVALID_PARAMS => {
            Failure::new("call-refused", untrusted::text(&error.message))
                .with_hint("`switchboard tools --json` shows every tool and its arguments")
        }
        ClientError::Slow(limit) => {
            let limit = limit.as_secs_f32();
            Failure::new("timeout", format!("`{}` has not answered within {limit} s", args.tool))
                .with_exit(Exit::Timeout)
                .with_cause("whether it did its work is not known")
                .with_hint("give it longer with `--timeout`")
        }
        error => error.into(),
    }
}
