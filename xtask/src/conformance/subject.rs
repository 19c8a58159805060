//! What the suite is pointed at: the fixture, and the daemon with the fixture behind it.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use super::suite::{Section, TASKS};
use crate::process;
use crate::workspace::Workspace;

/// How long a daemon and its upstream may take to be ready.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which revisions the fixture speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    Both,
    Legacy,
    Modern,
}

impl Era {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Both => "both",
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }

    /// Whether the scenarios of the section have anything to find: tasks as an extension are of
    /// 2026-07-28, and a server without it does not offer them.
    pub(super) fn has(self, section: &Section) -> bool {
        self != Self::Legacy || section.name != TASKS
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Direct,
    OverHttp,
    OverStdio,
}

pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) era: Era,
    way: Way,
}

const fn subject(name: &'static str, era: Era, way: Way) -> Subject {
    Subject { name, era, way }
}

/// The first is what the others are compared with.
pub(super) const SUBJECTS: &[Subject] = &[
    subject("direct", Era::Both, Way::Direct),
    subject("http", Era::Both, Way::OverHttp),
    subject("stdio", Era::Both, Way::OverStdio),
    subject("http-legacy", Era::Legacy, Way::OverHttp),
    subject("stdio-legacy", Era::Legacy, Way::OverStdio),
    subject("http-modern", Era::Modern, Way::OverHttp),
    subject("stdio-modern", Era::Modern, Way::OverStdio),
];

/// The era of the fixture behind a subject, or `client` for the daemon as a client.
pub(super) fn era_of(column: &str) -> &'static str {
    SUBJECTS.iter().find(|subject| subject.name == column).map_or("client", |s| s.era.name())
}

/// The programs of this checkout, built.
pub(super) struct Programs(PathBuf);

impl Programs {
    pub(super) fn new(workspace: &Workspace) -> Self {
        Self(workspace.root().join("target/debug"))
    }

    fn switchboard(&self) -> PathBuf {
        self.0.join("switchboard")
    }

    fn fixture(&self) -> PathBuf {
        self.0.join("conformance-server")
    }

    /// The command line of the client; the suite appends an address, and hands it to a shell.
    pub(super) fn client(&self) -> String {
        let client = self.0.join("conformance-client");
        format!("{} {}", client.display(), self.switchboard().display())
    }
}

/// A subject that is running. It ends when this is dropped.
pub(super) struct Running {
    pub(super) address: String,
    _fixture: Option<Process>,
    daemon: Option<Daemon>,
}

impl Running {
    pub(super) fn stop(self) -> Result<()> {
        self.daemon.map_or(Ok(()), Daemon::stop)
    }
}

impl Subject {
    pub(super) fn start(&self, programs: &Programs, directory: &Path) -> Result<Running> {
        fs::create_dir_all(directory).with_context(|| format!("create {}", directory.display()))?;
        let fixture = programs.fixture();
        let mut command = Command::new(&fixture);
        command.args(["--era", self.era.name(), "--http", "0"]);
        let upstream = match self.way {
            Way::OverStdio => {
                let args = ["--era", self.era.name(), "--stdio"];
                format!("stdio = {{ command = {fixture:?}, args = {args:?} }}")
            }
            Way::OverHttp | Way::Direct => {
                let (process, address) = http_fixture(command, directory)?;
                if self.way == Way::Direct {
                    return Ok(Running { address, _fixture: Some(process), daemon: None });
                }
                let upstream = format!("http = {{ url = {address:?} }}");
                let daemon = Daemon::start(programs, &upstream, directory)?;
                let address = daemon.address()?;
                return Ok(Running { address, _fixture: Some(process), daemon: Some(daemon) });
            }
        };
        let daemon = Daemon::start(programs, &upstream, directory)?;
        Ok(Running { address: daemon.address()?, _fixture: None, daemon: Some(daemon) })
    }
}

fn http_fixture(mut command: Command, directory: &Path) -> Result<(Process, String)> {
    command.stdout(Stdio::piped()).stderr(File::create(directory.join("fixture.log"))?);
    let mut process = Process(command.spawn().context("start the fixture")?);
    let stdout = process.0.stdout.take().context("its standard output is ours")?;
    let mut address = String::new();
    BufReader::new(stdout).read_line(&mut address)?;
    Ok((process, address.trim().to_owned()))
}

struct Daemon {
    process: Process,
    home: TempDir,
    program: PathBuf,
}

impl Daemon {
    /// Starts a daemon with one upstream, whose names stay as they are, and waits for that.
    fn start(programs: &Programs, upstream: &str, directory: &Path) -> Result<Self> {
        let home = TempDir::new().context("create a home")?;
        let config = format!(
            "http.port = 0\ndaemon.drain = \"1s\"\n\
             [upstream.fixture]\nprefix = \"\"\nstart = \"eager\"\n{upstream}\n"
        );
        fs::write(home.path().join("config.toml"), config).context("configure the daemon")?;
        let program = programs.switchboard();
        let log = File::create(directory.join("daemon.log"))?;
        let mut run = command(&program, home.path(), &["run"]);
        run.stdout(log.try_clone()?).stderr(log);
        let process = Process(run.spawn().context("start the daemon")?);
        let daemon = Self { process, home, program };
        daemon.wait_until_ready()?;
        Ok(daemon)
    }

    fn status(&self) -> Result<Value> {
        let mut status = command(&self.program, self.home.path(), &["status", "--json"]);
        Ok(serde_json::from_str(&process::capture(&mut status)?)?)
    }

    fn wait_until_ready(&self) -> Result<()> {
        const STEP: Duration = Duration::from_millis(100);
        let mut left = PATIENCE;
        loop {
            let status = self.status();
            let ready = |status: &Value| {
                let upstream = &status["upstreams"][0];
                upstream["state"] == "ready" && upstream["tools"].is_number()
            };
            if status.as_ref().is_ok_and(ready) {
                return Ok(());
            }
            if left.is_zero() {
                bail!("the upstream of the daemon is not ready: {status:?}");
            }
            thread::sleep(STEP);
            left = left.saturating_sub(STEP);
        }
    }

    /// The address with the key in it: the suite has no way to send a header of ours.
    fn address(&self) -> Result<String> {
        let mut show = command(&self.program, self.home.path(), &["show-key", "--quiet"]);
        let key = process::capture(&mut show)?;
        let status = self.status()?;
        let address = status["address"].as_str().context("the daemon has an address")?;
        Ok(format!("{address}?api_key={}", key.trim()))
    }

    fn stop(mut self) -> Result<()> {
        let mut stop = command(&self.program, self.home.path(), &["stop"]);
        process::capture(&mut stop)?;
        self.process.0.wait().context("wait for the daemon")?;
        Ok(())
    }
}

/// A command in a home of its own; nothing of our environment but `PATH`.
fn command(program: &Path, home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("SWITCHBOARD_CONFIG", home.join("config.toml"))
        .env("SWITCHBOARD_STATE_DIR", home.join("s"))
        .stdin(Stdio::null());
    command
}

/// A process that ends with us.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
