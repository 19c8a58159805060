//! A PostgreSQL that is there to be killed and frozen.

use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::daemon::signal;

/// How long it may take until it answers, with the repair of what was killed.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where it is, and how it is run in the foreground.
#[derive(Clone, Debug)]
pub struct Place {
    port: u16,
    program: String,
    args: Vec<String>,
}

impl Place {
    /// `None` for an empty command.
    pub fn new(port: u16, command: &[String]) -> Option<Self> {
        let (program, args) = command.split_first()?;
        Some(Self { port, program: program.clone(), args: args.to_vec() })
    }
}

pub(super) struct Postgres {
    place: Place,
    process: Child,
}

impl Postgres {
    /// # Errors
    ///
    /// Where it does not come to answer.
    pub(super) async fn start(place: &Place) -> Result<Self, String> {
        Ok(Self { place: place.clone(), process: run(place).await? })
    }

    pub(super) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.place.port)
    }

    /// The server and all its children, which are what serves connections.
    pub(super) fn processes(&self) -> Vec<u32> {
        let pid = self.process.id();
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().filter_map(|child| child.parse().ok());
        std::iter::once(pid).chain(children).collect()
    }

    /// Kills all of it at once, as a loss of power does; how many processes that were.
    ///
    /// # Errors
    ///
    /// Where the system cannot say how it ended.
    pub(super) async fn kill(&mut self) -> Result<usize, String> {
        let processes = self.processes();
        processes.iter().for_each(|pid| signal(*pid, Signal::KILL));
        self.process.wait().map_err(|error| error.to_string())?;
        Ok(processes.len())
    }

    /// Runs it again after [`Self::kill`].
    ///
    /// # Errors
    ///
    /// Where it does not come to answer.
    pub(super) async fn spawn(&mut self) -> Result<(), String> {
        self.process = run(&self.place).await?;
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            self.processes().into_iter().for_each(|pid| signal(pid, Signal::KILL));
            // Nobody is left to tell.
            let _ = self.process.wait();
        }
    }
}

/// One that ends at once is tried again: as long as a process of the last one lives, its memory is
/// taken.
async fn run(place: &Place) -> Result<Child, String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut command = Command::new(&place.program);
        command.args(&place.args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = command.spawn().map_err(|error| format!("{}: {error}", place.program))?;
        while process.try_wait().map_err(|error| error.to_string())?.is_none() {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, place.port)).is_ok() {
                return Ok(process);
            }
            if Instant::now() > deadline {
                // It may have ended this moment; either way it is waited for.
                let _ = process.kill();
                let _ = process.wait();
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
        if Instant::now() > deadline {
            return Err(format!("PostgreSQL does not answer after {PATIENCE:?}"));
        }
        sleep(Duration::from_millis(200)).await;
    }
}
