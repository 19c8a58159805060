//! `fuzz`: the targets of `crates/switchboard-fuzz`, driven by libFuzzer.
//!
//! The gate gives each target its corpus and some thousand changes to it. This looks longer, and
//! where the code has branches that no input took yet; it needs a nightly toolchain for that. New
//! inputs stay under `target/fuzz/corpus`; what breaks a target is under `fuzz/artifacts`, and goes
//! to `fuzz/corpus/TARGET` with the change that mends it, under a name that says what it is about.

use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::tool::Tool;
use crate::workspace::Workspace;
use crate::{process, report};

const CARGO_FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2" };

const TOOLCHAIN: &str = "nightly";

/// Longest input. What is longer repeats what shorter ones do, and costs time.
const LENGTH: usize = 4096;

#[derive(Debug, PartialEq)]
struct Wanted {
    /// All of them where none is named.
    target: Option<String>,
    /// For each target.
    minutes: u32,
}

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    let wanted = read(arguments)?;
    let known = targets(workspace)?;
    let targets = match wanted.target {
        None => known,
        Some(target) if known.contains(&target) => vec![target],
        Some(target) => bail!("`{target}` is not a target; the targets are {}", known.join(", ")),
    };
    let fuzzer = Fuzzer::new(workspace)?;
    for target in &targets {
        fuzzer.run(target, wanted.minutes)?;
    }
    report::line(format_args!("\nnothing broke {}", targets.join(", ")));
    Ok(ExitCode::SUCCESS)
}

fn read(arguments: &[String]) -> Result<Wanted> {
    let mut wanted = Wanted { target: None, minutes: 1 };
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--minutes" {
            let minutes = rest.next().and_then(|minutes| minutes.parse().ok());
            wanted.minutes = minutes
                .filter(|minutes| (1..=24 * 60).contains(minutes))
                .context("`--minutes` takes a number from 1 to 1440")?;
        } else if wanted.target.is_none() && !argument.starts_with('-') {
            wanted.target = Some(argument.clone());
        } else {
            bail!("`fuzz` takes `[TARGET] [--minutes N]`, and got `{argument}`");
        }
    }
    Ok(wanted)
}

/// The names of the files in `fuzz/fuzz_targets`, which a test compares with the crate's table.
fn targets(workspace: &Workspace) -> Result<Vec<String>> {
    let directory = workspace.root().join("fuzz/fuzz_targets");
    let entries =
        fs::read_dir(&directory).with_context(|| format!("read {}", directory.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("read {}", directory.display()))?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

struct Fuzzer<'a> {
    workspace: &'a Workspace,
    cargo_fuzz: std::path::PathBuf,
}

impl<'a> Fuzzer<'a> {
    fn new(workspace: &'a Workspace) -> Result<Self> {
        let works = process::succeeds(Command::new("rustup").args([
            "run",
            TOOLCHAIN,
            "rustc",
            "--version",
        ]));
        if !works {
            bail!(
                "libFuzzer needs a `{TOOLCHAIN}` toolchain, and there is none: `rustup toolchain \
                 install {TOOLCHAIN} --profile minimal`. The corpus and changes to it run without: \
                 `cargo test -p switchboard-fuzz`"
            );
        }
        let root = workspace.root();
        // What is fuzzed is what is shipped: the same versions of everything.
        fs::copy(root.join("Cargo.lock"), root.join("fuzz/Cargo.lock"))
            .context("copy Cargo.lock to fuzz")?;
        Ok(Self { workspace, cargo_fuzz: CARGO_FUZZ.path(workspace)? })
    }

    fn run(&self, target: &str, minutes: u32) -> Result<()> {
        let root = self.workspace.root();
        // libFuzzer writes what it finds into the first directory, and reads all of them.
        let found = root.join("target/fuzz/corpus").join(target);
        fs::create_dir_all(&found).with_context(|| format!("create {}", found.display()))?;
        let mut fuzz = Command::new(&self.cargo_fuzz);
        // The cargo that runs us would be preferred to the one of that toolchain.
        fuzz.current_dir(root).env("RUSTUP_TOOLCHAIN", TOOLCHAIN).env_remove("CARGO");
        fuzz.args(["run", "--fuzz-dir", "fuzz", "--target-dir", "target/fuzz", target]);
        fuzz.arg(&found).arg(root.join("fuzz/corpus").join(target));
        fuzz.args(["--", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]);
        fuzz.arg(format!("-max_len={LENGTH}"));
        fuzz.arg(format!("-max_total_time={}", minutes * 60));
        process::run(&mut fuzz)
            .with_context(|| format!("`{target}` broke; the input is under fuzz/artifacts"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Wanted, read};

    fn of(line: &str) -> anyhow::Result<Wanted> {
        read(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn a_target_and_a_time_in_any_order() {
        let wanted =
            |target: Option<&str>, minutes| Wanted { target: target.map(str::to_owned), minutes };
        assert_eq!(of("").unwrap(), wanted(None, 1));
        assert_eq!(of("sse").unwrap(), wanted(Some("sse"), 1));
        assert_eq!(of("--minutes 5 sse").unwrap(), wanted(Some("sse"), 5));
        assert_eq!(of("sse --minutes 5").unwrap(), wanted(Some("sse"), 5));
        for wrong in ["--minutes", "--minutes 0", "--minutes x", "sse lines", "--fast"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }
}
