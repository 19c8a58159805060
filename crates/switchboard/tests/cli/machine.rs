//! A machine with nothing on it but the program.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_switchboard");

/// A home directory of its own; daemons that were started in it end with it.
pub(crate) struct Machine {
    home: TempDir,
}

/// What a command said; the home directory reads `~`.
pub(crate) struct Said {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a home directory") }
    }

    /// One whose configuration has the demonstration server, and any free port.
    pub(crate) fn with_demo() -> Self {
        let machine = Self::new();
        machine.configure(&format!(
            "[http]\nport = 0\n[upstream.demo]\nstdio = {{ command = {PROGRAM:?}, args = [\"demo\"] }}"
        ));
        machine
    }

    pub(crate) fn configure(&self, text: &str) {
        let directory = self.home.path().join(".config/switchboard");
        fs::create_dir_all(&directory).expect("make a directory");
        fs::write(directory.join("config.toml"), text).expect("write the configuration");
    }

    /// Runs `switchboard` with these words, in the home directory.
    pub(crate) fn type_in(&self, words: &str) -> Said {
        self.said(self.command(words).output())
    }

    pub(crate) fn type_in_without_home(&self, words: &str) -> Said {
        self.said(self.command(words).env_remove("HOME").output())
    }

    /// Starts `switchboard` with a pipe to talk through.
    pub(crate) fn spawn(&self, words: &str) -> Child {
        let mut command = self.command(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts")
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.home.path().join(path)).expect("read a file")
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.home.path().join(path).exists()
    }

    fn command(&self, words: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(words.split_whitespace()).current_dir(self.home.path());
        command.env_clear().env("HOME", self.home.path()).env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null());
        command
    }

    fn said(&self, output: std::io::Result<Output>) -> Said {
        let Output { status, stdout, stderr } = output.expect("the program starts");
        let home: PathBuf = self.home.path().to_owned();
        let text = |bytes: Vec<u8>| {
            let text = String::from_utf8(bytes).expect("what is printed is text");
            text.replace(home.to_str().expect("a plain path"), "~")
        };
        let exit = status.code().expect("the program ends by itself");
        Said { exit, stdout: text(stdout), stderr: text(stderr) }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Where none runs, there is nothing to stop.
        let _ = self.command("stop --timeout 20").output();
    }
}
