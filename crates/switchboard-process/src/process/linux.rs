//! `/proc`, as proc(5) describes it.

use std::fs;

use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};

use super::Process;

pub(super) fn find(pid: Pid) -> Option<Process> {
    let stat = fs::read(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    parse(&stat)
}

pub(super) fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        // A sandbox without `/proc`. Groups are still ended, by number.
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| find(Pid::from_raw(pid)?))
        .collect()
}

pub(super) fn environ(pid: Pid) -> Vec<u8> {
    fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default()
}

/// A descriptor of the process (pidfd_open(2)) stays with it; so once the start time was seen to be
/// right *after* opening, the signal cannot reach anybody else.
///
/// Failing means that the process is gone, or that it changed its user and is out of our reach.
pub(super) fn signal(process: &Process, signal: Signal) {
    let descriptor = pidfd_open(process.pid, PidfdFlags::empty());
    if find(process.pid).is_none_or(|found| found.started != process.started) {
        return;
    }
    let sent = match descriptor {
        Ok(descriptor) => pidfd_send_signal(descriptor, signal),
        // Linux before 5.3, or a sandbox that forbids it: a moment passes between looking and signalling.
        Err(rustix::io::Errno::NOSYS | rustix::io::Errno::PERM) => {
            kill_process(process.pid, signal)
        }
        Err(error) => Err(error),
    };
    if let Err(error) = sent {
        tracing::debug!(pid = process.pid.as_raw_nonzero(), %error, "process was not signalled");
    }
}

pub(super) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Reads `PID (NAME) STATE PPID PGRP …`. The name may hold spaces and parentheses, so it ends at the last one.
pub(super) fn parse(stat: &[u8]) -> Option<Process> {
    let name_start = stat.iter().position(|byte| *byte == b'(')?;
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(&stat[..name_start]).ok()?.trim().parse().ok()?;
    let rest = std::str::from_utf8(&stat[name_end + 1..]).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // `fields[0]` is field 3 of the manual.
    Some(Process {
        pid: Pid::from_raw(pid)?,
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
        alive: !matches!(*fields.first()?, "Z" | "X" | "x"),
    })
}
