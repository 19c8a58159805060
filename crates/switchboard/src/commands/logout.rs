//! `switchboard logout`.

use serde_json::json;
use switchboard_daemon::owner;

use super::login::{failure, find};
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Forgets the token. The authorization server is not told; its own pages end the login there.

Example:
  switchboard logout tracker"
)]
pub(crate) struct Args {
    /// The server
    #[arg(value_name = "NAME")]
    upstream: String,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let Args { upstream } = args;
    let authorizer = find(context, &upstream)?;
    let was_logged_in = context
        .runtime()?
        .block_on(authorizer.logout(&owner().subject))
        .map_err(|error| failure(&upstream, &error))?;
    let done = json!({ "upstream": upstream, "was_logged_in": was_logged_in });
    context.output.show(&done, |_| match was_logged_in {
        true => format!("`{upstream}` is logged out."),
        false => format!("Nobody was logged in at `{upstream}`."),
    })?;
    Ok(Exit::Ok)
}
