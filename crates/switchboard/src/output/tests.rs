use crate::exit::Exit;
use crate::failure::{self, Failure};
use switchboard_config::Diagnostic;

fn plain(failure: &Failure) -> String {
    anstream::adapter::strip_str(&super::render(failure)).to_string()
}

#[test]
fn a_failure_is_told_in_its_parts() {
    let failure = Failure::new("not-running", "no daemon is running");
    assert_eq!(plain(&failure), "error[not-running]: no daemon is running");
    let failure =
        failure.with_place("a.toml:1:2").with_cause("first\nsecond").with_hint("start it");
    assert_eq!(
        plain(&failure),
        "error[not-running]: no daemon is running
 place: a.toml:1:2
 cause: first
        second
 hint: start it"
    );
}

#[test]
fn mistakes_come_before_their_number() {
    let mistakes = ["one", "two"].map(|message| Diagnostic::new("config-syntax", message));
    let failure = Failure::configuration(&mistakes);
    assert_eq!(failure.exit, Exit::Configuration);
    assert_eq!(
        plain(&failure),
        "error[config-syntax]: one

error[config-syntax]: two

error[config-invalid]: the configuration has 2 mistakes"
    );
}

#[test]
fn programs_get_the_same_parts() {
    let mut failure = Failure::new("a", "b").with_hint("c");
    let json = |failure: &Failure| serde_json::to_string(failure).unwrap();
    assert_eq!(json(&failure), r#"{"code":"a","message":"b","hint":"c"}"#);
    failure.details.mistakes = vec![failure::mistake(&Diagnostic::new("config-syntax", "d"))];
    assert!(json(&failure).contains(r#""mistakes":[{"code":"config-syntax","message":"d""#));
    assert!(!json(&failure).contains("\\u001b"));
}
