//! Every input under `fuzz/corpus`, and random changes to them, given to its target.
//!
//! The changes are the same in each run: a gate that fails for some and not for others is none.
//! What they break becomes an input of its own, under a name that says what it is about.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod change;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use change::Random;
use switchboard_fuzz::{TARGETS, Target};

/// How many changed inputs a target gets: about a second of work for each, unoptimised.
fn changed_inputs(target: &str) -> usize {
    match target {
        // Each makes a schema, or a dozen files.
        "configuration" => 1_500,
        "client_file" => 2_000,
        // Each is unpacked, or packed first.
        "archive" => 4_000,
        "manifest" => 2_000,
        // Each is sealed, and opened four times.
        "sealed" => 1_000,
        // Each is put through a hundred translations.
        "translation" => 4_000,
        _ => 30_000,
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

/// The inputs of a target, by name, so that the order is the same everywhere.
fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let directory = corpus().join(target);
    let entries =
        fs::read_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut inputs: Vec<_> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    inputs.sort();
    inputs
}

#[track_caller]
fn give(target: &Target, input: &[u8], what: &str) {
    let run = AssertUnwindSafe(|| (target.run)(input));
    if catch_unwind(run).is_err() {
        panic!("`{}` broke on {what}: b\"{}\"", target.name, input.escape_ascii());
    }
}

fn check(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let inputs = inputs(name);
    assert!(!inputs.is_empty(), "`{name}` has no inputs");
    for (file, input) in &inputs {
        give(target, input, file);
    }
    let mut random = Random::new(name);
    for number in 0..changed_inputs(name) {
        let (file, input) = &inputs[random.below(inputs.len())];
        let (_, other) = &inputs[random.below(inputs.len())];
        let changed = change::change(&mut random, input, other);
        give(target, &changed, &format!("change {number}, of {file}"));
    }
}

macro_rules! targets {
    ($($name:ident),+ $(,)?) => {
        const TESTED: &[&str] = &[$(stringify!($name)),+];
        $(#[test] fn $name() { check(stringify!($name)); })+
    };
}

targets!(
    address,
    archive,
    client_file,
    configuration,
    header,
    lines,
    manifest,
    message,
    sealed,
    sse,
    translation,
);

#[test]
fn every_target_is_tested_and_can_be_fuzzed() {
    let names: Vec<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names, TESTED);
    let files = fs::read_dir(corpus().with_file_name("fuzz_targets")).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    let stems: Vec<_> = files.iter().map(|file| file.file_stem().unwrap()).collect();
    assert_eq!(stems, names, "fuzz/fuzz_targets");
    let manifest = fs::read_to_string(corpus().with_file_name("Cargo.toml")).unwrap();
    for (name, file) in names.iter().zip(&files) {
        let row = format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"");
        assert!(manifest.contains(&row), "fuzz/Cargo.toml has no `{name}`");
        assert!(fs::read_to_string(file).unwrap().contains(&format!("run(\"{name}\"")));
    }
}
