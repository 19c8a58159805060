//! `ranks`: the shape of the workspace, as `cargo metadata` tells it.
//!
//! The tables below are the rule; the rest of the file compares them with the manifests. A new crate
//! is a new row, which makes the question of where it belongs come up when it is cheap to answer.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process;
use crate::workspace::Workspace;

/// A crate may depend on crates of a lower rank, and on none of its own.
const RANKS: &[(u8, &[&str])] = &[
    (
        0,
        &[
            "switchboard-mcp",
            "switchboard-config",
            "switchboard-egress",
            "switchboard-search",
            "switchboard-dialect",
        ],
    ),
    (
        1,
        &[
            "switchboard-core",
            "switchboard-process",
            "switchboard-clientfile",
            "switchboard-client",
            "switchboard-oauth",
            "switchboard-wasm",
        ],
    ),
    (
        2,
        &[
            "switchboard-listen",
            "switchboard-upstream",
            "switchboard-function",
            "switchboard-auth",
            "switchboard-store",
            "switchboard-policy",
            "switchboard-history",
            "switchboard-cluster",
            "switchboard-admin",
            "switchboard-telemetry",
            "switchboard-testkit",
        ],
    ),
    (3, &["switchboard-daemon"]),
    (4, &["switchboard"]),
    // Above everything, so that nothing can depend on it.
    (5, &["switchboard-bench", "switchboard-conformance", "switchboard-fuzz", "xtask"]),
];

/// Crates that may use fewer of ours than their rank allows, and why.
const NARROW: &[(&str, &[&str], &str)] = &[
    ("switchboard-client", &["switchboard-mcp"], "a program that calls us links no gateway"),
    ("xtask", &[], "the gate must run when the product does not build"),
];

/// Fakes and suites never reach a person's machine; any crate may test with them.
const TESTS_ONLY: &[&str] = &["switchboard-testkit"];

/// Dependencies that cost much to build or leak into types: one crate names each, tests included.
const OWNERS: &[(&str, &str)] = &[
    ("clap", "switchboard"),
    ("landlock", "switchboard-process"),
    ("listenfd", "switchboard-daemon"),
    ("prometheus-client", "switchboard-telemetry"),
    ("rmcp", "switchboard-conformance"),
    ("seccompiler", "switchboard-process"),
    ("wasmtime", "switchboard-wasm"),
    ("wasmtime-wasi", "switchboard-wasm"),
    ("wasmtime-wasi-http", "switchboard-wasm"),
    ("webpki-roots", "switchboard-egress"),
];

struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

struct Dependency {
    name: String,
    /// Lives in this workspace.
    ours: bool,
    /// Needed by tests only.
    dev: bool,
}

pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let mut cargo = workspace.cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    let packages = packages(&process::capture(&mut cargo)?).context("read `cargo metadata`")?;
    let violations = violations(&packages);
    if !violations.is_empty() {
        bail!("the crates are not in their places\n  {}", violations.join("\n  "));
    }
    Ok(())
}

fn violations(packages: &[Package]) -> Vec<String> {
    let ranks: BTreeMap<&str, u8> =
        RANKS.iter().flat_map(|(rank, names)| names.iter().map(|name| (*name, *rank))).collect();
    let mut found = Vec::new();
    for package in packages {
        let Some(rank) = ranks.get(package.name.as_str()) else {
            found.push(format!("{} has no rank: add it to `RANKS` in {}", package.name, file!()));
            continue;
        };
        for dependency in package.dependencies.iter().filter(|dependency| dependency.ours) {
            let theirs = ranks.get(dependency.name.as_str());
            found.extend(edge_violation(&package.name, *rank, dependency, theirs.copied()));
        }
    }
    found.extend(OWNERS.iter().filter_map(|(name, owner)| owner_violation(packages, name, owner)));
    found
}

/// What is wrong with one arrow between two of our crates.
fn edge_violation(from: &str, rank: u8, to: &Dependency, theirs: Option<u8>) -> Option<String> {
    let name = to.name.as_str();
    if TESTS_ONLY.contains(&name) {
        let message = format!("{from} ships {name}: make it a dev-dependency");
        return (!to.dev).then_some(message);
    }
    if let Some((_, allowed, why)) = NARROW.iter().find(|(narrow, ..)| *narrow == from)
        && !allowed.contains(&name)
    {
        return Some(format!("{from} depends on {name}, but {why}"));
    }
    // A crate without a rank is reported once, as a package.
    let theirs = theirs?;
    // Tests put two of one rank together: transcripts run over every listener and upstream.
    let allowed = theirs < rank || (to.dev && theirs == rank);
    (!allowed).then(|| {
        format!(
            "{from} (rank {rank}) depends on {name} (rank {theirs}): \
             move what both need to a lower rank, or join them in a higher one"
        )
    })
}

fn owner_violation(packages: &[Package], name: &str, owner: &str) -> Option<String> {
    let names_it =
        |package: &&Package| package.dependencies.iter().any(|dependency| dependency.name == name);
    let users: Vec<&str> =
        packages.iter().filter(names_it).map(|package| package.name.as_str()).collect();
    match users[..] {
        [only] if only == owner => None,
        [] => Some(format!("no crate names {name} any more: delete its row in {}", file!())),
        _ => Some(format!("{name} belongs to {owner}, but is named by {}", users.join(", "))),
    }
}

fn packages(metadata: &str) -> Result<Vec<Package>> {
    let metadata: Value = serde_json::from_str(metadata)?;
    list(&metadata, "packages")?.iter().map(package).collect()
}

fn package(value: &Value) -> Result<Package> {
    let dependencies = list(value, "dependencies")?.iter().map(|dependency| {
        Ok(Dependency {
            name: text(dependency, "name")?,
            ours: dependency.get("path").is_some(),
            dev: dependency["kind"] == "dev",
        })
    });
    Ok(Package { name: text(value, "name")?, dependencies: dependencies.collect::<Result<_>>()? })
}

fn list<'a>(value: &'a Value, key: &str) -> Result<&'a Vec<Value>> {
    value[key].as_array().with_context(|| format!("`{key}` is not a list"))
}

fn text(value: &Value, key: &str) -> Result<String> {
    value[key].as_str().map(str::to_owned).with_context(|| format!("`{key}` is not a string"))
}

#[cfg(test)]
mod tests;
