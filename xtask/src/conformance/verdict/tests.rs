use super::*;
use crate::conformance::suite::Results;

const VERSION: &str = "2026-07-28";

fn failed(checks: &[&str]) -> Outcome {
    Outcome::Failed(checks.iter().map(|id| ((*id).to_owned(), "so".to_owned())).collect())
}

fn column(name: &'static str, outcome: Outcome) -> Column {
    Column { name, results: Results::of(&[(VERSION, "tools-list", outcome)]) }
}

/// What is complained of, with one scenario, when `list` is the list of exceptions.
fn complaints(direct: Outcome, through: (&'static str, Outcome), list: &str) -> Vec<String> {
    let direct = column("direct", direct);
    let through = [column(through.0, through.1)];
    let client = Column { name: "client", results: Results::default() };
    let expected = Expected::parse(list).unwrap();
    let mut faults = fixture(&direct);
    faults.extend(super::through(&direct, &through, &expected));
    faults.extend(unused(&expected, &through, &client));
    faults.iter().map(ToString::to_string).collect()
}

#[test]
fn what_passes_directly_must_pass_through_the_daemon() {
    let check = |direct, through, wanted: &[&str]| {
        assert_eq!(complaints(direct, through, ""), wanted);
    };
    check(Outcome::Passed, ("http", Outcome::Passed), &[]);
    check(
        Outcome::Passed,
        ("http", failed(&["one", "two"])),
        &["http 2026-07-28 tools-list fails\n    one: so\n    two: so"],
    );
    check(
        failed(&["one"]),
        ("http", failed(&["one"])),
        &["2026-07-28 tools-list: the fixture itself fails\n    one: so"],
    );
}

#[test]
fn the_list_stays_true() {
    let line = "legacy | 2026-07-28 | tools-list | one | it says so";
    let check = |through, wanted: &[&str]| {
        assert_eq!(complaints(Outcome::Passed, through, line), wanted);
    };
    check(("http-legacy", failed(&["one"])), &[]);
    check(
        ("http-legacy", Outcome::Passed),
        &["http-legacy 2026-07-28 tools-list passes: delete line 1 of conformance/expected.txt"],
    );
    check(
        ("http-legacy", failed(&["two"])),
        &["http-legacy 2026-07-28 tools-list fails in other checks than line 1 says\n    two: so"],
    );
    check(
        ("http-modern", failed(&["one"])),
        &[
            "http-modern 2026-07-28 tools-list fails\n    one: so",
            "line 1 of conformance/expected.txt is about no scenario",
        ],
    );
}
