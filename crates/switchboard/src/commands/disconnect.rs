//! `switchboard disconnect`.

use serde_json::json;

use crate::commands::connect::{client, clients};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::setup::client::{Consent, Outcome, carry_out};
use crate::setup::{file_failure, home};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Takes our entry out of the client's file and leaves everything else as it is.

Example:
  switchboard disconnect claude-code"
)]
pub(crate) struct Args {
    /// The client
    #[arg(value_parser = clients())]
    client: String,
    #[command(flatten)]
    consent: Consent,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let Args { client: id, consent } = args;
    let client = client(&id);
    let edit = switchboard_clientfile::disconnect(client, &home(context)?)
        .map_err(|error| file_failure(&error))?;
    let title = client.title();
    let Some(edit) = edit else {
        let nothing = json!({ "client": client.id(), "changed": false });
        context.output.show(&nothing, |_| format!("{title} is not connected."))?;
        return Ok(Exit::Ok);
    };
    let Some(outcome) = carry_out(context, &edit, consent)? else {
        context.output.note("Nothing was changed.");
        return Ok(Exit::Ok);
    };
    context.output.show(&outcome, |outcome| describe(title, outcome))?;
    Ok(Exit::Ok)
}

fn describe(title: &str, outcome: &Outcome) -> String {
    match &outcome.diff {
        Some(diff) => diff.clone(),
        None => format!(
            "{title} is no longer connected (`{}`). Restart it.\n\
             `switchboard undo` takes this back.",
            outcome.path
        ),
    }
}
