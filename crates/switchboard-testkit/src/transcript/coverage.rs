//! Which example of the specification is replayed by which transcript, or why by none.
//!
//! `transcripts/specification/coverage.md` has a line for each block of JSON or HTTP in the pages
//! of the specification, in their order:
//!
//! ```text
//! REVISION PAGE ORDINAL (HEADING) | tools-call, tools-error
//! REVISION PAGE ORDINAL (HEADING) | none: it is a fragment of a schema
//! ```

use super::directory;

/// One line.
pub struct Replay {
    pub revision: String,
    pub page: String,
    pub ordinal: usize,
    /// The transcripts, or the reason why there is none.
    pub by: Result<Vec<String>, String>,
}

pub fn coverage() -> Vec<Replay> {
    let text = std::fs::read_to_string(directory().join("specification/coverage.md")).unwrap();
    let lines = text.lines().filter(|line| line.contains(" | "));
    lines.map(|line| read(line).unwrap_or_else(|| panic!("`{line}`"))).collect()
}

fn read(line: &str) -> Option<Replay> {
    let (example, by) = line.split_once(" | ")?;
    let mut words = example.split_whitespace();
    let (revision, page) = (words.next()?.to_owned(), words.next()?.to_owned());
    let ordinal = words.next()?.parse().ok()?;
    let by = match by.strip_prefix("none: ") {
        Some(reason) => Err(reason.to_owned()),
        None => Ok(by.split(", ").map(str::to_owned).collect()),
    };
    Some(Replay { revision, page, ordinal, by })
}
