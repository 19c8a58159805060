use std::fs;

use anyhow::bail;

use super::once::once;
use crate::workspace::Workspace;

/// Asks for each list of versions in turn, in one directory, and says which of them were installed.
/// A list that ends with `!` fails after it has put down half of its files.
fn installed(lists: &[&str]) -> Vec<String> {
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("peer");
    let mut installed = Vec::new();
    for list in lists {
        let _ = once(&directory, list, || {
            assert_eq!(fs::read_dir(&directory)?.count(), 0, "{list} starts from nothing");
            fs::write(directory.join("half"), "")?;
            installed.push((*list).to_owned());
            if list.ends_with('!') { bail!("interrupted") } else { Ok(()) }
        });
    }
    installed
}

#[test]
fn what_is_installed_is_installed_once() {
    assert_eq!(installed(&["a 1", "a 1"]), ["a 1"]);
    assert_eq!(installed(&["a 1", "a 2", "a 2", "a 1"]), ["a 1", "a 2", "a 1"]);
    assert_eq!(installed(&["a 1!", "a 1!"]), ["a 1!", "a 1!"]);
}

#[test]
fn an_interrupted_update_does_not_pass_for_the_old_version() {
    assert_eq!(installed(&["a 1", "a 2!", "a 1"]), ["a 1", "a 2!", "a 1"]);
}

#[test]
fn the_lists_name_versions_and_no_host() {
    let lists = Workspace::here().peer_lists();
    for lock in ["package-lock.json", "componentize-js/package-lock.json"] {
        let text = fs::read_to_string(lists.join(lock)).unwrap();
        assert!(!text.contains("\"resolved\""), "update {lock} where it is: .npmrc sees to this");
    }
    for list in [
        "requirements-mcp1.txt",
        "requirements-mcp2.txt",
        "requirements-moto.txt",
        "requirements-componentize-py.txt",
    ] {
        let text = fs::read_to_string(lists.join(list)).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            assert!(line.contains("=="), "{list}: `{line}` names no exact version");
        }
    }
}
