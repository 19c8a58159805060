//! A child and everything it started.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::time::sleep;

use crate::marker::Marker;
use crate::process::Process;

/// How many looks in a row have to find nobody.
///
/// One look walks through `/proc` while processes come and go, and during `exec` a process shows an
/// empty environment for a moment. What hides from one look is seen by the next.
const QUIET_LOOKS: u32 = 2;

/// Pause between two looks, doubled up to the maximum. A look costs about 10 µs per process of the machine.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(80);

/// The processes of one child: the leader, its group, and whoever carries the child's marker.
///
/// Only valid while the leader is not reaped: see [`crate::leader`].
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    leader: Pid,
    started: u64,
    marker: Marker,
}

impl Tree {
    pub(crate) fn new(leader: Pid, started: u64, marker: Marker) -> Self {
        Self { leader, started, marker }
    }

    /// Signals every process of the tree once.
    pub(crate) async fn signal(&self, signal: Signal) {
        self.signal_group(signal);
        for outsider in self.look().await {
            if outsider.group != self.leader.as_raw_nonzero().get() {
                outsider.signal(signal);
            }
        }
    }

    /// Signals the group at once, as one step of the kernel that no `fork` slips through.
    pub(crate) fn signal_group(&self, signal: Signal) {
        if let Err(error) = kill_process_group(self.leader, signal) {
            // Nobody there, or all of them changed their user.
            tracing::debug!(group = self.leader.as_raw_nonzero(), %error, "group was not signalled");
        }
    }

    /// Waits until nobody is left.
    pub(crate) async fn gone(&self) {
        let mut quiet = 0;
        let mut pause = FIRST_PAUSE;
        loop {
            quiet = if self.look().await.is_empty() { quiet + 1 } else { 0 };
            if quiet == QUIET_LOOKS {
                return;
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    async fn look(&self) -> Vec<Process> {
        let tree = self.clone();
        // Reads thousands of small files on a busy machine. The task fails only when the runtime stops.
        tokio::task::spawn_blocking(move || tree.alive()).await.unwrap_or_default()
    }

    fn alive(&self) -> Vec<Process> {
        let leader = self.leader.as_raw_nonzero().get();
        let mut found = Process::all();
        found.retain(|process| {
            // Whoever is older than the leader is not of its making, whatever it carries.
            process.alive
                && process.started >= self.started
                && (process.pid == self.leader
                    || process.group == leader
                    || self.marker.is_in(&process.environ()))
        });
        found
    }
}
