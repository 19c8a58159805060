//! One worker process, and the way to it.

use switchboard_mcp::{Json, Lines};
use switchboard_process::{Child, Command, Spawner};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::pipe;
use tokio::time::Instant;

use super::wire::Reply;
use crate::manifest::Limits;
use crate::runtime::Failure;

/// Dropping it ends the process, with all that it started.
pub(super) struct Worker {
    child: Child,
    stdin: pipe::Sender,
    stdout: pipe::Receiver,
    lines: Lines,
    output: usize,
    /// Those that it has had.
    pub(super) calls: u32,
    /// The most memory that it has had, in bytes.
    pub(super) memory: u64,
    pub(super) last_used: Instant,
    /// What it may write to, which goes after it.
    _scratch: Option<TempDir>,
}

/// What a line has beside a result.
const FRAME: usize = 1 << 10;

impl Worker {
    pub(super) async fn start(
        spawner: &Spawner,
        command: Command,
        limits: &Limits,
    ) -> Result<Self, Failure> {
        let mut child = spawner.spawn(command).await.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
            let cause = cause.unwrap_or_default();
            Failure::NotStarted(format!("{error}{cause}; {}", error.hint()))
        })?;
        let output = limits.output.as_usize();
        Ok(Self {
            stdin: child.take_stdin().expect("not taken before"),
            stdout: child.take_stdout().expect("not taken before"),
            child,
            lines: Lines::new(output + FRAME),
            output,
            calls: 0,
            memory: 0,
            last_used: Instant::now(),
            _scratch: None,
        })
    }

    /// The same with a directory that goes with it.
    pub(super) fn with(self, scratch: TempDir) -> Self {
        Self { _scratch: Some(scratch), ..self }
    }

    /// Whether it has not ended yet, as far as is known.
    pub(super) fn lives(&self) -> bool {
        use futures_util::FutureExt as _;
        std::pin::pin!(self.child.exited()).now_or_never().is_none()
    }

    /// Says something and waits for the answer; `progress` hears what comes before it.
    pub(super) async fn ask(
        &mut self,
        line: &[u8],
        progress: &(dyn Fn(Json) + Send + Sync),
    ) -> Result<Reply, Failure> {
        // One that ends while it is told says why by how it ends.
        let told = self.stdin.write_all(line).await;
        if told.is_err() {
            return Err(self.ended().await);
        }
        loop {
            match Reply::read(&self.line().await?)? {
                Reply::Progress(report) => progress(report),
                reply => return Ok(reply),
            }
        }
    }

    pub(super) async fn line(&mut self) -> Result<Json, Failure> {
        loop {
            if let Some(line) = self.lines.next_line() {
                let line = line.map_err(|_| Failure::TooLong(self.output))?;
                let parsed = Json::parse(line);
                return parsed.map_err(|_| Failure::Died("broke the protocol".to_owned()));
            }
            match self.stdout.read_buf(self.lines.space()).await {
                Ok(0) | Err(_) => return Err(self.ended().await),
                Ok(_) => {}
            }
        }
    }

    /// Why it is gone.
    async fn ended(&self) -> Failure {
        // It closed its output, and mostly ends right after.
        let exited = tokio::time::timeout(EXIT_WAIT, self.child.exited()).await;
        Failure::Died(
            exited.map_or_else(|_| "closed its output".to_owned(), |exit| exit.to_string()),
        )
    }
}

/// How long the exit of a worker that closed its output is waited for, to tell why.
const EXIT_WAIT: std::time::Duration = std::time::Duration::from_millis(500);
