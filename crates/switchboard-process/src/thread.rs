//! The one thread that starts processes.
//!
//! Linux ties the parent-death signal to the *thread* that forked (PR_SET_PDEATHSIG(2const)): children
//! started from a worker of tokio would be killed whenever tokio lets that worker go. So one thread of
//! our own starts them all, and lives as long as anybody can hold a child: it ends when the last sender
//! of its channel is dropped, and each owner task has one.
//!
//! It is the only writer of the ledger as well, because a child is written down before it is started.

use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, Stdio};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::sync::{mpsc, oneshot};

use crate::ledger::{Ledger, ProcessName};
use crate::marker::{ChildId, OwnerId, variables};
use crate::process::Process;
use crate::sandbox::{Passage, Prepared};
use crate::{Command, GuardCommand, SpawnError, leader, lookup, prepare};

/// What the thread is told to do.
#[derive(Debug)]
pub(crate) enum Order {
    Start {
        command: Box<Command>,
        reply: oneshot::Sender<Result<Started, SpawnError>>,
    },
    StartGuard {
        command: GuardCommand,
        reply: oneshot::Sender<io::Result<GuardProcess>>,
    },
    Forget {
        id: ChildId,
    },
    /// Closes the ledger and answers with the labels that are still in it.
    Finish {
        reply: oneshot::Sender<Vec<String>>,
    },
}

/// A child that runs, and has no owner yet.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) id: ChildId,
    pub(crate) pid: Pid,
    pub(crate) started: u64,
    /// Our ends of standard input, output and error.
    pub(crate) pipes: [OwnedFd; 3],
    /// Where the child is reached that has one port and no network.
    pub(crate) passage: Option<Passage>,
}

/// The guard, and the pipe whose end tells it that we are gone.
#[derive(Debug)]
pub(crate) struct GuardProcess {
    pub(crate) pid: Pid,
    pub(crate) stdin: ChildStdin,
}

/// What the thread knows.
pub(crate) struct SpawnThread {
    pub(crate) owner: OwnerId,
    pub(crate) ledger: Ledger,
    pub(crate) children_started: u64,
}

impl SpawnThread {
    /// Obeys until nobody can give an order any more.
    pub(crate) fn run(mut self, mut orders: mpsc::Receiver<Order>) {
        while let Some(order) = orders.blocking_recv() {
            match order {
                Order::Start { command, reply } => {
                    if let Err(Ok(unwanted)) = reply.send(self.start(&command)) {
                        self.abandon(&unwanted);
                    }
                }
                Order::StartGuard { command, reply } => {
                    // Nobody there: the pipe closes, and the guard sees that there is nothing to do.
                    let _ = reply.send(self.start_guard(&command));
                }
                Order::Forget { id } => self.ledger.forget(&id),
                Order::Finish { reply } => {
                    self.ledger.close();
                    // Who stopped waiting for the answer does without.
                    let _ = reply.send(self.ledger.labels());
                }
            }
        }
        self.ledger.close();
    }

    fn start(&mut self, command: &Command) -> Result<Started, SpawnError> {
        check_words(command)?;
        if let Some(cwd) = &command.cwd {
            lookup::check_directory(cwd)?;
        }
        let program = lookup::find_program(command)?;

        self.children_started += 1;
        let id = self.owner.child(self.children_started);
        let not_recorded = |cause| SpawnError::NotRecorded { label: command.label.clone(), cause };
        self.ledger.announce(&id, &command.label).map_err(not_recorded)?;
        let started =
            self.fork(command, &program, id.clone()).inspect_err(|_| self.ledger.forget(&id))?;
        let pid = started.pid.as_raw_nonzero().get();
        let process = ProcessName { pid, started: started.started, group: pid };
        match self.ledger.record(&id, process) {
            Ok(()) => Ok(started),
            Err(cause) => {
                self.abandon(&started);
                Err(not_recorded(cause))
            }
        }
    }

