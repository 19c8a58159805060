//! How what was found looks to the person who is asked about it.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use switchboard_clientfile::{Found, Reach, Scope};

use crate::failure::Failure;
use crate::output::Table;
use crate::setup::survey::{Row, Skip, Verdict};
use crate::untrusted;

/// One server that was found, for `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    client: &'static str,
    server: String,
    reached: String,
    file: String,
    outcome: String,
}

/// The rows as text, numbered from one.
pub(crate) fn lines(rows: &[Row<'_>], home: &Path) -> Vec<Line> {
    let line = |row: &Row<'_>| Line {
        client: row.found.client.title(),
        server: untrusted::line(&row.server.name),
        reached: reached(&row.server.reach),
        file: below_home(&row.found.path, home),
        outcome: outcome(row),
    };
    rows.iter().map(line).collect()
}

pub(crate) fn table(lines: &[Line]) -> Table {
    let mut table = Table::new(&["#", "CLIENT", "SERVER", "REACHED BY", "FILE", "OUTCOME"]);
    for (number, line) in (1..).zip(lines) {
        let Line { client, server, reached, file, outcome } = line;
        table.row([&format!("{number}"), *client, server, reached, file, outcome]);
    }
    table
}

/// What a person should know beside the rows: files that cannot be read, entries left out, variables
/// that are not set, and where Switchboard is connected already.
pub(crate) fn remarks(found: &[Found], home: &Path) -> Vec<String> {
    let mut remarks = Vec::new();
    for found in found {
        let file = format!("{}, {}", found.client.title(), below_home(&found.path, home));
        if found.connected {
            remarks.push(format!("{file}: is connected to Switchboard already"));
        }
        if let Err(error) = &found.outcome {
            let place = error.place().map(|place| format!(" ({place})")).unwrap_or_default();
            remarks.push(format!("{file}: left out, because it is not readable: {error}{place}"));
        }
        for note in &found.notes {
            remarks.push(format!("{file}: {}", untrusted::line(&note.to_string())));
        }
    }
    remarks
}

/// The question about the rows, with what may be answered.
pub(crate) fn question(rows: &[Row<'_>]) -> String {
    let count = |is: fn(&Verdict) -> bool| rows.iter().filter(|row| is(&row.verdict)).count();
    let own = count(|verdict| matches!(verdict, Verdict::Own(_)));
    let project = count(|verdict| matches!(verdict, Verdict::Project(_)));
    let own = match own {
        0 => "Import? [N] none".to_owned(),
        1 => "Import? [Y] your own server, [n] none".to_owned(),
        own => format!("Import? [Y] your own {own} servers, [n] none"),
    };
    let project = match project {
        0 => "",
        _ => ", [a] the project's as well (whoever wrote the project chose their commands)",
    };
    format!("{own}{project}, or numbers such as `1 3`:")
}

/// The numbers of the rows that an answer means.
pub(crate) fn chosen(answer: &str, rows: &[Row<'_>]) -> Result<BTreeSet<usize>, Failure> {
    match answer.trim().to_ascii_lowercase().as_str() {
        "" | "y" | "yes" => return Ok(all(rows, false)),
        "a" | "all" => return Ok(all(rows, true)),
        "n" | "no" | "none" => return Ok(BTreeSet::new()),
        _ => {}
    }
    let numbers = answer.split([' ', ',', '\t']).map(str::trim).filter(|word| !word.is_empty());
    numbers
        .map(|word| {
            let number = word.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
            match number.and_then(|number| Some((number, rows.get(number)?))) {
                Some((number, row)) if row.verdict.name().is_some() => Ok(number),
                Some((_, row)) => {
                    let outcome = outcome(row);
                    Err(Failure::usage(format!("number {word} cannot be imported: {outcome}")))
                }
                None => Err(Failure::usage(format!("`{word}` is none of the answers"))),
            }
        })
        .collect()
}

/// The rows that can be imported, those of projects only if `with_projects`.
pub(crate) fn all(rows: &[Row<'_>], with_projects: bool) -> BTreeSet<usize> {
    let is_meant = |row: &Row<'_>| match row.verdict {
        Verdict::Own(_) => true,
        Verdict::Project(_) => with_projects,
        Verdict::Skipped(_) => false,
    };
    let numbered = rows.iter().enumerate();
    numbered.filter(|(_, row)| is_meant(row)).map(|(number, _)| number).collect()
}

/// The program or the host. Arguments, paths and queries may be secret.
fn reached(reach: &Reach) -> String {
    /// Room for the names of programs and hosts, beside the other columns.
    const LONGEST: usize = 40;
    let (text, how) = match reach {
        Reach::Stdio { command, .. } => (command.as_str(), "stdio"),
        Reach::Http { url, .. } => (host(url), "http"),
        Reach::Sse { url, .. } => (host(url), "sse"),
    };
    let text = untrusted::line(text);
    let length = text.chars().count();
    let text: String = match length.checked_sub(LONGEST) {
        // The end of a path tells more than its beginning.
        Some(excess @ 1..) => format!("…{}", text.chars().skip(excess).collect::<String>()),
        _ => text,
    };
    format!("{how}: {text}")
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit('@').next().unwrap_or_default()
}

fn outcome(row: &Row<'_>) -> String {
    match &row.verdict {
        Verdict::Own(name) if *name == row.server.name => "can be imported".to_owned(),
        Verdict::Own(name) => format!("can be imported as `{name}`"),
        Verdict::Project(name) => {
            let project = match &row.found.scope {
                Scope::Project(project) => project.file_name().map(|name| name.to_string_lossy()),
                Scope::User => None,
            };
            let project = untrusted::line(&project.unwrap_or_default());
            format!("of the project `{project}`; can be imported as `{name}` if you say so")
        }
        Verdict::Skipped(Skip::Disabled) => "left out: switched off there".to_owned(),
        Verdict::Skipped(Skip::Present(name)) => format!("present, as `{name}`"),
        Verdict::Skipped(Skip::Different(name)) => {
            format!("left out: another `{name}` is configured already")
        }
        Verdict::Skipped(Skip::Twin(client)) => format!("left out: the same as {client}'s"),
    }
}

/// The path as people write it.
pub(crate) fn below_home(path: &Path, home: &Path) -> String {
    match path.strip_prefix(home) {
        Ok(below) => format!("~/{}", below.display()),
        Err(_) => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests;
