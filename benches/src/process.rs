//! What the system knows about a process (proc(5)).

use std::time::Duration;

use anyhow::{Context as _, Result};

/// The clock of /proc: `sysconf(_SC_CLK_TCK)` is 100 on every Linux that people run.
const TICK: Duration = Duration::from_millis(10);

/// The processor time that `pids` have used so far, all threads, user and system.
pub(crate) fn cpu(pids: &[u32]) -> Result<Duration> {
    let mut total = 0;
    for pid in pids {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))
            .with_context(|| format!("process {pid} is gone"))?;
        let fields = stat.rsplit_once(')').context("no process name")?.1;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        // utime and stime are fields 14 and 15; the part after the name begins with field 3.
        total += fields[11].parse::<u32>()? + fields[12].parse::<u32>()?;
    }
    Ok(TICK * total)
}

/// What a process has in memory, in KiB.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Memory {
    /// Its own: nobody else has it, and the system cannot drop it.
    pub own: u64,
    /// With what is mapped of the program, in pieces as large as the system likes to read files in.
    pub resident: u64,
}

pub(crate) fn memory(pid: u32) -> Result<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kib = |name: &'static str| -> Result<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context(name)?;
        Ok(line.trim().trim_end_matches("kB").trim().parse()?)
    };
    Ok(Memory { own: kib("RssAnon:")?, resident: kib("VmRSS:")? })
}
