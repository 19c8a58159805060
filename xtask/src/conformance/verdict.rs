//! What is wrong with what the suite has found.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};

use super::expected::{Entry, Expected};
use super::subject::era_of;
use super::suite::Outcome;
use super::table::Column;

/// A complaint, for a person to read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    what: String,
    /// Why, one line for each check.
    reasons: Vec<String>,
}

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        self.reasons.iter().try_for_each(|reason| write!(f, "\n    {reason}"))
    }
}

/// A fixture that does not pass by itself shows nothing about what is in front of it.
pub(super) fn fixture(direct: &Column) -> Vec<Fault> {
    let scenarios = direct.results.iter();
    scenarios
        .filter_map(|(section, scenario, outcome)| match outcome {
            Outcome::Passed => None,
            Outcome::Failed(checks) => {
                Some(fault(format!("{section} {scenario}: the fixture itself fails"), checks))
            }
        })
        .collect()
}

/// What passes directly, and neither through the daemon nor on the list.
pub(super) fn through(direct: &Column, through: &[Column], expected: &Expected) -> Vec<Fault> {
    let mut faults = Vec::new();
    for column in through {
        for (section, scenario, outcome) in column.results.iter() {
            if direct.results.get(section, scenario) == Some(&Outcome::Passed) {
                faults.extend(judge(column.name, section, scenario, (outcome, expected)));
            }
        }
    }
    faults
}

pub(super) fn client(client: &Column, expected: &Expected) -> Vec<Fault> {
    let scenarios = client.results.iter();
    scenarios
        .filter_map(|(section, scenario, outcome)| {
            judge(client.name, section, scenario, (outcome, expected))
        })
        .collect()
}

fn judge(
    column: &str,
    section: &str,
    scenario: &str,
    (outcome, expected): (&Outcome, &Expected),
) -> Option<Fault> {
    let name = format!("{column} {section} {scenario}");
    match (outcome, expected.find(era_of(column), section, scenario)) {
        (Outcome::Passed, None) => None,
        (Outcome::Passed, Some(entry)) => {
            let what =
                format!("{name} passes: delete line {} of conformance/expected.txt", entry.line);
            Some(Fault { what, reasons: Vec::new() })
        }
        (Outcome::Failed(checks), None) => Some(fault(format!("{name} fails"), checks)),
        (Outcome::Failed(checks), Some(entry)) => {
            let failed: BTreeSet<&String> = checks.keys().collect();
            let what = format!("{name} fails in other checks than line {} says", entry.line);
            (failed != entry.checks.iter().collect()).then(|| fault(what, checks))
        }
    }
}

/// Lines about scenarios that were not run: a name was misspelt, or the suite has moved on.
pub(super) fn unused(expected: &Expected, through: &[Column], client: &Column) -> Vec<Fault> {
    let ran = |entry: &&Entry| {
        let columns = through.iter().chain([client]);
        let mut of_era = columns.filter(|column| era_of(column.name) == entry.era);
        of_era.any(|column| column.results.get(&entry.section, &entry.scenario).is_some())
    };
    let unused = expected.entries().iter().filter(|entry| !ran(entry));
    unused
        .map(|entry| Fault {
            what: format!("line {} of conformance/expected.txt is about no scenario", entry.line),
            reasons: Vec::new(),
        })
        .collect()
}

fn fault(what: String, checks: &BTreeMap<String, String>) -> Fault {
    let reasons = checks.iter().map(|(check, reason)| format!("{check}: {reason}")).collect();
    Fault { what, reasons }
}

#[cfg(test)]
mod tests;
