use super::*;

fn names(wanted: &[&str]) -> Result<String, String> {
    let wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
    let steps = selected(&wanted).map_err(|error| error.to_string())?;
    Ok(steps.iter().map(|step| step.name).collect::<Vec<_>>().join(" "))
}

#[test]
fn steps_run_in_the_order_of_the_gate_whatever_order_they_are_named_in() {
    assert_eq!(
        names(&[]).unwrap(),
        "setup format ranks clippy doc deny test simulation conformance soak"
    );
    assert_eq!(names(&["test", "setup"]).unwrap(), "setup test");
    assert_eq!(names(&["ranks", "ranks"]).unwrap(), "ranks");
}

#[test]
fn an_unknown_step_is_refused_with_the_known_ones() {
    assert_eq!(
        names(&["format", "tests"]).unwrap_err(),
        "`tests` is not a step; the steps are setup, format, ranks, clippy, doc, deny, test, \
         simulation, conformance, soak"
    );
}

#[test]
fn the_summary_counts_and_says_how_to_run_a_failed_step_again() {
    let outcome = |step, passed, millis| Outcome {
        step: &STEPS[step],
        passed,
        took: Duration::from_millis(millis),
    };
    let outcomes = [outcome(0, true, 400), outcome(1, true, 1_200), outcome(3, false, 61_000)];
    assert_eq!(
        summary(&outcomes, Duration::from_millis(62_600)),
        "
setup       ok            0.4 s
format      ok            1.2 s
clippy      FAILED   1 min 01 s   again: cargo xtask check clippy

2 steps passed, 1 failed in 1 min 03 s"
    );
}
