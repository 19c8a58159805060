use super::*;

#[test]
fn a_line_names_what_fails_and_why() {
    let text = "# why not\n\nlegacy | 2026-07-28 | tools-list | one two | it says so\n";
    let expected = Expected::parse(text).unwrap();
    let entry = expected.find("legacy", "2026-07-28", "tools-list").unwrap();
    assert_eq!(entry.line, 3);
    assert_eq!(entry.checks.iter().collect::<Vec<_>>(), ["one", "two"]);
    assert!(expected.find("modern", "2026-07-28", "tools-list").is_none());
}

#[test]
fn an_excuse_is_complete_or_none() {
    let check = |line: &str, complaint: &str| {
        let error = Expected::parse(line).err().expect(line);
        assert_eq!(format!("{error:#}"), format!("line 1: {complaint}"));
    };
    check("legacy | tools-list", "wanted: upstream | version | scenario | checks | reason");
    check(
        "both | 2026-07-28 | tools-list | one | it says so",
        "a server of both eras leaves nothing to bridge, so nothing may fail",
    );
    check("old | 2026-07-28 | tools-list | one | so", "`old` is not one of legacy, modern, client");
    check("legacy | 2026-07-28 | tools-list | | it says so", "which checks fail?");
    check(
        "legacy | 2026-07-28 | tools-list | one |",
        "which sentence of the specification forbids it?",
    );
}

/// The list itself is read by the step, after everything was run.
#[test]
fn the_checked_in_list_can_be_read() {
    let list = crate::workspace::Workspace::here().root().join("conformance/expected.txt");
    Expected::parse(&std::fs::read_to_string(list).unwrap()).unwrap();
}
