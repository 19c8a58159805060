//! `switchboard bundle run`.

use std::path::PathBuf;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::commands::call::{parse, render_result};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::untrusted;

#[derive(clap::Args, Debug)]
#[command(after_help = "What the code prints goes to standard error.

Examples:
  switchboard bundle run weather forecast city=Bern
  switchboard bundle run weather.zip forecast '{\"city\": \"Bern\"}' --set token=abc --json")]
pub(super) struct Run {
    /// A directory or a ZIP archive
    path: PathBuf,
    /// One of its tools
    tool: String,
    /// Arguments: a JSON object, or KEY=VALUE and KEY:=JSON
    #[arg(value_name = "ARGUMENT")]
    arguments: Vec<String>,
    /// What is set of it, NAME=VALUE; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    set: Vec<(String, String)>,
}

pub(super) fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

pub(super) fn run(args: Run, context: &Context) -> Result<Exit, Failure> {
    let words = parse(&args.arguments)?;
    let progress = context.output.progress(&format!("Calling {}", args.tool));
    let (answer, log) = context.runtime()?.block_on(async {
        let trial = super::open(&args.path, &args.set, context).await?;
        let function = trial.manifest.functions.iter().find(|it| it.key == args.tool);
        let schema = function.and_then(|it| it.input.as_ref());
        let arguments = Value::Object(words.object(schema)?);
        let answer = trial.call(&args.tool, &arguments).await;
        let log = trial.log();
        trial.close().await;
        Ok::<_, Failure>((answer, log))
    })?;
    drop(progress);
    for line in log {
        context.output.note(&untrusted::line(&line));
    }
    let response = answer.map_err(|problem| {
        Failure::new("bundle-call", format!("`{}` was not called", args.tool))
            .with_cause(untrusted::text(&problem))
            .with_hint("`switchboard bundle check` lists its tools")
    })?;
    let whole: &RawValue = response.result.view().expect("it came as JSON");
    context.output.show(&whole, |_| render_result(&response.result))?;
    if response.is_tool_error() {
        context.output.note("The tool reports that it failed.");
        return Ok(Exit::ToolFailed);
    }
    Ok(Exit::Ok)
}
