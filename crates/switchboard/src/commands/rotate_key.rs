//! `switchboard rotate-key`.

use std::time::Duration;

use serde::Serialize;
use switchboard_client::control::{Command, Reply};
use switchboard_config::TimeSpan;

use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  switchboard rotate-key
  switchboard rotate-key --grace 10m
  switchboard rotate-key --grace 0s      # the old key is refused from now on")]
pub(crate) struct Args {
    /// How long the old key stays valid, such as `30m` [default: `auth.rotate_grace`]
    #[arg(long, value_name = "TIME")]
    grace: Option<TimeSpan>,
}

#[derive(Serialize)]
struct Rotated {
    key: String,
    grace_seconds: u64,
    /// In seconds since 1970, if the old key is still valid.
    previous_valid_until: Option<u64>,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let grace: Duration = match args.grace {
        Some(grace) => grace.into(),
        None => {
            let loaded = context.sources.load();
            let loaded = loaded.map_err(|diagnostics| Failure::configuration(&diagnostics))?;
            loaded.value.auth.rotate_grace.into()
        }
    };
    let grace_seconds = grace.as_secs();
    let rotate = Command::RotateKey { grace_seconds };
    let reply = context.runtime()?.block_on(daemon::ask(context, &rotate))?;
    let Reply::Key { key, previous_valid_until } = reply else {
        return Err(daemon::misunderstood(&reply));
    };
    let rotated = Rotated { key, grace_seconds, previous_valid_until };
    context.output.show(&rotated, |rotated| rotated.key.clone())?;
    context.output.note(&match rotated.previous_valid_until {
        Some(_) => {
            let grace = crate::time::age(grace_seconds);
            format!("This is the new key. The old one stays valid for {grace}.")
        }
        None => "This is the new key. The old one is refused from now on.".to_owned(),
    });
    Ok(Exit::Ok)
}
