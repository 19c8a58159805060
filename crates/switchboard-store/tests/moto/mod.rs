//! A server that stands for DynamoDB and S3: real requests over HTTP, and no account.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc;
use std::time::Duration;

/// Only a bug reaches it: moto is up after some two seconds on a machine with nothing else to do.
const PATIENCE: Duration = Duration::from_secs(60);

/// What every request is signed with; moto does not look.
pub(crate) const KEY: (&str, &str) = ("AKIAIOSFODNN7EXAMPLE", "not-a-secret");
pub(crate) const REGION: &str = "eu-central-1";

/// The address of the server that all tests of this binary share; they keep apart by the names
/// of tables and buckets. It ends when this process does, which closes its standard input.
pub(crate) fn endpoint() -> &'static str {
    static ENDPOINT: OnceLock<String> = OnceLock::new();
    ENDPOINT.get_or_init(|| format!("http://127.0.0.1:{}", start()))
}

fn start() -> u16 {
    let peers = std::env::var_os("SWITCHBOARD_PEERS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers"),
        PathBuf::from,
    );
    let python = peers.join("moto/bin/python");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/moto/serve.py");
    let mut child = Command::new(&python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{}: {error}; `cargo xtask setup` installs it", python.display())
        });
    let stdout = child.stdout.take().unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let _ = BufReader::new(stdout).read_line(&mut line);
        let _ = sender.send(line);
    });
    let line = receiver.recv_timeout(PATIENCE);
    let port = line.ok().and_then(|line| line.trim().parse().ok());
    let Some(port) = port else {
        child.kill().unwrap();
        child.wait().unwrap();
        panic!("moto did not say where it listens");
    };
    // Keeps our end of its standard input open as long as this process is there, and no longer.
    static CHILD: OnceLock<std::process::Child> = OnceLock::new();
    CHILD.set(child).unwrap();
    port
}
