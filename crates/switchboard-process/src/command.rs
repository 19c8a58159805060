//! What to start.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use crate::StderrRing;
use crate::sandbox::Sandbox;

/// A program to start, with everything it gets to see.
#[derive(Clone)]
pub struct Command {
    /// What people call this child; it appears in logs and in the ledger.
    pub label: String,
    /// A path, or a name that is looked up on the `PATH` in [`env`](Self::env).
    pub program: OsString,
    pub args: Vec<OsString>,
    /// The whole environment of the child, apart from two [markers](crate::OWNER_VARIABLE).
    ///
    /// Nothing is inherited: what the daemon was started with (keys of other services among it) is
    /// none of an upstream's business. [`allowed_environment`](crate::allowed_environment) is the usual start.
    pub env: BTreeMap<String, OsString>,
    /// Where the child starts; the daemon's own directory if `None`.
    pub cwd: Option<PathBuf>,
    /// Where standard error goes. Give the same ring to a restarted child and its history goes on.
    pub stderr: StderrRing,
    /// How many bytes a second are read of it; a child that writes more waits. As many as there are if
    /// `None`: a server that logs much is slowed down by nobody.
    pub stderr_pace: Option<u32>,
    /// What the child may reach; as much as the daemon if `None`.
    pub sandbox: Option<Sandbox>,
}

impl Command {
    /// A command without arguments, with an empty environment and a ring of its own.
    pub fn new(label: impl Into<String>, program: impl Into<OsString>) -> Self {
        Self {
            label: label.into(),
            program: program.into(),
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: None,
            stderr: StderrRing::default(),
            stderr_pace: None,
            sandbox: None,
        }
    }
}

/// Shows neither arguments nor values of variables: people put keys into both.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Command")
            .field("label", &self.label)
            .field("program", &self.program)
            .field("args", &format_args!("{} not shown", self.args.len()))
            .field("env", &self.env.keys())
            .field("cwd", &self.cwd)
            .field("sandbox", &self.sandbox)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
