//! `switchboard undo`.

use serde::Serialize;
use switchboard_client::control::Command;

use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Table;
use crate::setup::absolute;
use crate::setup::change::{Made, made};
use crate::setup::client::agreed;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Each call takes back one change, the last one first. A file that somebody wrote since is left
alone.

Examples:
  switchboard undo --list
  switchboard undo"
)]
pub(crate) struct Args {
    /// Show the changes that can be taken back
    #[arg(long, conflicts_with = "yes")]
    list: bool,
    /// Put the file back without asking
    #[arg(short, long)]
    yes: bool,
}

/// One change, for people and for `--json`.
#[derive(Debug, Serialize)]
struct Line {
    when: String,
    what: String,
    file: String,
    undo: String,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let Args { list, yes } = args;
    let changes = made(&absolute(&context.paths.backups())?)?;
    if list {
        let lines: Vec<Line> = changes.iter().map(line).collect();
        context.output.show(&lines, |lines| table(lines, context.output.width()))?;
        return Ok(Exit::Ok);
    }
    let Some(last) = changes.first() else {
        context.output.note("There is nothing to undo.");
        return Ok(Exit::Ok);
    };
    let shown = line(last);
    let Line { when, what, file, undo } = &shown;
    let question = format!("{what} `{file}`, {when}: {undo}?");
    if !yes && !agreed(context, &question)? {
        context.output.note("Nothing was changed.");
        return Ok(Exit::Ok);
    }
    last.undo()?;
    context.output.show(&shown, |line| {
        let more = changes.len() - 1;
        let more = match more {
            0 => String::new(),
            1 => "\nOne more change can be undone.".to_owned(),
            more => format!("\n{more} more changes can be undone."),
        };
        format!("`{}` is as it was before {}.{more}", line.file, line.when)
    })?;
    follow(context, last);
    Ok(Exit::Ok)
}

/// Whoever reads the file has to read it again.
fn follow(context: &Context, change: &Made) {
    if let Some(client) = change.client() {
        context.output.note(&format!("Restart {client}."));
        return;
    }
    let reloaded = context
        .runtime()
        .and_then(|runtime| runtime.block_on(daemon::ask(context, &Command::Reload)));
    match reloaded {
        Ok(_) => context.output.note("The daemon has read the configuration again."),
        Err(failure) if failure.exit == Exit::NotRunning => {}
        Err(failure) => context.output.note(&format!(
            "The daemon keeps the configuration it has, because it cannot use this one: {}. \
             `switchboard stop` ends it.",
            failure.message
        )),
    }
}

fn line(made: &Made) -> Line {
    let what = match made.client() {
        Some(client) => format!("change to {client}"),
        None => "change to the configuration".to_owned(),
    };
    let file = if made.began_the_file() { "remove the file" } else { "put the file back" };
    let undo = match made.secrets() {
        0 => file.to_owned(),
        1 => format!("{file}, remove one file with a secret"),
        secrets => format!("{file}, remove {secrets} files with secrets"),
    };
    Line { when: when(made.stamp()), what, file: made.path().display().to_string(), undo }
}

/// `20260102-030405` as `2026-01-02 03:04:05 UTC`.
fn when(stamp: &str) -> String {
    let part = |range: std::ops::Range<usize>| stamp.get(range).unwrap_or("??");
    format!(
        "{}-{}-{} {}:{}:{} UTC",
        part(0..4),
        part(4..6),
        part(6..8),
        part(9..11),
        part(11..13),
        part(13..15)
    )
}

fn table(lines: &[Line], width: Option<u16>) -> String {
    let mut table = Table::new(&["WHEN", "WHAT", "FILE", "UNDO"]);
    for Line { when, what, file, undo } in lines {
        table.row([when, what, file, undo]);
    }
    if table.is_empty() {
        return "There is nothing to undo.".to_owned();
    }
    table.render(width)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_stamp_is_shown_as_a_time() {
        assert_eq!(super::when("20260102-030405"), "2026-01-02 03:04:05 UTC");
    }
}
