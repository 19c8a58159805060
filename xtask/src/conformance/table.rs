//! The tables: a row for each scenario, and side by side how it went directly and through the daemon.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::suite::{CLIENT_VERSIONS, EXTENSIONS, Outcome, Results, SECTIONS};

/// What came out for one subject.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) results: Results,
}

pub(super) fn servers(direct: &Column, through: &[Column]) -> String {
    let columns: Vec<&Column> = [direct].into_iter().chain(through).collect();
    let mut text = String::new();
    for section in SECTIONS {
        part(&mut text, section.name, &columns);
    }
    text
}

pub(super) fn client(client: &Column) -> String {
    let mut text = String::new();
    for version in CLIENT_VERSIONS.iter().chain([&EXTENSIONS]) {
        part(&mut text, version, &[client]);
    }
    text
}

fn part(text: &mut String, section: &str, columns: &[&Column]) {
    let of_section = |column: &&Column| {
        let scenarios = column.results.iter().filter(|(name, ..)| *name == section);
        scenarios.map(|(_, scenario, _)| scenario.to_owned()).collect::<Vec<_>>()
    };
    let scenarios: BTreeSet<String> = columns.iter().flat_map(of_section).collect();
    if scenarios.is_empty() {
        return;
    }
    row(text, section, columns.iter().map(|column| column.name.to_owned()));
    for scenario in &scenarios {
        let cell = |column: &&Column| match column.results.get(section, scenario) {
            None => "",
            Some(Outcome::Passed) => "passed",
            Some(Outcome::Failed(_)) => "FAILED",
        };
        row(text, &format!("  {scenario}"), columns.iter().map(|column| cell(column).to_owned()));
    }
    let total = |column: &&Column| {
        let outcomes = column.results.iter().filter(|(name, ..)| *name == section);
        let (passed, all) = outcomes.fold((0, 0), |(passed, all), (.., outcome)| {
            (passed + usize::from(*outcome == Outcome::Passed), all + 1)
        });
        format!("{passed}/{all}")
    };
    row(text, "  total", columns.iter().map(total));
}

/// The longest name of a scenario has 47 letters.
fn row(text: &mut String, name: &str, cells: impl Iterator<Item = String>) {
    let mut line = format!("{name:<50}");
    for cell in cells {
        // Writing into a string does not fail.
        let _ = write!(line, " {cell:<12}");
    }
    text.push('\n');
    text.push_str(line.trim_end());
}
