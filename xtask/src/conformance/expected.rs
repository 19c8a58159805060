//! `conformance/expected.txt`: what cannot pass, and why.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail};

/// One line: the scenario fails in just these checks, and a specification says that it has to.
pub(super) struct Entry {
    /// The number of its line.
    pub(super) line: usize,
    /// What the fixture speaks, `legacy` or `modern`; `client` for the daemon as a client.
    pub(super) era: String,
    pub(super) section: String,
    pub(super) scenario: String,
    pub(super) checks: BTreeSet<String>,
}

pub(super) struct Expected(Vec<Entry>);

impl Expected {
    pub(super) fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let entries = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let parsed =
            entries.map(|(at, line)| entry(at, line).with_context(|| format!("line {at}")));
        Ok(Self(parsed.collect::<Result<_>>()?))
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.0
    }

    pub(super) fn find(&self, era: &str, section: &str, scenario: &str) -> Option<&Entry> {
        let fits = |entry: &&Entry| {
            entry.era == era && entry.section == section && entry.scenario == scenario
        };
        self.0.iter().find(fits)
    }
}

fn entry(line: usize, text: &str) -> Result<Entry> {
    let columns: Vec<&str> = text.split('|').map(str::trim).collect();
    let [era, section, scenario, checks, reason] = columns[..] else {
        bail!("wanted: upstream | version | scenario | checks | reason");
    };
    match era {
        "legacy" | "modern" | "client" => {}
        "both" => bail!("a server of both eras leaves nothing to bridge, so nothing may fail"),
        other => bail!("`{other}` is not one of legacy, modern, client"),
    }
    if reason.is_empty() {
        bail!("which sentence of the specification forbids it?");
    }
    let checks: BTreeSet<String> = checks.split_whitespace().map(str::to_owned).collect();
    if checks.is_empty() {
        bail!("which checks fail?");
    }
    let (era, section, scenario) = (era.to_owned(), section.to_owned(), scenario.to_owned());
    Ok(Entry { line, era, section, scenario, checks })
}

#[cfg(test)]
mod tests;
