//! Servers that are child processes: one message per line on standard input and output.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::Secret;
use switchboard_mcp::Lines;
use switchboard_process::{Child, Command, Spawner, StderrRing};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio_util::task::TaskTracker;

use crate::duplex::{Carrier, Duplex};
use crate::home;
use crate::outbox::Outbox;
use crate::two_way::TwoWay;
use crate::unasked::Unasked;

/// A program that is started and spoken to over its standard input and output.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StdioConfig {
    /// The program: a path, or a name that is looked up on `PATH`. `~/` is the home directory.
    pub command: String,
    /// Its arguments, exactly as given: no shell looks at them.
    #[serde(default)]
    pub args: Vec<Secret>,
    /// Variables it gets beside the few that every child gets (`HOME`, `PATH`, locale, proxies).
    #[serde(default)]
    pub env: BTreeMap<String, Secret>,
    /// The directory it starts in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
}

/// What starting a child needs beside its configuration.
pub(crate) struct Launch<'a> {
    pub name: &'a Arc<str>,
    pub spawner: &'a Spawner,
    pub environment: &'a BTreeMap<String, OsString>,
    pub stderr: &'a StderrRing,
    pub in_flight: usize,
    pub tasks: &'a TaskTracker,
}

/// The longest line a server may send. Tools answer with images and files in base64; 64 MiB holds
/// what clients accept and keeps a server that prints without end from filling our memory.
const LINE_LIMIT: usize = 64 << 20;

/// How long a child has to end by itself: the SDKs' servers end at once when input closes.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// How long the exit of a child that closed its output is waited for, to tell why.
const EXIT_WAIT: Duration = Duration::from_millis(500);

/// Lines that are no messages which are logged before we only count: a server that logs to the
/// wrong stream does it all the time.
const GARBAGE_LOGGED: u32 = 5;

pub(crate) struct StdioLink {
    link: Arc<Duplex<Outbox>>,
    child: Mutex<Option<Child>>,
    pid: u32,
}

impl StdioConfig {
    pub(crate) async fn open(
        &self,
        launch: Launch<'_>,
        unasked: Arc<Unasked>,
    ) -> Result<StdioLink, String> {
        let child = launch.spawner.spawn(self.command(&launch)).await;
        let mut child = child.map_err(|error| {
            let cause = std::error::Error::source(&error).map(|c| format!(": {c}"));
            format!("{error}{}; {}", cause.unwrap_or_default(), error.hint())
        })?;
        let stdin = child.take_stdin().expect("not taken before");
        let stdout = child.take_stdout().expect("not taken before");
        let (exited, pid) = (child.exited(), child.pid());
        let name = Arc::clone(launch.name);
        let link = Duplex::new(Arc::clone(&name), Outbox::new(stdin), launch.in_flight, unasked);
        launch.tasks.spawn({
            let link = Arc::clone(&link);
            async move {
                tokio::select! {
                    () = link.carrier.flush() => {}
                    _ = link.lost() => return,
                }
                // Mostly the child is dying, and why is found out where its output is read. One
                // that only closed its input is as good as gone.
                if tokio::time::timeout(2 * EXIT_WAIT, link.lost()).await.is_err() {
                    link.end("the server closed its input".to_owned(), link.carrier.taken());
                }
            }
        });
        launch.tasks.spawn({
            let link = Arc::clone(&link);
            async move {
                let read = read(&name, &link, stdout).await;
                // Whoever asked already is told why in a moment.
                let bereft = link.stop_asking();
                // What the exit says is more than that the pipe closed; a child that only closed
                // its output is as good as gone.
                match tokio::time::timeout(EXIT_WAIT, exited).await {
                    Ok(exit) => link.end(format!("the server {exit}"), link.carrier.taken()),
                    Err(_) => link.end(read, None),
                }
                drop(bereft);
            }
        });
        Ok(StdioLink { link, child: Mutex::new(Some(child)), pid })
    }

    fn command(&self, launch: &Launch<'_>) -> Command {
        let program = home::expand(&self.command, launch.environment);
        let mut command = Command::new(&**launch.name, program);
        command.args = self.args.iter().map(|arg| arg.expose().into()).collect();
        command.env = launch.environment.clone();
        command.env.extend(self.env.iter().map(|(k, v)| (k.clone(), v.expose().into())));
        command.cwd = self
            .cwd
            .as_ref()
            .map(|cwd| home::expand(&cwd.to_string_lossy(), launch.environment).into());
        command.stderr = launch.stderr.clone();
        command
    }
}

/// Hands over what the server says, until it says no more; the reason.
pub(crate) async fn read<C: Carrier + 'static>(
    name: &str,
    link: &Arc<Duplex<C>>,
    mut stdout: impl AsyncRead + Unpin,
) -> String {
    let mut lines = Lines::new(LINE_LIMIT);
    let mut garbage = 0_u32;
    loop {
        match stdout.read_buf(lines.space()).await {
            Ok(0) => {
                // The last words of some servers have no line end.
                if let Some(rest) = lines.finish() {
                    let _ = link.receive(&rest);
                }
                return "the server closed its output".to_owned();
            }
            Ok(_) => {}
            Err(error) => return format!("reading from the server failed: {error}"),
        }
        while let Some(line) = lines.next_line() {
            let outcome =
                line.map_err(|error| link.overlong(&error)).and_then(|line| link.receive(&line));
            if let Err(cause) = outcome {
                garbage += 1;
                if garbage <= GARBAGE_LOGGED {
                    tracing::warn!(
                        upstream = name,
                        cause,
                        "the server printed something that is no message"
                    );
                }
            }
        }
    }
}

#[async_trait]
impl TwoWay for StdioLink {
    type Carrier = Outbox;

    fn duplex(&self) -> &Duplex<Outbox> {
        &self.link
    }

    async fn close(&self) {
        self.link.end("the server was stopped".to_owned(), None);
        let child = self.child.lock().expect("no one panics holding it").take();
        if let Some(child) = child {
            child.stop(STOP_GRACE).await;
        }
    }

    fn pid(&self) -> Option<u32> {
        Some(self.pid)
    }
}
