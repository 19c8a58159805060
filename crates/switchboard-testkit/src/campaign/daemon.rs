//! A daemon in a home of its own that can be killed and started again at the same address.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::census::Census;
use crate::client::{Carrier, Target};
use crate::faulty::{Plan, VARIABLE};

/// Marks the children of one campaign, whatever becomes of their daemon.
pub const MARK: &str = "SWITCHBOARD_CAMPAIGN";

/// How a program is called that serves a [`Plan`] from its environment.
#[derive(Clone, Debug)]
pub struct Server {
    pub command: String,
    pub args: Vec<String>,
}

impl Server {
    /// The running program itself.
    pub fn this() -> Self {
        let command = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
        Self { command, args: Vec::new() }
    }

    /// The table of an upstream that is a child; `more` are further lines of it.
    pub fn stdio(&self, name: &str, plan: &Plan, mark: &str, more: &str) -> String {
        let Self { command, args } = self;
        format!(
            "[upstream.{name}]\nstdio = {{ command = {command:?}, args = {args:?}, \
             env = {{ {VARIABLE} = {:?}, {MARK} = {mark:?} }} }}\n{more}\n",
            plan.to_string(),
        )
    }
}

pub struct Daemon {
    root: tempfile::TempDir,
    program: PathBuf,
    port: u16,
    key: String,
    /// Whether its wall clock can be moved.
    has_own_clock: bool,
}

/// Where Debian has the library that gives one process a wall clock of its own (libfaketime).
const CLOCKS: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

impl Daemon {
    /// A home without a running daemon, whose port is free at this moment.
    pub fn new(program: &Path) -> Self {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("s")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let program = program.to_owned();
        Self { root, program, port, key: String::new(), has_own_clock: false }
    }

    /// Gives it a wall clock of its own from its next start on; false where the library for that is
    /// not installed.
    pub fn with_own_clock(&mut self) -> bool {
        self.has_own_clock = own_clock().is_some();
        if self.has_own_clock {
            self.move_clock("+0");
        }
        self.has_own_clock
    }

    /// Moves its wall clock: `+1d`, `-3600`.
    pub fn move_clock(&self, by: &str) {
        std::fs::write(self.root.path().join("clock"), by).unwrap();
    }

    /// What the children of this campaign carry.
    pub fn mark(&self) -> &str {
        self.root.path().to_str().unwrap()
    }

    pub fn state(&self) -> PathBuf {
        self.root.path().join("s")
    }

    pub fn configure(&self, config: &str) {
        let mut text = String::new();
        writeln!(text, "http.port = {}\n{config}", self.port).unwrap();
        std::fs::write(self.root.path().join("config.toml"), text).unwrap();
    }

    /// Runs a command of the program; what it printed, or what it complained of.
    ///
    /// # Errors
    ///
    /// Everything that it said.
    pub fn run(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.program);
        command.args(args).env_clear().env("HOME", self.root.path()).stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("SWITCHBOARD_CONFIG", self.root.path().join("config.toml"));
        command.env("SWITCHBOARD_STATE_DIR", self.state());
        if let Some(library) = own_clock().filter(|_| self.has_own_clock) {
            command.env("LD_PRELOAD", library);
            command.env("FAKETIME_TIMESTAMP_FILE", self.root.path().join("clock"));
            command.env("FAKETIME_CACHE_DURATION", "1");
            // What waits does so by the clock that nobody sets.
            command.env("DONT_FAKE_MONOTONIC", "1");
        }
        let output = command.output().map_err(|error| error.to_string())?;
        let [said, complained] =
            [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
        if output.status.success() {
            return Ok(said);
        }
        Err(format!("`switchboard {}`: {}: {said}{complained}", args.join(" "), output.status))
    }

    /// # Errors
    ///
    /// Where it does not start.
    pub fn start(&mut self) -> Result<(), String> {
        self.run(&["start"])?;
        self.key = self.run(&["show-key", "--quiet"])?.trim().to_owned();
        Ok(())
    }

    /// # Errors
    ///
    /// Where there is none that answers.
    pub fn status(&self) -> Result<Value, String> {
        serde_json::from_str(&self.run(&["status", "--json"])?).map_err(|error| error.to_string())
    }

    /// The process of the daemon that answers.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn pid(&self) -> Result<u32, String> {
        let pid = self.status()?["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
        pid.ok_or_else(|| "the status names no process".to_owned())
    }

    pub fn census(&self) -> Census {
        Census::take(self.mark(), &self.state().join("default/children"))
    }

    pub fn target(&self, listener: Carrier) -> Target {
        let address = |scheme: &str, path: &str| Target::Address {
            url: format!("{scheme}://127.0.0.1:{}/{path}", self.port),
            key: Some(self.key.clone()),
        };
        match listener {
            Carrier::Http => address("http", "mcp"),
            Carrier::Sse => address("http", "sse"),
            Carrier::WebSocket => address("ws", "ws"),
            Carrier::Unix | Carrier::Stdio => Target::Socket(self.state().join("default/mcp.sock")),
        }
    }

    /// The end of its log, for the report of a failure.
    pub fn log(&self) -> String {
        let text = std::fs::read(self.state().join("default/daemon.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text[text.len().saturating_sub(6_000)..]).into_owned();
        text.split_once('\n').map_or(text.clone(), |(_, rest)| rest.to_owned())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may be gone already, or never have run.
        let _ = self.run(&["stop"]);
    }
}

/// Signals a process that the campaign started, or its daemon.
pub(super) fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

/// Waits until something is so; false where it takes longer than `limit`.
pub(super) async fn within(limit: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = tokio::time::Instant::now() + limit;
    loop {
        if is_so() {
            return true;
        }
        if tokio::time::Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn own_clock() -> Option<&'static str> {
    CLOCKS.into_iter().find(|library| Path::new(library).exists())
}
