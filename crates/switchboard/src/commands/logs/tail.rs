//! The last lines of a log that is rotated: `daemon.log`, before it `daemon.log.1`, and so on.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// Read at once, from the end towards the beginning: some hundred lines.
const BLOCK: u64 = 64 * 1024;

/// As many old files as are looked at, the most that the configuration keeps.
const FILES: usize = 100;

/// The last `count` lines, oldest first. Of the file that is being written, only what stands before
/// `end` counts.
pub(super) fn last_lines(path: &Path, end: u64, count: usize) -> io::Result<Vec<String>> {
    let mut lines = lines_of(path, Some(end), count)?;
    for number in 1..=FILES {
        if lines.len() >= count {
            break;
        }
        let older = match lines_of(&rotated(path, number), None, count - lines.len()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            older => older?,
        };
        lines.splice(0..0, older);
    }
    Ok(lines)
}

fn rotated(path: &Path, number: usize) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{number}"));
    name.into()
}

/// The last `count` lines of one file, up to `end`.
fn lines_of(path: &Path, end: Option<u64>, count: usize) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut start = end.map_or(length, |end| end.min(length));
    let mut content = Vec::new();
    // One line end more than lines, because the last line has one as well.
    while start > 0 && content.iter().filter(|byte| **byte == b'\n').count() <= count {
        let size = start.min(BLOCK);
        start -= size;
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        file.by_ref().take(size).read_to_end(&mut block)?;
        block.append(&mut content);
        content = block;
    }
    let text = String::from_utf8_lossy(&content);
    let lines: Vec<&str> = text.lines().collect();
    let skipped = lines.len().saturating_sub(count);
    Ok(lines[skipped..].iter().map(|line| (*line).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::last_lines;

    /// The last `count` lines of files with these contents, the newest first.
    #[track_caller]
    fn check(files: &[&str], count: usize, expected: &str) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("daemon.log");
        for (number, content) in files.iter().enumerate() {
            let name = if number == 0 { path.clone() } else { super::rotated(&path, number) };
            fs::write(name, content).unwrap();
        }
        let end = files[0].len() as u64;
        assert_eq!(last_lines(&path, end, count).unwrap().join(" "), expected);
    }

    #[test]
    fn lines_are_taken_from_the_end_over_as_many_files_as_it_takes() {
        check(&["a\nb\nc\n"], 2, "b c");
        check(&["a\nb\nc"], 2, "b c");
        check(&["e\n", "c\nd\n", "a\nb\n"], 4, "b c d e");
        check(&["", "a\n"], 5, "a");
        check(&["b\n", "a\n"], 1, "b");
        check(&["b\n", "a\n"], 0, "");
    }

    #[test]
    fn a_line_may_be_longer_than_what_is_read_at_once() {
        let long = "x".repeat(super::BLOCK as usize * 2);
        check(&[&format!("a\n{long}\nb\n")], 2, &format!("{long} b"));
    }

    #[test]
    fn what_is_written_meanwhile_is_left_to_those_who_follow() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("daemon.log");
        fs::write(&path, "a\nb\nc\n").unwrap();
        assert_eq!(last_lines(&path, 4, 9).unwrap(), ["a", "b"]);
    }
}
