use serde_json::json;

use super::*;

#[test]
fn findings_are_known_by_the_name_of_their_directory() {
    let check = |directory, name| assert_eq!(scenario(directory), name);
    check("server-tools-list-2026-11-21T07-12-44-108Z", "tools-list");
    check("server-json-schema-2020-12-2026-11-21T07-12-44-108Z", "json-schema-2020-12");
    check("server-server-stateless-2026-11-21T07-12-44-108Z", "server-stateless");
    check("auth/metadata-var1-2026-11-21T07-12-44-108Z", "auth/metadata-var1");
    check(
        "auth/2025-03-26-oauth-metadata-backcompat-2026-11-21T07-12-44-108Z",
        "auth/2025-03-26-oauth-metadata-backcompat",
    );
    check("tools_call", "tools_call");
}

#[test]
fn a_scenario_without_findings_is_in_the_summary() {
    assert_eq!(broken_off("✗ tools-list: 0 passed, 1 failed"), Some("tools-list"));
    assert_eq!(broken_off("✓ tools-list: 2 passed, 0 failed"), None);
    assert_eq!(broken_off("Total: 2 passed, 1 failed"), None);
}

#[test]
fn a_warning_is_a_failure_and_silence_is_one_too() {
    let check = |statuses: &[&str], failed: &[&str]| {
        let checks: Vec<Value> = statuses
            .iter()
            .map(|status| json!({ "id": status, "status": status, "description": "said" }))
            .collect();
        let expected = match failed {
            [] => Outcome::Passed,
            some => Outcome::Failed(
                some.iter().map(|id| ((*id).to_owned(), "said".to_owned())).collect(),
            ),
        };
        assert_eq!(outcome(&json!(checks)), expected, "{statuses:?}");
    };
    check(&["SUCCESS"], &[]);
    check(&["SUCCESS", "INFO", "SKIPPED"], &[]);
    check(&["INFO"], &[]);
    check(&["SUCCESS", "WARNING"], &["WARNING"]);
    check(&["SUCCESS", "FAILURE"], &["FAILURE"]);
    assert_eq!(outcome(&json!([])), broken("no check was reached"));
}
