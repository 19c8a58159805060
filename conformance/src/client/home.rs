//! A temporary home with a daemon in it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

/// What the suite's server is called in the configuration.
pub(crate) const UPSTREAM: &str = "suite";

pub(crate) struct Home {
    directory: TempDir,
    program: PathBuf,
}

impl Home {
    /// A home whose daemon has the server at `url` as its only upstream, and logs in there with the
    /// settings of `oauth`, if there are any.
    pub(crate) fn new(program: PathBuf, url: &str, oauth: Option<&str>) -> Result<Self> {
        let directory = TempDir::new().context("create a home")?;
        let oauth = oauth.map_or_else(String::new, |oauth| format!(", oauth = {{ {oauth} }}"));
        // A call that hangs must not keep the daemon, and the suite, for the usual drain.
        let config = format!(
            "http.port = 0\ndaemon.drain = \"1s\"\n\
             [upstream.{UPSTREAM}]\nprefix = \"\"\nhttp = {{ url = {url:?}{oauth} }}\n"
        );
        std::fs::write(directory.path().join("config.toml"), config).context("configure")?;
        Ok(Self { directory, program })
    }

    /// A command of the program in this home; nothing of our environment but `PATH`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let home = self.directory.path();
        let mut command = Command::new(&self.program);
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

    pub(crate) fn run(&self, arguments: &[&str]) -> Result<()> {
        let output = self.command(arguments).output().context("start the program")?;
        if !output.status.success() {
            bail!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Its log is what explains a scenario that failed, and the suite keeps what we print.
        let log =
            self.command(&["logs"]).stdout(Stdio::inherit()).stderr(Stdio::inherit()).status();
        // Nothing runs, or it ends; a visit that failed must not leave a daemon behind.
        let stop = self.run(&["stop"]);
        let _ = (log, stop);
    }
}
