//! `switchboard man`.

use std::path::PathBuf;

use clap_mangen::Man;

use crate::cli;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  switchboard man | man -l -
  switchboard man --dir ~/.local/share/man/man1")]
pub(crate) struct Args {
    /// Write a page for each command into this directory instead
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: Args, output: &Output) -> Result<Exit, Failure> {
    match args.dir {
        Some(directory) => {
            let written = std::fs::create_dir_all(&directory)
                .and_then(|()| clap_mangen::generate_to(cli::definition(), &directory));
            written.map_err(|error| {
                let message = format!("the pages cannot be written to `{}`", directory.display());
                Failure::new("write-failed", message).with_cause(error)
            })?;
            output.note(&format!("Wrote the pages to {}.", directory.display()));
        }
        None => {
            let mut page = Vec::new();
            // Writing to memory does not fail.
            let _infallible = Man::new(cli::definition()).render(&mut page);
            output.data(&String::from_utf8_lossy(&page))?;
        }
    }
    Ok(Exit::Ok)
}
