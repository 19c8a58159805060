//! Starts a daemon that outlives us, and waits for what becomes of it.
//!
//! The daemon is `switchboard run --detached`: a process whose standard output is a pipe to us. It
//! writes one line there, a [`Report`], and then lets go of both pipes. Until then its standard
//! error is kept, so that a daemon which dies without a report can still say why.
//!
//! It leaves our session by itself (`setsid`), as the first thing it does: a process may do that to
//! itself only, and between fork and exec nothing but unsafe code can run.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::control::Problem;

/// How to start the daemon.
#[derive(Clone, Debug)]
pub struct Launch {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// Where it runs, and so where servers without a `cwd` run.
    pub directory: PathBuf,
    /// Variables that it gets beside ours.
    pub variables: Vec<(String, OsString)>,
    /// Variables of ours that it does not get: a daemon started from within a child of another
    /// daemon must not be taken for that child.
    pub removed: &'static [&'static str],
    /// How long it may take until it is ready.
    pub limit: Duration,
    /// What becomes of its standard error.
    pub stderr: Stderr,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stderr {
    /// A pipe to us, so that a daemon without a report can still say why.
    Kept,
    /// It is ours: a service manager reads it.
    Shared,
}

/// The one line a detached daemon writes.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// It answers.
    Ready(Ready),
    /// It could not start, and is gone.
    Failed(Failed),
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Ready {
    pub address: String,
    pub pid: u32,
}

#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Failed {
    #[serde(flatten)]
    pub problem: Problem,
    #[serde(default)]
    pub mistakes: Vec<Mistake>,
    /// The exit code of the daemon.
    pub exit: u8,
}

/// One mistake of a configuration.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Mistake {
    pub code: String,
    pub message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// All of it in several lines for a terminal, with the excerpt.
    pub text: String,
    /// The same with colours.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub coloured: String,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum DetachError {
    #[error("cannot run `{program}`")]
    Spawn {
        program: PathBuf,
        #[source]
        cause: io::Error,
    },
    /// It ended without a report.
    #[error("the daemon ended at once ({status})")]
    Crashed {
        status: ExitStatus,
        /// The end of what it wrote to standard error.
        last_words: String,
    },
    /// It lives and is not ready. It was left running, because what it does may just take longer.
    #[error("the daemon is not ready after {} s", .limit.as_secs_f32())]
    Slow { pid: Option<u32>, limit: Duration },
    #[error("the daemon's report cannot be read")]
    Report(#[source] io::Error),
}

/// As much of standard error as is kept: some thirty lines, the last of which say why.
const LAST_WORDS: usize = 4 * 1024;

/// The longest report: a configuration with very many mistakes.
const REPORT_LIMIT: u64 = 1024 * 1024;

/// How long a process that has closed standard output may take to end.
const EXIT_LIMIT: Duration = Duration::from_secs(2);

/// Starts the daemon and returns its report.
///
/// # Errors
///
/// [`DetachError`] when it gave none.
pub async fn detach(launch: &Launch) -> Result<Report, DetachError> {
    let mut command = Command::new(&launch.program);
    command
        .args(&launch.args)
        .current_dir(&launch.directory)
        .envs(launch.variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(match launch.stderr {
            Stderr::Kept => Stdio::piped(),
            Stderr::Shared => Stdio::inherit(),
        });
    for name in launch.removed {
        command.env_remove(name);
    }
    let child = command.spawn();
    let mut child =
        child.map_err(|cause| DetachError::Spawn { program: launch.program.clone(), cause })?;
    let report = timeout(launch.limit, report(&mut child)).await;
    report.unwrap_or(Err(DetachError::Slow { pid: child.id(), limit: launch.limit }))
}

async fn report(child: &mut Child) -> Result<Report, DetachError> {
    let stdout = child.stdout.take().expect("standard output is piped");
    let stderr = child.stderr.take();
    let mut line = Vec::new();
    let mut last_words = Vec::new();
    let mut stdout = BufReader::new(stdout.take(REPORT_LIMIT));
    {
        let read = stdout.read_until(b'\n', &mut line);
        let listen = keep_last_words(stderr, &mut last_words);
        tokio::pin!(read, listen);
        let mut is_silent = false;
        let read = tokio::select! {
            read = &mut read => read,
            // Nothing more to hear; the report may still be on its way.
            () = &mut listen => {
                is_silent = true;
                read.as_mut().await
            }
        };
        let read = read.map_err(DetachError::Report)?;
        if read == 0 && !is_silent {
            // What it said last may still be in the pipe.
            let _ = timeout(EXIT_LIMIT, listen).await;
        }
    }
    if line.is_empty() {
        let status = timeout(EXIT_LIMIT, child.wait()).await;
        let status = status.map_err(|_| io::ErrorKind::TimedOut.into()).flatten();
        let status = status.map_err(DetachError::Report)?;
        let last_words = String::from_utf8_lossy(&last_words).trim().to_owned();
        return Err(DetachError::Crashed { status, last_words });
    }
    serde_json::from_slice(&line).map_err(|error| DetachError::Report(error.into()))
}

/// Reads to the end and keeps the last part.
async fn keep_last_words(stderr: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stderr) = stderr else { return };
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        kept.extend_from_slice(&buffer[..read]);
        let excess = kept.len().saturating_sub(LAST_WORDS);
        kept.drain(..excess);
    }
}

#[cfg(test)]
mod tests;
