use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, SystemTime};

use super::{Change, made, stamp};
use crate::setup::secret::SecretFile;

#[test]
fn a_change_is_taken_back_byte_for_byte() {
    let root = tempfile::tempdir().unwrap();
    let (path, backups) = (root.path().join("c/config.toml"), root.path().join("s/backups"));
    let secret = SecretFile { path: root.path().join("s/secrets/a-KEY"), content: "x\n".into() };
    let first =
        Change { path: &path, before: None, after: "one", secrets: std::slice::from_ref(&secret) };
    first.make(&backups, "20260102-030405").unwrap();
    let second = Change { path: &path, before: Some("one"), after: "two \r\n", secrets: &[] };
    second.make(&backups, "20260102-030405").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "two \r\n");
    for private in [&path, &secret.path] {
        assert_eq!(fs::metadata(private).unwrap().permissions().mode() & 0o777, 0o600);
    }

    let changes = made(&backups).unwrap();
    assert_eq!(changes.iter().map(|made| made.secrets()).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(changes[0].stamp(), "20260102-030405");
    changes[0].undo().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "one");
    let changes = made(&backups).unwrap();
    assert!(changes[0].began_the_file());
    changes[0].undo().unwrap();
    assert!(!path.exists() && !secret.path.exists());
    assert!(made(&backups).unwrap().is_empty());
}

#[test]
fn what_somebody_wrote_since_is_not_lost() {
    let root = tempfile::tempdir().unwrap();
    let (path, backups) = (root.path().join("config.toml"), root.path().join("backups"));
    let change = Change { path: &path, before: None, after: "one", secrets: &[] };
    change.make(&backups, "20260102-030405").unwrap();
    fs::write(&path, "one and mine").unwrap();
    let failure = made(&backups).unwrap()[0].undo().unwrap_err();
    assert_eq!(failure.code, "client-file-changed");
    assert_eq!(fs::read_to_string(&path).unwrap(), "one and mine");
}

#[test]
fn a_stamp_is_the_time_in_utc() {
    let check = |seconds: u64, expected: &str| {
        assert_eq!(stamp(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), expected);
    };
    check(0, "19700101-000000");
    check(951_782_400, "20000229-000000");
    check(1_798_761_599, "20261231-235959");
}
