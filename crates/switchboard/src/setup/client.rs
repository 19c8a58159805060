//! A change to a client's own file: shown, asked about, made.

use std::path::Path;

use serde::Serialize;
use switchboard_clientfile::Edit;

use crate::context::Context;
use crate::failure::Failure;
use crate::setup::{absolute, change, file_failure};
use crate::time::now;

/// What became of a change.
#[derive(Debug, Serialize)]
pub(crate) struct Outcome {
    pub(crate) client: &'static str,
    pub(crate) path: String,
    pub(crate) changed: bool,
    /// The file as it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backup: Option<String>,
    /// What would change, for a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) diff: Option<String>,
}

/// How much a person wants to be asked.
#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Consent {
    /// Make the change without asking
    #[arg(short, long, conflicts_with = "dry_run")]
    pub(crate) yes: bool,
    /// Show the change without making it
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Shows an edit, asks, and makes it. `None` if the person said no.
pub(crate) fn carry_out(
    context: &Context,
    edit: &Edit,
    consent: Consent,
) -> Result<Option<Outcome>, Failure> {
    let mut outcome = Outcome {
        client: edit.client.id(),
        path: edit.path.display().to_string(),
        changed: false,
        backup: None,
        diff: None,
    };
    if edit.is_empty() {
        return Ok(Some(outcome));
    }
    if consent.dry_run {
        outcome.diff = Some(edit.diff());
        return Ok(Some(outcome));
    }
    if !consent.yes {
        context.output.note(&edit.diff());
        let question = format!("Change `{}`?", edit.path.display());
        if !agreed(context, &question)? {
            return Ok(None);
        }
    }
    let backups = absolute(&context.paths.backups())?;
    let applied = edit.apply(&backups, &change::stamp(now()));
    let applied = applied.map_err(|error| file_failure(&error))?;
    outcome.changed = true;
    outcome.backup = applied.backup.as_deref().map(Path::display).map(|path| path.to_string());
    Ok(Some(outcome))
}

/// Asks; where nobody can be asked, the person has to say so on the command line.
pub(crate) fn agreed(context: &Context, question: &str) -> Result<bool, Failure> {
    if !context.output.is_interactive() {
        return Err(Failure::usage("there is nobody to ask, because this is not a terminal")
            .with_hint("add `--yes` to make the change"));
    }
    context.output.confirm(question, true)
}
