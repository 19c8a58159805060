//! Children of a daemon that was killed.
//!
//! Only looks at what daemons wrote down; the next start is what ends them, and knows how to tell
//! them from strangers that got the same process id since.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rustix::process::{Pid, test_kill_process};
use serde::Deserialize;

use super::Check;

/// What stands in a ledger, as far as it is needed here.
#[derive(Deserialize)]
struct Ledger {
    children: BTreeMap<String, Entry>,
}

#[derive(Deserialize)]
struct Entry {
    label: String,
    process: Option<Process>,
}

#[derive(Deserialize)]
struct Process {
    pid: i32,
}

/// Looks through the ledgers in `directory` while no daemon runs.
pub(crate) fn leftovers(directory: &Path) -> Check {
    const NAME: &str = "leftover processes";
    let mut left = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with("children-") || !name.ends_with(".json") {
            continue;
        }
        // One that is damaged names nobody; the next start looks for its children by other means.
        let ledger = fs::read(entry.path()).ok();
        let ledger = ledger.and_then(|text| serde_json::from_slice::<Ledger>(&text).ok());
        for child in ledger.into_iter().flat_map(|ledger| ledger.children.into_values()) {
            let pid = child.process.and_then(|process| Pid::from_raw(process.pid));
            if let Some(pid) = pid.filter(|pid| test_kill_process(*pid).is_ok()) {
                left.push(format!("{} (process {})", child.label, pid.as_raw_nonzero()));
            }
        }
    }
    if left.is_empty() {
        return Check::ok(NAME, "none");
    }
    Check::warning(NAME, format!("a daemon that is gone left {}", left.join(", ")))
        .hint("run `switchboard start`, which ends them")
}
