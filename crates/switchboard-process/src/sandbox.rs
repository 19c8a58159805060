//! Children that nobody trusts: what they may reach is said beforehand, and everything else is out of reach.
//!
//! A child with a [`Sandbox`] still runs as the daemon's user, because changing users takes rights that
//! the daemon has not. So what that user may do is taken from it, in layers that the kernel keeps:
//! namespaces, Landlock, resource limits, and a filter of system calls. They overlap on purpose. A network
//! that is not given is missing from the child's namespace *and* there is no call to make a socket with;
//! whoever gets around one layer meets the next.
//!
//! Layers differ between machines (the kernel's version, how it was built, what a container forbids), so
//! [`layers`] finds out by trying. A description that is [`required`](Sandbox::required) is refused where
//! the machine lacks what it needs; others get what there is. What the machine has and fails to give this
//! time (it is out of namespaces, say) is an error for both: no child is less isolated than the one before.
//!
//! Only Linux has layers. What is not held back anywhere: time and memory of the machine within the
//! limits, and the names, sizes and dates of files, which stat(2) tells to everybody.

mod layer;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;
mod passage;
mod paths;

use std::path::PathBuf;
use std::time::Duration;

pub use layer::{Layer, LayerKind, Missing};
pub use paths::program_paths;

#[cfg(target_os = "linux")]
use linux as system;
#[cfg(not(target_os = "linux"))]
use other as system;

pub(crate) use passage::Passage;
pub(crate) use system::Prepared;

/// What a child may reach.
///
/// The program itself and its loader can always be executed. A path that does not exist when the child
/// starts is left out: nothing is there to be reached.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sandbox {
    /// Files, and directories with everything below them. [`program_paths`] has those a program needs to start.
    ///
    /// Links are followed, when the child starts. So no path belongs here that leads through something
    /// which a child may write: the one before it may have left a link there.
    pub readable: Vec<PathBuf>,
    /// The same, also to be written. Programs in them cannot be executed, which keeps nobody from running
    /// code: an interpreter reads it, and the loader maps it. How much is written in all is not limited.
    pub writable: Vec<PathBuf>,
    /// Programs it may become, or start if it [may start processes](Limits::may_start_processes).
    pub executable: Vec<PathBuf>,
    pub network: Network,
    pub limits: Limits,
    /// Refuses to start where the machine lacks a layer that this description needs.
    pub required: bool,
}

impl Default for Sandbox {
    /// No files, no network, no processes, and nothing less than that.
    fn default() -> Self {
        Self {
            readable: Vec::new(),
            writable: Vec::new(),
            executable: Vec::new(),
            network: Network::None,
            limits: Limits::default(),
            required: true,
        }
    }
}

/// What a child may connect to. Sockets of this machine (`AF_UNIX`) are out of reach whatever it says:
/// the daemon's own are among them, and they know whoever connects by the user.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Network {
    #[default]
    None,
    /// One TCP port of this machine's loopback, 127.0.0.1, where a proxy of ours listens.
    ///
    /// The child finds it at the same address, on a loopback of its own that has nothing else. Where the
    /// machine gives no [network namespace](LayerKind::NetworkNamespace) it uses this machine's network,
    /// and what holds it back is a [rule](LayerKind::Ports) that knows numbers and no addresses: whoever
    /// listens at that number elsewhere is reached as well. [`Sandbox::required`] refuses that.
    Port(u16),
    /// TCP and UDP to any address, this machine's and those of the network around it among them.
    Any,
}

/// How much a child may use. What is `None` is not limited, apart from what the daemon itself is held to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Address space (RLIMIT_AS), which is more than what is in use: each thread has 8 MiB of it for its stack.
    pub memory_bytes: Option<u64>,
    /// Processor time over the whole life, in whole seconds. At its end comes SIGXCPU, a second later SIGKILL.
    pub cpu: Option<Duration>,
    pub open_files: Option<u64>,
    /// The size that a file may be written to.
    pub file_bytes: Option<u64>,
    /// Threads, and processes if it may start some.
    ///
    /// Only where the child has a [user namespace](LayerKind::UserNamespace) and the kernel counts within
    /// it (Linux 5.14), and not if the daemon runs as root: elsewhere the kernel counts everything its user has.
    pub tasks: Option<u64>,
    /// Whether it may start processes. All of them stay in its process group, in the sandbox and within
    /// the limits, which count for each process by itself.
    ///
    /// One that clears its environment is still ended with the child, by its group. When the daemon is
    /// killed and the child with it, nothing is left to tell it from a stranger, and it lives on in the sandbox.
    pub may_start_processes: bool,
}

impl Default for Limits {
    /// Several times what a small program of one purpose needs: Python with TLS, a database and an event
    /// loop had at most 167 MiB of address space, ten descriptors and two threads (November 2026).
    fn default() -> Self {
        Self {
            memory_bytes: Some(1 << 30),
            cpu: None,
            open_files: Some(256),
            file_bytes: Some(64 << 20),
            tasks: Some(128),
            may_start_processes: false,
        }
    }
}

impl Sandbox {
    /// The layers that this description needs and this machine lacks. Blocks for a moment the first time.
    ///
    /// What stands behind another layer that keeps the same promise is not needed: scopes and the user
    /// namespace, and the empty network namespace of who has no network, behind the filter of system
    /// calls; ports behind a network namespace that has only one. Containers mostly forbid namespaces,
    /// and would be left out otherwise.
    pub fn missing(&self) -> Vec<Layer> {
        let needed = |layer: &Layer| match layer.kind {
            LayerKind::Privileges
            | LayerKind::Files
            | LayerKind::Limits
            | LayerKind::SystemCalls => true,
            LayerKind::NetworkNamespace => matches!(self.network, Network::Port(_)),
            LayerKind::UserNamespace | LayerKind::Ports | LayerKind::Scopes => false,
        };
        layers().into_iter().filter(|layer| layer.missing.is_some() && needed(layer)).collect()
    }
}

/// The layers there are, and which of them are in force on this machine.
///
/// Found out by a process for each, which applies it and tries what it should hold back. That takes some
/// milliseconds, is done once, and blocks meanwhile.
pub fn layers() -> Vec<Layer> {
    system::layers()
}
