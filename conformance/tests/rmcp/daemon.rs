//! A daemon in a home of its own, with the fixture behind it once for each era.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// The upstreams: each is called as the fixture calls the era that it speaks.
pub(crate) const UPSTREAMS: &[&str] = &["legacy", "modern", "both"];

/// How long the upstreams may take to be ready.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Daemon {
    home: TempDir,
    program: PathBuf,
}

impl Daemon {
    #[track_caller]
    pub(crate) fn start() -> Self {
        let fixture = Path::new(env!("CARGO_BIN_EXE_conformance-server"));
        let program = fixture.with_file_name("switchboard");
        assert!(
            program.is_file(),
            "{} is missing: `cargo build --package switchboard` makes it",
            program.display()
        );
        let mut config = "http.port = 0\ndaemon.drain = \"1s\"\n".to_owned();
        for era in UPSTREAMS {
            let args = ["--era", era, "--stdio"];
            write!(config, "[upstream.{era}]\nstart = \"eager\"\n").unwrap();
            writeln!(config, "stdio = {{ command = {fixture:?}, args = {args:?} }}").unwrap();
        }
        let daemon = Self { home: TempDir::new().unwrap(), program };
        std::fs::write(daemon.home.path().join("config.toml"), config).unwrap();
        daemon.run(&["start"]);
        daemon.wait_until_ready();
        daemon
    }

    /// A command of the program in this home; nothing of our environment but `PATH`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let home = self.home.path();
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home)
            .env("SWITCHBOARD_CONFIG", home.join("config.toml"))
            .env("SWITCHBOARD_STATE_DIR", home.join("s"))
            .current_dir(home)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn address(&self) -> String {
        self.status()["address"].as_str().unwrap().to_owned()
    }

    pub(crate) fn key(&self) -> String {
        self.run(&["show-key", "--quiet"]).trim().to_owned()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.run(&["status", "--json"])).unwrap()
    }

    #[track_caller]
    fn wait_until_ready(&self) {
        const STEP: Duration = Duration::from_millis(50);
        let is_ready =
            |upstream: &Value| upstream["state"] == "ready" && upstream["tools"].is_number();
        let mut left = PATIENCE;
        loop {
            let status = self.status();
            if status["upstreams"].as_array().unwrap().iter().all(is_ready) {
                return;
            }
            assert!(!left.is_zero(), "the upstreams are not ready: {status}");
            thread::sleep(STEP);
            left = left.saturating_sub(STEP);
        }
    }

    /// Runs to the end; what it printed, or a panic with what it complained of.
    #[track_caller]
    fn run(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?} ended with {}: {complaint}", output.status);
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Nothing runs, or it ends; a test that failed must not leave a daemon behind.
        let _ = self.command(&["stop"]).output();
    }
}
