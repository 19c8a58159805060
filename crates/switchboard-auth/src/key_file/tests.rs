use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use super::{Judgement, KeyFile, Origin, judge};
use crate::error::KeyError;
use crate::keys::Verdict;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const HOUR: Duration = Duration::from_secs(3600);

fn key_file() -> (tempfile::TempDir, KeyFile) {
    let directory = tempfile::tempdir().unwrap();
    let file = KeyFile::new(directory.path().join("api-key"));
    (directory, file)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// Puts `content` with `mode` where the key file belongs, opens it and compares with the outcome:
/// `ORIGIN MODE` or the beginning of the error.
#[track_caller]
fn check(content: &[u8], file_mode: u32, expected: &str) {
    let (_directory, file) = key_file();
    fs::write(file.path(), content).unwrap();
    fs::set_permissions(file.path(), fs::Permissions::from_mode(file_mode)).unwrap();
    let actual = match file.open_or_create() {
        Ok(opened) => {
            assert_eq!(opened.stored.key().expose(), KEY);
            format!("{:?}, now {:o}", opened.origin, mode(file.path()))
        }
        Err(error) => {
            assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");
            assert_eq!(fs::read(file.path()).unwrap(), content, "a damaged file is left alone");
            format!("{}: {}", error.code(), error.hint())
        }
    };
    assert!(actual.starts_with(expected), "{actual}");
}

#[test]
fn first_start_makes_a_private_key_and_the_next_finds_it() {
    let (_directory, file) = key_file();
    let first = file.open_or_create().unwrap();
    assert_eq!(first.origin, Origin::Created);
    assert_eq!(first.stored.key().expose().len(), 43);
    assert_eq!(mode(file.path()), 0o600);
    assert_eq!(
        fs::read_to_string(file.path()).unwrap(),
        format!("{}\n", first.stored.key().expose())
    );
    let second = file.open_or_create().unwrap();
    assert_eq!(second.origin, Origin::Found);
    assert_eq!(second.stored.key(), first.stored.key());
}

#[test]
fn what_is_there_is_read_repaired_or_refused() {
    let good = format!("{KEY}\n").into_bytes();
    check(&good, 0o600, "Found, now 600");
    check(&good, 0o400, "Found, now 400");
    check(&good, 0o640, "Repaired { mode: 416 }, now 600");
    check(&good, 0o666, "Repaired { mode: 438 }, now 600");
    let damaged =
        "key-damaged: restore the file, or run `switchboard rotate-key` to make a new key";
    check(b"", 0o600, damaged);
    check(b"\n", 0o600, damaged);
    check(&good[..20], 0o600, damaged);
    check(b"\xff\xfe\x00", 0o600, damaged);
    check(&vec![b'A'; 1 << 20], 0o600, damaged);
}

#[test]
fn owner_and_mode_are_judged() {
    for (mode, owner, us, expected) in [
        (0o100_600, 1000, 1000, Judgement::Private),
        (0o100_400, 0, 0, Judgement::Private),
        (0o100_700, 1000, 1000, Judgement::Private),
        (0o100_640, 1000, 1000, Judgement::Exposed { mode: 0o640 }),
        (0o100_604, 1000, 1000, Judgement::Exposed { mode: 0o604 }),
        (0o100_620, 1000, 1000, Judgement::Exposed { mode: 0o620 }),
        (0o100_600, 1001, 1000, Judgement::NotOurs),
        (0o100_600, 1000, 0, Judgement::NotOurs),
        (0o100_666, 0, 1000, Judgement::NotOurs),
    ] {
        assert_eq!(judge(mode, owner, us), expected, "{mode:o} of {owner} for {us}");
    }
}

#[test]
fn a_directory_in_its_place_is_refused() {
    let (_directory, file) = key_file();
    fs::create_dir(file.path()).unwrap();
    assert!(matches!(file.open_or_create(), Err(KeyError::NotAFile { .. })));
    assert!(matches!(file.rotate(UNIX_EPOCH, HOUR), Err(KeyError::NotAFile { .. })));
}

#[test]
fn a_fifo_in_its_place_is_refused_without_waiting() {
    let (_directory, file) = key_file();
    let (kind, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
    rustix::fs::mknodat(rustix::fs::CWD, file.path(), kind, mode, 0).unwrap();
    assert!(matches!(file.load(), Err(KeyError::NotAFile { .. })));
}

#[test]
fn a_link_to_a_key_is_followed() {
    let (directory, file) = key_file();
    let target = directory.path().join("elsewhere");
    fs::write(&target, KEY).unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
    symlink(&target, file.path()).unwrap();
    assert_eq!(file.load().unwrap().stored.key().expose(), KEY);
}

#[test]
fn showing_a_key_makes_none() {
    let (directory, file) = key_file();
    assert!(matches!(file.load(), Err(KeyError::Missing { .. })));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_missing_directory_is_named() {
    let (directory, _) = key_file();
    let file = KeyFile::new(directory.path().join("gone/api-key"));
    let error = file.open_or_create().unwrap_err();
    assert_eq!(error.code(), "key-io");
    assert!(error.to_string().contains("gone/api-key"), "{error}");
}

#[test]
fn racing_creators_agree_on_one_key() {
    const CREATORS: usize = 8;
    for _ in 0..20 {
        let (_directory, file) = key_file();
        let barrier = Arc::new(Barrier::new(CREATORS));
        let creators: Vec<_> = (0..CREATORS)
            .map(|_| {
                let (file, barrier) = (file.clone(), Arc::clone(&barrier));
                thread::spawn(move || {
                    barrier.wait();
                    file.open_or_create().unwrap()
                })
            })
            .collect();
        let opened: Vec<_> = creators.into_iter().map(|one| one.join().unwrap()).collect();
        let keys: BTreeSet<_> = opened.iter().map(|one| one.stored.key().expose()).collect();
        let created = opened.iter().filter(|one| one.origin == Origin::Created).count();
        assert_eq!((keys.len(), created), (1, 1));
    }
}

#[test]
fn a_crashed_writer_is_forgotten() {
    let (directory, file) = key_file();
    // What is left of a process that was killed between creating the file and writing the key.
    fs::write(directory.path().join("api-key.new"), &KEY[..20]).unwrap();
    fs::write(directory.path().join("api-key.lock"), "").unwrap();
    let opened = file.open_or_create().unwrap();
    assert_eq!(opened.origin, Origin::Created);
    assert!(!directory.path().join("api-key.new").exists());
    assert_eq!(mode(file.path()), 0o600);
}

#[test]
fn readers_see_whole_private_keys_while_it_rotates() {
    let (_directory, file) = key_file();
    file.open_or_create().unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let reader = {
        let (file, done) = (file.clone(), Arc::clone(&done));
        thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                assert_eq!(file.load().unwrap().origin, Origin::Found);
            }
        })
    };
    for _ in 0..50 {
        file.rotate(UNIX_EPOCH, HOUR).unwrap();
    }
    done.store(true, Ordering::Relaxed);
    reader.join().unwrap();
}

