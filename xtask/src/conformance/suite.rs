//! Running the suite, and reading what it has found.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::subject::Programs;
use crate::workspace::Workspace;

/// How long one scenario may take before the suite gives it up. The slowest takes 5 s.
const SCENARIO_LIMIT_MS: &str = "20000";

/// How long a run of many scenarios may take: two minutes when most of them hang.
const RUN_LIMIT: Duration = Duration::from_secs(180);

/// Scenarios that run together.
pub(super) struct Section {
    pub(super) name: &'static str,
    /// The schema that messages are held against, and with it the choice of scenarios.
    spec: &'static str,
    /// The revision that the suite's client offers, where that is not its newest.
    wire: Option<&'static str>,
    /// Extensions run by name.
    scenarios: &'static [&'static str],
    /// Scenarios about what the revision does not have.
    without: &'static [&'static str],
}

const fn section(name: &'static str, wire: Option<&'static str>) -> Section {
    Section { name, spec: name, wire, scenarios: &[], without: &[] }
}

/// The suite has no scenarios for 2024-11-05 and one for 2025-03-26: those of 2025-06-18 are run for
/// them.
const fn old_section(name: &'static str, without: &'static [&'static str]) -> Section {
    let wire = Some(name);
    Section { name, spec: "2025-06-18", wire, scenarios: &[], without }
}

pub(super) const TASKS: &str = "tasks";

pub(super) const SECTIONS: &[Section] = &[
    old_section("2024-11-05", &["tools-call-audio", "tools-call-elicitation"]),
    old_section("2025-03-26", &["tools-call-elicitation"]),
    section("2025-06-18", Some("2025-06-18")),
    section("2025-11-25", None),
    section("2026-07-28", None),
    Section {
        name: TASKS,
        spec: "2026-07-28",
        wire: None,
        // Without `tasks-status-notifications`, which the suite itself skips.
        scenarios: &[
            "tasks-lifecycle",
            "tasks-capability-negotiation",
            "tasks-wire-fields",
            "tasks-request-state-removal",
            "tasks-mrtr-input",
            "tasks-request-headers",
            "tasks-dispatch-and-envelope",
            "tasks-required-task-error",
            "tasks-mrtr-composition",
        ],
        without: &[],
    },
];

pub(super) const CLIENT_VERSIONS: &[&str] =
    &["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];

/// Scenarios of extensions, which belong to no revision. A client chooses what it has of those:
/// ours has a machine's login with a secret. The others are logins with assertions and proofs of
/// possession, and skills, which a host verifies and a gateway hands on.
pub(super) const EXTENSIONS: &str = "extensions";
pub(super) const CLIENT_EXTENSIONS: &[&str] = &["auth/client-credentials-basic"];

/// What the suite says of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    /// The checks that failed, each with its reason. A warning is a failure: it stands for a SHOULD
    /// that the fixture satisfies.
    Failed(BTreeMap<String, String>),
}

/// What came out, by section and scenario.
#[derive(Default)]
pub(super) struct Results(BTreeMap<(&'static str, String), Outcome>);

impl Results {
    pub(super) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(super) fn get(&self, section: &str, scenario: &str) -> Option<&Outcome> {
        self.iter().find(|(s, n, _)| *s == section && *n == scenario).map(|(_, _, outcome)| outcome)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str, &Outcome)> {
        self.0.iter().map(|((section, scenario), outcome)| (*section, scenario.as_str(), outcome))
    }

    pub(super) fn failures(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.iter().filter(|(.., o)| **o != Outcome::Passed).map(|(s, n, _)| (s, n))
    }

    pub(super) fn passed(&self) -> usize {
        self.iter().filter(|(.., outcome)| **outcome == Outcome::Passed).count()
    }

    #[cfg(test)]
    pub(super) fn of(entries: &[(&'static str, &str, Outcome)]) -> Self {
        let entry = |(section, scenario, outcome): &(&'static str, &str, Outcome)| {
            ((*section, (*scenario).to_owned()), outcome.clone())
        };
        Self(entries.iter().map(entry).collect())
    }
}

/// The suite as `cargo xtask setup` has installed it.
pub(super) struct Suite {
    node: PathBuf,
    program: PathBuf,
    /// Tells the suite what it has no options for.
    hook: PathBuf,
    /// Where its findings go.
    findings: PathBuf,
}

impl Suite {
    pub(super) fn new(workspace: &Workspace) -> Result<Self> {
        let installed = workspace.peers().join("node");
        let package = installed.join("node_modules/@modelcontextprotocol/conformance");
        let program = package.join("dist/index.js");
        if !program.is_file() {
            bail!("the suite is not installed\n  hint: cargo xtask setup");
        }
        let findings = workspace.root().join("target/conformance");
        // What an earlier run has found would be taken for what this one finds.
        let _ = fs::remove_dir_all(&findings);
        let hook = workspace.root().join("conformance/hook.mjs");
        Ok(Self { node: installed.join("bin/node"), program, hook, findings })
    }

    /// Where the findings about a subject go.
    pub(super) fn directory(&self, subject: &str) -> PathBuf {
        self.findings.join(subject)
    }

    /// Runs the scenarios of a section, or one of them, against a server.
    pub(super) fn server(
        &self,
        subject: &str,
        address: &str,
        section: &Section,
        only: Option<&str>,
    ) -> Result<Results> {
        let base = self.directory(subject).join(section.name);
        let only = only.as_slice();
        let scenarios = if only.is_empty() { section.scenarios } else { only };
        let run = |name: &str, arguments: &[&str]| {
            let directory = base.join(name);
            let mut node = self.node("server", &directory);
            node.args(["--url", address, "--timeout", SCENARIO_LIMIT_MS]).args(arguments);
            if let Some(wire) = section.wire {
                node.env("MCP_WIRE", wire);
            }
            if let Some((_, key)) = address.split_once("api_key=") {
                node.env("MCP_API_KEY", key);
            }
            let mut results = finish(node, &directory, section.name)?;
            results.0.retain(|(_, scenario), _| !section.without.contains(&scenario.as_str()));
            Ok(results)
        };
        if scenarios.is_empty() {
            return run("all", &["--suite", "all", "--spec-version", section.spec]);
        }
        let mut results = Results::default();
        for scenario in scenarios {
            let mut arguments = vec!["--scenario", scenario];
            if section.scenarios.is_empty() {
                arguments.extend(["--spec-version", section.spec]);
            }
            results.extend(run(scenario, &arguments)?);
        }
        Ok(results)
    }

    /// Runs the client scenarios of a revision, or one of them, against the daemon; or one of
    /// [`EXTENSIONS`].
    pub(super) fn client(
        &self,
        programs: &Programs,
        version: &'static str,
        only: Option<&str>,
    ) -> Result<Results> {
        let name = only.unwrap_or("all");
        let directory = self.directory("client").join(version).join(name.replace('/', "-"));
        let mut node = self.node("client", &directory);
        node.arg("--command").arg(programs.client()).args(["--timeout", SCENARIO_LIMIT_MS]);
        match only {
            None => node.args(["--suite", "all"]),
            Some(scenario) => node.args(["--scenario", scenario]),
        };
        if version != EXTENSIONS {
            node.args(["--spec-version", version]);
        }
        finish(node, &directory, version)
    }

    fn node(&self, mode: &str, directory: &Path) -> Command {
        let mut node = Command::new(&self.node);
        node.arg("--import").arg(&self.hook).arg(&self.program);
        node.arg(mode).arg("-o").arg(directory);
        node
    }
}

/// Waits for a run and reads its findings. A run that fails is a run that has found something.
fn finish(mut command: Command, directory: &Path, section: &'static str) -> Result<Results> {
    let _ = fs::remove_dir_all(directory);
    fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
    let output = directory.join("output.txt");
    let file = File::create(&output).with_context(|| format!("write {}", output.display()))?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    wait(command.spawn().context("start the suite")?)?;
    let said = fs::read_to_string(&output)?;
    let results = read(directory, &said)?;
    if results.is_empty() {
        bail!("the suite found nothing, see {}", output.display());
    }
    Ok(Results(results.into_iter().map(|(name, o)| ((section, name), o)).collect()))
}

/// Waits until the run has ended, or ends it: what it has found until then is there.
fn wait(mut child: Child) -> Result<()> {
    // A tenth of a second is nothing beside the seconds that a run takes.
    const STEP: Duration = Duration::from_millis(100);
    let mut left = RUN_LIMIT;
    while child.try_wait()?.is_none() {
        if left.is_zero() {
            child.kill()?;
            child.wait()?;
            break;
        }
        thread::sleep(STEP);
        left = left.saturating_sub(STEP);
    }
    Ok(())
}

/// Findings, by scenario: a directory with `checks.json` for each, and the summary of the run for
/// those that broke off.
fn read(directory: &Path, said: &str) -> Result<BTreeMap<String, Outcome>> {
    let mut results = BTreeMap::new();
    for name in said.lines().filter_map(broken_off) {
        results.insert(name.to_owned(), broken("the scenario broke off, see output.txt"));
    }
    collect(directory, directory, &mut results)?;
    Ok(results)
}

/// The scenario of a line `✗ tools-list: 0 passed, 1 failed`.
pub(super) fn broken_off(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix("✗ ")?.split_once(": ")?;
    Some(name)
}

/// Names of client scenarios have slashes, so that their directories are nested.
fn collect(root: &Path, directory: &Path, results: &mut BTreeMap<String, Outcome>) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(root, &path, results)?;
        }
        if path.file_name().is_some_and(|name| name == "checks.json") {
            let name = directory.strip_prefix(root).expect("walked down from there");
            let checks: Value = serde_json::from_str(&fs::read_to_string(&path)?)
                .with_context(|| format!("read {}", path.display()))?;
            results.insert(scenario(&name.to_string_lossy()).to_owned(), outcome(&checks));
        }
    }
    Ok(())
}

/// The scenario that `server-tools-list-2026-11-21T07-12-44-108Z` holds the findings of.
pub(super) fn scenario(directory: &str) -> &str {
    let name = directory.strip_prefix("server-").filter(|rest| !is_date(rest)).unwrap_or(directory);
    let date = name.match_indices('-').find(|(at, _)| is_date(&name[at + 1..]));
    date.map_or(name, |(at, _)| &name[..at])
}

/// Whether this begins like `2026-11-21T07`.
fn is_date(text: &str) -> bool {
    let shape = b"dddd-dd-ddTdd";
    let fits = |(byte, shape): (u8, &u8)| match shape {
        b'd' => byte.is_ascii_digit(),
        other => byte == *other,
    };
    text.len() >= shape.len() && text.bytes().zip(shape).all(fits)
}

/// A scenario in which no check was reached has shown nothing.
pub(super) fn outcome(checks: &Value) -> Outcome {
    let checks = checks.as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |check: &Value, key: &str| {
        check[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let fault = |check: &Value| {
        let reason = text(check, "errorMessage").or_else(|| text(check, "description"));
        (text(check, "id").unwrap_or_default(), reason.unwrap_or_default())
    };
    let failed = |check: &&Value| check["status"] == "FAILURE" || check["status"] == "WARNING";
    let faults: BTreeMap<String, String> = checks.iter().filter(failed).map(fault).collect();
    if !faults.is_empty() {
        return Outcome::Failed(faults);
    }
    if checks.is_empty() {
        return broken("no check was reached");
    }
    Outcome::Passed
}

/// A scenario that did not come to its checks.
fn broken(reason: &str) -> Outcome {
    Outcome::Failed([("-".to_owned(), reason.to_owned())].into())
}

#[cfg(test)]
mod tests;