    fn fork(
        &mut self,
        command: &Command,
        program: &Path,
        id: ChildId,
    ) -> Result<Started, SpawnError> {
        let mut prepared = std::process::Command::new(program);
        prepared
            .arg0(&command.program)
            .args(&command.args)
            .env_clear()
            .envs(&command.env)
            .envs(variables(&self.owner, &id))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(cwd) = &command.cwd {
            prepared.current_dir(cwd);
        }
        let sandbox = command.sandbox.as_ref();
        let mut sandbox = sandbox.map(|it| Prepared::new(it, program)).transpose()?;
        let doorway = sandbox.as_mut().and_then(Prepared::doorway);
        prepare::child(&mut prepared, sandbox);
        let mut child = prepared.spawn().map_err(|cause| spawn_error(program, cause))?;
        let pid = Pid::from_child(&child);
        let (stdin, stdout, stderr) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            unreachable!("all three were asked for");
        };
        // It cannot be reaped by anybody else, so it is found, be it dead already.
        let started = Process::find(pid).map_or(0, |process| process.started);
        let pipes = [stdin.into(), stdout.into(), stderr.into()];
        let mut started = Started { id, pid, started, pipes, passage: None };
        match doorway.map(|doorway| doorway.passage()).transpose() {
            Ok(passage) => started.passage = passage,
            Err(cause) => {
                self.abandon(&started);
                return Err(SpawnError::Refused { program: program.to_owned(), cause });
            }
        }
        Ok(started)
    }

    fn start_guard(&self, command: &GuardCommand) -> io::Result<GuardProcess> {
        let mut prepared = std::process::Command::new(&command.program);
        prepared
            .args(&command.args)
            // Without our marker it cannot take itself for one of those it has to end.
            .env_clear()
            // It outlives us, and must not keep a file system from being unmounted.
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        prepare::guard(&mut prepared);
        let mut guard = prepared.spawn()?;
        let pid = Pid::from_child(&guard);
        let mut stdin = guard.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
        // A line of this length never fills a pipe. Should the guard be dead already, its keeper notices.
        let _ = writeln!(stdin, "{}", self.owner.as_str());
        Ok(GuardProcess { pid, stdin })
    }

    /// Ends a child that nobody will own, before it has done anything worth waiting for.
    fn abandon(&mut self, unwanted: &Started) {
        if let Err(error) = kill_process_group(unwanted.pid, Signal::KILL) {
            tracing::error!(pid = unwanted.pid.as_raw_nonzero(), %error, "unwanted child was not killed");
            return;
        }
        if let Err(error) =
            rustix::process::waitpid(Some(unwanted.pid), rustix::process::WaitOptions::empty())
        {
            tracing::debug!(pid = unwanted.pid.as_raw_nonzero(), %error, "unwanted child was not awaited");
        }
        leader::reap(unwanted.pid);
        self.ledger.forget(&unwanted.id);
    }
}

/// Refuses what `exec` has no way to express (execve(2): strings end at the first zero byte).
fn check_words(command: &Command) -> Result<(), SpawnError> {
    let has_zero = |word: &OsStr| word.as_encoded_bytes().contains(&0);
    let invalid = |what: String| Err(SpawnError::Invalid { what });
    if command.program.is_empty() || has_zero(&command.program) {
        return invalid("the name of the program".to_owned());
    }
    if let Some(index) = command.args.iter().position(|word| has_zero(word)) {
        return invalid(format!("argument {}", index + 1));
    }
    for (name, value) in &command.env {
        if name.is_empty() || name.contains(['=', '\0']) || has_zero(value) {
            return invalid(format!("environment variable {name:?}"));
        }
    }
    Ok(())
}

/// Tells a file that will never run from a system that is short of something now.
fn spawn_error(program: &Path, cause: io::Error) -> SpawnError {
    if let Some(error) = Prepared::failure(&cause) {
        return error;
    }
    let program = program.to_owned();
    match cause.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(
            rustix::io::Errno::NOENT
            | rustix::io::Errno::NOEXEC
            | rustix::io::Errno::ACCESS
            | rustix::io::Errno::PERM
            | rustix::io::Errno::TOOBIG,
        ) => SpawnError::NotExecutable { program, cause },
        #[cfg(target_os = "linux")]
        Some(rustix::io::Errno::LIBBAD) => SpawnError::NotExecutable { program, cause },
        _ => SpawnError::Refused { program, cause },
    }
}
