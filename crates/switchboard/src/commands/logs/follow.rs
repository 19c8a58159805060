//! What is written to a log from now on, also after it was rotated.

use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// How often the file is looked at. People see lines at once, and five system calls a second are
/// nothing.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// Read in one look; more comes with the next.
const READ_LIMIT: u64 = 1024 * 1024;

pub(super) struct Follow {
    path: PathBuf,
    file: File,
    position: u64,
    /// The beginning of a line whose end is not written yet.
    partial: Vec<u8>,
}

impl Follow {
    /// Begins at the present end of the file.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let position = file.seek(SeekFrom::End(0))?;
        Ok(Self { path: path.to_owned(), file, position, partial: Vec::new() })
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Waits for the next lines; may return without any.
    pub(super) fn next(&mut self) -> io::Result<Vec<String>> {
        let lines = self.look()?;
        if lines.is_empty() {
            sleep(LOOK_PAUSE);
        }
        Ok(lines)
    }

    /// What has been written since the last look.
    fn look(&mut self) -> io::Result<Vec<String>> {
        // Asked before reading: what was read then includes all that the old file will ever have.
        let successor = self.successor()?;
        if self.file.metadata()?.len() < self.position {
            // Emptied by somebody (`: > daemon.log`).
            self.position = self.file.seek(SeekFrom::Start(0))?;
            self.partial.clear();
        }
        let read = self.file.by_ref().take(READ_LIMIT).read_to_end(&mut self.partial)?;
        self.position += read as u64;
        let lines = self.take_lines();
        if let Some(file) = successor.filter(|_| read == 0) {
            self.file = file;
            self.position = 0;
        }
        Ok(lines)
    }

    /// The file that is written instead of ours, if ours was put aside.
    fn successor(&self) -> io::Result<Option<File>> {
        let file = match File::open(&self.path) {
            // In the middle of a rotation.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let is_other = identity(file.metadata()?) != identity(self.file.metadata()?);
        Ok(is_other.then_some(file))
    }

    fn take_lines(&mut self) -> Vec<String> {
        let Some(end) = self.partial.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let rest = self.partial.split_off(end + 1);
        let whole = std::mem::replace(&mut self.partial, rest);
        String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write as _;

    use super::Follow;

    /// Plays a script: `+text` appends to the log (`/` is a line end), `rotate` and `empty` do what they
    /// say, and after each step stands what is seen.
    #[track_caller]
    fn check(script: &[(&str, &str)]) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("daemon.log");
        fs::write(&path, "old\n").unwrap();
        let mut follow = Follow::open(&path).unwrap();
        for (step, expected) in script {
            match step.strip_prefix('+') {
                Some(text) => {
                    let mut file = File::options().append(true).create(true).open(&path).unwrap();
                    file.write_all(text.replace('/', "\n").as_bytes()).unwrap();
                }
                None if *step == "rotate" => {
                    fs::rename(&path, directory.path().join("daemon.log.1")).unwrap();
                }
                None => fs::write(&path, "").unwrap(),
            }
            // The second look goes on in the file that came after.
            let mut seen = follow.look().unwrap();
            seen.extend(follow.look().unwrap());
            seen.extend(follow.look().unwrap());
            assert_eq!(seen.join(" "), *expected, "{step}");
        }
    }

    #[test]
    fn whole_lines_are_seen_as_they_come() {
        check(&[("+a/b/", "a b"), ("+c", ""), ("+d/e", "cd"), ("+/", "e")]);
    }

    #[test]
    fn following_survives_rotation() {
        check(&[("+a/", "a"), ("rotate", ""), ("+b/", "b"), ("+c/", "c")]);
    }

    #[test]
    fn following_survives_that_somebody_empties_the_file() {
        check(&[("+a/", "a"), ("empty", ""), ("+b/", "b")]);
    }
}
