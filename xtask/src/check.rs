//! `cargo xtask check`: everything a change must pass, and all that `.ci/run` calls.
//!
//! A failed step does not stop the ones after it: one run shows everything there is to repair.

mod steps;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::report;
use crate::workspace::Workspace;
use steps::{STEPS, Step};

struct Outcome {
    step: &'static Step,
    passed: bool,
    took: Duration,
}

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Result<ExitCode> {
    if arguments == ["--list"] {
        for step in STEPS {
            report::line(format_args!("{:<11} {}", step.name, step.about));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let steps = selected(arguments)?;
    let (outcomes, took) = report::timed(|| {
        steps.into_iter().map(|step| perform(workspace, step)).collect::<Vec<_>>()
    });
    report::line(summary(&outcomes, took));
    let all_passed = outcomes.iter().all(|outcome| outcome.passed);
    Ok(if all_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The named steps in the order of the gate, or all of them.
fn selected(names: &[String]) -> Result<Vec<&'static Step>> {
    for name in names {
        if !STEPS.iter().any(|step| step.name == name) {
            let known: Vec<_> = STEPS.iter().map(|step| step.name).collect();
            bail!("`{name}` is not a step; the steps are {}", known.join(", "));
        }
    }
    let wanted = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    Ok(STEPS.iter().filter(wanted).collect())
}

fn perform(workspace: &Workspace, step: &'static Step) -> Outcome {
    report::line(format_args!("\n== {}: {}", step.name, step.about));
    let (result, took) = report::timed(|| (step.run)(workspace));
    if let Err(error) = &result {
        report::failure(error);
    }
    let outcome = Outcome { step, passed: result.is_ok(), took };
    report::line(outcome.line());
    outcome
}

impl Outcome {
    fn line(&self) -> String {
        let word = if self.passed { "ok" } else { "FAILED" };
        let line = format!("{:<11} {word:<6} {:>12}", self.step.name, report::spoken(self.took));
        if self.passed {
            return line;
        }
        format!("{line}   again: cargo xtask check {}", self.step.name)
    }
}

fn summary(outcomes: &[Outcome], took: Duration) -> String {
    let mut lines = vec![String::new()];
    lines.extend(outcomes.iter().map(Outcome::line));
    let passed = outcomes.iter().filter(|outcome| outcome.passed).count();
    let steps = if passed == 1 { "step" } else { "steps" };
    let failed = outcomes.len() - passed;
    lines.push(format!("\n{passed} {steps} passed, {failed} failed in {}", report::spoken(took)));
    lines.join("\n")
}

#[cfg(test)]
mod tests;
