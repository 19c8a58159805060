//! `switchboard guard`: started by the daemon, for when it is killed.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

#[derive(clap::Args, Debug)]
#[command(hide = true)]
pub(crate) struct Args {
    /// Directory of the ledger of children
    #[arg(long, value_name = "DIR")]
    state_dir: PathBuf,
}

pub(crate) fn run(args: Args, _: &Output) -> Result<Exit, Failure> {
    let outcome = switchboard_process::guard_main(&args.state_dir, std::io::stdin());
    Ok(if outcome == ExitCode::SUCCESS { Exit::Ok } else { Exit::Failed })
}