#[test]
fn rotation_is_on_disk_with_its_grace() {
    let (_directory, file) = key_file();
    let old = file.open_or_create().unwrap().stored;
    let rotated = file.rotate(UNIX_EPOCH, HOUR).unwrap();
    assert_eq!(rotated.previous_expires, Some(UNIX_EPOCH + HOUR));
    assert_eq!(mode(file.path()), 0o600);
    let text = fs::read_to_string(file.path()).unwrap();
    assert!(!text.contains(old.key().expose()), "the old key is kept as a hash only");

    let keys = file.load().unwrap().stored.keys();
    let old = old.key().expose().as_bytes();
    let new = rotated.stored.key().expose().as_bytes();
    assert_eq!(keys.verify(new, UNIX_EPOCH), Verdict::Accepted);
    let expires = UNIX_EPOCH + HOUR;
    assert_eq!(keys.verify(old, UNIX_EPOCH), Verdict::AcceptedPrevious { expires });
    assert_eq!(keys.verify(old, expires), Verdict::Refused);
}

#[test]
fn rotation_is_the_way_out_of_a_damaged_file() {
    let (_directory, file) = key_file();
    fs::write(file.path(), "garbage").unwrap();
    assert_eq!(file.rotate(UNIX_EPOCH, HOUR).unwrap().previous_expires, None);
    assert_eq!(file.load().unwrap().origin, Origin::Found);
    assert_eq!(mode(file.path()), 0o600);
}

#[test]
fn no_rotation_is_lost_in_a_race() {
    let (_directory, file) = key_file();
    file.open_or_create().unwrap();
    let rotations: Vec<_> = (0..4)
        .map(|_| {
            let file = file.clone();
            thread::spawn(move || file.rotate(UNIX_EPOCH, HOUR).unwrap().stored)
        })
        .collect();
    let made: Vec<_> = rotations.into_iter().map(|one| one.join().unwrap()).collect();
    // The file holds one of the new keys, and the key it calls previous is another of them.
    let keys = file.load().unwrap().stored.keys();
    let mut verdicts = [0; 3];
    for stored in &made {
        match keys.verify(stored.key().expose().as_bytes(), UNIX_EPOCH) {
            Verdict::Accepted => verdicts[0] += 1,
            Verdict::AcceptedPrevious { .. } => verdicts[1] += 1,
            Verdict::Refused => verdicts[2] += 1,
        }
    }
    assert_eq!(verdicts, [1, 1, 2]);
}
