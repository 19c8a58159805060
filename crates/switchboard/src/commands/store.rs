//! `switchboard store`.

use std::path::PathBuf;

use serde::Serialize;
use switchboard_daemon::{Config, Moved, Paths};
use tokio::io::{AsyncBufRead, AsyncWrite, AsyncWriteExt as _, BufReader};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::count;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "What is kept are the servers, keys and users of tenants, functions, settings and the history
of calls. Secrets stay sealed in an export: whoever reads it needs `vault.key` as well.
A daemon that runs sees what is imported at its next restart.

Examples:
  switchboard store export kept.jsonl
  switchboard store import kept.jsonl
  switchboard store migrate --to with-postgres.toml
  switchboard store reseal"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Write everything that is kept to a file, as lines of JSON
    Export {
        /// The file, which must not be there yet; standard output if absent
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Take over what was exported; what is there under the same keys is replaced
    Import {
        /// The file; standard input if absent
        #[arg(value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Copy everything to the store of another configuration
    Migrate {
        /// The configuration file that names the store to copy to
        #[arg(long, value_name = "PATH")]
        to: PathBuf,
    },
    /// Seal all secrets with the key that is configured now; after that, `vault.former_keys` can go
    Reseal,
    /// Make a new key for secrets and seal them all with it; while no daemon runs
    RotateKey,
}

/// What was moved, by table.
#[derive(Serialize)]
struct Report {
    rows: std::collections::BTreeMap<&'static str, u64>,
    blobs: u64,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let config = context.config()?;
    let (runtime, paths) = (context.runtime()?, &context.paths);
    match args.action {
        Action::Export { file } => {
            let moved = runtime.block_on(export(&config, paths, file))?;
            context.output.note(&said("exported", &moved));
        }
        Action::Import { file } => {
            let moved = runtime.block_on(import(&config, paths, file))?;
            context.output.show(&moved, |moved| said("imported", moved))?;
        }
        Action::Migrate { to } => {
            let other = context.with_config(&to);
            let wanted = other.config()?;
            let (from, to) = ((&config, paths), (&wanted, &other.paths));
            let moved = runtime.block_on(switchboard_daemon::migrate_store(from, to));
            context.output.show(&report(moved?), |moved| said("copied", moved))?;
        }
        Action::Reseal => {
            let rows = runtime.block_on(switchboard_daemon::reseal_store(&config, paths))?;
            let json = serde_json::json!({ "resealed": rows });
            let text =
                format!("resealed {}", count(usize::try_from(rows).unwrap_or(usize::MAX), "row"));
            context.output.show(&json, |_| text)?;
        }
        Action::RotateKey => {
            if runtime.block_on(crate::daemon::status(context)).is_ok() {
                return Err(Failure::new(
                    "already-running",
                    "a daemon runs, which knows the old key",
                )
                .with_hint("`switchboard stop`, rotate the key, and `switchboard start`"));
            }
            let rows = runtime.block_on(switchboard_daemon::rotate_vault_key(&config, paths))?;
            let json = serde_json::json!({ "resealed": rows });
            let rows = count(usize::try_from(rows).unwrap_or(usize::MAX), "row");
            context.output.show(&json, |_| format!("made a new key, and resealed {rows}"))?;
        }
    }
    Ok(Exit::Ok)
}

async fn export(config: &Config, paths: &Paths, file: Option<PathBuf>) -> Result<Report, Failure> {
    let mut writer: Box<dyn AsyncWrite + Send + Unpin> = match &file {
        None => Box::new(tokio::io::stdout()),
        Some(path) => {
            // Only for whoever runs the daemon, like the store itself.
            let mut options = tokio::fs::OpenOptions::new();
            let opened = options.write(true).create_new(true).mode(0o600).open(path).await;
            Box::new(opened.map_err(|error| unusable(path, "written", &error))?)
        }
    };
    let moved = switchboard_daemon::export_store(config, paths, &mut *writer).await?;
    writer.flush().await.map_err(|error| {
        Failure::new("output-failed", "the export cannot be written").with_cause(error)
    })?;
    Ok(report(moved))
}

async fn import(config: &Config, paths: &Paths, file: Option<PathBuf>) -> Result<Report, Failure> {
    let mut reader: Box<dyn AsyncBufRead + Send + Unpin> = match &file {
        None => Box::new(BufReader::new(tokio::io::stdin())),
        Some(path) => {
            let opened = tokio::fs::File::open(path).await;
            Box::new(BufReader::new(opened.map_err(|error| unusable(path, "read", &error))?))
        }
    };
    let moved = switchboard_daemon::import_store(config, paths, &mut *reader).await?;
    Ok(report(moved))
}

fn unusable(path: &std::path::Path, what: &str, error: &std::io::Error) -> Failure {
    Failure::new("file-io", format!("`{}` cannot be {what}", path.display())).with_cause(error)
}

fn report(moved: Moved) -> Report {
    Report { rows: moved.rows, blobs: moved.blobs }
}

fn said(done: &str, report: &Report) -> String {
    let rows: u64 = report.rows.values().sum();
    let rows = count(usize::try_from(rows).unwrap_or(usize::MAX), "row");
    let blobs = count(usize::try_from(report.blobs).unwrap_or(usize::MAX), "large value");
    format!("{done} {rows} and {blobs}")
}
