//! What is to become of each server that was found.

use std::collections::BTreeSet;

use switchboard_clientfile::{Found, Scope, Server};

use crate::setup::existing::Existing;
use crate::setup::name;

/// One server of one file.
#[derive(Debug)]
pub(crate) struct Row<'f> {
    pub(crate) found: &'f Found,
    pub(crate) server: &'f Server,
    pub(crate) verdict: Verdict,
}

/// What can be done with a server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    /// The person's own: imported under this name unless they say no.
    Own(String),
    /// A project's. Whoever wrote the project chose the command, so it takes an explicit yes.
    Project(String),
    Skipped(Skip),
}

/// Why a server is not offered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Skip {
    /// The person switched it off.
    Disabled,
    /// The configuration has it, under this name.
    Present(String),
    /// The configuration has another server of this name. It is not ours to decide between them.
    Different(String),
    /// Another client has the very same one.
    Twin(&'static str),
}

impl Verdict {
    /// The name it would be imported under.
    pub(crate) fn name(&self) -> Option<&str> {
        match self {
            Self::Own(name) | Self::Project(name) => Some(name),
            Self::Skipped(_) => None,
        }
    }
}

/// Judges every server, the person's own before those of projects, so that the former keep the
/// shorter names.
pub(crate) fn survey<'f>(found: &'f [Found], existing: &Existing) -> Vec<Row<'f>> {
    let (own, projects): (Vec<_>, Vec<_>) =
        found.iter().partition(|found| found.scope == Scope::User);
    let mut rows: Vec<Row<'f>> = Vec::new();
    for found in own.into_iter().chain(projects) {
        for server in found.outcome.iter().flatten() {
            let verdict = judge(found, server, existing, &rows);
            rows.push(Row { found, server, verdict });
        }
    }
    rows
}

fn judge(found: &Found, server: &Server, existing: &Existing, earlier: &[Row<'_>]) -> Verdict {
    if server.disabled {
        return Verdict::Skipped(Skip::Disabled);
    }
    if let Some(name) = existing.same(&server.reach) {
        return Verdict::Skipped(Skip::Present(name.to_owned()));
    }
    let name = name::adapted(&server.name);
    if existing.upstreams.contains_key(&name) {
        return Verdict::Skipped(Skip::Different(name));
    }
    let offered = || earlier.iter().filter(|row| row.verdict.name().is_some());
    let mut namesakes = offered().filter(|row| row.server.name == server.name);
    if let Some(twin) = namesakes.find(|row| row.server.reach == server.reach) {
        return Verdict::Skipped(Skip::Twin(twin.found.client.title()));
    }
    let mut taken: BTreeSet<&str> = offered().filter_map(|row| row.verdict.name()).collect();
    taken.extend(existing.upstreams.keys().map(String::as_str));
    let name = if taken.contains(name.as_str()) {
        name::second(&name, found.client.id(), |name| taken.contains(name))
    } else {
        name
    };
    match found.scope {
        Scope::User => Verdict::Own(name),
        Scope::Project(_) => Verdict::Project(name),
    }
}

#[cfg(test)]
mod tests;
