use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use super::super::rfc3339;
use super::{FileConfig, RotatingFile};

/// A log of two old files, 30 bytes and 100 seconds each, in a directory of its own.
struct Log {
    directory: tempfile::TempDir,
    now: Arc<AtomicU64>,
    config: FileConfig,
    file: Option<RotatingFile>,
}

impl Log {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let config = FileConfig { path, max_bytes: 30, max_age: Duration::from_secs(100), keep: 2 };
        let mut log = Self { directory, now: Arc::default(), config, file: None };
        log.open();
        log
    }

    fn open(&mut self) {
        let now = Arc::clone(&self.now);
        let clock = move || UNIX_EPOCH + Duration::from_secs(now.load(Ordering::Relaxed));
        self.file = Some(RotatingFile::open(self.config.clone(), Arc::new(clock)).unwrap());
    }

    fn write(&mut self, line: &str) -> String {
        match self.file.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()) {
            Ok(()) => String::new(),
            Err(error) => error.kind().to_string(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// All files with their lines, oldest last: `log: c d | log.1: a b`.
    fn files(&self) -> String {
        let entries = fs::read_dir(self.directory.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        let files: Vec<_> = names
            .iter()
            .map(|name| {
                let text = fs::read_to_string(self.directory.path().join(name)).unwrap();
                format!("{}: {}", name.display(), text.split('\n').collect::<Vec<_>>().join(" "))
            })
            .map(|file| file.trim_end().to_owned())
            .collect();
        files.join(" | ")
    }
}

/// Plays a script against a [`Log`]; `files -> …` compares what is on disk.
#[track_caller]
fn check(script: &str) {
    let mut log = Log::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (step, expected) = line.split_once("->").unwrap_or((line, ""));
        let actual = match *step.split_whitespace().collect::<Vec<_>>() {
            ["write", "time"] => {
                let now = UNIX_EPOCH + Duration::from_secs(log.now.load(Ordering::Relaxed));
                log.write(&rfc3339(now)[..19])
            }
            ["write", line] => log.write(line),
            ["tick", seconds] => {
                log.now.fetch_add(seconds.parse().unwrap(), Ordering::Relaxed);
                String::new()
            }
            ["keep", count] => {
                log.config.keep = count.parse().unwrap();
                log.open();
                String::new()
            }
            ["restart"] => {
                log.open();
                String::new()
            }
            ["remove", name] => {
                fs::remove_file(log.path(name)).unwrap();
                String::new()
            }
            ["move", from, to] => {
                fs::rename(log.path(from), log.path(to)).unwrap();
                String::new()
            }
            ["empty", name] => {
                fs::write(log.path(name), "").unwrap();
                String::new()
            }
            ["directory", name] => {
                fs::create_dir_all(log.path(name).join("full")).unwrap();
                String::new()
            }
            ["rmdir", name] => {
                fs::remove_dir_all(log.path(name)).unwrap();
                String::new()
            }
            ["files"] => log.files(),
            _ => panic!("no such step: {step}"),
        };
        assert_eq!(actual, expected.trim(), "after `{}`", step.trim());
    }
}

#[test]
fn size_rotates() {
    check(
        "write aaaaaaaaa
         write bbbbbbbbb
         write ccccccccc
         files -> log: aaaaaaaaa bbbbbbbbb ccccccccc
         write d
         files -> log: d | log.1: aaaaaaaaa bbbbbbbbb ccccccccc",
    );
}

#[test]
fn count_prunes() {
    check(
        "write 1aaaaaaaaaaaaaaaaaaaaaaaaaaa
         write 2aaaaaaaaaaaaaaaaaaaaaaaaaaa
         write 3aaaaaaaaaaaaaaaaaaaaaaaaaaa
         write 4aaaaaaaaaaaaaaaaaaaaaaaaaaa
         files -> log: 4aaaaaaaaaaaaaaaaaaaaaaaaaaa | log.1: 3aaaaaaaaaaaaaaaaaaaaaaaaaaa | log.2: 2aaaaaaaaaaaaaaaaaaaaaaaaaaa
         keep 1
         write 5
         files -> log: 5 | log.1: 4aaaaaaaaaaaaaaaaaaaaaaaaaaa
         keep 0
         write 6aaaaaaaaaaaaaaaaaaaaaaaaaaa
         files -> log: 6aaaaaaaaaaaaaaaaaaaaaaaaaaa",
    );
}

#[test]
fn a_line_that_is_too_long_has_a_file_for_itself() {
    check(
        "write aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
         write b
         files -> log: b | log.1: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    );
}

#[test]
fn a_gap_is_filled_before_anything_is_pushed_out() {
    check(
        "write 1aaaaaaaaaaaaaaaaaaaaaaaaaaa
         write 2aaaaaaaaaaaaaaaaaaaaaaaaaaa
         write 3aaaaaaaaaaaaaaaaaaaaaaaaaaa
         remove log.1
         write 4
         files -> log: 4 | log.1: 3aaaaaaaaaaaaaaaaaaaaaaaaaaa | log.2: 1aaaaaaaaaaaaaaaaaaaaaaaaaaa",
    );
}

#[test]
fn age_rotates() {
    check(
        "write a
         tick 99
         write b
         tick 1
         write c
         files -> log: c | log.1: a b
         tick 99
         write d
         files -> log: c d | log.1: a b",
    );
}

#[test]
fn age_survives_a_restart() {
    check(
        "write time
         tick 60
         restart
         write b
         tick 40
         write c
         files -> log: c | log.1: 1970-01-01T00:00:00 b",
    );
}

#[test]
fn an_empty_file_is_not_rotated() {
    check(
        "tick 1000
         write a
         files -> log: a",
    );
}

#[test]
fn a_clock_that_goes_back_is_no_age() {
    check(
        "tick 1000
         write time
         restart
         write b
         files -> log: 1970-01-01T00:16:40 b",
    );
}

#[test]
fn restart_appends() {
    check(
        "write a
         restart
         write b
         files -> log: a b",
    );
}

#[test]
fn a_removed_file_is_made_again() {
    check(
        "write a
         remove log
         write b
         files -> log: b",
    );
}

#[test]
fn a_file_that_is_moved_away_is_not_followed() {
    check(
        "write a
         move log elsewhere
         write b
         files -> elsewhere: a | log: b",
    );
}

#[test]
fn an_emptied_file_is_written_from_its_start() {
    check(
        "write aaaaaaaaaaaaaaaaaaaaaaaaaaaa
         empty log
         write b
         files -> log: b",
    );
}

#[test]
fn a_rotation_that_fails_loses_nothing_and_is_tried_again() {
    check(
        "write aaaaaaaaaaaaaaaaaaaaaaaaaaaa
         directory log.1
         directory log.2
         write bbbbbbbbbbbbbbbbbbbbbbbbbbbb
         rmdir log.1
         rmdir log.2
         write c
         files -> log: aaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbb c
         tick 60
         write d
         files -> log: d | log.1: aaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbbb c",
    );
}

#[test]
fn every_file_is_private() {
    let mut log = Log::new();
    for line in ["aaaaaaaaaaaaaaaaaaaaaaaaaaaa", "b"] {
        assert_eq!(log.write(line), "");
    }
    for name in ["log", "log.1"] {
        let mode = fs::metadata(log.path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
    }
}

#[test]
fn a_missing_directory_is_an_error_until_it_is_back() {
    let mut log = Log::new();
    let directory = log.directory.path().to_owned();
    fs::remove_dir_all(&directory).unwrap();
    assert_eq!(log.write("a"), "entity not found");
    fs::create_dir(&directory).unwrap();
    assert_eq!(log.write("b"), "");
    assert_eq!(log.files(), "log: b");
}

#[test]
fn a_full_disk_is_an_error_and_no_rotation() {
    let config = FileConfig::new("/dev/full");
    let mut file = RotatingFile::open(config, Arc::new(|| UNIX_EPOCH)).unwrap();
    for _ in 0..2 {
        let error = file.write_all(b"a\n").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    }
}

#[test]
fn many_writers_lose_and_tear_nothing() {
    const WRITERS: usize = 4;
    const LINES: usize = 500;
    let mut log = Log::new();
    log.config.max_bytes = 1000;
    log.config.keep = 1000;
    log.open();
    let file = Arc::new(Mutex::new(log.file.take().unwrap()));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let file = Arc::clone(&file);
            thread::spawn(move || {
                for number in 0..LINES {
                    let padding = "x".repeat(number % 50);
                    let line = format!("{writer} {number} {padding}\n");
                    file.lock().unwrap().write_all(line.as_bytes()).unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    let mut count = 0;
    let mut next = [0_usize; WRITERS];
    let mut names = vec![PathBuf::from("log")];
    names.extend((1..).map(|n| format!("log.{n}").into()).take_while(|n| log.path_exists(n)));
    for name in names.iter().rev() {
        let text = fs::read_to_string(log.directory.path().join(name)).unwrap();
        assert!(text.len() <= 1000 && text.ends_with('\n'), "{}", name.display());
        for line in text.lines() {
            let parts: Vec<_> = line.split(' ').collect();
            let (writer, number) =
                (parts[0].parse::<usize>().unwrap(), parts[1].parse::<usize>().unwrap());
            assert_eq!(next[writer], number, "lines of one writer stay in order");
            assert_eq!(parts[2].len(), number % 50);
            next[writer] += 1;
            count += 1;
        }
    }
    assert_eq!(count, WRITERS * LINES);
    assert!(names.len() > 10, "it did rotate");
}

impl Log {
    fn path_exists(&self, name: &PathBuf) -> bool {
        self.directory.path().join(name).exists()
    }
}
