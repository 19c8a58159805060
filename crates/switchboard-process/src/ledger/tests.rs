use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::{Ledger, ProcessName, Run};
use crate::marker::OwnerId;

fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn file_is_private_and_lives_as_long_as_its_children() {
    let directory = tempfile::tempdir().unwrap();
    let owner = OwnerId::random().unwrap();
    let child = owner.child(1);
    let mut ledger = Ledger::create(directory.path(), owner.clone()).unwrap();

    ledger.announce(&child, "github").unwrap();
    ledger.record(&child, ProcessName { pid: 7, started: 8, group: 7 }).unwrap();
    let [name] = names(directory.path()).try_into().unwrap();
    let path = directory.path().join(&name);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(
        text.contains(r#""label":"github","process":{"pid":7,"started":8,"group":7}"#),
        "{text}"
    );
    assert_eq!(Run::parse(&name).unwrap().owner, owner);

    ledger.close();
    assert_eq!(names(directory.path()).len(), 1, "there is a child in it");
    ledger.forget(&child);
    ledger.close();
    assert_eq!(names(directory.path()), [""; 0]);
}

#[test]
fn what_cannot_be_written_down_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let owner = OwnerId::random().unwrap();
    let mut ledger = Ledger::create(directory.path(), owner.clone()).unwrap();
    std::fs::remove_dir_all(directory.path()).unwrap();
    assert!(ledger.announce(&owner.child(1), "github").is_err());
    assert_eq!(ledger.labels(), [""; 0]);
}

#[test]
fn other_files_are_not_ledgers() {
    let owner = "0123456789abcdef0123456789abcdef";
    assert!(Run::parse(&format!("children-{owner}-1-2.json")).is_some());
    for other in [
        "key".to_owned(),
        "children.json".to_owned(),
        "children-1-2-3.json".to_owned(),
        format!("children-{owner}-1-2.json.new"),
        format!("children-{owner}-one-2.json"),
        format!("children-{}-1-2.json", owner.to_uppercase()),
    ] {
        assert_eq!(Run::parse(&other), None, "{other}");
    }
}
