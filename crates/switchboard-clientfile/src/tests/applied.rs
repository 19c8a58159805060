//! Changes on the disk: made once, undone exactly, and not at all when somebody was faster.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{home, write};
use crate::{Applied, Client, Edit, Endpoint, Home, connect, disconnect, restore};

const TEXT: &str = "{\n  \"mcpServers\": {\n    \"a\": { \"command\": \"a\" } // keep\n  }\n}\n";

struct Case {
    root: TempDir,
    home: Home,
    file: PathBuf,
    backups: PathBuf,
}

impl Case {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (home, file) = (home(root.path(), &[]), root.path().join(".cursor/mcp.json"));
        let backups = root.path().join("state/backups");
        Self { root, home, file, backups }
    }

    fn edit(&self) -> Edit {
        let endpoint = Endpoint {
            name: "switchboard".to_owned(),
            stdio: Some((PathBuf::from("/opt/bin/switchboard"), vec!["stdio".to_owned()])),
            http: None,
        };
        connect(Client::Cursor, &self.home, &endpoint).unwrap()
    }

    fn apply(&self) -> Applied {
        self.edit().apply(&self.backups, "20260102-030405").unwrap()
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.file).unwrap()
    }
}

#[test]
fn undo_restores_every_byte() {
    let case = Case::new();
    write(&case.file, TEXT);
    let edit = case.edit();
    let applied = edit.apply(&case.backups, "20260102-030405").unwrap();
    assert_eq!(case.text(), edit.after);
    assert_eq!(fs::read_to_string(applied.backup.as_ref().unwrap()).unwrap(), TEXT);
    restore(&applied.manifest).unwrap();
    assert_eq!(case.text(), TEXT);
    restore(&applied.manifest).unwrap();
    assert_eq!(case.text(), TEXT, "undone twice");
}

#[test]
fn undo_removes_the_file_that_was_not_there() {
    let case = Case::new();
    let applied = case.apply();
    assert!(case.file.exists() && applied.backup.is_none());
    restore(&applied.manifest).unwrap();
    assert!(!case.file.exists());
}

#[test]
fn two_changes_in_one_second_are_undone_in_turn() {
    let case = Case::new();
    write(&case.file, TEXT);
    let first = case.apply();
    let edit = disconnect(Client::Cursor, &case.home).unwrap().unwrap();
    let second = edit.apply(&case.backups, "20260102-030405").unwrap();
    assert_eq!(case.text(), TEXT);
    restore(&second.manifest).unwrap();
    assert!(case.text().contains("switchboard"));
    restore(&first.manifest).unwrap();
    assert_eq!(case.text(), TEXT);
}

#[test]
fn change_in_between_is_refused() {
    for (before, meanwhile) in [(Some(TEXT), Some("{}")), (Some(TEXT), None), (None, Some("{}"))] {
        let case = Case::new();
        if let Some(before) = before {
            write(&case.file, before);
        }
        let edit = case.edit();
        match meanwhile {
            Some(text) => write(&case.file, text),
            None => fs::remove_file(&case.file).unwrap(),
        }
        let error = edit.apply(&case.backups, "now").unwrap_err();
        assert_eq!(error.code(), "client-file-changed");
        assert_eq!(fs::read_to_string(&case.file).ok().as_deref(), meanwhile);
        assert!(!case.backups.exists());
    }
}

#[test]
fn undo_keeps_what_somebody_wrote_since() {
    for before in [Some(TEXT), None] {
        let case = Case::new();
        if let Some(before) = before {
            write(&case.file, before);
        }
        let applied = case.apply();
        let newer = case.text().replace("mcpServers", "mcpservers");
        write(&case.file, &newer);
        let error = restore(&applied.manifest).unwrap_err();
        assert_eq!(error.code(), "client-file-changed");
        assert!(error.hint().contains("disconnect"));
        assert_eq!(case.text(), newer);
    }
}

#[test]
fn nothing_is_left_beside_the_file() {
    let case = Case::new();
    write(&case.file, TEXT);
    // Left by a run that was killed.
    write(&case.file.with_file_name(".mcp.json.switchboard-new"), "half");
    case.apply();
    let names: Vec<_> = fs::read_dir(case.file.parent().unwrap())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["mcp.json"]);
}

#[test]
fn broken_manifest_is_an_error() {
    let case = Case::new();
    for text in [
        "",
        "{}",
        r#"{ "version": 2, "client": "cursor", "path": "/x", "target": "/x", "before": null, "after": "x" }"#,
    ] {
        let manifest = case.root.path().join("manifest.json");
        write(&manifest, text);
        assert_eq!(restore(&manifest).unwrap_err().code(), "client-file-io", "{text}");
    }
    assert_eq!(restore(Path::new("/nowhere/at-all.json")).unwrap_err().code(), "client-file-io");
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn mode_is_kept_and_backups_are_private() {
        let case = Case::new();
        write(&case.file, TEXT);
        fs::set_permissions(&case.file, fs::Permissions::from_mode(0o640)).unwrap();
        let applied = case.apply();
        assert_eq!(mode(&case.file), 0o640);
        assert_eq!(
            (mode(&case.backups), mode(&applied.backup.unwrap()), mode(&applied.manifest)),
            (0o700, 0o600, 0o600)
        );
        restore(&applied.manifest).unwrap();
        assert_eq!(mode(&case.file), 0o640);
    }

    #[test]
    fn new_file_is_private() {
        let case = Case::new();
        case.apply();
        assert_eq!(mode(&case.file), 0o600);
    }

    #[test]
    fn link_is_followed_and_stays_a_link() {
        for exists in [true, false] {
            let case = Case::new();
            let target = case.root.path().join("dotfiles/mcp.json");
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            if exists {
                write(&target, TEXT);
            }
            fs::create_dir_all(case.file.parent().unwrap()).unwrap();
            symlink("../dotfiles/mcp.json", &case.file).unwrap();
            let applied = case.apply();
            assert!(fs::symlink_metadata(&case.file).unwrap().is_symlink());
            assert!(fs::read_to_string(&target).unwrap().contains("switchboard"));
            restore(&applied.manifest).unwrap();
            assert_eq!(fs::read_to_string(&target).ok().as_deref(), exists.then_some(TEXT));
            assert!(fs::symlink_metadata(&case.file).unwrap().is_symlink());
        }
    }

    #[test]
    fn read_only_file_is_left_alone() {
        let case = Case::new();
        write(&case.file, TEXT);
        fs::set_permissions(&case.file, fs::Permissions::from_mode(0o444)).unwrap();
        let error = case.edit().apply(&case.backups, "now").unwrap_err();
        assert_eq!(error.code(), "client-file-io");
        assert_eq!(case.text(), TEXT);
    }
}
