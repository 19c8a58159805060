//! Programs that nobody trusts, in the sandbox: what they try, what they need, and how they end.
//!
//! Real Python programs, which say in a word what came of an attempt. What a layer that is not in force
//! on this machine would hold back is not expected to be held back, and that is printed.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "the table of what happened")]

mod attempts;
#[path = "../common/mod.rs"]
#[expect(dead_code, reason = "shared with tests that look at more")]
mod common;
mod life;
mod needs;
mod network;
mod world;

use switchboard_process::sandbox::{LayerKind, Sandbox, layers};
use world::World;

/// What Landlock answers, and what the filter of system calls does.
const DENIED: &[&str] = &["EACCES"];
const REFUSED: &[&str] = &["EPERM"];

/// One attempt and what has to come of it.
struct Case {
    what: &'static str,
    /// The body of a Python function.
    attempt: &'static str,
    /// Several where the walls behind each other answer differently.
    expected: &'static [&'static str],
    /// Without this one the attempt is not held back.
    by: LayerKind,
}

const fn case(
    by: LayerKind,
    what: &'static str,
    attempt: &'static str,
    expected: &'static [&'static str],
) -> Case {
    Case { what, attempt, expected, by }
}

fn in_force(kind: LayerKind) -> bool {
    layers().iter().any(|layer| layer.kind == kind && layer.missing.is_none())
}

/// Runs every case in a sandbox that `change` made of the usual one, prints the table, and fails if one went otherwise.
async fn check(title: &str, cases: &[Case], change: impl Fn(&World, &mut Sandbox)) {
    let mut world = World::new().await;
    let mut wrong = Vec::new();
    println!("\n{title}");
    for case in cases {
        let mut sandbox = world.sandbox();
        change(&world, &mut sandbox);
        let got = world.run(case.attempt, sandbox).await;
        let expected = case.expected.contains(&got.as_str());
        let excused = !in_force(case.by);
        let verdict = match (expected, excused) {
            (true, _) => "",
            (false, true) => "(not in force here)",
            (false, false) => "WRONG",
        };
        println!("  {:<58} {:<40} {verdict}", case.what, got);
        if !expected && !excused {
            wrong.push(format!("{}: {got}, not {:?}", case.what, case.expected));
        }
    }
    assert!(world.victim.try_wait().unwrap().is_none(), "a process of the user was ended");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
