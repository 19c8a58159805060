//! What a worker may reach.

use std::path::{Path, PathBuf};

use switchboard_process::sandbox::{Limits as Held, Network, Sandbox, program_paths};

use super::{Interpreter, Isolation};
use crate::manifest::Limits;

/// What workers of a bundle have in common.
#[derive(Clone, Debug)]
pub(super) struct Confinement {
    pub isolation: Isolation,
    pub interpreter: Interpreter,
    /// The program of the workers.
    pub program: PathBuf,
    /// The bundle's own files, and what was granted.
    pub readable: Vec<PathBuf>,
    /// Where its door to the network is.
    pub port: Option<u16>,
}

/// Of the time of its calls, how much of a processor a worker may use in its life beyond the number of
/// its calls: a net below the limit of each call, for what goes on between them.
const SPARE: u64 = 60;

impl Confinement {
    /// The sandbox of a worker that writes to `scratch`; none where that is switched off.
    pub(super) fn sandbox(&self, limits: &Limits, scratch: &Path) -> Option<Sandbox> {
        let is_required = match self.isolation {
            Isolation::Off => return None,
            Isolation::Auto => false,
            Isolation::Required => true,
        };
        let Interpreter { executable, prefixes, .. } = &self.interpreter;
        let mut readable = program_paths(executable);
        // Only what Python keeps its library in: for one that was built in a home, the rest is that home.
        readable.extend(prefixes.iter().flat_map(|it| [it.join("lib"), it.join("lib64")]));
        readable.push(self.program.clone());
        readable.extend(self.readable.iter().cloned());
        let seconds = limits.time.as_duration().as_secs() + 1;
        let cpu = seconds.saturating_mul(u64::from(limits.calls)).saturating_add(SPARE);
        Some(Sandbox {
            readable,
            writable: vec![scratch.to_path_buf()],
            executable: if limits.processes { programs() } else { Vec::new() },
            network: self.port.map_or(Network::None, Network::Port),
            limits: Held {
                memory_bytes: Some(limits.memory.bytes()),
                cpu: Some(std::time::Duration::from_secs(cpu)),
                open_files: Some(u64::from(limits.files)),
                file_bytes: Some(limits.file_size.bytes()),
                tasks: Some(TASKS),
                may_start_processes: limits.processes,
            },
            required: is_required,
        })
    }
}

/// Threads, and processes where it may start some.
const TASKS: u64 = 128;

/// Where the programs of a system are.
fn programs() -> Vec<PathBuf> {
    ["/bin", "/usr/bin", "/usr/local/bin"].map(PathBuf::from).to_vec()
}
